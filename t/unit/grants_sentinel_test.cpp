#include <deque>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agw/grants/sentinel.h"

#include "grants/past.h"
#include "support/fakes.h"
#include "support/memory_redis.h"

namespace agw::grants {
namespace {

using test::array_reply;
using test::error_reply;
using test::integer_reply;
using test::text_reply;

const RedisPlace first{"10.0.0.1", 6379};
const RedisPlace second{"10.0.0.2", 6379};

/// Says the same at each question, after a while or never.
class FakeSentinel final : public Redis {
 public:
  explicit FakeSentinel(Loop& loop) : loop_(loop) {}

  std::optional<RedisPlace> names = first;
  std::optional<RedisError> broken;
  std::optional<Milliseconds> takes;
  std::size_t asked = 0;

  [[nodiscard]] Task<Result<std::vector<RedisReply>, RedisError>> pipeline(
      std::vector<RedisCommand> commands) override {
    EXPECT_EQ(commands, std::vector<RedisCommand>{master_question("main")});
    ++asked;
    if (takes) co_await loop_.sleep(*takes);
    if (broken) co_return fail(*broken);
    if (!names) co_return std::vector<RedisReply>{RedisReply{}};
    co_return std::vector<RedisReply>{array_reply({text_reply(names->host), text_reply(std::to_string(names->port))})};
  }

 private:
  Loop& loop_;
};

struct SentinelTest : testing::Test {
  std::optional<RedisPlace> found() {
    auto asking = sentinels.master();
    asking.start();
    loop.settle();
    return asking.done() ? asking.take() : std::nullopt;
  }

  test::FakeClock clock;
  test::FakeLoop loop{clock};
  FakeSentinel a{loop};
  FakeSentinel b{loop};
  FakeSentinel c{loop};
  Sentinels sentinels{loop, {&a, &b, &c}, "main"};
};

TEST_F(SentinelTest, a_majority_says_who_the_master_is) {
  EXPECT_EQ(found(), first);
  a.names = second;
  EXPECT_EQ(found(), first) << "one that lies, or is late";
  b.names = second;
  EXPECT_EQ(found(), second);
  b.names.reset();
  EXPECT_FALSE(found()) << "each says something else";
}

TEST_F(SentinelTest, one_that_hangs_or_is_gone_is_waited_for_only_where_it_decides) {
  a.takes = Milliseconds(500);
  EXPECT_EQ(found(), first);
  b.broken = RedisError::connect;
  auto asking = sentinels.master();
  asking.start();
  loop.advance(Milliseconds(499));
  EXPECT_FALSE(asking.done());
  loop.advance(Milliseconds(1));
  EXPECT_EQ(asking.take(), first);
  c.broken = RedisError::timeout;
  EXPECT_FALSE(found()) << "two of three are gone: nobody has a majority";
}

TEST_F(SentinelTest, those_who_ask_at_once_share_the_question) {
  for (auto* one : {&a, &b, &c}) one->takes = Milliseconds(10);
  std::vector<Task<std::optional<RedisPlace>>> asking;
  for (int i = 0; i < 10; ++i) asking.push_back(sentinels.master());
  for (auto& one : asking) one.start();
  loop.advance(Milliseconds(10));
  for (auto& one : asking) EXPECT_EQ(one.take(), first);
  EXPECT_EQ(a.asked, 1U);
}

TEST_F(SentinelTest, who_follows_hears_of_a_failover) {
  struct Follower final : MasterFollower {
    void master_is(const RedisPlace& place) noexcept override { last = place; }
    std::optional<RedisPlace> last;
  } follower;
  sentinels.follow(follower);
  loop.spawn(sentinels.watch());
  loop.settle();
  EXPECT_EQ(follower.last, first);
  a.names = b.names = second;
  loop.advance(Sentinels::pause);
  EXPECT_EQ(follower.last, second);
  a.broken = b.broken = c.broken = RedisError::connect;
  follower.last.reset();
  loop.advance(Sentinels::pause * 4);
  EXPECT_FALSE(follower.last) << "nobody says anything: what is known stays";
  sentinels.leave(follower);
  a.broken = b.broken = std::nullopt;
  loop.advance(Sentinels::pause * 4);
  EXPECT_FALSE(follower.last);
  loop.cancel_spawned();
}

TEST(Election, more_than_half_of_all) {
  for (const std::size_t size : {1U, 2U, 3U, 4U, 5U}) {
    Election election(size);
    std::size_t votes = 0;
    while (election.elected() == nullptr) {
      EXPECT_FALSE(election.over());
      election.vote(first);
      ++votes;
    }
    EXPECT_EQ(votes, size / 2 + 1);
    Election nobody(size);
    for (std::size_t i = 0; 2 * i < size; ++i) nobody.vote(std::nullopt);
    EXPECT_TRUE(nobody.over());
    EXPECT_EQ(nobody.elected(), nullptr);
  }
}

TEST(Sentinel, answers_that_are_none) {
  EXPECT_EQ(read_master(array_reply({text_reply("10.0.0.1"), text_reply("6379")})), first);
  const RedisReply wrong[] = {RedisReply{},
                              error_reply("IDONTKNOW"),
                              text_reply("10.0.0.1:6379"),
                              array_reply({}),
                              array_reply({text_reply("10.0.0.1")}),
                              array_reply({text_reply("10.0.0.1"), integer_reply(6379)}),
                              array_reply({text_reply("10.0.0.1"), text_reply("0")}),
                              array_reply({text_reply("10.0.0.1\r\n"), text_reply("1")}),
                              array_reply({text_reply("a"), text_reply("1"), text_reply("b")})};
  for (const RedisReply& reply : wrong) EXPECT_FALSE(read_master(reply));
  EXPECT_TRUE(is_master(array_reply({text_reply("master"), integer_reply(1), array_reply({})})));
  for (const RedisReply& reply :
       {array_reply({text_reply("slave")}), array_reply({}), text_reply("master"), RedisReply{}})
    EXPECT_FALSE(is_master(reply));
}

TEST(History, is_continued_by_who_has_all_of_it) {
  const History known{"old", 100, 5};
  struct Case {
    const char* name;
    const char* replid;
    const char* former;
    std::uint64_t continued_from;
    std::uint64_t confirmed;
    bool expected;
  };
  const Case cases[] = {{"the same", "old", "0", 0, 5, true},
                        {"promoted, with all of it", "new", "old", 101, 5, true},
                        {"promoted, behind by one byte", "new", "old", 100, 5, false},
                        {"of another history", "new", "other", 1000, 5, false},
                        {"restarted", "new", "0000", 0, 5, false},
                        {"confirmed since", "new", "0000", 0, 6, true},
                        {"confirmed before", "new", "0000", 0, 4, false}};
  for (const Case& row : cases) {
    ServerFacts server;
    server.replid = row.replid;
    server.former = row.former;
    server.continued_from = row.continued_from;
    EXPECT_EQ(continues(server, row.confirmed, known), row.expected) << row.name;
  }
}

struct HeardWrites final : Writes {
  [[nodiscard]] std::optional<std::uint64_t> heard() const noexcept override { return count; }
  std::optional<std::uint64_t> count = 1;
};

struct PastTest : testing::Test {
  /// What the Redis says of itself when it is looked at.
  void look(const std::string& replid, std::uint64_t offset, const std::string& former = "", std::uint64_t from = 0) {
    ServerFacts facts;
    facts.run_id = "run";
    facts.replid = replid;
    facts.offset = offset;
    facts.former = former;
    facts.continued_from = from;
    server.take(facts, 1, 1, clock.steady());
  }
  bool admits(std::uint64_t confirmed = 0) {
    return past.admits("default", {.incarnation = "abc", .born = "1", .version = 7, .confirmed = confirmed});
  }

