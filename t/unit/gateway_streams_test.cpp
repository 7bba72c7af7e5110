// Streams that are open: looked at as of now, again and again.
#include <functional>
#include <optional>
#include <string>

#include <gtest/gtest.h>

#include "support/gateway_world.h"

namespace agw::gateway {
namespace {

using test::GatewayWorld;

struct StreamWorld : GatewayWorld {
  void listen() {
    request.verb = "GET";
    authorize(token());
    ASSERT_FALSE(call());
  }
  void call_tool() {
    authorize(token());
    tool("ticket.read");
    ASSERT_FALSE(call());
  }
  std::optional<Reason> look() {
    auto step = gateway.look_again(location, request, *under_way);
    if (step.ready()) return step.take();
    waited = true;
    auto task = [](auto waiting) -> Task<std::optional<Reason>> {
      co_return co_await std::move(waiting);
    }(std::move(step));
    for (int i = 0; i < 100; ++i) {
      if (auto found = loop.run(task)) return *found;
      loop.advance(Milliseconds(50));
    }
    return Reason::internal_error;
  }
  void policy_of(const std::string& more) {
    policy(R"({"schema":1,"tenants":{"default":{"agents":{"company|docs":{"name":"Docs","bundles":["support"]}},)"
           R"("bundles":{"support":{"version":1,"grants":[{"id":"b","operation":"tickets/*","resource":"ticket:*"}]}},)"
           R"("entitlements":[{"id":"e","to":"user:company|mira","operation":"tickets/*","resource":"ticket:*"}])" +
           more + "}}}");
  }
  bool waited = false;
};

TEST(Stream, goes_on_as_long_as_its_caller_may) {
  StreamWorld world;
  world.listen();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(world.look(), std::nullopt);
  EXPECT_FALSE(world.waited) << "a look at what is known is a plain call";
  world.policy_of("");
  EXPECT_EQ(world.look(), std::nullopt) << "a change that isn't its caller's business";
}

TEST(Stream, ends_for_the_reason_that_a_call_would_get) {
  struct Case {
    const char* policy;
    Reason reason;
  };
  for (const Case& one :
       {Case{R"(,"users":{"company|mira":{"status":"disabled"}})", Reason::user_disabled},
        Case{R"(,"delegations":[{"user":"company|mira","agent":"company|docs","status":"disconnected"}])",
             Reason::delegation_disconnected}}) {
    StreamWorld world;
    world.listen();
    EXPECT_EQ(world.look(), std::nullopt);
    world.policy_of(one.policy);
    EXPECT_EQ(world.look(), one.reason);
  }
  StreamWorld world;
  world.listen();
  world.policy(R"({"schema":1,"tenants":{"default":{"agents":{"company|docs":{"status":"disabled"}}}}})");
  EXPECT_EQ(world.look(), Reason::agent_disabled);
  world.store.broken = Reason::store_unavailable;
  EXPECT_EQ(world.look(), Reason::store_unavailable) << "nobody can say that it may go on";
}

TEST(Stream, ends_with_its_token) {
  StreamWorld world;
  world.listen();
  world.loop.advance(Milliseconds(299'000));
  EXPECT_EQ(world.look(), std::nullopt);
  world.loop.advance(Milliseconds(62'000));
  EXPECT_EQ(world.look(), Reason::token_expired);
}

TEST(Stream, of_a_call_ends_with_its_grant) {
  StreamWorld world;
  world.policy_of("");
  world.call_tool();
  EXPECT_EQ(world.look(), std::nullopt);
  world.policy(
      R"({"schema":1,"tenants":{"default":{"agents":{"company|docs":{}},)"
      R"("entitlements":[{"id":"e","to":"user:company|mira","operation":"tickets/*","resource":"ticket:*"}]}}})");
  EXPECT_EQ(world.look(), Reason::agent_grant_missing);
  // A stream that asks for no operation doesn't hang on one.
  StreamWorld listening;
  listening.listen();
  listening.policy(R"({"schema":1,"tenants":{"default":{"agents":{"company|docs":{}}}}})");
  EXPECT_EQ(listening.look(), std::nullopt);
}

TEST(Stream, waits_for_a_store_that_is_slow) {
  StreamWorld world;
  world.listen();
  world.store.slow = &world.loop;
  world.store.delay = Milliseconds(500);
  EXPECT_EQ(world.look(), std::nullopt);
  EXPECT_TRUE(world.waited);
  world.policy_of(R"(,"users":{"company|mira":{"status":"disabled"}})");
  EXPECT_EQ(world.look(), Reason::user_disabled);
}

}  // namespace
}  // namespace agw::gateway
