// One worker's part of the journal: slots, and one word for each that says whose it is.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "compose.h"

namespace agw::audit {

/// The life of a slot is one word. The worker makes it begun and then finished, the sealer makes it
/// free: each by a single store, so that whoever dies at any point leaves something that can be
/// read. Only the segment's owner makes a free slot anything else.
///
/// An event that is larger than a slot goes on in others, which are marked as parts.
inline constexpr std::uint64_t slot_free = 0;
inline constexpr std::uint64_t slot_begun = 1;
inline constexpr std::uint64_t slot_part = 2;
inline constexpr std::uint64_t slot_finished = 16;  ///< this and above: finished, in this order

inline constexpr std::size_t slot_bytes = 2048;
inline constexpr std::size_t upstream_bytes = 80;
inline constexpr std::uint32_t no_slot = 0xFFFFFFFF;

/// In the first slot of an event; its parts use `next` only.
struct Slot {
  std::uint32_t size;  ///< of the composed bytes, over all parts
  std::uint32_t next;  ///< the part that follows, or no_slot
  Holes holes;
  Outcomes outcomes;
  std::array<char, upstream_bytes> upstream;
  std::array<char, slot_bytes - 2 * sizeof(std::uint32_t) - sizeof(Holes) - sizeof(Outcomes) - upstream_bytes> bytes;
};
static_assert(sizeof(Slot) == slot_bytes);
inline constexpr std::size_t slot_capacity = sizeof(Slot::bytes);
/// No event is larger; its strings are cut long before.
inline constexpr std::size_t max_event = 256U * 1024;

/// A view of a segment's memory. Everything that is read from it is checked: the memory may be the
/// remains of another process, or garbage.
class Segment {
 public:
  /// Nothing if the memory is too small to be one.
  [[nodiscard]] static std::optional<Segment> view(std::span<std::byte> memory) noexcept;

  [[nodiscard]] std::uint32_t slots() const noexcept { return slots_; }
  [[nodiscard]] std::atomic<std::uint64_t>& state(std::uint32_t slot) noexcept { return states_[slot]; }
  [[nodiscard]] Slot& slot(std::uint32_t index) noexcept { return slot_[index]; }

  /// How many owners it has had.
  [[nodiscard]] std::uint64_t owners() const noexcept { return head_->owners.load(std::memory_order_acquire); }
  /// By the owner, when it comes: what its predecessor had begun is finished as unknown, parts
  /// that belong to nothing are freed. How many events were finished so.
  std::size_t recover() noexcept;
  /// No slot from here on was used since the owner came: what the sealer need not look at.
  [[nodiscard]] std::uint32_t limit() const noexcept;
  /// By the owner, before it uses a slot.
  void use(std::uint32_t slot) noexcept {
    if (slot >= head_->limit.load(std::memory_order_relaxed)) head_->limit.store(slot + 1, std::memory_order_release);
  }
  /// By the owner: the next number for a finished slot.
  [[nodiscard]] std::uint64_t next_number() noexcept;

  /// Events that passed without a record (OnError::proceed); the sealer takes what it has told.
  [[nodiscard]] std::atomic<std::uint64_t>& lost() noexcept { return head_->lost; }
  /// Events whose outcome a successor made up.
  [[nodiscard]] std::atomic<std::uint64_t>& recovered() noexcept { return head_->recovered; }

  /// By the sealer: the finished event in this slot, joined. False if it is none: `out` may then
  /// hold a part of it.
  [[nodiscard]] bool read(std::uint32_t slot, std::string& out) noexcept;
  /// By the sealer: frees a finished event with its parts.
  void free(std::uint32_t slot) noexcept;

 private:
  struct Head {
    std::uint64_t mark;
    std::atomic<std::uint64_t> numbers;
    std::atomic<std::uint64_t> lost;
    std::atomic<std::uint64_t> recovered;
    std::atomic<std::uint64_t> owners;
    std::atomic<std::uint32_t> limit;
  };
  static_assert(std::atomic<std::uint64_t>::is_always_lock_free);
  [[nodiscard]] std::uint32_t part_after(std::uint32_t slot) noexcept;

  Head* head_ = nullptr;
  std::atomic<std::uint64_t>* states_ = nullptr;
  Slot* slot_ = nullptr;
  std::uint32_t slots_ = 0;
};

}  // namespace agw::audit
