#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agw/gateway/policy_changes.h"

#include "support/audit.h"
#include "support/fakes.h"

namespace agw::gateway {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

RedisReply text(std::string value) {
  RedisReply out;
  out.type = RedisReply::Type::text;
  out.text = std::move(value);
  return out;
}

RedisReply error(std::string value) {
  RedisReply out = text(std::move(value));
  out.type = RedisReply::Type::error;
  return out;
}

RedisReply list(std::vector<RedisReply> elements) {
  RedisReply out;
  out.type = RedisReply::Type::array;
  out.elements = std::move(elements);
  return out;
}

RedisReply integer(std::int64_t value) {
  RedisReply out;
  out.type = RedisReply::Type::integer;
  out.integer = value;
  return out;
}

/// One stream with one group, as far as it is asked for: an entry is new, delivered, or acknowledged.
class StreamRedis final : public Redis {
 public:
  struct Item {
    std::string id;
    RedisReply fields;
    bool delivered = false;
    SteadyTime at{};
  };
  explicit StreamRedis(Clock& clock) : clock_(clock) {}

  void add(const std::string& id, std::vector<std::string> fields) {
    std::vector<RedisReply> parts;
    for (auto& field : fields) parts.push_back(text(std::move(field)));
    items.push_back({id, list(std::move(parts)), false, {}});
  }
  [[nodiscard]] Task<Result<std::vector<RedisReply>, RedisError>> pipeline(
      std::vector<RedisCommand> commands) override {
    ++trips;
    if (broken) co_return fail(RedisError::timeout);
    std::vector<RedisReply> out;
    for (const auto& command : commands) out.push_back(answer(command));
    co_return out;
  }

  std::vector<Item> items;
  bool grouped = false;
  bool broken = false;
  bool loses_acks = false;
  bool forbidden = false;
  int trips = 0;

 private:
  RedisReply answer(const RedisCommand& command) {
    if (forbidden) return error("NOPERM this user has no permissions");
    if (command[0] == "XGROUP") {
      grouped = true;
      return text("OK");
    }
    if (!grouped) return error("NOGROUP No such key or consumer group");
    std::vector<RedisReply> found;
    if (command[0] == "XACK") {
      if (loses_acks) return integer(0);
      for (std::size_t i = 3; i < command.size(); ++i)
        std::erase_if(items, [&](const Item& item) { return item.id == command[i]; });
      return integer(1);
    }
    const bool again = command[0] == "XAUTOCLAIM";
    for (Item& item : items) {
      if (item.delivered != again || (again && clock_.steady() - item.at < Milliseconds(std::stoll(command[4]))))
        continue;
      item.delivered = true;
      item.at = clock_.steady();
      found.push_back(list({text(item.id), item.fields}));
    }
    if (again) return list({text("0-0"), list(std::move(found)), list({})});
    return found.empty() ? RedisReply{} : list({list({text(command[7]), list(std::move(found))})});
  }

  Clock& clock_;
};

struct World {
  explicit World(std::size_t segment_bytes = 8U << 20) : log(std::string(32, 'k'), segment_bytes) {}
  void begin() { loop.spawn(changes.run()); }
  void change(const std::string& id, const std::string& version = "7") {
    redis.add(id, {"version", version, "by", "ada", "reason", "pilot \"one\"", "what", "~agent:company|docs", "ticket",
                   "SEC-12"});
  }

  test::AuditLog log;
  test::FakeLoop loop{log.clock};
  test::MemoryZone zone{log.clock};
  StreamRedis redis{log.clock};
  PolicyChanges changes{{loop, redis, zone, log.metrics, log.writer, log.log}, {"acme"}};
};

TEST(PolicyChanges, each_entry_is_one_event_with_who_why_and_what) {
  World world;
  world.change("1800000001304-0");
  world.begin();
  world.loop.advance(PolicyChanges::interval * 3);
  const auto lines = world.log.lines();
  ASSERT_THAT(lines, SizeIs(1));
  EXPECT_THAT(lines[0], HasSubstr(R"("id":"acme:1800000001304-0")"));
  EXPECT_THAT(lines[0], HasSubstr(R"("time":"2027-01-15T08:00:01.304Z")"));
  EXPECT_THAT(lines[0], HasSubstr(R"("type":"policy.change")"));
  EXPECT_THAT(lines[0], HasSubstr(R"("tenant":"acme","change":{"version":"7","by":"ada","reason":"pilot \"one\"",)"
                                  R"("ticket":"SEC-12","what":"~agent:company|docs"})"));
  EXPECT_THAT(lines[0], HasSubstr("ada changed the policy of tenant acme to version 7: pilot"));
  EXPECT_THAT(world.redis.items, IsEmpty());
  EXPECT_EQ(world.log.metrics.value(R"(agent_policy_changes_total{result="recorded"})"), 1);
}

