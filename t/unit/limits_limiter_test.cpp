// The commit where the counters are in Redis: nobody who leaves cuts it in half, and what happens when Redis doesn't
// answer.
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "agw/limits/limiter.h"

#include "support/fakes.h"
#include "support/heap_memory.h"

namespace agw::limits {
namespace {

using test::FakeClock;
using test::FakeLoop;
using test::FakeRandom;
using test::HeapMemory;

/// Answers after `delay`, as told.
class SlowRedis final : public Redis {
 public:
  explicit SlowRedis(Loop& loop) : loop_(loop) {}
  [[nodiscard]] Task<Result<std::vector<RedisReply>, RedisError>> pipeline(
      std::vector<RedisCommand> commands) override {
    std::vector<RedisReply> replies;
    for (const auto& command : commands) {
      seen.push_back(command);
      replies.push_back(command.front() == "TYPE" ? type : reply);
    }
    auto pause = loop_.sleep(delay);
    co_await std::move(pause);
    if (broken) co_return fail(RedisError::timeout);
    co_return replies;
  }
  [[nodiscard]] int sent(std::string_view name) const {
    return static_cast<int>(std::ranges::count(seen, name, [](const auto& command) { return command.front(); }));
  }
  static RedisReply numbers(std::vector<std::int64_t> values) {
    RedisReply out;
    out.type = RedisReply::Type::array;
    for (const auto value : values) {
      RedisReply& element = out.elements.emplace_back();
      element.type = RedisReply::Type::integer;
      element.integer = value;
    }
    return out;
  }
  Milliseconds delay{10};
  bool broken = false;
  RedisReply reply = numbers({1, 0, 0, 3, 1000, 0});
  RedisReply type;  ///< what TYPE is answered
  std::vector<RedisCommand> seen;

 private:
  Loop& loop_;
};

class NoListener final : public Listener {
 public:
  void limit_crossed(const policy::Charge&, int percent) noexcept override { told.push_back(percent); }
  std::vector<int> told;
};

struct Shared : testing::Test {
  void make(OnError on_error = OnError::deny) {
    limiter.emplace(Limiter::Host{loop, clock, random, memory, listener, log, &redis, on_error});
  }
  std::vector<policy::Charge> charges(std::string_view amount) {
    const std::vector<std::string_view> words{"agent", amount};
    limit = parse_limit(words).value();
    return {{&limit, "default", "k", 1}};
  }
  UsagePtr commit(std::string_view amount) {
    auto asked = charges(amount);
    auto task = FakeLoop::await_step(limiter->commit(std::move(asked)));
    if (auto usage = loop.run(task)) return *usage;
    loop.advance(Milliseconds(50));
    return loop.run(task).value_or(nullptr);
  }
  ~Shared() override { loop.cancel_spawned(); }

