#include "agw/status/page.h"

#include <atomic>
#include <cstring>

namespace agw::status {
namespace {

/// Changes whenever a report's layout does; the low byte counts.
constexpr std::uint64_t layout_mark = 0x6167777374617403;
constexpr std::uint64_t any_layout = ~std::uint64_t{0xff};

}  // namespace

struct Page::Layout {
  std::uint64_t mark;
  /// How many reports were written; the last one's place is that number's lowest bit. 0: none.
  std::atomic<std::uint64_t> turn;
  std::atomic<std::uint32_t> state;
  alignas(head_bytes) Report reports[2];
};

Page::Page(std::span<std::byte, page_bytes> memory) noexcept : layout_(reinterpret_cast<Layout*>(memory.data())) {
  static_assert(sizeof(Layout) <= page_bytes);
  static_assert(offsetof(Layout, reports) == head_bytes);
  static_assert(std::atomic<std::uint64_t>::is_always_lock_free);
}

void Page::begin(Process& process) noexcept {
  if (const auto before = left(); before && state() == State::running && before->master == process.master) {
    process.deaths = before->deaths + 1;
    process.dead = before->pid;
  }
  layout_->state.store(static_cast<std::uint32_t>(State::ended), std::memory_order_release);
  if (layout_->mark != layout_mark) {
    std::memset(static_cast<void*>(layout_), 0, sizeof(Layout));
    layout_->mark = layout_mark;
  }
}

void Page::write(const Report& report) noexcept {
  const std::uint64_t next = layout_->turn.load(std::memory_order_relaxed) + 1;
  std::memcpy(&layout_->reports[next & 1U], &report, sizeof report);
  layout_->turn.store(next, std::memory_order_release);
  layout_->state.store(static_cast<std::uint32_t>(State::running), std::memory_order_release);
}

void Page::end() noexcept {
  if (layout_->mark == layout_mark)
    layout_->state.store(static_cast<std::uint32_t>(State::ended), std::memory_order_release);
}

State Page::state() const noexcept {
  const bool running = layout_->mark == layout_mark &&
                       layout_->state.load(std::memory_order_acquire) == static_cast<std::uint32_t>(State::running);
  return running ? State::running : State::ended;
}

std::optional<Process> Page::left() const noexcept {
  const std::uint64_t turn = layout_->turn.load(std::memory_order_acquire);
  if (layout_->mark != layout_mark || turn == 0) return std::nullopt;
  return layout_->reports[turn & 1U].process;
}

HeadRead read_head(std::span<const std::byte> bytes) noexcept {
  struct {
    std::uint64_t mark;
    std::uint64_t turn;
    std::uint32_t state;
  } raw{};
  HeadRead out;
  if (bytes.size() < head_bytes) return out;
  std::memcpy(&raw, bytes.data(), sizeof raw);
  out.strange = raw.mark != layout_mark && (raw.mark & any_layout) == (layout_mark & any_layout);
  if (raw.mark != layout_mark) return out;
  out.head = Head{raw.state == static_cast<std::uint32_t>(State::running) ? State::running : State::ended, raw.turn};
  return out;
}

std::optional<Report> read_report(std::span<const std::byte> page, const Head& head) noexcept {
  const std::size_t at = head_bytes + (head.turn & 1U) * sizeof(Report);
  if (head.turn == 0 || page.size() < at + sizeof(Report)) return std::nullopt;
  Report out;
  std::memcpy(&out, page.data() + at, sizeof out);
  return out;
}

}  // namespace agw::status
