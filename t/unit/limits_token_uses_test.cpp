// Tokens that are good for one operation.
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agw/base/encoding.h"
#include "agw/limits/token_uses.h"

#include "support/fakes.h"
#include "support/heap_memory.h"
#include "support/memory_redis.h"

namespace agw::limits {
namespace {

constexpr std::int64_t now = 1'800'000'000;  // where FakeClock begins

struct World {
  ~World() { loop.cancel_spawned(); }
  UseOutcome commit(TokenUse use) {
    auto task = test::FakeLoop::await_step(uses().commit(std::move(use)));
    for (int i = 0; i < 100; ++i) {
      if (auto outcome = loop.run(task)) return *outcome;
      loop.advance(Milliseconds(10));
    }
    return {Reason::internal_error, "no answer"};
  }
  Reason said(TokenUse use) { return commit(std::move(use)).refusal.value_or(Reason::allowed); }
  TokenUse of(const std::string& token, const std::string& call = "read T-1") const {
    TokenUse out;
    out.tenant = "default";
    out.token = sha256(token);
    out.call = sha256(call);
    out.issued_at = from_unix(now + 1);
    out.forgotten_at = from_unix(now + 300);
    return out;
  }
  TokenUses& uses() {
    if (!made) made = std::make_unique<TokenUses>(TokenUses::Host{loop, clock, memory, log, redis});
    return *made;
  }
  test::FakeClock clock;
  test::FakeLoop loop{clock};
  test::FakeLog log;
  test::HeapMemory memory;
  Redis* redis = nullptr;
  std::unique_ptr<TokenUses> made;
};

TEST(TokenUses, each_is_good_for_one_call) {
  World world;
  EXPECT_EQ(world.said(world.of("a")), Reason::allowed);
  EXPECT_EQ(world.said(world.of("a")), Reason::token_used);
  EXPECT_EQ(world.said(world.of("a", "delete T-1")), Reason::token_used);
  EXPECT_EQ(world.said(world.of("b")), Reason::allowed);
  // Tenants have tokens of their own.
  TokenUse other = world.of("a");
  other.tenant = "acme";
  EXPECT_EQ(world.said(other), Reason::allowed);
}

TEST(TokenUses, what_is_only_observed_uses_nothing_up) {
  World world;
  TokenUse observed = world.of("a");
  observed.observed = true;
  EXPECT_EQ(world.said(observed), Reason::allowed);
  EXPECT_EQ(world.said(observed), Reason::token_used);
  EXPECT_EQ(world.said(world.of("a")), Reason::allowed);
}

TEST(TokenUses, the_very_call_comes_again_once_for_each_leave) {
  World world;
  const auto with = [&](const std::string& leave, const std::string& call = "read T-1") {
    TokenUse out = world.of("a", call);
    out.leave = sha256(leave);
    return out;
  };
  EXPECT_EQ(world.said(world.of("a")), Reason::allowed);
  EXPECT_EQ(world.said(with("state 1")), Reason::allowed);
  EXPECT_EQ(world.said(with("state 1")), Reason::token_used);
  EXPECT_EQ(world.said(with("state 2", "read T-2")), Reason::token_used);
  EXPECT_EQ(world.said(world.of("a")), Reason::token_used);
  std::size_t more = 0;
  for (int i = 2; i < 40; ++i) more += world.said(with("state " + std::to_string(i))) == Reason::allowed ? 1 : 0;
  EXPECT_EQ(more, TokenUses::most_leaves - 1);
  // A first use by leave is no second chance for that leave.
  TokenUse first = world.of("b");
  first.leave = sha256("state 1");
  EXPECT_EQ(world.said(first), Reason::allowed);
  EXPECT_EQ(world.said(first), Reason::token_used);
}

/// Three workers over one memory, against what one would write on paper.
TEST(TokenUses, whoever_is_asked_each_use_passes_once) {
  World world;
  std::vector<std::unique_ptr<TokenUses>> workers;
  for (int i = 0; i < 3; ++i)
    workers.push_back(
        std::make_unique<TokenUses>(TokenUses::Host{world.loop, world.clock, world.memory, world.log, nullptr}));
  struct Paper {
    std::string call;
    std::set<std::string> leaves;
  };
  std::map<std::string, Paper> paper;
  std::mt19937 dice(7);
  const auto one_of = [&](int count) { return std::to_string(dice() % static_cast<unsigned>(count)); };
  for (int i = 0; i < 5'000; ++i) {
    const std::string token = "token " + one_of(200);
    const std::string call = "call " + one_of(2);
    const std::string leave = one_of(5);
    TokenUse use = world.of(token, call);
    if (leave != "0") use.leave = sha256(leave);
    bool passes = false;
    if (const auto known = paper.find(token); known == paper.end()) {
      passes = true;
      paper[token] = {call, {leave}};
    } else if (leave != "0" && known->second.call == call) {
      passes = known->second.leaves.insert(leave).second;
    }
    auto committing = workers[dice() % workers.size()]->commit(use);
    ASSERT_TRUE(committing.ready());
    EXPECT_EQ(!committing.take().refusal, passes) << token << ", " << call << ", leave " << leave;
  }
}

TEST(TokenUses, older_than_the_store_is_refused) {
  World world;
  TokenUse use = world.of("a");
  static_cast<void>(world.uses());
  use.issued_at = from_unix(now - 1);
  EXPECT_EQ(world.said(use), Reason::token_predates_store);
  use.issued_at = {};
  EXPECT_EQ(world.said(use), Reason::token_predates_store);
  use.issued_at = from_unix(now);
  EXPECT_EQ(world.said(use), Reason::allowed);
  // An issuer's clock may be ahead: the token may be older than it says.
  use = world.of("b");
  use.clock_skew = Milliseconds(2'000);
  EXPECT_EQ(world.said(use), Reason::token_predates_store);
  use.issued_at = from_unix(now + 2);
  EXPECT_EQ(world.said(use), Reason::allowed);
}

TEST(TokenUses, workers_share_them_and_a_later_worker_forgets_nothing) {
  World world;
  EXPECT_EQ(world.said(world.of("a")), Reason::allowed);
  world.loop.advance(Milliseconds(5'000));
  world.made.reset();
  EXPECT_EQ(world.said(world.of("a")), Reason::token_used);
  EXPECT_EQ(world.said(world.of("b")), Reason::allowed);
}

TEST(TokenUses, a_full_room_denies_and_evicts_nothing_that_counts) {
  World world;
  EXPECT_EQ(world.said(world.of("first")), Reason::allowed);
  Reason last = Reason::allowed;
  int taken = 0;
  for (; last == Reason::allowed && taken < 100'000; ++taken) last = world.said(world.of(std::to_string(taken)));
  EXPECT_EQ(last, Reason::token_use_room_full);
  EXPECT_EQ(world.said(world.of("first")), Reason::token_used);
  EXPECT_EQ(world.said(world.of("0")), Reason::token_used);
  EXPECT_LE(world.memory.used, world.memory.size() / 4);
  // What has ended makes room.
  world.loop.advance(Seconds(301));
  TokenUse later = world.of("later");
  later.forgotten_at = from_unix(now + 900);
  EXPECT_EQ(world.said(later), Reason::allowed);
  EXPECT_EQ(world.memory.locks, 0);
}

TEST(TokenUses, without_memory_for_the_table_all_are_refused) {
  World world;
  world.memory.used = world.memory.size();
  EXPECT_EQ(world.said(world.of("a")), Reason::token_use_room_full);
}

TEST(TokenUses, redis_is_asked_by_one_script_and_believed_word_by_word) {
  struct Case {
    std::string reply;
    Reason reason;
  };
  const Case cases[] = {{"first", Reason::allowed},
                        {"again", Reason::allowed},
                        {"used", Reason::token_used},
                        {"predates", Reason::token_predates_store},
                        {"unborn", Reason::token_use_unavailable},
                        {"", Reason::token_use_unavailable},
                        {"firsts", Reason::token_use_unavailable}};
  for (const Case& c : cases) {
    World world;
    test::ScriptedRedis redis;
    world.redis = &redis;
    redis.answer = [&](const RedisCommand&) { return test::text_reply(c.reply); };
    EXPECT_EQ(world.said(world.of("a")), c.reason) << c.reply;
    const RedisCommand& asked = redis.trips.at(0).at(0);
    const Sha256 digest = sha256("a");
    EXPECT_EQ(asked.at(2), "1") << "what is only read is no key of the script's";
    EXPECT_EQ(asked.at(3), "agw:v:{default}:once:token:" +
                               hex_encode({reinterpret_cast<const char*>(digest.data()), digest.size()}));
    EXPECT_EQ(asked.at(6), "1800000001000");
    EXPECT_EQ(asked.at(7), "360000") << "a minute longer than the token lives";
    EXPECT_EQ(asked.at(9), "agw:p:{default}:meta");
  }
}

TEST(TokenUses, where_redis_does_not_answer_all_are_refused) {
  World world;
  test::ScriptedRedis redis;
  world.redis = &redis;
  redis.broken = RedisError::timeout;
  EXPECT_EQ(world.said(world.of("a")), Reason::token_use_unavailable);
  redis.broken.reset();
  redis.answer = [](const RedisCommand& command) {
    if (command[0] == "TYPE") return test::text_reply("string");
    return test::error_reply("WRONGTYPE Operation against a key holding the wrong kind of value");
  };
  EXPECT_EQ(world.said(world.of("a")), Reason::token_use_unavailable);
  redis.answer = [](const RedisCommand&) { return test::error_reply("OOM command not allowed"); };
  EXPECT_EQ(world.said(world.of("a")), Reason::token_use_unavailable);
}

}  // namespace
}  // namespace agw::limits