TEST(PolicyChanges, another_worker_goes_on_where_the_first_was) {
  World world;
  world.change("1800000001000-0");
  world.begin();
  world.loop.advance(PolicyChanges::interval * 3);
  world.loop.cancel_spawned();
  world.change("1800000002000-0", "8");
  PolicyChanges other({world.loop, world.redis, world.zone, world.log.metrics, world.log.writer, world.log.log},
                      {"acme"});
  world.loop.spawn(other.run());
  world.loop.advance(PolicyChanges::interval * 20);
  const auto lines = world.log.lines();
  ASSERT_THAT(lines, SizeIs(2));
  EXPECT_THAT(lines[1], HasSubstr("to version 8"));
  world.loop.cancel_spawned();
}

TEST(PolicyChanges, what_was_not_acknowledged_is_told_again_under_the_same_id) {
  World world;
  world.redis.loses_acks = true;
  world.change("1800000001000-0");
  world.begin();
  world.loop.advance(PolicyChanges::interval * 3);
  world.redis.loses_acks = false;
  world.loop.advance(PolicyChanges::redeliver + PolicyChanges::interval * 3);
  const auto lines = world.log.lines();
  ASSERT_THAT(lines, SizeIs(2));
  EXPECT_THAT(lines, Each(HasSubstr(R"("id":"acme:1800000001000-0")")));
  EXPECT_THAT(world.redis.items, IsEmpty());
}

TEST(PolicyChanges, a_store_that_does_not_answer_delays_them_and_is_named_once) {
  World world;
  world.redis.broken = true;
  world.change("1800000001000-0");
  world.begin();
  world.loop.advance(Milliseconds(300'000));
  EXPECT_LT(world.redis.trips, 20) << "it is asked less often";
  EXPECT_THAT(world.log.log.lines, SizeIs(1));
  EXPECT_GT(world.log.metrics.value(R"(agent_policy_changes_total{result="unread"})"), 3);
  EXPECT_THAT(world.log.lines(), IsEmpty());
  world.redis.broken = false;
  world.loop.advance(PolicyChanges::longest_pause * 2);
  EXPECT_THAT(world.log.lines(), SizeIs(1));
  EXPECT_TRUE(world.log.log.contains("can be read again"));
}

TEST(PolicyChanges, a_user_without_the_right_is_named_with_its_key) {
  World world;
  world.redis.forbidden = true;
  world.begin();
  world.loop.advance(Milliseconds(100'000));
  ASSERT_THAT(world.log.log.lines, SizeIs(1));
  EXPECT_TRUE(world.log.log.contains("agw:v:{acme}:changes: NOPERM"));
}

TEST(PolicyChanges, a_full_journal_delays_what_has_no_room) {
  World world(64U * 1024);
  for (int i = 0; i < 100; ++i) world.change("18000000010" + std::to_string(10 + i) + "-0");
  world.begin();
  world.loop.advance(PolicyChanges::interval * 3);
  EXPECT_GT(world.log.metrics.value(R"(agent_policy_changes_total{result="delayed"})"), 0);
  std::size_t told = world.log.lines().size();
  EXPECT_LT(told, 100U);
  for (int i = 0; i < 30; ++i) {
    world.loop.advance(PolicyChanges::longest_pause);
    told = world.log.lines().size();
  }
  EXPECT_EQ(told, 100U);
  EXPECT_THAT(world.redis.items, IsEmpty());
}

TEST(PolicyChanges, one_of_all_workers_reads) {
  World world;
  PolicyChanges other({world.loop, world.redis, world.zone, world.log.metrics, world.log.writer, world.log.log},
                      {"acme"});
  world.begin();
  world.loop.spawn(other.run());
  world.loop.advance(PolicyChanges::interval * 20);
  EXPECT_LE(world.redis.trips, 22);
  world.loop.cancel_spawned();
}

TEST(PolicyChanges, what_is_no_entry_is_passed_over) {
  World world;
  world.redis.grouped = true;
  world.redis.items.push_back({"1800000001000-0", RedisReply{}, false, {}});
  world.redis.add("1800000002000-0", {"odd"});
  world.begin();
  world.loop.advance(PolicyChanges::interval * 3);
  const auto lines = world.log.lines();
  ASSERT_THAT(lines, SizeIs(1));
  EXPECT_THAT(lines[0], HasSubstr("Somebody changed"));
  EXPECT_THAT(world.redis.items, IsEmpty());
}

}  // namespace
}  // namespace agw::gateway
