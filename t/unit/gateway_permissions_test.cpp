#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/gateway_world.h"

namespace agw::gateway {
namespace {

using testing::HasSubstr;
using testing::Not;

struct World : test::GatewayWorld {
  Answer ask(const std::string& token, const std::string& method = "GET") {
    test::FakeRequest plain;
    plain.verb = method;
    plain.target = "/.well-known/agent-permissions/mcp";
    if (!token.empty()) plain.fields.add("Authorization", "Bearer " + token);
    for (const auto& [name, value] : more) plain.fields.add(name, value);
    call = Call();
    const std::vector<const Location*> locations{&location};
    auto task = gateway.permissions(locations, plain, call);
    auto answer = loop.run(task);
    for (int i = 0; i < 10 && !answer; ++i) {
      loop.advance(Milliseconds(1000));
      answer = loop.run(task);
    }
    gateway.finish(call, {});
    return answer.value_or(Answer());
  }
  [[nodiscard]] std::string header(const Answer& answer, std::string_view name) const {
    for (const auto& [key, value] : answer.headers)
      if (key == name) return value;
    return {};
  }
  std::vector<std::pair<std::string, std::string>> more;
  Call call;
};

TEST(Permissions, what_a_call_would_be_told_and_nothing_hidden) {
  World world;
  const Answer answer = world.ask(world.token());
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(world.header(answer, "Cache-Control"), "private, no-store");
  EXPECT_THAT(answer.body, HasSubstr(R"("resource": "https://gw.example/mcp")"));
  EXPECT_THAT(answer.body, HasSubstr(R"("user": "company|mira")"));
  EXPECT_THAT(answer.body, HasSubstr(R"("tool": "ticket.read", "operation": "tickets/ticket.read", "allowed": true)"));
  EXPECT_THAT(answer.body, HasSubstr(R"("on": ["ticket:T-1"])"));
  EXPECT_THAT(answer.body,
              HasSubstr(R"("tool": "ticket.write", "operation": "tickets/ticket.write", "allowed": false)"));
  EXPECT_THAT(answer.body, HasSubstr(R"("reason": "scope_missing", "scopes": ["tickets:write"])"));
  EXPECT_THAT(answer.body, Not(HasSubstr("secret"))) << "no entitlement names it";
  const auto lines = world.audit.lines();
  ASSERT_FALSE(lines.empty());
  EXPECT_THAT(lines.back(), HasSubstr(R"("type":"permissions","decision":"allow")"));
}

TEST(Permissions, without_a_token_the_challenge) {
  World world;
  const Answer answer = world.ask("");
  EXPECT_EQ(answer.status, 401);
  EXPECT_THAT(world.header(answer, "WWW-Authenticate"), HasSubstr("resource_metadata="));
  EXPECT_THAT(answer.body, Not(HasSubstr("ticket.read")));
  EXPECT_EQ(world.ask("garbage").status, 401);
  EXPECT_EQ(world.ask(world.token()).status, 200);
}

TEST(Permissions, who_is_disabled_learns_that_alone) {
  World world;
  world.policy(R"({"schema":1,"tenants":{"default":{
    "agents":{"company|docs":{"status":"disabled","bundles":["support"]}},
    "bundles":{"support":{"grants":[{"id":"b","operation":"tickets/*"}]}},
    "entitlements":[{"id":"e","to":"user:company|mira","operation":"tickets/*"}]}}})");
  const Answer answer = world.ask(world.token());
  EXPECT_EQ(answer.status, 403);
  EXPECT_THAT(answer.body, HasSubstr("agent_disabled"));
  EXPECT_THAT(answer.body, Not(HasSubstr("ticket")));
}

TEST(Permissions, exceptions_are_not_named) {
  World world;
  world.policy(R"({"schema":1,"tenants":{"default":{
    "agents":{"company|docs":{}},
    "grants":[{"id":"g","to":"agent:company|docs","operation":"tickets/ticket.read","resource":"ticket:*"},
              {"id":"d","to":"agent:company|docs","operation":"*","effect":"deny","resource":"ticket:hush"}],
    "entitlements":[{"id":"e","to":"user:company|mira","operation":"tickets/*"}]}}})");
  const Answer answer = world.ask(world.token());
  EXPECT_THAT(answer.body, HasSubstr(R"("on": ["ticket:*"], "exceptions": true)"));
  EXPECT_THAT(answer.body, Not(HasSubstr("hush")));
}

TEST(Permissions, a_store_that_fails_answers_nothing) {
  World world;
  world.store.broken = Reason::store_unavailable;
  const Answer answer = world.ask(world.token());
  EXPECT_EQ(answer.status, 503);
  EXPECT_THAT(answer.body, Not(HasSubstr("ticket")));
  world.store.broken.reset();
  EXPECT_EQ(world.ask(world.token()).status, 200);
}

TEST(Permissions, other_methods_and_foreign_pages_are_refused) {
  World world;
  const Answer post = world.ask(world.token(), "POST");
  EXPECT_EQ(post.status, 405);
  EXPECT_EQ(world.header(post, "Allow"), "GET, HEAD, OPTIONS");
  world.more = {{"Origin", "https://evil.example"}};
  EXPECT_EQ(world.ask(world.token()).status, 403);
  world.more = {{"Origin", "https://gw.example"}};
  EXPECT_EQ(world.ask(world.token()).status, 200);
}

}  // namespace
}  // namespace agw::gateway
