// Keys in the course of a call.
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/gateway_world.h"

namespace agw::gateway {
namespace {

using test::GatewayWorld;
using testing::HasSubstr;
using testing::Not;

struct Keyed : GatewayWorld {
  Keyed() {
    need_key();
    authorize(token());
    tool("ticket.read");
    key("k-1");
  }
  void key(const std::string& text) {
    request.fields = {};
    authorize(token());
    request.fields.add("Content-Type", "application/json");
    if (!text.empty()) request.fields.add("Idempotency-Key", text);
  }
  /// A call that the backend answers.
  void whole_call(const std::string& body = R"({"jsonrpc":"2.0","id":7,"result":{"text":"done"}})", int status = 200) {
    ASSERT_FALSE(call());
    ASSERT_NE(under_way->claim, nullptr);
    EXPECT_TRUE(forward.recorded);
    gateway.keep(*under_way, {status, "application/json", "", body});
    lines = finish(status);
    loop.advance(Milliseconds(100));
  }
  std::string refusal() {
    const auto answer = call();
    EXPECT_TRUE(answer);
    lines = finish(answer ? answer->status : 0);
    loop.advance(Milliseconds(100));
    return answer ? answer->body : "";
  }
  std::vector<std::string> lines;
};

TEST(KeyedCall, that_needs_input_first_runs_when_it_comes_with_it) {
  Keyed world;
  world.whole_call(R"({"jsonrpc":"2.0","id":7,"result":{"resultType":"input_required","requestState":"s"}})");
  world.whole_call(R"({"jsonrpc":"2.0","id":7,"result":{"resultType":"complete","text":"done"}})");
  const auto answer = world.call();
  ASSERT_TRUE(answer);
  EXPECT_THAT(answer->body, HasSubstr(R"("text":"done")"));
  world.finish(200);
}

TEST(KeyedCall, a_repeat_gets_the_answer_under_its_own_id) {
  Keyed world;
  world.whole_call();
  EXPECT_THAT(world.lines.back(), Not(HasSubstr("replay")));
  world.request.content.replace(world.request.content.find("\"id\":7"), 6, "\"id\":\"seven\"");
  const auto answer = world.call();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(answer->body, R"({"jsonrpc":"2.0","id":"seven","result":{"text":"done"}})");
  EXPECT_EQ(answer->content_type, "application/json");
  const auto lines = world.finish(200);
  EXPECT_THAT(lines.back(), HasSubstr(R"("replay":true)"));
  EXPECT_THAT(lines.back(), HasSubstr(R"("decision":"allow")"));
  EXPECT_THAT(lines.back(), HasSubstr(R"("outcome":"ok")"));
  world.key("k-2");
  EXPECT_FALSE(world.call());
}

TEST(KeyedCall, without_a_key_is_none) {
  Keyed world;
  world.key("");
  EXPECT_THAT(world.refusal(), HasSubstr(R"("code":-32602)"));
  EXPECT_THAT(world.lines.back(), HasSubstr(R"("reason":"idempotency_key_missing")"));
  EXPECT_THAT(world.lines.back(), HasSubstr(R"("route":"fail")"));
  world.key("two words");
  EXPECT_THAT(world.refusal(), HasSubstr("idempotency_key_invalid"));
  EXPECT_TRUE(world.claims.ran.empty());
  world.key("k-1");
  EXPECT_FALSE(world.call());
}

TEST(KeyedCall, that_is_denied_holds_no_key_and_learns_nothing_of_it) {
  Keyed world;
  world.whole_call();
  const std::string allowed = world.request.content;
  world.store.broken = Reason::store_unavailable;
  EXPECT_THAT(world.refusal(), HasSubstr("store_unavailable"));
  world.store.broken.reset();
  world.policy(R"({"schema":1,"tenants":{"default":{"agents":{"company|docs":{"status":"disabled"}}}}})");
  EXPECT_THAT(world.refusal(), HasSubstr("Unknown tool"));
  EXPECT_EQ(world.claims.count("claim"), 1U);
}

TEST(KeyedCall, that_a_limit_refuses_gives_its_key_back) {
  Keyed world;
  Limit limit = parse_limit(std::vector<std::string_view>{"agent", "1r/m"}).value();
  limit.place = "tickets/ticket.read";
  world.location.routes[0].policy.limits.push_back(limit);
  world.whole_call();
  EXPECT_THAT(world.refusal(), HasSubstr(R"("text":"done")")) << "a repeat uses nothing up";
  world.key("k-2");
  EXPECT_THAT(world.refusal(), HasSubstr("limit_exceeded"));
  EXPECT_EQ(world.claims.records.size(), 1U);
  world.loop.advance(Milliseconds(60'000));
  EXPECT_FALSE(world.call());
}

TEST(KeyedCall, whose_exchange_fails_gives_its_key_back) {
  Keyed world;
  world.exchange();
  world.http.drop("https://as.example/token");
  EXPECT_THAT(world.refusal(), HasSubstr("exchange_unavailable"));
  EXPECT_TRUE(world.claims.records.empty());
}

TEST(KeyedCall, that_went_out_and_never_came_back_is_unknown) {
  Keyed world;
  EXPECT_FALSE(world.call());
  world.finish(502);
  world.loop.advance(Milliseconds(100));
  EXPECT_THAT(world.refusal(), HasSubstr("idempotency_unknown"));
  EXPECT_THAT(world.lines.back(), HasSubstr(R"("limit":"fail")"));
}

TEST(KeyedCall, that_the_backend_refused_for_its_credential_may_be_tried_again) {
  Keyed world;
  EXPECT_FALSE(world.call());
  BackendHead head;
  head.status = 401;
  EXPECT_TRUE(world.gateway.judge_response(*world.under_way, world.request.fields, head));
  world.finish(502);
  world.loop.advance(Milliseconds(100));
  EXPECT_TRUE(world.claims.records.empty());
  EXPECT_FALSE(world.call());
}

TEST(KeyedCall, whose_answer_no_repeat_can_have_is_refused) {
  Keyed world;
  world.whole_call("{}");
  EXPECT_THAT(world.refusal(), HasSubstr("idempotency_unrecorded"));
  world.key("k-2");
  world.whole_call("not JSON", 500);
  const auto answer = world.call();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 500);
  EXPECT_EQ(answer->body, "not JSON") << "an error of the server's HTTP layer has no id";
}

TEST(KeyedCall, whose_redis_is_gone_never_runs) {
  Keyed world;
  world.claims.gone = true;
  const auto answer = world.call();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 503);
  EXPECT_THAT(answer->body, HasSubstr("idempotency_unavailable"));
  EXPECT_TRUE(world.log.contains("timed out"));
  world.finish(503);
  world.claims.gone = false;
  world.loop.advance(Milliseconds(1000));
  EXPECT_FALSE(world.call());
}

TEST(KeyedCall, that_is_a_repeat_says_nothing_of_the_backend_and_is_no_denial) {
  Keyed world;
  for (const std::vector<std::string_view>& words :
       {std::vector<std::string_view>{"backend", "errors=50%/1m", "min=2", "for=1m"},
        {"agent", "denials=50%/1m", "min=2", "for=1m"}}) {
    Breaker breaker = parse_breaker(words).value();
    breaker.place = "tickets/*";
    world.location.breakers.push_back(std::move(breaker));
  }
  world.whole_call("gone", 502);
  for (int i = 0; i < 5; ++i) EXPECT_THAT(world.refusal(), "gone");
  world.key("k-2");
  ASSERT_FALSE(world.call());
  const std::optional<Call> first = std::move(world.under_way);
  for (int i = 0; i < 5; ++i) EXPECT_THAT(world.refusal(), HasSubstr("idempotency_in_flight"));
  world.key("k-3");
  EXPECT_FALSE(world.call()) << "no breaker has opened";
}

TEST(KeyedCall, that_is_only_observed_needs_no_key) {
  Keyed world;
  world.key("");
  world.observe();
  EXPECT_FALSE(world.call());
  EXPECT_FALSE(world.forward.recorded);
  world.finish(200);
  EXPECT_TRUE(world.claims.ran.empty());
}

TEST(KeyedCall, that_waited_uses_up_what_policy_limits_now) {
  for (const bool lifted : {false, true}) {
    Keyed world;
    const auto policy = [&](const std::string& limits) {
      world.policy(R"({"schema":1,"tenants":{"default":{"limits":[)" + limits + R"(],
          "agents":{"company|docs":{}},"grants":[{"id":"g","to":"agent:company|docs","operation":"tickets/*"}],
          "entitlements":[{"id":"e","to":"user:company|mira","operation":"tickets/*"}]}}})");
    };
    const std::string tight = R"("agent 1r/d")";
    policy(lifted ? tight : "");
    auto rule = *world.location.routes[0].idempotency;
    rule.wait = Milliseconds(10'000);
    world.location.routes[0].idempotency = std::make_shared<const idempotency::Rule>(rule);
    EXPECT_FALSE(world.call());
    std::optional<Call> first = std::move(world.under_way);
    world.under_way.emplace();
    auto task = world.gateway.govern(world.location, world.request, *world.under_way);
    EXPECT_FALSE(world.loop.run(task));
    policy(lifted ? "" : tight);
    first->claim->not_carried_out();
    first.reset();
    world.loop.advance(Milliseconds(2000));
    const auto outcome = world.loop.run(task);
    ASSERT_TRUE(outcome && *outcome) << "the key was given back, and nothing limits it, or for the first time";
    world.finish(200);
    world.key("k-2");
    const auto next = world.call();
    EXPECT_EQ(next && next->body.contains("limit_exceeded"), !lifted);
  }
}

