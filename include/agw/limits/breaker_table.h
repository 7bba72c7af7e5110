// The breakers of one node, in memory that its workers share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "agw/base/time.h"
#include "agw/io/shared_memory.h"
#include "agw/limits/counter_table.h"
#include "agw/model/breaker.h"

namespace agw::limits {

/// closed: calls pass and are counted. open: none passes. half_open (backends): one call tries, the
/// others wait for what becomes of it.
enum class BreakerState : std::uint8_t { closed, open, half_open };

/// One breaker that a call has to do with.
struct Watched {
  CounterKey key{};
  const Breaker* breaker = nullptr;  ///< of the configuration
};

/// What a call keeps from being asked to being counted.
struct Watch {
  std::vector<Watched> breakers;
  std::uint64_t id = 0;  ///< no two calls of the node have the same
  bool tries = false;    ///< some backend's breaker is half open, and this call is the one
  bool told = false;     ///< what became of that is counted
};

/// Whether a call passes.
struct Gate {
  std::optional<std::size_t> held_by;  ///< nothing: it passes
  std::optional<Milliseconds> wait;    ///< held: until another try may pass; nothing: somebody has to close it
  bool tries = false;
  std::vector<std::size_t> closed;     ///< those that were found open, and closed
  bool by_hand = false;                ///< some of them because somebody said so
};

/// What a call means for one breaker.
enum class Mark : std::uint8_t { none, good, bad };

struct Turn {
  std::size_t which = 0;
  BreakerState to = BreakerState::closed;  ///< closed or open; never told again while it stays so
  std::int64_t counted = 0;
  std::int64_t bad = 0;
};

struct Counted {
  std::vector<Turn> turns;
  bool no_room = false;  ///< for some: it wasn't counted
};

/// One per worker, over the same memory: a table of fixed size, a sixteenth of it. Nothing is
/// allocated afterwards, nothing that counts is taken away for another; what finds no room isn't
/// counted, and passes. Times are of a steady clock that the workers share: how the wall clock is
/// set means nothing here. A window slides by sixteenths.
class BreakerTable {
 public:
  explicit BreakerTable(SharedMemory& memory) noexcept : memory_(memory) {}

  /// Without the lock: none of the node's breakers is open.
  [[nodiscard]] bool all_closed() noexcept;
  /// `closed_ago`: how long ago somebody closed the agent's by hand; a trip since then stands.
  [[nodiscard]] Gate ask(const Watch& watch, std::optional<Milliseconds> closed_ago, SteadyTime now);
  /// One mark for each. A call that tries and means nothing lets another one try.
  [[nodiscard]] Counted count(const Watch& watch, std::span<const Mark> marks, SteadyTime now);

  [[nodiscard]] BreakerState state(const CounterKey& key) noexcept;
  /// Agents' that are open now.
  [[nodiscard]] std::size_t open_agents(SteadyTime now) noexcept;

  /// How long a call that tries is waited for: as long as a backend's breaker is open, within these.
  static constexpr Milliseconds shortest_try{5'000};
  static constexpr Milliseconds longest_try{60'000};

 private:
  struct Entry;
  struct Set;
  struct Root;

  [[nodiscard]] Root* root() noexcept;
  [[nodiscard]] Entry* find(const CounterKey& key) noexcept;
  [[nodiscard]] Entry* find_or_add(const Watched& watched, std::int64_t now) noexcept;
  void close(Entry& entry) noexcept;
  void open(Entry& entry, const Breaker& breaker, std::int64_t now) noexcept;
  [[nodiscard]] bool ends(Entry& entry, std::int64_t now) noexcept;
  [[nodiscard]] std::optional<Turn> mark(const Watched& watched, Mark mark, std::uint64_t id, std::int64_t now,
                                         bool& no_room) noexcept;

  SharedMemory& memory_;
  Root* root_ = nullptr;
};

}  // namespace agw::limits
