// How tables in the zone are locked, written and begun.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "agw/io/shared_memory.h"

namespace agw {

class TableLock {
 public:
  explicit TableLock(SharedMemory& memory) noexcept : memory_(memory) { memory_.lock(); }
  TableLock(const TableLock&) = delete;
  TableLock& operator=(const TableLock&) = delete;
  ~TableLock() { memory_.unlock(); }

 private:
  SharedMemory& memory_;
};

/// What was written before is in memory before what follows makes it count: a worker that is killed
/// between the two leaves a table that can be read.
inline void publish() noexcept { std::atomic_signal_fence(std::memory_order_seq_cst); }

/// Room for a table's root and for what it leads to. Not begun: `root` is null.
struct TableRoom {
  void* root = nullptr;
  void* pieces = nullptr;
  std::size_t count = 0;  ///< a `wanted`, halved as often as it had to be
};

/// Under the lock. Where memory has been used for long there may be no piece for `wanted` of them; fewer do, too, but
/// for `fewest`.
inline TableRoom make_room(SharedMemory& memory, std::size_t root_size, std::size_t piece_size, std::size_t wanted,
                           std::size_t fewest) noexcept {
  TableRoom out{.count = wanted};
  out.pieces = memory.allocate(out.count * piece_size);
  while (out.pieces == nullptr && out.count > fewest) {
    out.count /= 2;
    out.pieces = memory.allocate(out.count * piece_size);
  }
  if (out.pieces == nullptr) return out;
  out.root = memory.allocate(root_size);
  if (out.root == nullptr) memory.release(out.pieces);
  return out;
}

/// Under the lock: memory for one more entry of a table, whose root counts the bytes that it uses of its `room`. Where
/// there is none, all that has run out is swept first, once in a second. Null: there is no room.
template <class Root, class Sweep>
[[nodiscard]] void* allocate_entry(SharedMemory& memory, Root& root, std::size_t size, std::int64_t now,
                                   Sweep&& sweep_chain) noexcept {
  constexpr std::int64_t sweep_interval = 1'000;
  const auto attempt = [&]() -> void* {
    if (root.used + size > root.room) return nullptr;
    void* const entry = memory.allocate(size);
    if (entry != nullptr) root.used += size;
    return entry;
  };
  if (void* const entry = attempt()) return entry;
  if (now - root.swept < sweep_interval && now >= root.swept) return nullptr;
  root.swept = now;
  for (std::size_t i = 0; i < root.chains; ++i) sweep_chain(i);
  return attempt();
}

template <class Root>
void release_entry(SharedMemory& memory, Root& root, void* entry, std::size_t size) noexcept {
  memory.release(entry);
  root.used -= size;
}

}  // namespace agw