TEST(KeyedCall, that_waited_is_judged_anew) {
  for (const bool revoked : {false, true}) {
    Keyed world;
    auto rule = *world.location.routes[0].idempotency;
    rule.wait = Milliseconds(10'000);
    world.location.routes[0].idempotency = std::make_shared<const idempotency::Rule>(rule);
    EXPECT_FALSE(world.call());
    std::optional<Call> first = std::move(world.under_way);
    world.under_way.emplace();
    auto task = world.gateway.govern(world.location, world.request, *world.under_way);
    EXPECT_FALSE(world.loop.run(task));
    world.loop.advance(Milliseconds(50));
    if (revoked)
      world.policy(R"({"schema":1,"tenants":{"default":{"agents":{"company|docs":{"status":"disabled"}}}}})");
    world.gateway.keep(*first, {200, "application/json", "", R"({"jsonrpc":"2.0","id":7,"result":{"text":"done"}})"});
    world.loop.advance(Milliseconds(2000));
    const auto outcome = world.loop.run(task);
    ASSERT_TRUE(outcome && !*outcome);
    EXPECT_THAT(outcome->error().body, HasSubstr(revoked ? "Unknown tool" : R"("text":"done")"));
    world.finish(200);
  }
}

}  // namespace
}  // namespace agw::gateway
