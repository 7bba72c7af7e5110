// A call whose memory runs out at each of its allocations, one after the other: it ends, it is
// recorded once, it is no allow that it wouldn't have been, and the next call is served.
#include <algorithm>
#include <functional>
#include <string>

#include <gtest/gtest.h>

#include "support/allocations.h"
#include "support/gateway_world.h"

namespace agw::gateway {
namespace {

using test::FailingAllocations;
using test::GatewayWorld;

constexpr std::size_t journal_segment = 64U << 10;

struct Case {
  const char* name;
  std::function<void(GatewayWorld&)> prepare;
  bool allowed;
  bool once = false;  ///< it has a key: what ran never runs again
};

/// Another agent has tripped its breaker: this one's is looked at.
void trip_anothers(GatewayWorld& w) {
  Breaker breaker = parse_breaker(std::vector<std::string_view>{"agent", "denials=50%/1m", "min=1", "by_hand"}).value();
  breaker.place = "tickets/*";
  w.location.breakers.push_back(std::move(breaker));
  w.authorize(w.token("tickets:read", "mira", "stranger"));
  w.tool("ticket.read");
  const auto answer = w.call();
  static_cast<void>(w.finish(answer ? answer->status : 200));
  w.request.fields = {};
}

const Case cases[] = {
    {"allowed", [](GatewayWorld& w) { w.authorize(w.token()), w.tool("ticket.read"); }, true},
    {"exchanged", [](GatewayWorld& w) { w.exchange(), w.authorize(w.token()), w.tool("ticket.read"); }, true},
    {"a slow store",
     [](GatewayWorld& w) {
       w.store.slow = &w.loop, w.store.delay = Milliseconds(10);
       w.authorize(w.token()), w.tool("ticket.read");
     },
     true},
    {"with breakers", [](GatewayWorld& w) { trip_anothers(w), w.authorize(w.token()), w.tool("ticket.read"); }, true},
    {"a key, and what becomes of it",
     [](GatewayWorld& w) {
       w.need_key();
       w.request.fields.add("Idempotency-Key", "k-1");
       w.authorize(w.token()), w.tool("ticket.read");
     },
     true, true},
    {"another ticket", [](GatewayWorld& w) { w.authorize(w.token()), w.tool("ticket.read", R"({"id":"T-2"})"); },
     false},
    {"an agent nobody knows",
     [](GatewayWorld& w) { w.authorize(w.token("tickets:read", "mira", "stranger")), w.tool("ticket.read"); }, false},
    {"no token", [](GatewayWorld& w) { w.tool("ticket.read"); }, false},
};

/// How often a needle is in the lines.
std::ptrdiff_t count(const std::vector<std::string>& lines, std::string_view needle) {
  return std::count_if(lines.begin(), lines.end(),
                       [&](const std::string& line) { return line.find(needle) != std::string::npos; });
}

/// False when the call asks for memory less often.
bool runs_out(const Case& c, const test::Signer& signer, std::size_t after, FailingAllocations::How how, bool warm) {
  const std::string where = std::string(c.name) + (warm ? ", warm" : ", cold") +
                            (how == FailingAllocations::How::once ? ", once, " : ", from then on, ") +
                            std::to_string(after);
  GatewayWorld world(signer, journal_segment);
  c.prepare(world);
  if (warm) {
    static_cast<void>(world.call());
    static_cast<void>(world.finish(200));
  }
  const std::size_t before = world.audit.lines().size();
  std::optional<Answer> answer;
  bool happened = false;
  {
    const FailingAllocations failing(after, how);
    answer = world.call_guarded();
    happened = FailingAllocations::happened();
  }
  if (answer) {
    EXPECT_NE(answer->status, 0) << where << ": " << answer->body;
  } else {
    EXPECT_TRUE(c.allowed) << where;
  }
  auto lines = world.finish(answer ? answer->status : 200);
  lines.erase(lines.begin(), lines.begin() + static_cast<std::ptrdiff_t>(before));
  EXPECT_EQ(count(lines, R"("id":"0123456789abcdef)"), 1) << where;
  if (!answer) EXPECT_EQ(count(lines, R"("decision":"allow")"), 1) << where;

  // Whatever was interrupted, nobody waits for it: after the pause that a failed fetch makes.
  world.loop.advance(Milliseconds(60'000));
  const auto next = world.call();
  const bool ran = warm || !answer;
  if (c.once) {
    // What was claimed and couldn't be given back without memory is unknown, which is safe.
    if (ran) EXPECT_TRUE(next) << where;
  } else {
    EXPECT_EQ(!next, c.allowed) << where << (next ? ": " + next->body : "");
  }
  static_cast<void>(world.finish(200));
  return happened;
}

TEST(Memory, that_runs_out_anywhere_in_a_call_ends_it_and_nothing_else) {
  const test::Signer signer;
  for (const Case& c : cases) {
    for (const bool warm : {false, true}) {
      for (const auto how : {FailingAllocations::How::once, FailingAllocations::How::from_then_on}) {
        std::size_t after = 0;
        while (runs_out(c, signer, after, how, warm) && !testing::Test::HasFailure()) ++after;
        if (testing::Test::HasFailure()) return;
        EXPECT_GT(after, 0U) << c.name << ": it was never short";
      }
    }
  }
}

}  // namespace
}  // namespace agw::gateway
