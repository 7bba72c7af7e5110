// How tables in the zone are locked, written and begun.
#pragma once

#include <atomic>
#include <cstddef>

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

}  // namespace agw
