// The course of a response: what of a backend's answer reaches the caller.
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agw/gateway/response_course.h"

#include "support/gateway_world.h"

namespace agw::gateway {
namespace {

using test::GatewayWorld;
using testing::HasSubstr;
using testing::Not;
using Step = ResponseCourse::Step;

constexpr std::string_view json = "application/json";
constexpr std::string_view events = "text/event-stream";

/// mira and docs may see ticket.read and ticket.write, and not secret.read; nothing else has a name here.
struct Answering : GatewayWorld {
  explicit Answering(const std::string& method = "tools/list", bool modern = false) {
    authorize(token());
    if (method == "tools/call") {
      tool("ticket.read");
      return;
    }
    request.fields.add("Content-Type", "application/json");
    std::string params = "{}";
    if (modern) {
      request.fields.add("MCP-Protocol-Version", "2026-07-28");
      request.fields.add("Mcp-Method", method);
      params = R"({"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",)"
               R"("io.modelcontextprotocol/clientCapabilities":{}}})";
    }
    request.content = R"({"jsonrpc":"2.0","id":7,"method":")" + method + R"(","params":)" + params + "}";
  }
  void stream() {
    request = {};
    authorize(token());
    request.verb = "GET";
  }
  void answer_begins(std::string_view type = json, int status = 200, bool encoded = false) {
    ASSERT_FALSE(call());
    auto made = gateway.respond(*under_way, {status, type, encoded});
    refusal.reset();
    course.reset();
    if (made)
      course = *std::move(made);
    else
      refusal = made.error();
  }
  /// Piece by piece; what reaches the client of it, and whether the answer was refused.
  std::string pass(const std::string& body, std::size_t piece = 1U << 20) {
    std::string out;
    last = Step::unchanged;
    for (std::size_t at = 0; at < body.size() && last != Step::refused; at += piece) {
      const auto bytes = std::string_view(body).substr(at, piece);
      last = course->feed(bytes, out);
      if (last == Step::unchanged) out += bytes;
    }
    if (last == Step::refused) return out;
    last = course->end(out);
    return out;
  }
  std::string whole(const std::string& body, std::string_view type = json) {
    answer_begins(type);
    return course == nullptr ? "passes" : pass(body);
  }

