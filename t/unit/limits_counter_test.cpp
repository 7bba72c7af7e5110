// Buckets, windows and calls at once: their arithmetic, and the table that holds them.
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "agw/limits/counter_table.h"

#include "support/heap_memory.h"

namespace agw::limits {
namespace {

using test::HeapMemory;

constexpr std::int64_t start = 1'800'000'000'000;  // 2027-01-15T08:00:00Z

Limit limit_of(std::string_view subject, std::string_view amount, std::vector<std::string_view> more = {}) {
  std::vector<std::string_view> words{subject, amount};
  words.insert(words.end(), more.begin(), more.end());
  Limit out = parse_limit(words).value();
  out.place = "p";
  return out;
}

/// How many of `tries` calls at `now` are let through; `level` goes on.
int let_through(const Limit& limit, Level& level, int tries, std::int64_t now) {
  int out = 0;
  for (int i = 0; i < tries; ++i) {
    const Step step = take(limit, level, 1, now);
    level = step.next;
    if (step.taken) ++out;
  }
  return out;
}

TEST(Bucket, holds_its_amount_and_refills_evenly) {
  const Limit limit = limit_of("agent", "7r/s");
  Level level;
  EXPECT_EQ(let_through(limit, level, 20, start), 7);
  EXPECT_EQ(let_through(limit, level, 20, start + 142), 0);
  EXPECT_EQ(let_through(limit, level, 20, start + 143), 1);
  EXPECT_EQ(let_through(limit, level, 20, start + 1000), 6);
  // However it is cut into milliseconds, nothing is gained or lost.
  int more = 0;
  for (std::int64_t now = start + 1001; now <= start + 11'000; ++now) more += let_through(limit, level, 3, now);
  EXPECT_EQ(more, 70);
}

TEST(Bucket, burst_is_what_it_holds) {
  const Limit limit = limit_of("agent", "60r/m", {"burst=3"});
  Level level;
  EXPECT_EQ(let_through(limit, level, 10, start), 3);
  EXPECT_EQ(let_through(limit, level, 10, start + 100'000), 3);
}

TEST(Bucket, says_how_long_to_wait_and_means_it) {
  const Limit limit = limit_of("agent", "5r/h");
  Level level;
  EXPECT_EQ(let_through(limit, level, 6, start), 5);
  const Step step = take(limit, level, 1, start + 1);
  EXPECT_FALSE(step.taken);
  EXPECT_EQ(step.wait.count(), 720'000 - 1);
  EXPECT_FALSE(take(limit, level, 1, start + step.wait.count()).taken);
  EXPECT_TRUE(take(limit, level, 1, start + 1 + step.wait.count()).taken);
}

TEST(Bucket, queues_only_as_long_as_it_may) {
  const Limit limit = limit_of("agent", "10r/s", {"burst=1", "queue=500ms"});
  Level level;
  std::vector<std::int64_t> waits;
  for (int i = 0; i < 10; ++i) {
    const Step step = take(limit, level, 1, start);
    if (!step.taken) continue;
    level = step.next;
    waits.push_back(step.wait.count());
  }
  EXPECT_EQ(waits, (std::vector<std::int64_t>{0, 100, 200, 300, 400, 500}));
}

TEST(Bucket, a_clock_that_is_a_little_behind_gains_nothing) {
  const Limit limit = limit_of("agent", "1000r/s");
  Level level;
  EXPECT_EQ(let_through(limit, level, 2000, start), 1000);
  int more = 0;
  for (int i = 1; i <= 100; ++i) {
    more += let_through(limit, level, 10, start + i);
    more += let_through(limit, level, 10, start + i - 50);
  }
  EXPECT_EQ(more, 100);
}

TEST(Bucket, a_clock_that_was_set_back_does_not_stop_it) {
  const Limit limit = limit_of("agent", "5r/h");
  Level level;
  EXPECT_EQ(let_through(limit, level, 6, start), 5);
  EXPECT_EQ(let_through(limit, level, 6, start - 86'400'000), 0);
  EXPECT_EQ(let_through(limit, level, 6, start - 86'400'000 + 720'000), 1);
}

TEST(Bucket, an_answers_bytes_are_counted_when_they_are_known) {
  const Limit limit = limit_of("agent", "1kb/s");
  Level level = take(limit, {}, 100, start).next;
  EXPECT_TRUE(take(limit, level, 100, start).taken);
  level = take(limit, level, 5000, start, Charging::settled).next;
  EXPECT_FALSE(take(limit, level, 1, start + 1000).taken);
  // No debt is so large that it takes longer than twice a whole refill.
  EXPECT_TRUE(take(limit, level, 1, start + 2002).taken);
}

TEST(Window, begins_anew_with_the_calendar) {
  const Limit limit = limit_of("agent", "3r/m", {"window"});
  Level level;
  EXPECT_EQ(let_through(limit, level, 5, start + 59'000), 3);
  EXPECT_EQ(let_through(limit, level, 5, start + 59'999), 0);
  EXPECT_EQ(let_through(limit, level, 5, start + 60'000), 3);
  // A worker that is still in the minute before.
  EXPECT_EQ(let_through(limit, level, 5, start + 59'999), 0);
}

TEST(Window, months_are_those_of_the_calendar_leap_days_too) {
  using namespace std::chrono;
  const auto at = [](year_month_day date) {
    return duration_cast<milliseconds>(sys_days(date).time_since_epoch()).count();
  };
  const Window leap = window_around(LimitPeriod::month, at(2028y / February / 29d) + 86'399'999);
  EXPECT_EQ(leap.begin, at(2028y / February / 1d));
  EXPECT_EQ(leap.end, at(2028y / March / 1d));
  const Window december = window_around(LimitPeriod::month, at(2026y / December / 31d));
  EXPECT_EQ(december.end, at(2027y / January / 1d));
  EXPECT_EQ(window_around(LimitPeriod::day, start).begin, start - start % 86'400'000);
}

TEST(Window, crossing_a_threshold_is_told_once) {
  const Limit limit = limit_of("agent", "10r/d", {"warn=50,80,100"});
  Level level;
  std::vector<int> told;
  for (int i = 0; i < 12; ++i) {
    const Step step = take(limit, level, 1, start);
    if (step.taken) level = step.next;
    if (step.taken && step.standing.crossed > 0) told.push_back(step.standing.crossed);
  }
  EXPECT_EQ(told, (std::vector<int>{50, 80, 100}));
}

struct Tables : testing::Test {
  HeapMemory memory{std::size_t{1} << 16};
  CounterTable table{memory};

  static Want want(const Limit& limit, const std::string& name, std::int64_t amount = 1) {
    return {counter_key("default", name), &limit, amount};
  }
  Taking take_one(const Want& one, std::uint64_t hold = 1, std::int64_t now = start) {
    return table.take(std::span(&one, 1), {hold, now + 30'000}, now).kind;
  }
};

TEST_F(Tables, a_call_takes_from_all_or_from_none) {
  const Limit wide = limit_of("agent", "10r/h");
  const Limit narrow = limit_of("user", "1r/h");
  const std::vector<Want> both{want(wide, "a"), want(narrow, "u")};
  EXPECT_EQ(table.take(both, {1, start}, start).kind, Taking::taken);
  const Outcome second = table.take(both, {2, start}, start);
  EXPECT_EQ(second.kind, Taking::refused);
  EXPECT_EQ(second.refused_by, 1U);
  EXPECT_EQ(second.standings[0].remaining, 8);  // had it been let through
  for (int i = 0; i < 9; ++i) EXPECT_EQ(take_one(both[0]), Taking::taken) << i;
  EXPECT_EQ(take_one(both[0]), Taking::refused);
  EXPECT_EQ(memory.locks, 0);
}

TEST_F(Tables, subjects_are_counted_apart) {
  const Limit limit = limit_of("agent", "1r/h");
  EXPECT_EQ(take_one(want(limit, "a")), Taking::taken);
  EXPECT_EQ(take_one(want(limit, "a")), Taking::refused);
  EXPECT_EQ(take_one(want(limit, "b")), Taking::taken);
  EXPECT_NE(counter_key("a", "b"), counter_key("b", "a"));
  const std::string long_name(600, 'x');
  EXPECT_NE(counter_key("a", long_name), counter_key("b", long_name));
  EXPECT_NE(counter_key("a", long_name), counter_key("a", long_name + "x"));
  EXPECT_EQ(counter_key("a", long_name), counter_key("a", long_name));
}

TEST_F(Tables, calls_at_once_are_given_back_or_run_out) {
  const Limit limit = limit_of("agent", "2c");
  const Want one = want(limit, "a");
  EXPECT_EQ(take_one(one, 1), Taking::taken);
  EXPECT_EQ(take_one(one, 2), Taking::taken);
  EXPECT_EQ(take_one(one, 3), Taking::refused);
  table.give_back(std::span(&one.key, 1), 1);
  table.give_back(std::span(&one.key, 1), 1);  // twice is once
  EXPECT_EQ(take_one(one, 4), Taking::taken);
  EXPECT_EQ(take_one(one, 5), Taking::refused);
  // The worker of one was killed; the other's goes on.
  EXPECT_TRUE(table.renew(std::span(&one.key, 1), {4, start + 60'000}));
  EXPECT_EQ(take_one(one, 6, start + 30'000), Taking::taken);
  EXPECT_EQ(take_one(one, 7, start + 30'000), Taking::refused);
  EXPECT_FALSE(table.renew(std::span(&one.key, 1), {2, start + 60'000}));
  EXPECT_EQ(table.counts().holds, 2U);
}

TEST_F(Tables, a_live_counter_is_never_taken_away_and_a_dead_one_makes_room) {
  const Limit limit = limit_of("agent", "1r/m");
  int made = 0;
  while (take_one(want(limit, std::to_string(made))) == Taking::taken) ++made;
  EXPECT_GT(made, 100);
  EXPECT_EQ(take_one(want(limit, "one more")), Taking::no_room);
  for (int i = 0; i < made; ++i) EXPECT_EQ(take_one(want(limit, std::to_string(i))), Taking::refused) << i;
  EXPECT_LE(memory.used, memory.size());
  // A minute later all are full again: what none of them says needs no room.
  EXPECT_EQ(take_one(want(limit, "one more"), 1, start + 60'000), Taking::taken);
  EXPECT_LT(table.counts().counters, 10U);
}

TEST_F(Tables, what_a_call_has_found_is_not_swept_while_room_is_made_for_the_rest) {
  const Limit limit = limit_of("agent", "1r/m");
  const Limit at_once = limit_of("agent", "1c");
  int made = 0;
  while (take_one(want(limit, std::to_string(made))) == Taking::taken) ++made;
  for (int i = 0; i < 50; ++i) {
    const std::int64_t now = start + 60'000 + i * 2'000;
    const std::vector<Want> wants{want(limit, "x" + std::to_string(i)), want(at_once, "y" + std::to_string(i))};
    EXPECT_EQ(table.take(wants, {static_cast<std::uint64_t>(i), now + 1}, now).kind, Taking::taken);
  }
}

TEST(TablesWithoutMemory, deny) {
  HeapMemory memory(100);
  CounterTable table(memory);
  const Limit limit = limit_of("agent", "1r/m");
  const Want one{counter_key("default", "a"), &limit, 1};
  EXPECT_EQ(table.take(std::span(&one, 1), {1, start}, start).kind, Taking::no_room);
  EXPECT_EQ(memory.used, 0U);
}

}  // namespace
}  // namespace agw::limits
