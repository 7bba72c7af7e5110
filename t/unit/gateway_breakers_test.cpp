// Breakers in the course of a call: what counts, who waits, what is told.
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/gateway_world.h"

namespace agw::gateway {
namespace {

using test::GatewayWorld;
using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;

std::string header(const Answer& answer, std::string_view name) {
  for (const auto& [key, value] : answer.headers)
    if (key == name) return value;
  return "";
}

struct Broken : GatewayWorld {
  explicit Broken(std::vector<std::string_view> words) {
    authorize(token());
    tool("ticket.read");
    add(std::move(words));
  }
  void add(std::vector<std::string_view> words) {
    Breaker made = parse_breaker(words).value();
    made.place = "tickets/*";
    location.breakers.push_back(std::move(made));
  }
  void ask(const std::string& ticket) {
    request.content = R"({"jsonrpc":"2.0","id":7,"method":"tools/call","params":)"
                      R"({"name":"ticket.read","arguments":{"id":")" +
                      ticket + "\"}}}";
  }
  /// A whole call; `upstream`: what the backend answers, 0: nothing. The answer that isn't the backend's.
  std::optional<Answer> whole_call(int upstream = 200, audit::Outcome outcome = audit::Outcome::unknown,
                                   int status = 0) {
    auto answer = call();
    audit::Completion completion;
    completion.outcome = outcome;
    completion.status = answer ? answer->status : status != 0 ? status : upstream;
    if (!answer) completion.upstream_status = upstream;
    gateway.finish(*under_way, completion);
    lines = audit.lines();
    return answer;
  }
  std::optional<Answer> denied() {
    ask("T-2");
    auto answer = whole_call();
    ask("T-1");
    return answer;
  }
  [[nodiscard]] std::string reason() const {
    const std::string& line = lines.back();
    const auto at = line.find(R"("reason":")") + 10;
    return line.substr(at, line.find('"', at) - at);
  }
  [[nodiscard]] std::size_t events(const std::string& type) const {
    return static_cast<std::size_t>(std::count_if(lines.begin(), lines.end(), [&](const std::string& line) {
      return line.find("\"type\":\"" + type + "\"") != std::string::npos;
    }));
  }
  std::vector<std::string> lines;
};

TEST(Breakers, an_agent_that_is_denied_too_often_is_not_heard_for_a_while) {
  Broken world({"agent", "denials=50%/1m", "min=4", "for=5m"});
  for (int i = 0; i < 2; ++i) EXPECT_FALSE(world.whole_call());
  EXPECT_TRUE(world.denied());
  EXPECT_FALSE(world.whole_call());
  EXPECT_TRUE(world.denied());
  EXPECT_EQ(world.events("breaker.open"), 0U);
  EXPECT_TRUE(world.denied());
  EXPECT_EQ(world.events("breaker.open"), 1U);
  EXPECT_THAT(world.lines, Contains(AllOf(HasSubstr(R"("type":"breaker.open")"), HasSubstr("company|docs"),
                                          HasSubstr("agent denials=50%/1m at tickets/*: 3 of 6"))));
  const auto answer = world.whole_call();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 403);
  EXPECT_EQ(header(*answer, "Retry-After"), "300");
  EXPECT_THAT(answer->body, AllOf(HasSubstr(R"("code":4030)"), HasSubstr(R"("reason":"agent_breaker_open")"),
                                  HasSubstr(R"("retry_after":300)")));
  EXPECT_THAT(world.lines.back(), HasSubstr(R"("agent":"fail")"));
  // Another agent's calls are its own.
  world.request.fields = {};
  world.authorize(world.token("tickets:read", "mira", "other"));
  world.tool("ticket.read");
  EXPECT_TRUE(world.whole_call());
  EXPECT_EQ(world.reason(), "agent_unknown");
  world.request.fields = {};
  world.authorize(world.token());
  world.tool("ticket.read");
  world.clock.advance(Milliseconds(240'000));
  world.request.fields = {};
  world.authorize(world.token());
  world.tool("ticket.read");
  world.clock.set(from_unix(GatewayWorld::now));  // the wall clock is set back: that means nothing
  EXPECT_TRUE(world.whole_call());
  EXPECT_EQ(world.reason(), "agent_breaker_open");
  world.clock.advance(Milliseconds(60'000));
  EXPECT_FALSE(world.whole_call());
  EXPECT_EQ(world.events("breaker.close"), 1U);
}

TEST(Breakers, what_is_not_the_agents_doing_does_not_count) {
  Broken world({"agent", "denials=1%/1m", "min=1", "by_hand"});
  // A stranger's token, a store that fails, a backend that does, a limit: none of them is a denial of this agent.
  world.request.fields = {};
  world.authorize("nonsense");
  world.tool("ticket.read");
  EXPECT_TRUE(world.whole_call());
  world.request.fields = {};
  world.authorize(world.token());
  world.tool("ticket.read");
  world.store.broken = Reason::store_unavailable;
  EXPECT_EQ(world.whole_call()->status, 503);
  world.store.broken.reset();
  EXPECT_FALSE(world.whole_call(502));
  Limit limit = parse_limit(std::vector<std::string_view>{"agent", "1r/m"}).value();
  limit.place = "p";
  world.location.routes[0].policy.limits.push_back(limit);
  EXPECT_FALSE(world.whole_call());
  EXPECT_EQ(world.whole_call()->status, 429);
  world.location.routes[0].policy.limits.clear();
  EXPECT_FALSE(world.whole_call());
  EXPECT_EQ(world.events("breaker.open"), 0U);
  EXPECT_TRUE(world.denied());
  EXPECT_EQ(world.events("breaker.open"), 1U);
  const auto answer = world.whole_call();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 403);
  EXPECT_EQ(header(*answer, "Retry-After"), "") << "nobody knows when";
  // Open by hand, it isn't counted that it was refused for that.
  EXPECT_EQ(world.events("breaker.close"), 0U);
}

TEST(Breakers, an_agents_errors_count_where_that_is_asked) {
  Broken world({"agent", "errors=50%/1m", "min=2", "for=5m"});
  EXPECT_TRUE(world.denied());
  EXPECT_TRUE(world.denied());
  EXPECT_FALSE(world.whole_call(404));
  EXPECT_FALSE(world.whole_call(500));
  ASSERT_TRUE(world.whole_call());
  EXPECT_EQ(world.reason(), "agent_breaker_open");
}

TEST(Breakers, a_backend_that_fails_is_not_asked_and_then_tried_once) {
  Broken world({"backend", "errors=50%/30s", "min=4", "for=10s"});
  Limit limit = parse_limit(std::vector<std::string_view>{"agent", "5r/d"}).value();
  limit.place = "p";
  world.location.routes[0].policy.limits.push_back(limit);
  EXPECT_FALSE(world.whole_call());
  EXPECT_FALSE(world.whole_call(0, audit::Outcome::aborted, 499)) << "the client left";
  EXPECT_FALSE(world.whole_call(500));
  EXPECT_FALSE(world.whole_call(504));
  world.location.routes[0].policy.limits.clear();
  EXPECT_FALSE(world.whole_call(0, audit::Outcome::unknown, 502)) << "nobody was there";
  EXPECT_EQ(world.events("breaker.open"), 1U);
  EXPECT_THAT(world.lines, Contains(HasSubstr("backend errors=50%/30s at tickets/*: 3 of 4")));
  world.location.routes[0].policy.limits.push_back(limit);
  for (int i = 0; i < 3; ++i) {
    const auto answer = world.whole_call();
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status, 503);
    EXPECT_EQ(header(*answer, "Retry-After"), "10");
    EXPECT_THAT(answer->body, AllOf(HasSubstr(R"("code":5030)"), HasSubstr(R"("reason":"backend_breaker_open")")));
  }
  world.clock.advance(Milliseconds(10'000));
  // One tries; meanwhile the others wait. (Four of five calls of the day are used up: the refused ones took nothing.)
  ASSERT_FALSE(world.call());
  auto trying = std::move(world.under_way);
  EXPECT_EQ(world.whole_call()->status, 503);
  audit::Completion failed;
  failed.status = 500;
  failed.upstream_status = 500;
  world.gateway.finish(*trying, failed);
  EXPECT_EQ(world.whole_call()->status, 503);
  world.location.routes[0].policy.limits.clear();
  world.clock.advance(Milliseconds(10'000));
  ASSERT_FALSE(world.call());
  // Its head is enough: a stream may go on for hours.
  EXPECT_FALSE(world.gateway.judge_response(*world.under_way, world.request.fields, {200, false}));
  trying = std::move(world.under_way);
  EXPECT_FALSE(world.whole_call());
  EXPECT_EQ(world.events("breaker.close"), 1U);
  EXPECT_EQ(world.events("breaker.open"), 1U);
  world.gateway.finish(*trying, failed);
  EXPECT_FALSE(world.whole_call());
}

TEST(Breakers, a_try_that_is_refused_further_on_lets_another_one_try) {
  Broken world({"backend", "errors=50%/30s", "min=1", "for=10s"});
  EXPECT_FALSE(world.whole_call(500));
  world.clock.advance(Milliseconds(10'000));
  Limit limit = parse_limit(std::vector<std::string_view>{"agent", "1r/d"}).value();
  limit.place = "p";
  world.location.routes[0].policy.limits.push_back(limit);
  EXPECT_FALSE(world.whole_call(0, audit::Outcome::aborted, 499));
  EXPECT_EQ(world.whole_call()->status, 429);
  world.location.routes[0].policy.limits.clear();
  EXPECT_FALSE(world.whole_call());
  EXPECT_EQ(world.events("breaker.close"), 1U);
}

constexpr std::string_view with_breaker = R"({"schema":1,"tenants":{"default":{
      "agents":{"company|docs":{"name":"Docs","bundles":["support"]}},
      "bundles":{"support":{"version":1,"grants":[{"id":"b","operation":"tickets/*","resource":"ticket:*"}]}},
      "entitlements":[{"id":"e","to":"user:company|mira","operation":"tickets/ticket.*","resource":"ticket:T-1"}],
      "breakers":{"company|docs":{"state":"STATE","since":"2027-01-15T08:00:00Z"MORE}}
    }}})";

std::string record(const std::string& state, const std::string& more = "") {
  std::string out(with_breaker);
  out.replace(out.find("STATE"), 5, state);
  return out.replace(out.find("MORE"), 4, more);
}

TEST(Breakers, one_that_was_opened_by_hand_holds_wherever_the_agent_calls) {
  Broken world({"agent", "denials=100%/1m", "for=5m"});
  world.location.breakers.clear();
  world.policy(record("open", R"(,"until":"2027-01-15T08:01:00Z")"));
  const auto answer = world.whole_call();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 403);
  EXPECT_EQ(header(*answer, "Retry-After"), "60");
  EXPECT_EQ(world.reason(), "agent_breaker_open");
  world.clock.advance(Milliseconds(60'000));
  EXPECT_FALSE(world.whole_call());
  world.policy(record("open"));
  EXPECT_EQ(header(*world.whole_call(), "Retry-After"), "");
  // The handshake too.
  world.request.content = R"({"jsonrpc":"2.0","id":1,"method":"ping"})";
  EXPECT_EQ(world.whole_call()->status, 403);
  world.policy(record("closed"));
  EXPECT_FALSE(world.whole_call());
}

TEST(Breakers, closing_by_hand_closes_what_tripped_before) {
  Broken world({"agent", "denials=50%/1m", "min=1", "by_hand"});
  world.policy(record("closed"));
  EXPECT_TRUE(world.denied());
  EXPECT_EQ(world.whole_call()->status, 403) << "it tripped at the very moment of the closing, or after it";
}

TEST(Breakers, closing_by_hand_after_the_trip) {
  Broken world({"agent", "denials=50%/1m", "min=1", "by_hand"});
  world.clock.set(from_unix(GatewayWorld::now - 3600));  // a wall clock that was wrong when it tripped
  EXPECT_TRUE(world.denied());
  world.clock.advance(Milliseconds(1'000));
  world.clock.set(from_unix(GatewayWorld::now + 1));
  EXPECT_EQ(world.whole_call()->status, 403);
  world.clock.advance(Milliseconds(1));
  world.policy(record("closed"));
  EXPECT_EQ(world.whole_call()->status, 403) << "closed a moment before it tripped";
  std::string later = record("closed");
  later.replace(later.find("08:00:00Z"), 9, "08:00:01Z");
  world.policy(later);
  EXPECT_FALSE(world.whole_call());
  EXPECT_THAT(world.lines, Contains(AllOf(HasSubstr(R"("type":"breaker.close")"), HasSubstr("by hand"))));
}

TEST(Breakers, observing_refuses_nothing_and_tells_what_would_have_been) {
  Broken world({"agent", "denials=50%/1m", "min=2", "for=5m"});
  world.observe();
  for (int i = 0; i < 2; ++i) EXPECT_FALSE(world.denied());
  EXPECT_THAT(world.lines, Contains(AllOf(HasSubstr(R"("type":"breaker.open")"), HasSubstr(R"("enforced":false)"))));
  EXPECT_FALSE(world.whole_call());
  EXPECT_EQ(world.reason(), "agent_breaker_open");
  EXPECT_THAT(world.lines.back(), HasSubstr(R"("enforced":false)"));
  world.location.mode = Mode::enforce;
  for (auto& route : world.location.routes) route.mode = Mode::enforce;
  EXPECT_FALSE(world.whole_call()) << "what is enforced has counts of its own";
  EXPECT_EQ(world.reason(), "allowed");
}

TEST(Breakers, metrics_say_what_is_open) {
  Broken world({"agent", "denials=50%/1m", "min=1", "for=5m"});
  world.add({"backend", "errors=50%/30s", "min=2", "for=10s"});
  const auto value = [&](const std::string& series) { return world.metrics.cell(series).load(); };
  EXPECT_TRUE(world.denied());
  world.breakers.show({&world.location});
  EXPECT_EQ(value("agent_breaker_open_agents"), 1U);
  EXPECT_EQ(value(R"(agent_breaker_open_backends{backend="tickets"})"), 0U);
  EXPECT_EQ(value(R"(agent_breaker_trips_total{subject="agent",place="tickets/*"})"), 1U);
  world.clock.advance(Milliseconds(300'000));
  world.request.fields = {};
  world.breakers.show({&world.location});
  EXPECT_EQ(value("agent_breaker_open_agents"), 0U) << "before anybody calls again";
}

TEST(Breakers, a_full_room_lets_pass_and_says_so) {
  Broken world({"agent", "denials=50%/1m", "min=1", "for=5m"});
  test::HeapMemory none(16);
  Breakers breakers({world.clock, world.random, none, world.metrics, world.log, world.audit.writer});
  Gateway gateway({world.clock, world.log, world.metrics, world.authenticator, world.store, world.limiter,
                   world.exchanger, world.audit.writer, nullptr, &breakers});
  for (int i = 0; i < 3; ++i) {
    Call call;
    auto task = gateway.govern(world.location, world.request, call);
    std::optional<Result<Forward, Answer>> outcome;
    for (int turn = 0; turn < 100 && !outcome; ++turn) {
      outcome = world.loop.run(task);
      if (!outcome) world.loop.advance(Milliseconds(50));
    }
    ASSERT_TRUE(outcome && outcome->has_value());
    audit::Completion completion;
    completion.status = 200;
    gateway.finish(call, completion);
  }
  EXPECT_EQ(world.metrics.cell("agent_breaker_uncounted_total").load(), 3U);
}

}  // namespace
}  // namespace agw::gateway
