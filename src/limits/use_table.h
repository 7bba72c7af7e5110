// The used tokens of one node, in memory that its workers share.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "agw/io/shared_memory.h"
#include "agw/limits/counter_table.h"

namespace agw::limits {

/// used: it was used before, or the very call was let come again for this already.
enum class Using : std::uint8_t { first, again, used, predates, no_room };

struct UseEntry {
  CounterKey token{};
  CounterKey call{};
  std::optional<CounterKey> leave;
  std::int64_t issued = 0;  ///< milliseconds since 1970, the latest that is certain; before the table's birth: predates
  std::int64_t expires = 0;  ///< from then on it may be forgotten
};

/// One per worker, over the same memory. At most an eighth of it holds uses, and none is ever dropped before it
/// expires: what finds no room is no_room. (What has expired is swept a chain at a time, and everywhere, at most once a
/// second, when the room is used up.)
class UseTable {
 public:
  /// Born with the first worker's, and again when nginx was stopped: what was used before isn't known.
  UseTable(SharedMemory& memory, std::int64_t now) noexcept;

  [[nodiscard]] Using use(const UseEntry& entry, std::size_t most_leaves, std::int64_t now) noexcept;
  [[nodiscard]] std::size_t count() noexcept;

 private:
  struct Leave;
  struct Use;
  struct Root;

  [[nodiscard]] Root* root(std::int64_t now) noexcept;
  [[nodiscard]] void* allocate(Root& root, std::size_t size, std::int64_t now) noexcept;
  void release(Root& root, void* memory, std::size_t size) noexcept;
  void sweep_chain(Root& root, std::size_t index, std::int64_t now) noexcept;
  [[nodiscard]] Using add(Root& root, const UseEntry& entry, std::int64_t now) noexcept;
  [[nodiscard]] Using come_again(Root& root, Use& use, const UseEntry& entry, std::size_t most_leaves) noexcept;

  SharedMemory& memory_;
};

}  // namespace agw::limits