  test::FakeClock clock;
  test::MemoryZone zone{clock};
  Server server{Milliseconds(250), Server::Failover::expected};
  HeardWrites writes;
  Past past{zone, server, clock, writes};
};

TEST_F(PastTest, what_isnt_policy_may_be_lost_in_a_failover) {
  look("old", 100);
  EXPECT_TRUE(admits());
  look("old", 200);
  EXPECT_TRUE(admits());
  look("new", 150, "old", 150);
  EXPECT_TRUE(admits());
  look("old", 300);
  EXPECT_FALSE(admits()) << "the deposed one";
}

TEST_F(PastTest, a_write_that_was_heard_of_must_be_there) {
  look("old", 100);
  EXPECT_TRUE(admits());
  writes.count = 2;
  look("old", 200);
  EXPECT_TRUE(admits());
  look("new", 150, "old", 150);
  EXPECT_FALSE(admits());
  EXPECT_FALSE(admits());
  EXPECT_TRUE(admits(1)) << "an operator says that it is the truth";
  EXPECT_TRUE(admits(1));
  look("newer", 300, "new", 151);
  EXPECT_TRUE(admits(1));
}

TEST_F(PastTest, where_nothing_is_heard_everything_must_be_there) {
  writes.count.reset();
  look("old", 100);
  EXPECT_TRUE(admits());
  look("old", 200);
  EXPECT_TRUE(admits());
  look("new", 150, "old", 150);
  EXPECT_FALSE(admits());
  look("new", 200, "old", 201);
  EXPECT_TRUE(admits());
}

TEST_F(PastTest, all_workers_have_one_past) {
  look("old", 100);
  EXPECT_TRUE(admits());
  Server other_server(Milliseconds(250), Server::Failover::expected);
  Past other(zone, other_server, clock, writes);
  ServerFacts facts;
  facts.run_id = "run";
  facts.replid = "another";
  other_server.take(facts, 1, 1, clock.steady());
  EXPECT_FALSE(other.admits("default", {.incarnation = "abc", .born = "1", .version = 7, .confirmed = 0}));
}

TEST(History, is_written_down_and_read) {
  const History known{"abc", 12345678901234, 1800000000000};
  const auto again = History::read(known.text());
  ASSERT_TRUE(again);
  EXPECT_EQ(again->text(), known.text());
  for (const char* text : {"", "abc", "abc 1", "abc 1 2 3", "abc x 1", " 1 2"})
    EXPECT_FALSE(History::read(text)) << text;
}

}  // namespace
}  // namespace agw::grants
