// Tasks: for whom they were made, and judged as the call that made them.
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agw/base/encoding.h"
#include "agw/gateway/response_course.h"

#include "gateway/task_table.h"
#include "support/gateway_world.h"

namespace agw::gateway {
namespace {

using test::GatewayWorld;
using testing::HasSubstr;
using testing::Not;

constexpr std::string_view json = "application/json";
constexpr std::string_view events = "text/event-stream";
constexpr std::string_view unknown_task =
    R"({"jsonrpc":"2.0","id":9,"error":{"code":-32602,"message":"Failed to retrieve task: Task not found",)"
    R"("data":{"decision":"deny","reason":"task_unknown","request_id":"0123456789abcdef0123456789abcdef"}}})";

std::string result(const std::string& content, const std::string& id = "7") {
  return R"({"jsonrpc":"2.0","id":)" + id + R"(,"result":)" + content + "}";
}
std::string event(const std::string& data) { return "event: message\nid: 4\ndata: " + data + "\n\n"; }
std::string task(const std::string& id, const std::string& more = "") {
  return R"({"taskId":")" + id + R"(","status":"working")" + more + "}";
}

struct TaskWorld : GatewayWorld {
  enum class Way : std::uint8_t { legacy, modern };

  void message(const std::string& method, const std::string& params, Way way = Way::legacy,
               const std::string& user = "mira", const std::string& name = "", const std::string& id = "9",
               const std::string& agent = "docs") {
    request = test::FakeRequest();
    authorize(token("tickets:read tickets:write", user, agent));
    request.fields.add("Content-Type", "application/json");
    const bool modern = way == Way::modern;
    request.fields.add("MCP-Protocol-Version", modern ? "2026-07-28" : "2025-11-25");
    if (modern) request.fields.add("Mcp-Method", method);
    if (modern && !name.empty()) request.fields.add("Mcp-Name", name);
    request.content = R"({"jsonrpc":"2.0",)" + (id.empty() ? "" : R"("id":)" + id + ",") + R"("method":")" + method +
                      R"(","params":{)" + params;
    if (modern) {
      request.content += params.empty() ? "" : ",";
      request.content += R"("_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",)"
                         R"("io.modelcontextprotocol/clientCapabilities":{"extensions":{)" +
                         std::string(declares ? R"("io.modelcontextprotocol/tasks":{})" : "") + "}}}";
    }
    request.content += "}}";
  }
  /// About a task, as mira or somebody else has it.
  void ask(const std::string& method, const std::string& sealed, Way way = Way::legacy,
           const std::string& user = "mira", const std::string& agent = "docs") {
    message(method, R"("taskId":")" + sealed + "\"", way, user, sealed, "9", agent);
  }
  void stream(const std::string& user = "mira") {
    request = test::FakeRequest();
    authorize(token("tickets:read", user));
    request.verb = "GET";
  }
  /// What reaches the client of an answer.
  std::string answered(const std::string& body, std::string_view type = json, std::size_t piece = 1U << 20) {
    auto made = gateway.respond(*under_way, {200, type, false});
    if (!made) return "refused: " + std::string(to_string(made.error()));
    if (*made == nullptr) return body;
    std::string out;
    using Step = ResponseCourse::Step;
    Step step = Step::unchanged;
    for (std::size_t at = 0; at < body.size() && step != Step::refused; at += piece) {
      const auto bytes = std::string_view(body).substr(at, piece);
      step = (*made)->feed(bytes, out);
      if (step == Step::unchanged) out += bytes;
    }
    if (step != Step::refused) step = (*made)->end(out);
    return step == Step::refused ? "refused: " + std::string(to_string((*made)->failure())) : out;
  }
  /// The id that mira gets for a task that a call of hers has made.
  std::string make(Way way = Way::legacy, const std::string& backend_id = "t-1",
                   const std::string& arguments = R"({"id":"T-1"})", const std::string& tool = "ticket.read") {
    const std::string hint = way == Way::legacy ? R"(,"task":{"ttl":1000})" : "";
    message("tools/call", R"("name":")" + tool + R"(","arguments":)" + arguments + hint, way, "mira", tool, "7");
    EXPECT_FALSE(call());
    const std::string made =
        way == Way::legacy ? R"({"task":)" + task(backend_id) + "}" : task(backend_id, R"(,"resultType":"task")");
    return id_in(answered(result(made)));
  }
  static std::string id_in(const std::string& text) {
    const auto at = text.find(R"("taskId":")");
    if (at == std::string::npos) return {};
    return text.substr(at + 10, text.find('"', at + 10) - at - 10);
  }
  std::string last_line() { return finish(200).back(); }