  std::unique_ptr<ResponseCourse> course;
  std::optional<Reason> refusal;
  Step last = Step::unchanged;
};

std::string tool(const std::string& name) { return R"({"name":")" + name + R"(","inputSchema":{"type":"object"}})"; }
std::string listed(const std::string& items, const std::string& more = "") {
  return R"({"jsonrpc":"2.0","id":7,"result":{"tools":[)" + items + "]" + more + "}}";
}
std::string event(const std::string& data) { return "event: message\nid: 1\ndata: " + data + "\n\n"; }

const std::string some = tool("ticket.read") + "," + tool("secret.read") + "," + tool("ticket.write") + "," + tool("x");
const std::string seen = tool("ticket.read") + "," + tool("ticket.write");

TEST(Response, a_list_shows_what_its_caller_may_use) {
  Answering world;
  EXPECT_EQ(world.whole(listed(some, R"(,"nextCursor":"2")")), listed(seen, R"(,"nextCursor":"2")"));
  const auto lines = world.finish(200);
  EXPECT_THAT(lines.back(), HasSubstr(R"("items":{"shown":2,"hidden":2})"));
  EXPECT_EQ(world.metrics.value("agent_list_items_total{result=\"hidden\"}"), 2U);
}

TEST(Response, an_emptied_page_keeps_its_cursor) {
  Answering world;
  EXPECT_EQ(world.whole(listed(tool("secret.read"), R"(,"nextCursor":"3")")), listed("", R"(,"nextCursor":"3")"));
}

TEST(Response, whatever_the_pieces) {
  const std::string stream = ": ping\n\n" + event("") +
                             event(R"({"jsonrpc":"2.0","method":"notifications/progress"})") + event(listed(some)) +
                             "retry: 5\n\n";
  const std::string expected = ": ping\n\n" + event("") +
                               event(R"({"jsonrpc":"2.0","method":"notifications/progress"})") + event(listed(seen)) +
                               "retry: 5\n\n";
  Answering world;
  for (std::size_t piece = 1; piece <= stream.size(); ++piece) {
    world.answer_begins(events);
    EXPECT_EQ(world.pass(stream, piece), expected) << piece;
    if (piece > 64) piece += 40;
  }
}

TEST(Response, many_events_between_which_a_list_comes_again) {
  std::string stream;
  std::string expected;
  for (int i = 0; i < 6; ++i) {
    const std::string plain = event(R"({"jsonrpc":"2.0","method":"notifications/message"})");
    const std::string ending = i % 2 == 0 ? ": ping\r\n\r\n" : "\r\r";
    stream += plain + plain + ending;
    expected += plain + plain + ending;
    if (i % 3 != 1) continue;
    stream += event(listed(some));
    expected += event(listed(seen));
  }
  Answering world;
  world.stream();
  for (std::size_t piece = 1; piece <= stream.size(); ++piece) {
    world.answer_begins(events);
    EXPECT_EQ(world.pass(stream, piece), expected) << piece;
    if (piece > 64) piece += 7;
  }
}

TEST(Response, any_stream_may_bring_a_list_again) {
  Answering world;
  world.stream();
  world.answer_begins(events);
  EXPECT_EQ(world.pass(event(listed(some))), event(listed(seen)));
  Answering call("tools/call");
  EXPECT_EQ(call.whole(event(listed(some)), events), event(listed(seen)));
}

TEST(Response, an_answer_that_no_edit_concerns_isnt_read) {
  Answering world("tools/call");
  EXPECT_EQ(world.whole("anything"), "passes");
  const std::string odd = event(R"({"jsonrpc":"2.0","id":7,"result":{"content":[{"text":"\u0000","A":1,"a":2}]}})");
  EXPECT_EQ(world.whole(odd, events), odd);
}

TEST(Response, what_cant_be_read_isnt_passed_on) {
  struct Case {
    std::string name;
    std::string body;
  };
  const std::vector<Case> cases{
      {"no JSON", "<html>"},
      {"cut off", listed(some).substr(0, 90)},
      {"nothing", ""},
      {"a batch", "[" + listed(some) + "]"},
      {"another shape", R"({"jsonrpc":"2.0","id":7,"result":{"content":[]}})"},
      {"an item without a name", listed(R"({"title":"x"})")},
      {"a name twice", listed(R"({"name":"ticket.read","name":"secret.read"})")},
      {"a list twice", R"({"jsonrpc":"2.0","id":7,"result":{"tools":[],"tools":[)" + tool("secret.read") + "]}}"},
      {"in other letters", R"({"jsonrpc":"2.0","id":7,"result":{"tools":[],"Tools":[)" + tool("secret.read") + "]}}"},
      {"a result in other letters", R"({"jsonrpc":"2.0","id":7,"Result":{"tools":[)" + tool("secret.read") + "]}}"},
      {"a request and a response", R"({"jsonrpc":"2.0","id":7,"method":"ping","result":{"tools":[)" + some + "]}}"},
  };
  for (const Case& c : cases) {
    Answering world;
    EXPECT_EQ(world.whole(c.body), "") << c.name;
    EXPECT_EQ(world.last, Step::refused) << c.name;
    const auto answer = world.gateway.refuse_response(*world.under_way, world.request.fields, world.course->failure());
    EXPECT_EQ(answer.status, 502) << c.name;
    EXPECT_THAT(answer.body, HasSubstr(R"("reason":"answer_malformed")")) << c.name;
    EXPECT_THAT(answer.body, HasSubstr(std::string(world.request.id()))) << c.name;
    const auto lines = world.finish(502);
    EXPECT_THAT(lines.back(), HasSubstr(R"("reason":"answer_malformed","outcome":"error")")) << c.name;
    if (c.body.empty()) continue;
    Answering streamed;
    const std::string out = streamed.whole(event(c.body) + event(listed(some)), events);
    EXPECT_EQ(streamed.last, Step::refused) << c.name;
    EXPECT_THAT(out, HasSubstr(R"("reason":"answer_malformed")")) << c.name;
    EXPECT_THAT(out, Not(HasSubstr("secret.read"))) << c.name;
    std::string more;
    EXPECT_EQ(streamed.course->feed(event(listed(seen)), more), Step::refused) << c.name;
    EXPECT_EQ(more, "") << "nothing follows a refusal";
  }
}

TEST(Response, errors_and_other_messages_of_a_list_pass) {
  for (const std::string& text :
       {std::string(R"({"jsonrpc":"2.0","id":7,"error":{"code":-32603,"message":"x"}})"),
        std::string(R"({"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":1e999}})"),
        std::string(R"({"jsonrpc":"2.0","id":1,"method":"roots/list"})")}) {
    Answering world;
    EXPECT_EQ(world.whole(event(text), events), event(text));
  }
  Answering world;
  EXPECT_EQ(world.whole(R"({"jsonrpc":"2.0","id":7,"error":{"code":-32603,"message":"x"}})"),
            R"({"jsonrpc":"2.0","id":7,"error":{"code":-32603,"message":"x"}})");
}

TEST(Response, what_is_too_large_isnt_passed_on) {
  for (const bool stream : {false, true}) {
    Answering world;
    world.location.max_answer = 400;
    const std::string large = listed(tool("ticket.read"), R"(,"x":")" + std::string(400, 'x') + "\"");
    const std::string out = world.whole(stream ? event(large) : large, stream ? events : json);
    EXPECT_EQ(world.last, Step::refused);
    EXPECT_EQ(world.course->failure(), Reason::answer_too_large);
    EXPECT_THAT(out, Not(HasSubstr("xxxx")));
  }
  Answering world;
  world.location.max_answer = 400;
  world.whole(listed(tool("ticket.read")));
  EXPECT_NE(world.last, Step::refused);
}

TEST(Response, an_encoded_answer_isnt_passed_on) {
  for (const auto type : {json, events}) {
    Answering world;
    world.answer_begins(type, 200, true);
    EXPECT_EQ(world.refusal, Reason::answer_encoded);
  }
}

TEST(Response, a_list_is_json_or_a_stream) {
  Answering world;
  world.answer_begins("text/html");
  EXPECT_EQ(world.refusal, Reason::answer_malformed);
  world.answer_begins("text/html", 404);
  EXPECT_FALSE(world.refusal);
  EXPECT_EQ(world.course, nullptr) << "what a server says of an error is for people";
}

TEST(Response, modern_lists_are_private_and_as_fresh_as_policy) {
  Answering world("tools/list", true);
  world.location.list_ttl = Milliseconds(1000);
  EXPECT_EQ(world.whole(listed(some, R"(,"resultType":"complete","ttlMs":60000,"cacheScope":"public")")),
            listed(seen, R"(,"resultType":"complete","ttlMs":1000,"cacheScope":"private")"));
  EXPECT_EQ(world.whole(listed("")),
            R"({"jsonrpc":"2.0","id":7,"result":{"cacheScope":"private","ttlMs":0,"tools":[]}})");
}

TEST(Response, observing_changes_nothing) {
  Answering world;
  world.observe();
  EXPECT_EQ(world.whole(listed(some)), "passes");
  // One enforced tool: it alone is hidden.
  world.location.routes[2].mode = Mode::enforce;
  world.location.enforces_some = true;
  EXPECT_EQ(world.whole(listed(some)), listed(tool("ticket.read") + "," + tool("ticket.write") + "," + tool("x")));
}

TEST(Response, a_tool_that_is_only_observed_is_shown) {
  Answering world;
  world.location.routes[2].mode = Mode::observe;
  EXPECT_EQ(world.whole(listed(some)),
            listed(tool("ticket.read") + "," + tool("secret.read") + "," + tool("ticket.write")));
}

TEST(Response, a_change_of_policy_changes_the_next_list) {
  Answering world;
  EXPECT_EQ(world.whole(listed(some)), listed(seen));
  world.policy(R"({"schema":1,"tenants":{"default":{"agents":{"company|docs":{}},
      "grants":[{"id":"g","to":"agent:company|docs","operation":"tickets/secret.read"}],
      "entitlements":[{"id":"e","to":"user:company|mira","operation":"tickets/*"}]}}})");
  EXPECT_EQ(world.whole(listed(some)), listed(tool("secret.read")));
}

TEST(Response, a_recorded_answer_is_seen_with_the_eyes_of_now) {
  Answering world("tools/call");
  world.need_key();
  world.request.fields.add("Idempotency-Key", "k-1");
  ASSERT_FALSE(world.call());
  world.gateway.keep(*world.under_way,
                     {200, "application/json", "", R"({"jsonrpc":"2.0","id":7,"result":{"text":"x"}})"});
  world.finish(200);
  world.loop.advance(Milliseconds(100));
  const auto answer = world.call();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->body, R"({"jsonrpc":"2.0","id":7,"result":{"text":"x"}})");
}

}  // namespace
}  // namespace agw::gateway
