#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agw/grants/last_use.h"
#include "agw/grants/policy_file.h"
#include "agw/policy/evaluate.h"

#include "support/fakes.h"

namespace agw::grants {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using testing::UnorderedElementsAre;

constexpr std::string_view policy_text = R"({"schema": 1, "tenants": {"default": {
  "agents": {"company|docs": {"bundles": ["support"], "tier": "developer"}, "company|other": {"bundles": ["support"]}},
  "tiers": {"developer": {}},
  "bundles": {"support": {"grants": [{"id": "b1", "operation": "tickets/ticket.read", "resource": "ticket:*"}]}},
  "grants": [{"id": "g1", "to": "agent:company|docs", "operation": "tickets/ticket.list"},
             {"id": "g2", "to": "agent:company|docs", "operation": "tickets/*"},
             {"id": "t1", "to": "tier:developer", "operation": "tickets/ticket.find"}],
  "entitlements": [{"id": "e1", "to": "user:company|mira", "operation": "tickets/*"}]
}}})";

class Memory final : public UseRecord {
 public:
  [[nodiscard]] Task<std::optional<std::string>> keep(std::vector<Use> uses) override {
    ++asked;
    if (broken) co_return std::string("no");
    for (const Use& use : uses)
      kept.push_back(day_text(use.day) + " " + use.holder + " " + use.id +
                     (use.agent.empty() ? "" : " by " + use.agent));
    co_return std::nullopt;
  }
  std::vector<std::string> kept;
  bool broken = false;
  int asked = 0;
};

struct World {
  World() {
    auto parsed = parse_policy(policy_text);
    policy = std::make_shared<const CompiledPolicy>(*std::move(parsed));
    loop.spawn(uses.run());
    loop.settle();
  }
  ~World() { loop.cancel_spawned(); }

  Decision call(const std::string& operation, const std::string& resource = "",
                const std::string& agent = "company|docs") {
    auto who = std::make_shared<Principal>();
    who->tenant = "default";
    who->user = "company|mira";
    who->agent = agent;
    return call_as(who, operation, resource);
  }
  Decision call_as(const PrincipalPtr& who, const std::string& operation, const std::string& resource) {
    policy::Route route;
    route.operation = operation;
    policy::Question question{.principal = *who};
    question.route = &route;
    question.resource = resource;
    question.now = clock.now();
    auto facts = std::make_shared<policy::Facts>(policy->facts(*who, operation));
    facts->keep = policy;
    Decision decision = policy::evaluate(question, *facts);
    if (decision.allowed()) uses.note(who, facts, decision);
    return decision;
  }
  void flush() { loop.advance(LastUse::interval); }

  test::FakeClock clock;
  test::FakeLoop loop{clock};
  test::MemoryMetrics metrics;
  test::FakeLog log;
  Memory memory;
  LastUse uses{{loop, clock, metrics, log, memory}};
  std::shared_ptr<const CompiledPolicy> policy;
};

TEST(LastUse, what_allowed_a_call_is_kept_once_a_day) {
  World world;
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(world.call("tickets/ticket.read", "ticket:T-1", "company|other").allowed());
    world.flush();
  }
  EXPECT_THAT(world.memory.kept,
              UnorderedElementsAre("2027-01-15 bundle:support b1 by company|other", "2027-01-15 user:company|mira e1"));
  EXPECT_EQ(world.memory.asked, 1) << "nothing new, nothing kept";
  world.clock.advance(std::chrono::hours(24));
  static_cast<void>(world.call("tickets/ticket.read", "ticket:T-1", "company|other"));
  world.flush();
  EXPECT_THAT(world.memory.kept, SizeIs(4));
  EXPECT_EQ(world.memory.kept[2], "2027-01-16 bundle:support b1 by company|other");
}

TEST(LastUse, each_agent_of_a_bundle_by_itself) {
  World world;
  static_cast<void>(world.call("tickets/ticket.read", "ticket:T-1", "company|other"));
  world.flush();
  static_cast<void>(world.call("tickets/ticket.find"));
  static_cast<void>(world.call("tickets/ticket.read", "ticket:T-1"));
  world.flush();
  EXPECT_THAT(world.memory.kept,
              UnorderedElementsAre("2027-01-15 bundle:support b1 by company|other", "2027-01-15 user:company|mira e1",
                                   "2027-01-15 agent:company|docs g2"));
}

TEST(LastUse, of_several_that_allow_the_first_counts) {
  World world;
  const Decision decision = world.call("tickets/ticket.list");
  EXPECT_EQ(decision.granted.holder, "agent:company|docs");
  EXPECT_EQ(decision.granted.grant->id, "g1");
  EXPECT_EQ(decision.entitled.grant->id, "e1");
}

TEST(LastUse, what_is_denied_uses_nothing) {
  World world;
  EXPECT_FALSE(world.call("other/thing").allowed());
  EXPECT_FALSE(world.call("tickets/ticket.write", "", "company|other").allowed());
  world.flush();
  EXPECT_THAT(world.memory.kept, IsEmpty());
}

