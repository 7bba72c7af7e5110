// The commit in the course of a call.
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/gateway_world.h"

namespace agw::gateway {
namespace {

using test::GatewayWorld;
using testing::HasSubstr;
using testing::Not;

std::string header(const Answer& answer, std::string_view name) {
  for (const auto& [key, value] : answer.headers)
    if (key == name) return value;
  return "";
}

struct Limited : GatewayWorld {
  Limited() {
    authorize(token());
    tool("ticket.read");
  }
  void limit(std::vector<std::string_view> words, std::size_t route = 0) {
    Limit made = parse_limit(words).value();
    made.place = location.routes[route].policy.operation;
    location.routes[route].policy.limits.push_back(std::move(made));
  }
  /// 0: it goes on to the backend.
  int status() {
    auto answer = call();
    return answer ? answer->status : 0;
  }
  int whole_call() {
    const int out = status();
    lines = finish(out == 0 ? 200 : out);
    return out;
  }
  std::vector<std::string> lines;
};

TEST(Limits, a_call_beyond_one_is_refused_and_says_when_to_come_again) {
  Limited world;
  world.limit({"agent", "2r/m"});
  EXPECT_EQ(world.whole_call(), 0);
  EXPECT_THAT(world.lines.back(), HasSubstr(R"("limit":"pass")"));
  EXPECT_EQ(world.whole_call(), 0);
  const auto answer = world.call();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 429);
  EXPECT_EQ(header(*answer, "Retry-After"), "30");
  EXPECT_EQ(header(*answer, "RateLimit-Policy"), R"("agent 2r/m";q=2;w=60)");
  EXPECT_EQ(header(*answer, "RateLimit"), R"("agent 2r/m";r=0;t=60)");
  EXPECT_THAT(answer->body, HasSubstr(R"("code":4290)"));
  EXPECT_THAT(answer->body, HasSubstr(R"("decision":"rate_limited","reason":"limit_exceeded")"));
  EXPECT_THAT(answer->body, HasSubstr(R"("retry_after":30,"limit":"agent 2r/m")"));
  const auto lines = world.finish(429);
  EXPECT_THAT(lines.back(), HasSubstr(R"("decision":"rate_limited")"));
  EXPECT_THAT(lines.back(), HasSubstr(R"("limit":"fail")"));
  world.loop.advance(Milliseconds(30'000));
  EXPECT_EQ(world.status(), 0);
}

TEST(Limits, what_is_allowed_tells_what_is_left) {
  Limited world;
  world.limit({"agent", "2r/m"});
  EXPECT_EQ(world.status(), 0);
  const auto fields = world.gateway.response_fields(*world.under_way);
  ASSERT_EQ(fields.size(), 2U);
  EXPECT_EQ(fields[1].second, R"("agent 2r/m";r=1;t=30)");
}

TEST(Limits, nothing_is_taken_for_a_call_that_is_denied) {
  Limited world;
  world.limit({"agent", "1r/m"});
  const std::string allowed = world.request.content;
  world.request.content.replace(allowed.find("T-1"), 3, "T-2");
  for (int i = 0; i < 3; ++i) EXPECT_EQ(world.whole_call(), 200);
  EXPECT_THAT(world.lines.back(), HasSubstr(R"("limit":"skip")"));
  world.request.content = allowed;
  EXPECT_EQ(world.status(), 0);
}

TEST(Limits, of_one_tool_bind_no_other) {
  Limited world;
  world.limit({"agent", "1r/m"});
  world.limit({"agent", "1r/m"}, 2);
  EXPECT_EQ(world.whole_call(), 0);
  EXPECT_EQ(world.whole_call(), 429);
}

TEST(Limits, users_and_agents_are_counted_apart) {
  Limited world;
  world.limit({"user", "1r/m"});
  world.policy(R"({"schema":1,"tenants":{"default":{
      "agents":{"company|docs":{"bundles":["support"]}},
      "bundles":{"support":{"version":1,"grants":[{"id":"b","operation":"tickets/*"}]}},
      "entitlements":[{"id":"e","to":"user:company|mira","operation":"tickets/*"},
                      {"id":"f","to":"user:company|omar","operation":"tickets/*"}]}}})");
  EXPECT_EQ(world.whole_call(), 0);
  EXPECT_EQ(world.whole_call(), 429);
  world.request.fields = {};
  world.authorize(world.token("tickets:read", "omar"));
  world.tool("ticket.read");
  EXPECT_EQ(world.whole_call(), 0);
}

