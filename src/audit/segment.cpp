#include "segment.h"

#include <algorithm>
#include <cstring>
#include <vector>

namespace agw::audit {
namespace {

constexpr std::size_t head_bytes = 256;
constexpr std::uint64_t layout = 0x6177676a6f757202;  // changes whenever the structures here do

}  // namespace

std::optional<Segment> Segment::view(std::span<std::byte> memory) noexcept {
  static_assert(sizeof(Head) <= head_bytes);
  constexpr std::size_t per_slot = sizeof(std::uint64_t) + slot_bytes;
  if (memory.size() < head_bytes + per_slot) return std::nullopt;
  Segment out;
  const std::size_t slots = (memory.size() - head_bytes) / per_slot;
  out.slots_ = static_cast<std::uint32_t>(std::min<std::size_t>(slots, no_slot - 1));
  out.head_ = reinterpret_cast<Head*>(memory.data());
  out.states_ = reinterpret_cast<std::atomic<std::uint64_t>*>(memory.data() + head_bytes);
  out.slot_ = reinterpret_cast<Slot*>(memory.data() + head_bytes + out.slots_ * sizeof(std::uint64_t));
  return out;
}

std::uint32_t Segment::limit() const noexcept { return std::min(head_->limit.load(std::memory_order_acquire), slots_); }

std::uint32_t Segment::part_after(std::uint32_t slot) noexcept {
  const std::uint32_t next = slot_[slot].next;
  if (next >= slots_ || states_[next].load(std::memory_order_acquire) != slot_part) return no_slot;
  return next;
}

std::size_t Segment::recover() noexcept {
  head_->owners.fetch_add(1, std::memory_order_release);
  if (head_->mark != layout) {
    // Never used, or another version's: nothing in it can be read.
    for (std::uint32_t i = 0; i < slots_; ++i) states_[i].store(slot_free, std::memory_order_relaxed);
    head_->numbers.store(slot_finished, std::memory_order_relaxed);
    head_->lost.store(0, std::memory_order_relaxed);
    head_->recovered.store(0, std::memory_order_relaxed);
    head_->limit.store(0, std::memory_order_relaxed);
    std::atomic_thread_fence(std::memory_order_release);
    head_->mark = layout;
    return 0;
  }
  // A predecessor may have died between a store and the next: the numbers go on behind all of them.
  std::uint64_t highest = std::max(head_->numbers.load(std::memory_order_relaxed), slot_finished);
  std::uint32_t limit = 0;
  constexpr std::uint64_t beyond_belief = std::uint64_t{1} << 62U;
  for (std::uint32_t i = 0; i < slots_; ++i) {
    const std::uint64_t word = states_[i].load(std::memory_order_acquire);
    if (word < beyond_belief) highest = std::max(highest, word + 1);
    if (word != slot_free) limit = i + 1;
  }
  head_->limit.store(limit, std::memory_order_release);
  head_->numbers.store(highest, std::memory_order_relaxed);

  std::size_t unfinished = 0;
  for (std::uint32_t i = 0; i < slots_; ++i) {
    if (states_[i].load(std::memory_order_acquire) != slot_begun) continue;
    Outcomes& outcomes = slot_[i].outcomes;
    const std::uint8_t reason = outcomes.reason;
    outcomes = Outcomes{};
    outcomes.outcome = static_cast<std::uint8_t>(Outcome::unknown);
    outcomes.reason = reason;
    states_[i].store(next_number(), std::memory_order_release);
    ++unfinished;
  }
  head_->recovered.fetch_add(unfinished, std::memory_order_relaxed);

  // The sealer frees an event's parts before the event itself: a part that no event names, or one
  // that some freed event named, belongs to nobody.
  std::vector<bool> named;
  try {
    named.resize(slots_);
  } catch (...) {
    return unfinished;  // parts that stay taken cost room, nothing else
  }
  for (std::uint32_t i = 0; i < slots_; ++i) {
    if (states_[i].load(std::memory_order_acquire) < slot_finished) continue;
    std::size_t parts = 0;
    for (std::uint32_t at = part_after(i); at != no_slot && parts <= max_event / slot_capacity; ++parts) {
      named[at] = true;
      at = part_after(at);
    }
  }
  for (std::uint32_t i = 0; i < slots_; ++i) {
    if (!named[i] && states_[i].load(std::memory_order_acquire) == slot_part)
      states_[i].store(slot_free, std::memory_order_release);
  }
  return unfinished;
}

std::uint64_t Segment::next_number() noexcept {
  const std::uint64_t number = head_->numbers.load(std::memory_order_relaxed);
  head_->numbers.store(number + 1, std::memory_order_relaxed);
  return number;
}

bool Segment::read(std::uint32_t slot, std::string& out) noexcept try {
  // Copied first: what is checked is what is used, whatever its writer does meanwhile.
  const Slot& first = slot_[slot];
  const std::uint32_t size = first.size;
  const Holes holes = first.holes;
  const Outcomes outcomes = first.outcomes;
  if (size == 0 || size > max_event || !whole(holes, size)) return false;
  if (outcomes.outcome >= outcome_count || outcomes.reason >= reasons().size() ||
      outcomes.upstream_size > upstream_bytes)
    return false;
  const std::array<char, upstream_bytes> address = first.upstream;
  const std::string_view upstream(address.data(), outcomes.upstream_size);
  if (size <= slot_capacity) {
    append_joined(out, {first.bytes.data(), size}, holes, outcomes, upstream);
    return true;
  }
  std::string composed;
  composed.reserve(size);
  std::uint32_t at = slot;
  while (composed.size() < size) {
    if (at == no_slot) return false;
    composed.append(slot_[at].bytes.data(), std::min<std::size_t>(slot_capacity, size - composed.size()));
    at = part_after(at);
  }
  append_joined(out, composed, holes, outcomes, upstream);
  return true;
} catch (...) {
  return false;
}

void Segment::free(std::uint32_t slot) noexcept {
  std::size_t parts = 0;
  for (std::uint32_t at = part_after(slot); at != no_slot && parts <= max_event / slot_capacity; ++parts) {
    const std::uint32_t next = part_after(at);
    states_[at].store(slot_free, std::memory_order_release);
    at = next;
  }
  states_[slot].store(slot_free, std::memory_order_release);
}

}  // namespace agw::audit
