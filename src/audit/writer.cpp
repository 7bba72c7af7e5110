#include "agw/audit/writer.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "segment.h"

namespace agw::audit {
namespace {

/// Free slots that are looked for at once: the lowest, so that the same memory is used again while
/// it is still in the cache.
constexpr std::size_t refill = 256;

template <class T>
T clamped(double value) noexcept {
  return static_cast<T>(std::clamp(value, 0.0, static_cast<double>(std::numeric_limits<T>::max())));
}

template <class T, class V>
T clamped_number(V value) noexcept {
  return static_cast<T>(std::clamp<std::int64_t>(value, 0, std::numeric_limits<T>::max()));
}

}  // namespace

struct Writer::State {
  explicit State(Host given) : host(given) {
    free.reserve(refill);
    if (host.journal != nullptr) claim();
  }

  /// Whether there is a segment now. None is free for a moment after a worker died.
  bool claim() noexcept {
    for (std::size_t i = 0; i < host.journal->segments(); ++i) {
      if (!host.journal->take(i)) continue;
      segment = Segment::view(host.journal->segment(i));
      if (!segment) {
        host.journal->release(i);
        continue;
      }
      index = i;
      segment->recover();
      return true;
    }
    return false;
  }

  std::uint32_t take() noexcept {
    if (free.empty()) {
      for (std::uint32_t i = 0; i < segment->slots() && free.size() < refill; ++i)
        if (segment->state(i).load(std::memory_order_acquire) == slot_free) free.push_back(i);
      std::reverse(free.begin(), free.end());
      if (free.empty()) return no_slot;
    }
    const std::uint32_t slot = free.back();
    free.pop_back();
    segment->use(slot);
    return slot;
  }

  /// The slot of the begun event, or no_slot.
  std::uint32_t put(const Event& event) noexcept {
    const std::uint32_t slot = take();
    if (slot == no_slot) return no_slot;
    Slot& first = segment->slot(slot);
    const std::size_t size = composer.compose(event, first.bytes.data(), slot_capacity, first.holes);
    first.size = static_cast<std::uint32_t>(size);
    first.next = no_slot;
    first.outcomes = Outcomes{};
    first.outcomes.reason = static_cast<std::uint8_t>(event.reason);
    if (size == 0 && !put_large(event, slot)) return no_slot;
    segment->state(slot).store(slot_begun, std::memory_order_release);
    return slot;
  }

  bool put_large(const Event& event, std::uint32_t slot) noexcept try {
    std::vector<std::uint32_t> taken{slot};
    if (fill_large(event, taken)) return true;
    for (const std::uint32_t back : taken) segment->state(back).store(slot_free, std::memory_order_release);
    free.insert(free.end(), taken.begin(), taken.end());
    return false;
  } catch (...) {
    // Slots that were marked stay so until the next owner comes: room is lost, nothing else.
    return false;
  }

  /// Adds to `taken` what it needs besides the first slot.
  bool fill_large(const Event& event, std::vector<std::uint32_t>& taken) {
    // Marked at once, so that they aren't found free while more are looked for.
    segment->state(taken[0]).store(slot_part, std::memory_order_release);
    Slot& first = segment->slot(taken[0]);
    const std::size_t bound = Composer::bound(event);
    if (bound > max_event) return false;
    std::vector<char> composed(bound);
    const std::size_t size = composer.compose(event, composed.data(), bound, first.holes);
    if (size == 0) return false;
    while (slot_capacity * taken.size() < size) {
      const std::uint32_t part = take();
      if (part == no_slot) return false;
      taken.push_back(part);
      segment->state(part).store(slot_part, std::memory_order_release);
    }
    first.size = static_cast<std::uint32_t>(size);
    for (std::size_t i = 0; i < taken.size(); ++i) {
      Slot& at = segment->slot(taken[i]);
      const std::size_t from = i * slot_capacity;
      std::memcpy(at.bytes.data(), composed.data() + from, std::min(slot_capacity, size - from));
      at.next = i + 1 < taken.size() ? taken[i + 1] : no_slot;
    }
    return true;
  }

  void finish(std::uint32_t slot, const Completion& completion) noexcept {
    Slot& first = segment->slot(slot);
    Outcomes& out = first.outcomes;
    out.outcome = static_cast<std::uint8_t>(completion.outcome);
    if (completion.failure) out.reason = static_cast<std::uint8_t>(*completion.failure);
    out.status = clamped_number<std::uint16_t>(completion.status);
    out.upstream_status = clamped_number<std::uint16_t>(completion.upstream_status);
    out.upstream_tenths = clamped<std::uint32_t>(completion.upstream_ms * 10);
    out.overhead_us = clamped_number<std::uint32_t>(completion.overhead_us);
    out.items_shown = completion.items_shown;
    out.items_hidden = completion.items_hidden;
    const std::size_t size = std::min(completion.upstream_address.size(), upstream_bytes);
    if (size > 0) std::memcpy(first.upstream.data(), completion.upstream_address.data(), size);
    out.upstream_size = static_cast<std::uint16_t>(size);
    segment->state(slot).store(segment->next_number(), std::memory_order_release);
  }

  /// Said once until there is room again.
  void full() noexcept {
    if (!std::exchange(said_full, true))
      host.log.write(LogLevel::alert,
                     host.on_error == OnError::deny
                         ? "agent_audit: the journal is full: calls are denied until lines can be written"
                         : "agent_audit: the journal is full: calls pass without an event until lines can be written");
  }
  void roomy() noexcept {
    if (std::exchange(said_full, false)) host.log.write(LogLevel::notice, "agent_audit: the journal has room again");
  }

  Host host;
  std::optional<Segment> segment;
  std::size_t index = 0;
  std::vector<std::uint32_t> free;  ///< slots that are free and not looked for again
  Composer composer;
  bool said_full = false;
};

Writer::Writer(Host host) : state_(std::make_unique<State>(host)) {}

Writer::~Writer() {
  if (state_->segment) state_->host.journal->release(state_->index);
}

Result<Writer::Record, Reason> Writer::begin(const Event& event) noexcept {
  State& state = *state_;
  if (state.host.journal == nullptr) return Record(this, no_slot);
  if (state.segment || state.claim()) [[likely]] {
    const std::uint32_t slot = state.put(event);
    if (slot != no_slot) [[likely]] {
      if (state.said_full) state.roomy();
      return Record(this, slot);
    }
  }
  state.full();
  if (state.host.on_error == OnError::deny) return fail(Reason::audit_unavailable);
  if (state.segment) state.segment->lost().fetch_add(1, std::memory_order_relaxed);
  return Record(this, no_slot);
}

bool Writer::note(const Event& event) noexcept {
  auto record = begin(event);
  if (!record) return false;
  const bool kept = record->slot_ != no_slot;
  record->finish(Completion{.outcome = Outcome::ok});
  return kept;
}

Writer::Record& Writer::Record::operator=(Record&& other) noexcept {
  if (this == &other) return *this;
  if (open()) finish(Completion{.outcome = Outcome::aborted});
  writer_ = std::exchange(other.writer_, nullptr);
  slot_ = other.slot_;
  return *this;
}

void Writer::Record::finish(const Completion& completion) noexcept {
  if (!open()) return;
  Writer* const writer = std::exchange(writer_, nullptr);
  if (slot_ != no_slot) writer->state_->finish(slot_, completion);
}

}  // namespace agw::audit