TEST(Limits, observing_counts_beside_and_refuses_nothing) {
  Limited world;
  world.limit({"agent", "1r/m"});
  world.observe();
  EXPECT_EQ(world.whole_call(), 0);
  EXPECT_EQ(world.whole_call(), 0);
  EXPECT_THAT(world.lines.back(), HasSubstr(R"("reason":"limit_exceeded")"));
  EXPECT_THAT(world.lines.back(), HasSubstr(R"("enforced":false)"));
  world.location.mode = Mode::enforce;
  for (auto& route : world.location.routes) route.mode = Mode::enforce;
  EXPECT_EQ(world.whole_call(), 0);
}

TEST(Limits, calls_at_once_end_with_the_call) {
  Limited world;
  world.limit({"agent", "1c"});
  EXPECT_EQ(world.status(), 0);
  std::optional<Call> first = std::move(world.under_way);
  const auto answer = world.call();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 429);
  EXPECT_THAT(answer->body, HasSubstr("limit_concurrency"));
  EXPECT_EQ(header(*answer, "RateLimit-Policy"), R"("agent 1c";q=1;qu="concurrent-requests")");
  world.finish(429);
  // Longer than the lease: the worker that lives keeps the place.
  world.loop.advance(Milliseconds(100'000));
  EXPECT_EQ(world.whole_call(), 429);
  first.reset();
  EXPECT_EQ(world.status(), 0);
}

TEST(Limits, a_burst_waits_for_its_turn) {
  Limited world;
  world.limit({"agent", "10r/s", "burst=1", "queue=300ms"});
  EXPECT_EQ(world.status(), 0);
  world.finish(200);
  const auto before = world.clock.steady();
  EXPECT_EQ(world.status(), 0);
  EXPECT_GE((world.clock.steady() - before).count(), 100);
  world.finish(200);
}

TEST(Limits, who_waits_for_a_turn_is_judged_as_of_then) {
  Limited world;
  world.limit({"agent", "10r/s", "burst=1", "queue=300ms"});
  EXPECT_EQ(world.whole_call(), 0);
  Call call;
  auto task = world.gateway.govern(world.location, world.request, call);
  EXPECT_FALSE(world.loop.run(task));
  const auto before = world.store.policy;
  world.policy(R"({"schema":1,"tenants":{"default":{}}})");
  world.loop.advance(Milliseconds(300));
  ASSERT_TRUE(task.done());
  const auto outcome = task.take();
  ASSERT_FALSE(outcome) << "it was revoked while it waited";
  EXPECT_EQ(call.decision.kind, DecisionKind::deny);
}

TEST(Limits, who_leaves_the_queue_is_no_longer_in_it) {
  Limited world;
  world.limit({"agent", "10r/s", "burst=1", "queue=300ms"});
  EXPECT_EQ(world.whole_call(), 0);
  {
    Call call;
    auto task = world.gateway.govern(world.location, world.request, call);
    EXPECT_FALSE(world.loop.run(task));
    EXPECT_EQ(world.limiter.waiting(), 1U);
  }
  EXPECT_EQ(world.limiter.waiting(), 0U);
}

TEST(Limits, cost_counts_what_the_operation_says) {
  Limited world;
  world.limit({"agent", "10u/d"});
  world.location.routes[0].policy.cost = 4;
  EXPECT_EQ(world.whole_call(), 0);
  EXPECT_EQ(world.whole_call(), 0);
  EXPECT_EQ(world.whole_call(), 429);
}

TEST(Limits, bytes_count_the_answer_too) {
  Limited world;
  world.limit({"agent", "1kb/d"});
  EXPECT_EQ(world.status(), 0);
  audit::Completion completion;
  completion.status = 200;
  completion.response_bytes = 2000;
  world.gateway.finish(*world.under_way, completion);
  EXPECT_EQ(world.whole_call(), 429);
}

TEST(Limits, a_call_that_is_refused_later_leaves_its_place_at_once) {
  Limited world;
  world.limit({"agent", "1c"});
  world.exchange();
  world.http.drop("https://as.example/token");
  for (int i = 0; i < 3; ++i) {
    const auto answer = world.call();
    ASSERT_TRUE(answer);
    EXPECT_THAT(answer->body, HasSubstr("exchange_unavailable")) << "before its request has ended";
  }
}

TEST(Limits, a_threshold_is_one_event) {
  Limited world;
  world.limit({"agent", "4r/d", "warn=50"});
  std::string all;
  for (int i = 0; i < 5; ++i) {
    world.whole_call();
  }
  for (const auto& line : world.lines) all += line + "\n";
  const auto at = all.find(R"("type":"limit.threshold")");
  ASSERT_NE(at, std::string::npos) << all;
  EXPECT_EQ(all.find(R"("type":"limit.threshold")", at + 1), std::string::npos);
}

/// A policy with these limits of the tenant and of the agent's bundle and its parent.
std::string limiting(const std::string& tenant, const std::string& bundle, const std::string& parent) {
  return R"({"schema":1,"tenants":{"default":{
      "limits":[)" +
         tenant + R"(],
      "agents":{"company|docs":{"bundles":["support"]},"company|other":{"bundles":["support"]},"company|plain":{}},
      "bundles":{"org":{"limits":[)" +
         parent + R"(],"grants":[]},
                 "support":{"parent":"org","limits":[)" +
         bundle + R"(],"grants":[{"id":"b","operation":"tickets/*"}]}},
      "grants":[{"id":"p","to":"agent:company|plain","operation":"tickets/*"}],
      "entitlements":[{"id":"e","to":"user:company|mira","operation":"tickets/*"}]}}})";
}

TEST(PolicyLimits, answer_as_those_of_the_configuration_do) {
  for (const auto& [tenant, bundle, parent] :
       {std::tuple(R"("agent 2r/m")", "", ""), std::tuple("", R"("agent 2r/m")", ""),
        std::tuple("", "", R"("agent 2r/m")")}) {
    Limited world;
    world.policy(limiting(tenant, bundle, parent));
    EXPECT_EQ(world.whole_call(), 0);
    EXPECT_THAT(world.lines.back(), HasSubstr(R"("limit":"pass")"));
    EXPECT_EQ(world.whole_call(), 0);
    const auto answer = world.call();
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status, 429);
    EXPECT_EQ(header(*answer, "Retry-After"), "30");
    EXPECT_EQ(header(*answer, "RateLimit-Policy"), R"("agent 2r/m";q=2;w=60)");
    EXPECT_THAT(answer->body, HasSubstr(R"("retry_after":30,"limit":"agent 2r/m")"));
    EXPECT_THAT(world.finish(429).back(), HasSubstr(R"("reason":"limit_exceeded")"));
  }
}

TEST(PolicyLimits, every_one_that_applies_is_met) {
  Limited world;
  world.limit({"agent", "9r/m"});
  world.policy(limiting(R"("agent 8r/m")", R"("agent 7r/m")", R"("agent 1r/m name=org")"));
  EXPECT_EQ(world.status(), 0);
  const auto fields = world.gateway.response_fields(*world.under_way);
  EXPECT_EQ(fields.at(1).second, R"("agent 9r/m";r=8;t=7, "agent 8r/m";r=7;t=8, "agent 7r/m";r=6;t=9, "org";r=0;t=60)");
  world.lines = world.finish(200);
  const auto answer = world.call();
  ASSERT_TRUE(answer);
  EXPECT_THAT(answer->body, HasSubstr(R"("limit":"org")")) << "the parent's is the tightest";
  world.finish(429);
  // An edit holds for the next call, and what was used stays used.
  world.policy(limiting("", "", R"("agent 2r/m burst=2")"));
  EXPECT_EQ(world.whole_call(), 0);
  EXPECT_EQ(world.whole_call(), 429);
  world.policy(limiting("", "", ""));
  EXPECT_EQ(world.whole_call(), 0);
}

TEST(PolicyLimits, of_a_bundle_are_not_for_agents_without_it) {
  Limited world;
  world.policy(limiting("", R"("agent 1r/m")", ""));
  EXPECT_EQ(world.whole_call(), 0);
  EXPECT_EQ(world.whole_call(), 429);
  for (const auto& [agent, second] : {std::pair("other", 429), std::pair("plain", 0)}) {
    world.request.fields = {};
    world.authorize(world.token("tickets:read", "mira", agent));
    world.tool("ticket.read");
    EXPECT_EQ(world.whole_call(), 0) << agent;
    EXPECT_EQ(world.whole_call(), second) << agent;
  }
}

TEST(PolicyLimits, outlive_the_policy_that_a_call_began_under) {
  Limited world;
  world.policy(limiting(R"("agent 1c", "agent 100b/d window")", "", ""));
  EXPECT_EQ(world.status(), 0);
  auto first = std::exchange(world.under_way, std::nullopt);
  EXPECT_EQ(world.status(), 429);
  world.finish(429);
  world.policy(limiting(R"("agent 1c")", "", ""));
  audit::Completion completion;
  completion.status = 200;
  completion.response_bytes = 1000;
  world.gateway.finish(*first, completion);
  EXPECT_EQ(world.status(), 0) << "its place was given back";
}

TEST(PolicyLimits, tell_when_a_threshold_is_reached) {
  Limited world;
  world.policy(limiting("", R"("agent 4r/d warn=50")", ""));
  for (int i = 0; i < 2; ++i) world.whole_call();
  std::string all;
  for (const auto& line : world.lines) all += line + "\n";
  EXPECT_THAT(all, HasSubstr("The limit agent 4r/d of bundle support has reached 50 % of what it allows."));
}

TEST(PolicyLimits, of_a_backend_are_the_tenants_own) {
  policy::Route route;
  route.operation = "tickets/ticket.read";
  route.limits.push_back(parse_limit("backend 1r/h").value());
  const Limit own = parse_limit("backend 1r/h").value();
  auto facts = std::make_shared<policy::Facts>();
  facts->limits = {&own};
  Principal who;
  who.tenant = "acme";
  policy::Question question{.principal = who};
  question.route = &route;
  const auto charges = policy::charges(question, facts, 0);
  ASSERT_EQ(charges.size(), 2U);
  EXPECT_EQ(charges[0].tenant, "*");
  EXPECT_EQ(charges[1].tenant, "acme");
}

TEST(Limits, without_room_the_call_is_denied) {
  Limited world;
  world.limit({"agent", "1r/h"});
  const Limit filler = world.location.routes[0].policy.limits[0];
  for (int i = 0; i < 100'000; ++i) {
    auto charges = std::vector<policy::Charge>{{&filler, "default", std::to_string(i), 1}};
    const auto usage = world.loop.run(world.limiter.commit(std::move(charges)));
    if ((*usage)->refusal) break;
  }
  const auto answer = world.call();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 503);
  EXPECT_THAT(answer->body, HasSubstr("limit_room_full"));
}

}  // namespace
}  // namespace agw::gateway