  bool declares = true;
};
using Way = TaskWorld::Way;

TEST(Tasks, go_on_as_the_backend_knows_them_and_come_as_their_owner_knows_them) {
  for (const Way way : {Way::legacy, Way::modern}) {
    TaskWorld world;
    const std::string sealed = world.make(way, "t-1");
    ASSERT_GT(sealed.size(), 100U);
    EXPECT_LT(sealed.size(), 300U);
    for (const std::string method :
         {"tasks/get", "tasks/cancel", way == Way::legacy ? "tasks/result" : "tasks/update"}) {
      world.ask(method, sealed, way);
      const std::string sent = world.request.content;
      EXPECT_FALSE(world.call()) << method;
      std::string expected = sent;
      expected.replace(expected.find(sealed), sealed.size(), "t-1");
      EXPECT_EQ(world.forward.body, expected);
      EXPECT_EQ(world.forward.mirrored_name, "t-1");
      EXPECT_EQ(world.answered(result(task("t-1"), "9")), result(task(sealed), "9"));
      const std::string line = world.last_line();
      EXPECT_THAT(line, HasSubstr(R"("type":"mcp.tasks.)" + method.substr(6) + "\""));
      EXPECT_THAT(line, HasSubstr(R"("operation":"tickets/ticket.read","resource":"ticket:T-1")"));
      EXPECT_THAT(line, HasSubstr(R"("tool":"ticket.read")"));
    }
  }
}

TEST(Tasks, are_nobody_elses) {
  TaskWorld world;
  world.policy(
      R"({"schema":1,"tenants":{"default":{"agents":{"company|docs":{"bundles":["s"]},"company|other":{"bundles":["s"]}},
    "bundles":{"s":{"version":1,"grants":[{"id":"b","operation":"tickets/*"}]}},
    "entitlements":[{"id":"e","to":"user:company|mira","operation":"tickets/*"},
                    {"id":"f","to":"user:company|omar","operation":"tickets/*"}]}}})");
  const std::string sealed = world.make();
  const std::string state = world.states.seal("\"x\"", {}, {});
  std::string changed = sealed;
  changed[60] = changed[60] == 'A' ? 'B' : 'A';
  struct Case {
    const char* name;
    std::string id;
    const char* user;
    const char* agent;
    const char* reason;
  };
  for (const std::string method : {"tasks/get", "tasks/result", "tasks/cancel"}) {
    for (const Case& one : {Case{"another user", sealed, "omar", "docs", "task_foreign"},
                            Case{"another agent", sealed, "mira", "other", "task_foreign"},
                            Case{"the backend's own id", "t-1", "mira", "docs", "task_unknown"},
                            Case{"changed", changed, "mira", "docs", "task_unknown"},
                            Case{"a state", state, "mira", "docs", "task_unknown"}}) {
      world.ask(method, one.id, Way::legacy, one.user, one.agent);
      const auto answer = world.call();
      ASSERT_TRUE(answer) << one.name;
      EXPECT_EQ(answer->status, 200) << one.name;
      EXPECT_EQ(answer->body, unknown_task) << one.name;
      EXPECT_THAT(world.last_line(), HasSubstr(R"("reason":")" + std::string(one.reason) + "\"")) << one.name;
    }
    world.ask(method, sealed);
    EXPECT_FALSE(world.call());
  }
  // Nor at another place.
  world.location.name_space = "elsewhere";
  world.ask("tasks/get", sealed);
  EXPECT_EQ(world.call()->body, unknown_task);
}