  FakeClock clock;
  FakeLoop loop{clock};
  FakeRandom random;
  HeapMemory memory;
  NoListener listener;
  test::FakeLog log;
  SlowRedis redis{loop};
  Limit limit;
  std::optional<Limiter> limiter;
};

TEST_F(Shared, taken_and_refused) {
  make();
  UsagePtr usage = commit("5r/h");
  ASSERT_TRUE(usage);
  EXPECT_FALSE(usage->refusal);
  EXPECT_EQ(usage->outcome.standings.at(0).remaining, 3);
  redis.reply = SlowRedis::numbers({0, 0, 720'000, 0, 3'600'000, 0});
  usage = commit("5r/h");
  EXPECT_EQ(usage->refusal, Reason::limit_exceeded);
  EXPECT_EQ(retry_after(*usage), 720);
}

TEST_F(Shared, who_leaves_while_redis_is_asked_gives_its_place_back) {
  make();
  {
    auto task = FakeLoop::await_step(limiter->commit(charges("5c")));
    EXPECT_FALSE(loop.run(task));
  }
  EXPECT_EQ(redis.sent("ZREM"), 0);
  loop.advance(Milliseconds(50));
  EXPECT_EQ(redis.sent("EVALSHA"), 1);
  EXPECT_EQ(redis.sent("ZREM"), 1);
}

TEST_F(Shared, a_place_is_renewed_while_the_call_goes_on_and_given_back_once) {
  make();
  UsagePtr usage = commit("5c");
  loop.advance(Milliseconds(25'000));
  EXPECT_EQ(redis.sent("EVAL"), 2);
  usage->end();
  usage.reset();
  loop.advance(Milliseconds(25'000));
  EXPECT_EQ(redis.sent("EVAL"), 2);
  EXPECT_EQ(redis.sent("ZREM"), 1);
}

TEST_F(Shared, without_an_answer_it_is_denied_and_what_may_have_been_taken_is_given_back) {
  make();
  redis.broken = true;
  const UsagePtr usage = commit("5c");
  EXPECT_EQ(usage->refusal, Reason::limit_unavailable);
  EXPECT_EQ(usage->detail, to_string(RedisError::timeout));
  loop.advance(Milliseconds(50));
  EXPECT_EQ(redis.sent("ZREM"), 1);
}

TEST_F(Shared, without_an_answer_the_node_counts_for_itself_where_it_may) {
  make(OnError::local);
  redis.broken = true;
  EXPECT_FALSE(commit("2r/h")->refusal);
  EXPECT_FALSE(commit("2r/h")->refusal);
  EXPECT_EQ(commit("2r/h")->refusal, Reason::limit_exceeded);
  redis.broken = false;
  EXPECT_FALSE(commit("2r/h")->refusal);
}

TEST_F(Shared, answers_that_make_no_sense_are_none) {
  make();
  for (const auto& reply : {RedisReply{}, SlowRedis::numbers({1, 0, 0}), SlowRedis::numbers({0, 7, 0, 0, 0, 0}),
                            SlowRedis::numbers({1, 0, 0, 1, 1, 1, 1})}) {
    redis.reply = reply;
    EXPECT_EQ(commit("2r/h")->refusal, Reason::limit_unavailable);
  }
}

TEST_F(Shared, a_key_of_a_wrong_type_is_said_once_until_it_changes) {
  make();
  const RedisReply good = redis.reply;
  const auto wrong = [&](const char* type) {
    redis.reply = {};
    redis.reply.type = RedisReply::Type::error;
    redis.reply.text = "WRONGTYPE Operation against a key holding the wrong kind of value";
    redis.type.type = RedisReply::Type::text;
    redis.type.text = type;
    for (int i = 0; i < 3; ++i) {
      const UsagePtr usage = commit("5r/h");
      ASSERT_TRUE(usage);
      EXPECT_EQ(usage->refusal, Reason::limit_unavailable);
      EXPECT_TRUE(usage->detail.empty()) << "it isn't said again with the call";
    }
  };
  wrong("list");
  EXPECT_EQ(log.lines.size(), 1U);
  EXPECT_TRUE(log.contains("key agw:v:{default}:limit:k: is not a hash"));
  redis.reply = good;
  EXPECT_FALSE(commit("5r/h")->refusal);
  wrong("list");
  EXPECT_EQ(log.lines.size(), 2U);
}

TEST_F(Shared, an_unknown_script_is_sent_whole_once) {
  make();
  redis.reply = RedisReply{};
  redis.reply.type = RedisReply::Type::error;
  redis.reply.text = "NOSCRIPT No matching script";
  EXPECT_EQ(commit("2r/h")->refusal, Reason::limit_unavailable);
  EXPECT_EQ(redis.sent("EVALSHA"), 1);
  EXPECT_EQ(redis.sent("EVAL"), 1);
}

TEST_F(Shared, thresholds_come_from_what_was_used_before) {
  make();
  redis.reply = SlowRedis::numbers({1, 0, 0, 1, 1000, 7});
  auto asked = charges("10r/d");
  limit.warn = {50, 80};
  auto task = FakeLoop::await_step(limiter->commit(std::move(asked)));
  loop.run(task);
  loop.advance(Milliseconds(50));
  EXPECT_EQ(listener.told, std::vector<int>{80});
}

}  // namespace
}  // namespace agw::limits
