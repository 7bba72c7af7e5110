// Breakers: their words, their arithmetic, and the table that holds them.
#include <array>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agw/limits/breaker_table.h"

#include "support/heap_memory.h"

namespace agw::limits {
namespace {

using test::HeapMemory;
using testing::HasSubstr;

Breaker breaker_of(std::vector<std::string_view> words) {
  Breaker out = parse_breaker(words).value();
  out.place = "p";
  return out;
}

/// One breaker, asked and told as calls do.
struct Node {
  explicit Node(std::vector<std::string_view> words, std::size_t memory_size = std::size_t{1} << 20)
      : breaker(breaker_of(std::move(words))), memory(memory_size) {}

  [[nodiscard]] Watch watch(const std::string& whose = "docs") {
    Watch out;
    out.id = ++calls;
    out.breakers.push_back({counter_key("default", whose), &breaker});
    return out;
  }
  Gate ask(const Watch& call, std::optional<Milliseconds> closed_ago = std::nullopt) {
    return table.ask(call, closed_ago, now);
  }
  Counted count(const Watch& call, Mark mark) { return table.count(call, std::array{mark}, now); }
  /// A whole call; whether it was let through.
  bool call(Mark mark, const std::string& whose = "docs") {
    const Watch mine = watch(whose);
    if (ask(mine).held_by) return false;
    last = count(mine, mark);
    return true;
  }
  /// As many calls as open it, and it is open.
  void trip(const std::string& whose = "docs") {
    for (int i = 0; i < 10; ++i) call(Mark::bad, whose);
    ASSERT_TRUE(ask(watch(whose)).held_by);
  }
  void pass_time(Milliseconds time) { now += time; }