TEST(Tasks, are_seen_as_long_as_their_call_would_be_allowed) {
  TaskWorld world;
  const std::string sealed = world.make();
  const auto usual = world.store.policy;
  const auto entitled = [](const std::string& more) {
    return R"({"schema":1,"tenants":{"default":{"agents":{"company|docs":{"bundles":["s"]}},)"
           R"("bundles":{"s":{"version":1,"grants":[{"id":"b","operation":"tickets/*"}]}},"entitlements":[)" +
           more + "]}}}";
  };
  const std::string all = R"({"id":"e","to":"user:company|mira","operation":"tickets/*","resource":)";
  // Another ticket: visible, and denied.
  world.policy(entitled(all + R"("ticket:T-2"})"));
  world.ask("tasks/result", sealed);
  auto answer = world.call();
  ASSERT_TRUE(answer);
  EXPECT_THAT(answer->body, HasSubstr(R"("reason":"user_entitlement_missing")"));
  EXPECT_THAT(answer->body, HasSubstr("4030"));
  // Nothing that the caller could see: as no task.
  world.policy(entitled(""));
  world.ask("tasks/cancel", sealed);
  EXPECT_EQ(world.call()->body, unknown_task);
  EXPECT_THAT(world.last_line(), HasSubstr(R"("reason":"user_entitlement_missing")"));
  // Conditions read the arguments of the call that made it.
  world.policy(entitled(all + R"("ticket:*","when":"<id> == \"T-1\""})"));
  world.ask("tasks/get", sealed);
  EXPECT_FALSE(world.call());
  world.policy(entitled(all + R"("ticket:*","when":"<id> == \"T-9\""})"));
  world.ask("tasks/get", sealed);
  EXPECT_TRUE(world.call());
  // A tool that the location no longer names.
  world.store.policy = usual;
  world.location.tools.erase("ticket.read");
  world.ask("tasks/get", sealed);
  EXPECT_EQ(world.call()->body, unknown_task);
}

TEST(Tasks, of_calls_with_long_arguments_are_judged_by_their_resource) {
  TaskWorld world;
  const std::string sealed = world.make(Way::legacy, "t-1", R"({"id":"T-1","text":")" + std::string(600, 'x') + "\"}");
  world.ask("tasks/get", sealed);
  EXPECT_FALSE(world.call());
  EXPECT_THAT(world.last_line(), HasSubstr(R"("resource":"ticket:T-1")"));
  // What the arguments would have to say nobody knows any more.
  world.policy(R"({"schema":1,"tenants":{"default":{"agents":{"company|docs":{"bundles":["s"]}},
    "bundles":{"s":{"version":1,"grants":[{"id":"b","operation":"tickets/*"}]}},
    "entitlements":[{"id":"e","to":"user:company|mira","operation":"tickets/*","when":"<id> == \"T-1\""}]}}})");
  world.ask("tasks/get", sealed);
  EXPECT_TRUE(world.call());
}

TEST(Tasks, cost_no_limit_and_need_no_key) {
  TaskWorld world;
  world.location.routes[0].policy.limits.push_back(*parse_limit("agent 1r/h"));
  const std::string sealed = world.make();
  for (int i = 0; i < 5; ++i) {
    world.ask("tasks/get", sealed);
    EXPECT_FALSE(world.call());
  }
  world.location.routes[0].policy.limits.clear();
  world.need_key();
  world.ask("tasks/result", sealed);
  EXPECT_FALSE(world.call());
}

TEST(Tasks, a_tool_inside_the_tool_is_judged_again) {
  TaskWorld world;
  world.add_tool("execute", "ticket.execute", {});
  auto& route = world.location.routes.back();
  route.policy.resource.reset();
  auto rules = std::make_shared<ToolRules>();
  rules->inner = InnerRule{{"tool"}, {"arguments"}};
  route.tool_rules = rules;
  const std::string usual = R"({"schema":1,"tenants":{"default":{"agents":{"company|docs":{"bundles":["s"]}},
    "bundles":{"s":{"version":1,"grants":[{"id":"b","operation":"tickets/*"}]}},
    "entitlements":[{"id":"e","to":"user:company|mira","operation":"tickets/ticket.execute"})";
  const std::string inner = R"(,{"id":"f","to":"user:company|mira","operation":"tickets/ticket.read"})";
  world.policy(usual + inner + "]}}}");
  const std::string sealed =
      world.make(Way::legacy, "t-1", R"({"tool":"ticket.read","arguments":{"id":"T-1"}})", "execute");
  world.ask("tasks/get", sealed);
  EXPECT_FALSE(world.call());
  EXPECT_THAT(world.last_line(), HasSubstr(R"("operation":"tickets/ticket.read")"));
  world.policy(usual + "]}}}");
  world.ask("tasks/get", sealed);
  EXPECT_EQ(world.call()->body, unknown_task);
}

TEST(Tasks, who_does_not_declare_them_is_told_so_first) {
  TaskWorld world;
  world.declares = false;
  for (const std::string method : {"tasks/get", "tasks/update", "tasks/cancel"}) {
    world.ask(method, "whatever", Way::modern);
    const auto answer = world.call();
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status, 400);
    EXPECT_THAT(answer->body, HasSubstr("-32021"));
    EXPECT_THAT(answer->body,
                HasSubstr(R"("data":{"requiredCapabilities":{"extensions":{"io.modelcontextprotocol/tasks":{}}})"));
  }
  // Nor is a result of theirs looked into.
  world.message("tools/call", R"("name":"ticket.read","arguments":{"id":"T-1"})", Way::modern, "mira", "ticket.read");
  EXPECT_FALSE(world.call());
  EXPECT_EQ(world.answered(result(R"({"taskId":7})")), result(R"({"taskId":7})"));
}

TEST(Tasks, a_list_has_those_that_are_known_to_be_the_callers) {
  TaskWorld world;
  const std::string one = world.make(Way::legacy, "t-1");
  const std::string two = world.make(Way::legacy, "t-2", R"({"id":"T-1"})", "ticket.write");
  const std::string listed = R"({"tasks":[)" + task("t-0") + "," + task("t-1") + ", " + task("t-2") + "," +
                             task("t-3") + R"(],"nextCursor":"t-3"})";
  world.message("tasks/list", "");
  EXPECT_FALSE(world.call());
  EXPECT_EQ(world.answered(result(listed, "9")),
            result(R"({"tasks":[)" + task(one) + ", " + task(two) + R"(],"nextCursor":"t-3"})", "9"));
  EXPECT_THAT(world.last_line(), HasSubstr(R"("items":{"shown":2,"hidden":2})"));
  // As events, and whatever the pieces.
  for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, std::size_t{4096}}) {
    world.message("tasks/list", "");
    EXPECT_FALSE(world.call());
    EXPECT_EQ(world.answered(event(result(listed, "9")), events, piece),
              event(result(R"({"tasks":[)" + task(one) + ", " + task(two) + R"(],"nextCursor":"t-3"})", "9")));
  }
  // Somebody else has none.
  world.message("tasks/list", "", Way::legacy, "omar");
  EXPECT_FALSE(world.call());
  EXPECT_EQ(world.answered(result(R"({"tasks":[)" + task("t-1") + "]}", "9")), result(R"({"tasks":[]})", "9"));
  // One whose tool may no longer be seen isn't there.
  world.location.tools.erase("ticket.write");
  world.message("tasks/list", "");
  EXPECT_FALSE(world.call());
  EXPECT_EQ(world.answered(result(R"({"tasks":[)" + task("t-1") + "," + task("t-2") + "]}", "9")),
            result(R"({"tasks":[)" + task(one) + "]}", "9"));
}

TEST(Tasks, a_list_that_is_none_is_a_broken_answer) {
  TaskWorld world;
  for (const std::string broken :
       {R"({})", R"({"tasks":{}})", R"({"tasks":[7]})", R"({"tasks":[{"status":"working"}]})",
        R"({"tasks":[{"taskId":7}]})", R"({"tasks":[],"Tasks":[]})", R"({"tasks":[{"taskId":"a","taskid":"b"}]})"}) {
    world.message("tasks/list", "");
    EXPECT_FALSE(world.call());
    EXPECT_EQ(world.answered(result(broken, "9")), "refused: answer_malformed") << broken;
  }
  world.message("tasks/list", "");
  EXPECT_FALSE(world.call());
  EXPECT_EQ(world.answered("nothing", "text/plain"), "refused: answer_malformed");
}

TEST(Tasks, an_answer_about_another_task_is_a_broken_one) {
  TaskWorld world;
  const std::string sealed = world.make();
  world.make(Way::legacy, "t-2");
  world.ask("tasks/get", sealed);
  EXPECT_FALSE(world.call());
  EXPECT_EQ(world.answered(result(task("t-2"), "9")), "refused: answer_malformed");
}

TEST(Tasks, streams_tell_of_the_callers_own_alone) {
  TaskWorld world;
  const std::string sealed = world.make();
  const auto notice = [](const std::string& method, const std::string& params) {
    return event(R"({"jsonrpc":"2.0","method":")" + method + R"(","params":)" + params + "}");
  };
  for (const std::string method : {"notifications/tasks/status", "notifications/tasks"}) {
    world.stream();
    EXPECT_FALSE(world.call());
    const std::string plain = notice("notifications/message", R"({"level":"info","data":"taskId"})");
    EXPECT_EQ(world.answered(plain + notice(method, task("t-1")) + notice(method, task("t-9")) + plain, events),
              plain + notice(method, task(sealed)) + "event: message\nid: 4\n\n" + plain);
    EXPECT_EQ(world.answered(notice(method, R"({"taskId":7})"), events), "refused: answer_malformed");
    world.stream("omar");
    EXPECT_FALSE(world.call());
    EXPECT_EQ(world.answered(notice(method, task("t-1")), events), "event: message\nid: 4\n\n");
  }
  // What belongs to a task.
  const auto asks = [](const std::string& meta) {
    return event(R"({"jsonrpc":"2.0","id":1,"method":"elicitation/create","params":{"message":"?","_meta":{)" + meta +
                 "}}}");
  };
  const auto related = [](const std::string& id) {
    return R"("io.modelcontextprotocol/related-task":{"taskId":")" + id + "\"}";
  };
  world.stream();
  EXPECT_FALSE(world.call());
  EXPECT_EQ(world.answered(asks(related("t-1")) + asks(R"("a":1,)" + related("t-9") + R"(,"b":2)") +
                               asks(related("t-9") + R"( , "b":2)") + asks(related("t-9")),
                           events),
            asks(related(sealed)) + asks(R"("a":1,"b":2)") + asks(R"( "b":2)") + asks(""));
  // What the server asks of a task of the client's has the client's id.
  const std::string of_client = event(R"({"jsonrpc":"2.0","id":2,"method":"tasks/get","params":{"taskId":"c-1"}})");
  EXPECT_EQ(world.answered(of_client, events), of_client);
}

TEST(Tasks, a_name_that_escapes_hide_is_found) {
  TaskWorld world;
  for (const std::string key : {R"(task\u0049d)", R"(\u0074askId)", "TASKID", "ta\xC5\xBFkId", "tas\xE2\x84\xAAId"}) {
    world.stream("omar");
    EXPECT_FALSE(world.call());
    const std::string out = world.answered(
        event(R"({"jsonrpc":"2.0","method":"notifications/tasks","params":{")" + key + R"(":"t-1","status":"x"}})"),
        events);
    EXPECT_THAT(out, Not(HasSubstr("t-1"))) << key;
  }
}

TEST(Tasks, one_whose_making_nobody_saw_is_nobodys) {
  TaskWorld world;
  // The answer to a call that is sent again, on a stream that was taken up again.
  world.stream();
  EXPECT_FALSE(world.call());
  const std::string out = world.answered(event(result(R"({"task":)" + task("t-5") + "}", "3")), events);
  EXPECT_THAT(out, Not(HasSubstr("t-5")));
  const std::string name = TaskWorld::id_in(out);
  ASSERT_FALSE(name.empty());
  world.ask("tasks/get", name);
  EXPECT_EQ(world.call()->body, unknown_task);
  // Where it was seen, the client gets the name that it has.
  const std::string sealed = world.make(Way::legacy, "t-5");
  world.stream();
  EXPECT_FALSE(world.call());
  EXPECT_EQ(world.answered(event(result(R"({"task":)" + task("t-5") + "}", "3")), events),
            event(result(R"({"task":)" + task(sealed) + "}", "3")));
}

TEST(Tasks, what_a_message_belongs_to_is_the_senders) {
  TaskWorld world;
  const std::string sealed = world.make();
  const auto meta = [](const std::string& id) {
    return R"("_meta":{"io.modelcontextprotocol/related-task":{"taskId":")" + id + R"("},"x":1})";
  };
  const std::string named = R"("name":"ticket.read","arguments":{"id":"T-1"},)";
  world.message("tools/call", named + meta(sealed));
  EXPECT_FALSE(world.call());
  EXPECT_THAT(world.forward.body, HasSubstr(meta("t-1")));
  EXPECT_TRUE(world.forward.mirrored_name.empty());
  world.message("tools/call", named + meta("t-1"));
  EXPECT_EQ(world.call()->body, unknown_task);
  world.message("tools/call", named + R"("_meta":{"io.modelcontextprotocol/related-task":"t-1"})");
  EXPECT_EQ(world.call()->status, 400);
  world.message("tools/call", named + R"("_meta":{"io.modelcontextprotocol/related-task":{"taskId":")" + sealed +
                                  R"(","TaskId":"t-2"}})");
  EXPECT_EQ(world.call()->status, 400);
  // A notification, or an answer, may concern a task of the client's: the server needs no telling.
  world.message("notifications/progress", R"("progressToken":1,"progress":1,)" + meta(sealed), Way::legacy, "mira", "",
                "");
  EXPECT_FALSE(world.call());
  EXPECT_THAT(world.forward.body, HasSubstr(meta("t-1")));
  world.message("notifications/progress", R"("progressToken":1,"progress":1,)" + meta("t-2"), Way::legacy, "mira", "",
                "");
  EXPECT_FALSE(world.call());
  EXPECT_THAT(world.forward.body, HasSubstr(R"("_meta":{"x":1})"));
  // And of an answer to the server.
  Principal owner;
  owner.issuer_url = GatewayWorld::issuer_url;
  owner.user = "company|mira";
  owner.agent = "company|docs";
  owner.tenant = "default";
  const std::string session = world.sessions.seal({"s", "2025-11-25", 0}, owner, world.location);
  for (const auto& [id, sent] :
       {std::pair(sealed, meta("t-1")), std::pair(std::string("t-2"), std::string(R"("_meta":{"x":1})"))}) {
    world.message("x", "");
    world.request.fields.add("Mcp-Session-Id", session);
    world.request.content = R"({"jsonrpc":"2.0","id":3,"result":{"action":"accept",)" + meta(id) + "}}";
    EXPECT_FALSE(world.call());
    EXPECT_THAT(world.forward.body, HasSubstr(R"({"action":"accept",)" + sent + "}"));
  }
}

TEST(Tasks, that_are_followed_are_the_callers_and_judged) {
  TaskWorld world;
  const std::string one = world.make(Way::modern, "t-1");
  const std::string two = world.make(Way::modern, "t-2", R"({"id":"T-1"})", "ticket.write");
  const auto listen = [&](const std::string& ids, const std::string& user = "mira") {
    world.message("subscriptions/listen", R"("notifications":{"taskIds":[)" + ids + "]}", Way::modern, user);
  };
  listen("\"" + one + "\",\"" + two + "\"");
  EXPECT_FALSE(world.call());
  EXPECT_THAT(world.forward.body, HasSubstr(R"("taskIds":["t-1","t-2"])"));
  EXPECT_TRUE(world.forward.mirrored_name.empty());
  const auto acknowledged = [](const std::string& ids) {
    return event(R"({"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"notifications":)"
                 R"({"taskIds":[)" +
                 ids + "]}}}");
  };
  EXPECT_EQ(world.answered(acknowledged(R"("t-2","t-7")"), events), acknowledged("\"" + two + "\""));
  for (const std::string& ids : {std::string("\"t-1\""), "\"" + one + "\",\"t-2\""}) {
    listen(ids);
    EXPECT_EQ(world.call()->body, unknown_task) << ids;
  }
  listen("\"" + one + "\"", "omar");
  EXPECT_EQ(world.call()->body, unknown_task);
  for (const std::string ids : {"7", "\"\"", "[]"}) {
    listen(ids);
    EXPECT_EQ(world.call()->status, 400) << ids;
  }
  world.policy(R"({"schema":1,"tenants":{"default":{"agents":{"company|docs":{}}}}})");
  listen("\"" + one + "\"");
  EXPECT_EQ(world.call()->body, unknown_task);
  world.declares = false;
  listen("\"" + one + "\"");
  EXPECT_THAT(world.call()->body, HasSubstr("-32021"));
}

TEST(Tasks, what_they_have_come_to_is_filtered_as_the_tools_answer) {
  TaskWorld world;
  ASSERT_TRUE(world.location.resources.add(*mcp::UriPattern::parse("docs://free/*"), 0));
  const std::string sealed = world.make(Way::modern);
  const auto content = [](const std::string& blocks) { return R"({"content":[)" + blocks + "]}"; };
  const std::string text = R"({"type":"text","text":"x"})";
  const std::string link = R"({"type":"resource_link","name":"s","uri":"docs://secret/1"})";
  world.ask("tasks/get", sealed, Way::modern);
  EXPECT_FALSE(world.call());
  EXPECT_EQ(world.answered(result(task("t-1", R"(,"result":)" + content(text + "," + link)), "9")),
            result(task(sealed, R"(,"result":)" + content(text)), "9"));
  world.ask("tasks/result", sealed);
  EXPECT_FALSE(world.call());
  EXPECT_EQ(world.answered(result(content(link), "9")), result(content(""), "9"));
  world.message("subscriptions/listen", R"("notifications":{"taskIds":[")" + sealed + "\"]}", Way::modern);
  EXPECT_FALSE(world.call());
  const auto notice = [](const std::string& params) {
    return event(R"({"jsonrpc":"2.0","method":"notifications/tasks","params":)" + params + "}");
  };
  EXPECT_EQ(world.answered(notice(task("t-1", R"(,"result":)" + content(link))), events),
            notice(task(sealed, R"(,"result":)" + content(""))));
}

TEST(Tasks, an_id_that_cannot_be_given_out_is_a_broken_answer) {
  TaskWorld world;
  for (const std::string& id : {std::string(R"("")"), std::string("7"), "\"" + std::string(1025, 'x') + "\""}) {
    world.message("tools/call", R"("name":"ticket.read","arguments":{"id":"T-1"},"task":{})", Way::legacy, "mira", "",
                  "7");
    EXPECT_FALSE(world.call());
    EXPECT_EQ(world.answered(result(R"({"task":{"taskId":)" + id + "}}")), "refused: answer_malformed");
  }
}

TEST(Tasks, an_id_is_any_text) {
  TaskWorld world;
  const std::string odd = R"(a \"b\" \u00e9)";
  const std::string sealed = world.make(Way::modern, odd);
  world.ask("tasks/get", sealed, Way::modern);
  EXPECT_FALSE(world.call());
  EXPECT_THAT(world.forward.body, HasSubstr("\"taskId\":\"a \\\"b\\\" \xC3\xA9\""));
  EXPECT_EQ(world.forward.mirrored_name, "=?base64?" + base64_encode("a \"b\" \xC3\xA9") + "?=");
}

TEST(Tasks, pass_where_a_location_only_observes_and_nowhere_a_tool_of_it_is_enforced) {
  TaskWorld world;
  world.observe();
  world.ask("tasks/get", "t-1");
  EXPECT_FALSE(world.call());
  EXPECT_TRUE(world.forward.body.empty());
  EXPECT_EQ(world.answered(result(task("t-1"), "9")), result(task("t-1"), "9"));
  world.location.enforces_some = true;
  world.ask("tasks/get", "t-1");
  EXPECT_THAT(world.call()->body, HasSubstr("-32601"));
}

TEST(Tasks, and_a_state_in_one_message) {
  TaskWorld world;
  const std::string sealed = world.make(Way::legacy, "t-1");
  Principal owner;
  owner.issuer_url = GatewayWorld::issuer_url;
  owner.user = "company|mira";
  owner.agent = "company|docs";
  owner.tenant = "default";
  const std::string state = world.states.seal("\"own\"", owner_digest(owner, world.location),
                                              asked_digest("tools/call", "ticket.read", R"({"id":"T-1"})"));
  const std::string rest = R"("name":"ticket.read","arguments":{"id":"T-1"},"requestState":")";
  const std::string meta = R"(","_meta":{"io.modelcontextprotocol/related-task":{"taskId":")";
  world.message("tools/call", rest + state + meta + sealed + "\"}}");
  EXPECT_FALSE(world.call());
  EXPECT_THAT(world.forward.body, HasSubstr(rest + "own" + meta + "t-1\"}}"));
}

struct Sealed : testing::Test {
  test::FakeRandom random;
  test::HeapMemory memory;
  SealKeys keys{GatewayWorld::one_key(), "agw handed out"};
  Tasks tasks{keys, random, memory};
  Location location;
  Principal owner;
  MadeTask task{"t-1", "ticket.read", R"({"id":"T-1"})", ""};
};

TEST_F(Sealed, comes_back_as_it_was) {
  for (const MadeTask& one : {task, MadeTask{"t", "x", "", ""}, MadeTask{"t", "x", std::nullopt, "ticket:1"},
                              MadeTask{std::string(1024, 't'), "x", std::string(512, 'a'), ""}}) {
    const std::string sealed = tasks.seal(one, owner, location);
    EXPECT_LT(sealed.size(), mcp::ReadLimits().max_task_bytes);
    const auto opened = tasks.open(sealed, owner, location);
    ASSERT_TRUE(opened);
    EXPECT_EQ((*opened)->backend_id, one.backend_id);
    EXPECT_EQ((*opened)->tool, one.tool);
    EXPECT_EQ((*opened)->arguments, one.arguments);
    EXPECT_EQ((*opened)->resource, one.resource);
  }
  EXPECT_EQ(tasks.seal({"", "x", "", ""}, owner, location), "");
  // One that no call is known to have made.
  EXPECT_EQ(tasks.open(tasks.seal({"t", "", "", ""}, owner, location), owner, location).error(), Reason::task_unknown);
}

TEST_F(Sealed, and_changed_by_a_bit_is_none) {
  const std::string bytes = *base64url_decode(tasks.seal(task, owner, location));
  for (std::size_t i = 0; i < bytes.size() * 8; ++i) {
    std::string wrong = bytes;
    wrong[i / 8] = static_cast<char>(wrong[i / 8] ^ (1 << (i % 8)));
    EXPECT_EQ(tasks.open(base64url_encode(wrong), owner, location).error(), Reason::task_unknown) << i;
  }
}

TEST_F(Sealed, is_honoured_by_whoever_has_the_key) {
  std::vector<Secret> both;
  both.emplace_back(std::string(32, 'n'));
  both.emplace_back(std::string(32, 'k'));
  const SealKeys rotated(both, "agw handed out");
  test::HeapMemory elsewhere;
  const Tasks other(rotated, random, elsewhere);
  EXPECT_TRUE(other.open(tasks.seal(task, owner, location), owner, location));
  EXPECT_FALSE(tasks.open(other.seal(task, owner, location), owner, location));
}

TEST_F(Sealed, is_known_by_the_backends_id_to_its_owner_alone) {
  EXPECT_FALSE(tasks.known("t-1", owner, location));
  const std::string sealed = tasks.seal(task, owner, location);
  tasks.remember(sealed, task, owner, location);
  EXPECT_EQ(tasks.known("t-1", owner, location)->sealed, sealed);
  // Another worker has the same memory.
  EXPECT_EQ(Tasks(keys, random, memory).known("t-1", owner, location)->sealed, sealed);
  EXPECT_FALSE(tasks.known("t-2", owner, location));
  Principal other = owner;
  other.user = "x";
  EXPECT_FALSE(tasks.known("t-1", other, location));
  // The newest counts.
  const std::string again = tasks.seal(task, owner, location);
  tasks.remember(again, task, owner, location);
  EXPECT_EQ(tasks.known("t-1", owner, location)->sealed, again);
}

TEST_F(Sealed, is_believed_as_far_as_it_opens) {
  const std::string sealed = tasks.seal(task, owner, location);
  // Whatever lies under another's name.
  MadeTask other = task;
  other.backend_id = "t-2";
  tasks.remember(sealed, other, owner, location);
  EXPECT_FALSE(tasks.known("t-2", owner, location));
  tasks.remember("nothing", task, owner, location);
  EXPECT_FALSE(tasks.known("t-1", owner, location));
}

TEST(TaskTable, forgets_what_was_not_used_for_longest) {
  test::HeapMemory memory(std::size_t{1} << 18);
  TaskTable table(memory);
  const auto name = [](int i) { return sha256(std::to_string(i)); };
  for (int i = 0; i < 500; ++i) {
    table.put(name(i), std::to_string(i));
    EXPECT_EQ(table.get(name(0)), "0") << i;
    EXPECT_EQ(table.get(name(i)), std::to_string(i));
  }
  EXPECT_EQ(table.get(name(1)), "");
  EXPECT_LE(memory.used, (std::size_t{1} << 18) / 16 + 64);
}

TEST(TaskTable, keeps_what_fits_and_nothing_without_room) {
  test::HeapMemory memory(std::size_t{1} << 18);
  TaskTable table(memory);
  const Sha256 name{};
  table.put(name, "");
  table.put(name, std::string(TaskTable::longest_sealed + 1, 'x'));
  EXPECT_EQ(table.get(name), "");
  table.put(name, std::string(TaskTable::longest_sealed, 'x'));
  EXPECT_EQ(table.get(name).size(), TaskTable::longest_sealed);
  test::HeapMemory none(0);
  TaskTable(none).put(name, "x");
  EXPECT_EQ(TaskTable(none).get(name), "");
  EXPECT_EQ(none.locks, 0);
}

}  // namespace
}  // namespace agw::gateway