TEST(LastUse, the_same_caller_again_is_not_looked_up) {
  World world;
  auto who = std::make_shared<Principal>();
  who->tenant = "default";
  who->user = "company|mira";
  who->agent = "company|docs";
  for (int i = 0; i < 100; ++i) static_cast<void>(world.call_as(who, "tickets/ticket.list", ""));
  world.flush();
  EXPECT_THAT(world.memory.kept, SizeIs(2));
}

TEST(LastUse, what_can_not_be_kept_waits_and_is_named_once) {
  World world;
  world.memory.broken = true;
  static_cast<void>(world.call("tickets/ticket.list"));
  for (int i = 0; i < 4; ++i) world.flush();
  EXPECT_THAT(world.log.lines, SizeIs(1));
  EXPECT_EQ(world.metrics.value(R"(agent_last_uses_total{result="failed"})"), 4);
  world.memory.broken = false;
  world.flush();
  EXPECT_THAT(world.memory.kept, SizeIs(2));
  EXPECT_EQ(world.metrics.value(R"(agent_last_uses_total{result="kept"})"), 2);
}

TEST(LastUse, redis_gets_days_by_holder_and_by_agent) {
  test::FakeClock clock;
  test::FakeLoop loop(clock);
  test::ScriptedRedis redis;
  RedisUses record(redis);
  auto keeping = record.keep({{"acme", "bundle:support", "b1", "company|docs", *read_day("2026-11-21")},
                              {"acme", "user:company|mira", "e1", "", *read_day("2026-11-21")}});
  const auto wrong = loop.run(keeping);
  ASSERT_TRUE(wrong.has_value());
  EXPECT_FALSE(wrong->has_value());
  ASSERT_THAT(redis.trips, SizeIs(1));
  EXPECT_THAT(redis.trips[0],
              ElementsAre(ElementsAre("SET", "agw:v:{acme}:seen:since", "2026-11-21", "NX"),
                          ElementsAre("HSET", "agw:v:{acme}:seen:bundle:support", "b1", "2026-11-21"),
                          ElementsAre("EXPIRE", "agw:v:{acme}:seen:bundle:support", "34560000"),
                          ElementsAre("HSET", "agw:v:{acme}:seen:of:company|docs", "bundle:support", "2026-11-21"),
                          ElementsAre("EXPIRE", "agw:v:{acme}:seen:of:company|docs", "34560000"),
                          ElementsAre("HSET", "agw:v:{acme}:seen:user:company|mira", "e1", "2026-11-21"),
                          ElementsAre("EXPIRE", "agw:v:{acme}:seen:user:company|mira", "34560000")));
  redis.answer = [](const RedisCommand&) {
    RedisReply out;
    out.type = RedisReply::Type::error;
    out.text = "NOPERM this user may not touch secret";
    return out;
  };
  auto again = record.keep({{"acme", "user:company|mira", "e1", "", *read_day("2026-11-21")}});
  EXPECT_EQ(**loop.run(again), "NOPERM");
}

TEST(LastUse, lines_of_a_file) {
  const Use use{"acme", "bundle:support", "b \"1\"", "company|docs", *read_day("2026-11-21")};
  const auto read = read_use_line(use_line(use));
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->holder, use.holder);
  EXPECT_EQ(read->id, use.id);
  EXPECT_EQ(read->agent, use.agent);
  EXPECT_EQ(read->day, use.day);
  for (const auto* line : {"", "{}", "[]", "{\"day\":\"2026-11-31\",\"tenant\":\"a\",\"holder\":\"b\",\"id\":\"c\"}",
                           "{\"day\":\"2026-11-2", R"({"since":"2026-11-21"})"})
    EXPECT_FALSE(read_use_line(line).has_value()) << line;

  Use later = use;
  later.day += std::chrono::days(3);
  Use old = use;
  old.id = "old";
  old.day -= std::chrono::days(30);
  const auto last =
      last_uses(use_line(later) + use_line(use) + "{\"cut\n" + use_line(old), use.day - std::chrono::days(10));
  ASSERT_THAT(last, SizeIs(1));
  EXPECT_EQ(last[0].day, later.day);
}

TEST(LastUse, a_cut_line_does_not_take_the_next_one_with_it) {
  test::FakeClock clock;
  test::FakeLoop loop(clock);
  test::FakeBackground background(loop);
  std::string file;
  bool full = true;
  FileUses record(background, [&](std::string_view text) {
    file += full ? text.substr(0, 20) : text;
    return !full;
  });
  const std::vector<Use> uses{{"acme", "user:company|mira", "e1", "", *read_day("2026-11-21")}};
  auto first = record.keep(uses);
  EXPECT_TRUE(loop.run(first)->has_value());
  full = false;
  auto second = record.keep(uses);
  EXPECT_FALSE(loop.run(second)->has_value());
  EXPECT_THAT(last_uses(file, Day()), SizeIs(1));
}

}  // namespace
}  // namespace agw::grants