  Breaker breaker;
  HeapMemory memory;
  BreakerTable table{memory};
  SteadyTime now{Milliseconds(7'654'321)};
  std::uint64_t calls = 0;
  Counted last;
};

const std::vector<std::string_view> by_time{"agent", "denials=50%/1m", "min=4", "for=5m"};
const std::vector<std::string_view> by_hand{"agent", "denials=50%/1m", "min=4", "by_hand"};
const std::vector<std::string_view> backend{"backend", "errors=50%/30s", "min=4", "for=10s"};

TEST(BreakerWords, are_read_and_written) {
  for (const std::string_view text :
       {"agent denials=20%/1m min=20 for=5m", "agent errors=100%/1s min=1 by_hand",
        "backend errors=1%/1d min=1000000 for=7d", "agent denials=7%/90s min=10 for=1h"}) {
    std::vector<std::string_view> words;
    for (std::string_view rest = text; !rest.empty();) {
      words.push_back(rest.substr(0, rest.find(' ')));
      rest.remove_prefix(std::min(rest.size(), words.back().size() + 1));
    }
    const auto breaker = parse_breaker(words);
    ASSERT_TRUE(breaker) << text << ": " << breaker.error();
    EXPECT_EQ(write_breaker(*breaker), text);
  }
  EXPECT_EQ(breaker_of({"agent", "denials=20%/60s", "for=60m"}).text, "agent denials=20%/1m");
  EXPECT_EQ(breaker_of({"agent", "denials=20%/60s", "for=60m"}).least, 10);
  EXPECT_EQ(breaker_of(by_time).id(), "p:agent:denials:1m");
}

TEST(BreakerWords, what_is_wrong_says_what_to_write) {
  struct Case {
    std::vector<std::string_view> words;
    const char* said;
  };
  for (const auto& [words, said] : std::vector<Case>{{{}, "write agent or backend"},
                                                     {{"user", "denials=20%/1m", "for=5m"}, "write agent or backend"},
                                                     {{"agent"}, "what opens it"},
                                                     {{"agent", "denials=20/1m", "for=5m"}, "denials=20%/1m"},
                                                     {{"agent", "denials=0%/1m", "for=5m"}, "denials=20%/1m"},
                                                     {{"agent", "denials=101%/1m", "for=5m"}, "denials=20%/1m"},
                                                     {{"agent", "denial=20%/1m", "for=5m"}, "denials=20%/1m"},
                                                     {{"agent", "denials=20%/0s", "for=5m"}, "from 1s to 1d"},
                                                     {{"agent", "denials=20%/2d", "for=5m"}, "from 1s to 1d"},
                                                     {{"agent", "denials=20%/1w", "for=5m"}, "from 1s to 1d"},
                                                     {{"agent", "denials=20%/1m"}, "for=5m, or by_hand"},
                                                     {{"agent", "denials=20%/1m", "for=5m", "by_hand"}, "twice"},
                                                     {{"agent", "denials=20%/1m", "by_hand", "for=5m"}, "twice"},
                                                     {{"agent", "denials=20%/1m", "for=8d"}, "from 1s to 7d"},
                                                     {{"agent", "denials=20%/1m", "for="}, "from 1s to 7d"},
                                                     {{"agent", "denials=20%/1m", "for=5m", "min=0"}, "min=20"},
                                                     {{"agent", "denials=20%/1m", "for=5m", "min=2x"}, "min=20"},
                                                     {{"agent", "denials=20%/1m", "for=5m", "often"}, "write min=N"},
                                                     {{"backend", "denials=20%/1m", "for=5m"}, "errors=50%/30s"},
                                                     {{"backend", "errors=20%/1m", "by_hand"}, "write for=TIME"},
                                                     {{"backend", "errors=20%/1m"}, "for=30s"}}) {
    const auto breaker = parse_breaker(words);
    ASSERT_FALSE(breaker) << said;
    EXPECT_THAT(breaker.error(), HasSubstr(said));
  }
}

TEST(Breaker, opens_at_its_rate_and_not_before) {
  Node node(by_time);
  EXPECT_TRUE(node.call(Mark::bad));
  EXPECT_TRUE(node.call(Mark::bad));
  EXPECT_TRUE(node.call(Mark::bad));  // fewer than min say nothing
  EXPECT_TRUE(node.last.turns.empty());
  EXPECT_TRUE(node.call(Mark::good));  // a good one doesn't open it
  EXPECT_TRUE(node.last.turns.empty());
  EXPECT_TRUE(node.call(Mark::bad));
  ASSERT_EQ(node.last.turns.size(), 1U);
  EXPECT_EQ(node.last.turns[0].to, BreakerState::open);
  EXPECT_EQ(node.last.turns[0].counted, 5);
  EXPECT_EQ(node.last.turns[0].bad, 4);
  const Gate gate = node.ask(node.watch());
  EXPECT_EQ(gate.held_by, 0U);
  EXPECT_EQ(gate.wait, Milliseconds(300'000));
  // Below the rate it stays closed, and so does another's.
  Node other(by_time);
  for (int i = 0; i < 99; ++i) EXPECT_TRUE(other.call(i % 5 > 2 ? Mark::bad : Mark::good)) << i;
  EXPECT_TRUE(node.call(Mark::bad, "other"));
  EXPECT_FALSE(node.call(Mark::good));
}

TEST(Breaker, what_means_nothing_is_not_counted) {
  Node node(by_time);
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(node.call(Mark::none));
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(node.call(Mark::bad));
  EXPECT_TRUE(node.last.turns.empty());
  EXPECT_TRUE(node.table.all_closed());
}

TEST(Breaker, its_window_slides) {
  Node node(by_time);
  for (int i = 0; i < 3; ++i) node.call(Mark::bad);
  node.pass_time(Milliseconds(61'000));
  EXPECT_TRUE(node.call(Mark::bad));
  EXPECT_TRUE(node.last.turns.empty()) << "the three are forgotten";
  // Within the window they count, whatever boundary of a minute lies between.
  node.pass_time(Milliseconds(30'000));
  for (int i = 0; i < 2; ++i) node.call(Mark::bad);
  node.pass_time(Milliseconds(25'000));
  node.call(Mark::bad);
  ASSERT_EQ(node.last.turns.size(), 1U);
  EXPECT_EQ(node.last.turns[0].counted, 4);
  // A part at a time.
  Node slow(by_time);
  for (int i = 0; i < 100; ++i) {
    slow.pass_time(Milliseconds(21'000));  // three within a minute
    EXPECT_TRUE(slow.call(Mark::bad)) << i;
  }
}

TEST(Breaker, a_worker_whose_clock_is_behind_counts_with_the_others) {
  Node node(by_time);
  node.pass_time(Milliseconds(4'000));
  for (int i = 0; i < 2; ++i) node.call(Mark::bad);
  node.now -= Milliseconds(4'000);
  for (int i = 0; i < 2; ++i) node.call(Mark::bad);
  EXPECT_EQ(node.last.turns.size(), 1U);
}

TEST(Breaker, closes_after_its_time_and_begins_anew) {
  Node node(by_time);
  node.trip();
  node.pass_time(Milliseconds(299'999));
  EXPECT_TRUE(node.ask(node.watch()).held_by);
  EXPECT_FALSE(node.table.all_closed());
  node.pass_time(Milliseconds(1));
  const Gate gate = node.ask(node.watch());
  EXPECT_FALSE(gate.held_by);
  EXPECT_EQ(gate.closed, std::vector<std::size_t>{0});
  EXPECT_FALSE(gate.by_hand);
  EXPECT_TRUE(node.table.all_closed());
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(node.call(Mark::bad));
  EXPECT_TRUE(node.last.turns.empty());
  EXPECT_TRUE(node.call(Mark::bad));
  EXPECT_EQ(node.last.turns.size(), 1U);
}

TEST(Breaker, whoever_is_only_denied_is_told_of_too_when_it_closes) {
  Node node(by_time);
  node.trip();
  node.pass_time(Milliseconds(300'000));
  // What evaluate denies never asks.
  const auto counted = node.count(node.watch(), Mark::bad);
  ASSERT_EQ(counted.turns.size(), 1U);
  EXPECT_EQ(counted.turns[0].to, BreakerState::closed);
  EXPECT_TRUE(node.table.all_closed());
}

TEST(Breaker, while_it_is_open_nothing_is_counted) {
  Node node(by_time);
  const Watch early = node.watch();
  EXPECT_FALSE(node.ask(early).held_by);
  node.trip();
  EXPECT_TRUE(node.count(early, Mark::bad).turns.empty());
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(node.count(node.watch(), Mark::bad).turns.empty());
  node.pass_time(Milliseconds(300'000));
  EXPECT_TRUE(node.call(Mark::bad)) << "the pause wasn't made longer";
}

TEST(Breaker, by_hand_means_by_hand) {
  Node node(by_hand);
  node.trip();
  node.pass_time(std::chrono::hours(24 * 400));
  const Gate gate = node.ask(node.watch());
  EXPECT_TRUE(gate.held_by);
  EXPECT_FALSE(gate.wait);
  // Closed before it tripped: that was another trip.
  EXPECT_TRUE(node.ask(node.watch(), std::chrono::hours(24 * 400) + Milliseconds(1)).held_by);
  const Gate closed = node.ask(node.watch(), Milliseconds(5));
  EXPECT_FALSE(closed.held_by);
  EXPECT_TRUE(closed.by_hand);
  EXPECT_TRUE(node.call(Mark::bad));
}

TEST(Breaker, a_trip_after_the_closing_stands) {
  Node node(by_hand);
  node.trip();
  EXPECT_TRUE(node.ask(node.watch(), Milliseconds(0)).held_by) << "at the same moment: not newer";
  node.pass_time(Milliseconds(1));
  EXPECT_FALSE(node.ask(node.watch(), Milliseconds(0)).held_by);
  node.pass_time(Milliseconds(10));
  node.trip();
  EXPECT_TRUE(node.ask(node.watch(), Milliseconds(10)).held_by);
  node.pass_time(Milliseconds(7));
  EXPECT_TRUE(node.ask(node.watch(), Milliseconds(17)).held_by);
  EXPECT_FALSE(node.ask(node.watch(), Milliseconds(6)).held_by);
}

TEST(Breaker, one_call_tries_a_backend) {
  Node node(backend);
  node.trip();
  EXPECT_EQ(node.ask(node.watch()).wait, Milliseconds(10'000));
  node.pass_time(Milliseconds(10'000));
  const Watch trying = node.watch();
  const Gate gate = node.ask(trying);
  EXPECT_FALSE(gate.held_by);
  EXPECT_TRUE(gate.tries);
  const Gate beside = node.ask(node.watch());
  EXPECT_TRUE(beside.held_by);
  EXPECT_EQ(beside.wait, Milliseconds(1'000));
  EXPECT_EQ(node.table.state(trying.breakers[0].key), BreakerState::half_open);
  EXPECT_TRUE(node.ask(trying).tries) << "asked again, it goes on";
  // It fails: the same pause again, and nobody is told twice of what was open all the time.
  EXPECT_TRUE(node.count(trying, Mark::bad).turns.empty());
  EXPECT_EQ(node.ask(node.watch()).wait, Milliseconds(10'000));
  node.pass_time(Milliseconds(10'000));
  const Watch again = node.watch();
  EXPECT_TRUE(node.ask(again).tries);
  const auto counted = node.count(again, Mark::good);
  ASSERT_EQ(counted.turns.size(), 1U);
  EXPECT_EQ(counted.turns[0].to, BreakerState::closed);
  EXPECT_TRUE(node.table.all_closed());
  EXPECT_TRUE(node.call(Mark::good));
}

TEST(Breaker, who_tries_and_learns_nothing_lets_another_try) {
  Node node(backend);
  node.trip();
  node.pass_time(Milliseconds(10'000));
  const Watch left = node.watch();
  EXPECT_TRUE(node.ask(left).tries);
  EXPECT_TRUE(node.count(left, Mark::none).turns.empty());
  EXPECT_TRUE(node.ask(node.watch()).tries);
}

TEST(Breaker, what_began_before_says_nothing_about_a_half_open_one) {
  Node node(backend);
  const Watch early = node.watch();
  EXPECT_FALSE(node.ask(early).held_by);
  node.trip();
  node.pass_time(Milliseconds(10'000));
  EXPECT_TRUE(node.ask(node.watch()).tries);
  EXPECT_TRUE(node.count(early, Mark::good).turns.empty());
  EXPECT_EQ(node.table.state(early.breakers[0].key), BreakerState::half_open);
}

TEST(Breaker, a_worker_that_dies_trying_is_not_waited_for_for_ever) {
  Node node(backend);
  node.trip();
  node.pass_time(Milliseconds(10'000));
  const Watch dead = node.watch();
  EXPECT_TRUE(node.ask(dead).tries);
  node.pass_time(Milliseconds(9'999));
  EXPECT_TRUE(node.ask(node.watch()).held_by);
  node.pass_time(Milliseconds(1));
  const Watch next = node.watch();
  EXPECT_TRUE(node.ask(next).tries);
  EXPECT_TRUE(node.count(dead, Mark::bad).turns.empty()) << "it comes too late";
  EXPECT_EQ(node.count(next, Mark::good).turns.size(), 1U);
}

TEST(Breaker, an_agent_that_is_held_does_not_try_the_backend) {
  Node node(backend);
  const Breaker agents = breaker_of(by_hand);
  node.trip();
  node.pass_time(Milliseconds(10'000));
  Watch both = node.watch();
  both.breakers.push_back({counter_key("default", "agent"), &agents});
  for (int i = 0; i < 4; ++i) static_cast<void>(node.table.count(both, std::array{Mark::none, Mark::bad}, node.now));
  const Gate gate = node.ask(both);
  EXPECT_EQ(gate.held_by, 1U);
  EXPECT_FALSE(gate.tries);
  EXPECT_TRUE(node.ask(node.watch()).tries);
}

TEST(Breaker, every_worker_sees_one_state) {
  Node node(by_time);
  BreakerTable other(node.memory);
  for (int i = 0; i < 2; ++i) node.call(Mark::bad);
  for (int i = 0; i < 2; ++i) static_cast<void>(other.count(node.watch(), std::array{Mark::bad}, node.now));
  EXPECT_TRUE(node.ask(node.watch()).held_by);
  EXPECT_TRUE(other.ask(node.watch(), std::nullopt, node.now).held_by);
  EXPECT_FALSE(other.all_closed());
  EXPECT_EQ(other.open_agents(node.now), 1U);
  EXPECT_EQ(other.open_agents(node.now + Milliseconds(300'000)), 0U);
}

TEST(Breaker, a_full_room_denies_nobody_and_forgets_nothing) {
  Node node(by_time, std::size_t{1} << 16);
  node.trip("first");
  bool full = false;
  for (int i = 0; i < 1'000; ++i) {
    const std::string whose = "agent-" + std::to_string(i);
    EXPECT_TRUE(node.call(Mark::bad, whose));
    full = full || node.last.no_room;
  }
  EXPECT_TRUE(full);
  EXPECT_TRUE(node.ask(node.watch("first")).held_by) << "one that is open is never taken for another";
  EXPECT_LE(node.memory.used, std::size_t{1} << 13);
  // What says nothing any more makes room.
  node.pass_time(Milliseconds(61'000));
  EXPECT_TRUE(node.call(Mark::bad, "late"));
  EXPECT_FALSE(node.last.no_room);
  EXPECT_TRUE(node.ask(node.watch("first")).held_by);
}

TEST(Breaker, without_any_room_everything_passes) {
  Node node(by_time, 64);
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(node.call(Mark::bad));
  EXPECT_TRUE(node.last.no_room);
  EXPECT_TRUE(node.table.all_closed());
}

TEST(Breaker, locks_and_unlocks) {
  Node node(backend);
  node.trip();
  node.call(Mark::good);
  EXPECT_EQ(node.memory.locks, 0);
}

}  // namespace
}  // namespace agw::limits
