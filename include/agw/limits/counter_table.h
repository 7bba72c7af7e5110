// The counters of one node, in memory that its workers share.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "agw/io/shared_memory.h"
#include "agw/limits/counter.h"
#include "agw/limits/outcome.h"
#include "agw/model/limit.h"

namespace agw::limits {

/// A digest: no client can aim at another's counter.
using CounterKey = std::array<unsigned char, 16>;
[[nodiscard]] CounterKey counter_key(std::string_view tenant, std::string_view name) noexcept;

struct Want {
  CounterKey key{};
  const Limit* limit = nullptr;
  std::int64_t amount = 0;
};

/// A call that is under way, in every counter of calls at once that it stands in.
struct HoldId {
  std::uint64_t id = 0;     ///< no two calls of the node have the same
  std::int64_t until = 0;   ///< milliseconds since 1970; then it is given back by itself
};

/// One per worker, over the same memory. All wants of a call are taken under one lock, or none.
/// A counter that means something is never taken away for another: at most half of the memory
/// holds counters, and a new one that finds no room is no_room. (What has run out is swept a chain
/// at a time, and everywhere, at most once a second, when the room is used up.)
class CounterTable {
 public:
  explicit CounterTable(SharedMemory& memory) noexcept : memory_(memory) {}

  [[nodiscard]] Outcome take(std::span<const Want> wants, const HoldId& hold, std::int64_t now);
  /// Counts what was used, whatever is left.
  [[nodiscard]] std::vector<Standing> settle(std::span<const Want> wants, std::int64_t now);
  /// The call has ended.
  void give_back(std::span<const CounterKey> keys, std::uint64_t id) noexcept;
  /// It goes on until then. False: it had run out, or was given back.
  bool renew(std::span<const CounterKey> keys, const HoldId& hold) noexcept;

  struct Counts {
    std::size_t counters = 0;
    std::size_t holds = 0;
  };
  [[nodiscard]] Counts counts() noexcept;

 private:
  struct Hold;
  struct Counter;
  struct Root;
  struct Pick;

  [[nodiscard]] Root* root() noexcept;
  [[nodiscard]] static Counter* find(Root& root, const CounterKey& key) noexcept;
  [[nodiscard]] Counter* find_or_add(Root& root, const CounterKey& key, std::int64_t now) noexcept;
  [[nodiscard]] void* allocate(Root& root, std::size_t size, std::int64_t now) noexcept;
  void sweep_chain(Root& root, std::size_t index, std::int64_t now) noexcept;
  void drop_expired(Root& root, Counter& counter, std::int64_t now) noexcept;
  void release(Root& root, void* memory, std::size_t size) noexcept;
  [[nodiscard]] bool check(Root& root, const Want& want, Pick& pick, std::int64_t now) noexcept;
  static void apply(const Want& want, Pick& pick, const HoldId& hold) noexcept;

  SharedMemory& memory_;
  std::span<const Pick> picked_;  ///< under the lock: what the call that is being judged has found
};

}  // namespace agw::limits
