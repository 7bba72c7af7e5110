// What a backend gives a client to bring back: for that client, that call, and not for ever.
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agw/base/encoding.h"

#include "support/gateway_world.h"

namespace agw::gateway {
namespace {

using test::GatewayWorld;
using testing::HasSubstr;

constexpr std::string_view raw = R"("back\u0065nd's \"own\"")";

struct StateWorld : GatewayWorld {
  StateWorld() { fresh(); }
  void fresh(const std::string& user = "mira") {
    request = test::FakeRequest();
    authorize(token("tickets:read", user));
    for (const auto& [name, value] :
         {std::pair("Content-Type", "application/json"), std::pair("MCP-Protocol-Version", "2026-07-28"),
          std::pair("Mcp-Method", "tools/call"), std::pair("Mcp-Name", "ticket.read")})
      request.fields.add(name, value);
  }
  /// A retry of a call; `state` is JSON.
  void retry(const std::string& state, const std::string& arguments = R"({"id":"T-1"})", const std::string& id = "8") {
    request.content = R"({"jsonrpc":"2.0","id":)" + id +
                      R"(,"method":"tools/call","params":{"name":"ticket.read","requestState":)" + state +
                      R"(,"arguments":)" + arguments + R"(,"_meta":{"io.modelcontextprotocol/protocolVersion":)" +
                      R"("2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}})";
  }
  /// As the answer to a call of ticket.read would hand it out.
  std::string given(const std::string& arguments = R"({"id":"T-1"})", const std::string& user = "company|mira",
                    const std::string& method = "tools/call", const std::string& name = "ticket.read") {
    Principal owner;
    owner.issuer_url = issuer_url;
    owner.user = user;
    owner.agent = "company|docs";
    owner.tenant = "default";
    return json_quoted(states.seal(raw, owner_digest(owner, location), asked_digest(method, name, arguments)));
  }
  std::string reason() {
    const auto lines = finish(400);
    const std::string& line = lines.back();
    const auto at = line.find(R"("reason":")") + 10;
    return line.substr(at, line.find('"', at) - at);
  }
};

TEST(States, come_back_to_the_backend_as_they_were_and_nothing_else_changes) {
  StateWorld world;
  world.retry(world.given());
  EXPECT_FALSE(world.call());
  const std::string sent = world.request.content;
  world.retry(std::string(raw));
  EXPECT_EQ(world.forward.body, world.request.content);
  EXPECT_NE(sent, world.request.content);
  // However the arguments are written.
  world.fresh();
  world.retry(world.given(R"({"a":1,"id":"T-1"})"), R"({"id":"T-1", "a":1})");
  EXPECT_FALSE(world.call());
}

TEST(States, are_for_whom_and_what_they_were_given_for) {
  struct Case {
    const char* name;
    std::string state;
    const char* reason;
  };
  StateWorld world;
  const std::string good = world.given();
  std::string told;
  for (const Case& one :
       {Case{"a backend's own", "\"plain\"", "state_unknown"}, Case{"empty", "\"\"", "state_unknown"},
        Case{"another user", world.given(R"({"id":"T-1"})", "company|omar"), "state_foreign"},
        Case{"other arguments", world.given(R"({"id":"T-2"})"), "state_mismatch"},
        Case{"another tool", world.given(R"({"id":"T-1"})", "company|mira", "tools/call", "x"), "state_mismatch"},
        Case{"another method", world.given(R"({"id":"T-1"})", "company|mira", "prompts/get"), "state_mismatch"},
        Case{"no text", "7", "params_invalid"}}) {
    world.fresh();
    world.retry(one.state);
    const auto answer = world.call();
    ASSERT_TRUE(answer) << one.name;
    EXPECT_EQ(answer->status, 400) << one.name;
    EXPECT_THAT(answer->body, HasSubstr("-32602")) << one.name;
    EXPECT_EQ(world.reason(), one.reason) << one.name;
    if (std::string_view(one.reason) == "params_invalid") continue;
    if (told.empty()) told = answer->body;
    EXPECT_EQ(answer->body, told) << one.name << ": nobody learns why";
  }
  world.fresh();
  world.retry(good);
  EXPECT_FALSE(world.call());
}

TEST(States, end) {
  StateWorld world;
  const Sha256 digest{};
  const std::string sealed = world.states.seal(raw, digest, digest);
  world.clock.advance(States::lifetime - Milliseconds(1));
  EXPECT_EQ(world.states.open(sealed, digest, digest), raw);
  world.clock.advance(Milliseconds(1));
  EXPECT_EQ(world.states.open(sealed, digest, digest).error(), Reason::state_expired);
}

TEST(States, that_were_changed_by_a_bit_are_none) {
  StateWorld world;
  const Sha256 digest{};
  const std::string bytes = *base64url_decode(world.states.seal(raw, digest, digest));
  for (std::size_t i = 0; i < bytes.size() * 8; ++i) {
    std::string wrong = bytes;
    wrong[i / 8] = static_cast<char>(wrong[i / 8] ^ (1 << (i % 8)));
    EXPECT_EQ(world.states.open(base64url_encode(wrong), digest, digest).error(), Reason::state_unknown) << i;
  }
  // A session is no state, whoever's it is.
  const std::string session = world.sessions.seal({std::string(64, 'x'), "", 0}, Principal(), world.location);
  EXPECT_EQ(world.states.open(session, digest, digest).error(), Reason::state_unknown);
}

TEST(States, are_left_alone_where_a_location_only_observes) {
  StateWorld world;
  world.observe();
  world.retry("\"plain\"");
  EXPECT_FALSE(world.call());
  EXPECT_TRUE(world.forward.body.empty());
}

TEST(States, a_retry_is_judged_anew) {
  StateWorld world;
  world.retry(world.given());
  world.policy(R"({"schema":1,"tenants":{"default":{"agents":{"company|docs":{}}}}})");
  EXPECT_TRUE(world.call());
}

}  // namespace
}  // namespace agw::gateway
