// A process's report in memory that others read while it writes, and after it died.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "agw/status/report.h"

namespace agw::status {

inline constexpr std::size_t page_bytes = 8192;

/// Whether the owner ended in order: who dies leaves `running`.
enum class State : std::uint32_t { ended, running };

/// A page has room for two reports: one is written while the other one is what counts, and a single store turns them.
/// So neither a writer that was stopped in the middle nor one that was killed there keeps a reader from the last
/// whole report, and nobody waits for anybody.
class Page {
 public:
  /// `memory`: page_bytes, aligned to 8, of zeros or of whatever was there.
  explicit Page(std::span<std::byte, page_bytes> memory) noexcept;

  /// By the owner, first: the page is its own from here on. Tells in `process` of a predecessor with the same master
  /// that didn't end in order.
  void begin(Process& process) noexcept;
  void write(const Report& report) noexcept;
  /// By the owner, last; or by who knows that the owner is gone and shan't be missed.
  void end() noexcept;

  [[nodiscard]] State state() const noexcept;
  /// Of what was left here; nothing if that can't be read.
  [[nodiscard]] std::optional<Process> left() const noexcept;

 private:
  struct Layout;
  Layout* layout_;
};

/// What can be said of a page's copied bytes. Whoever copies a page that is being written asks for its turn before and
/// afterwards (read_head): with the same turn the report is whole.
struct Head {
  State state = State::ended;
  std::uint64_t turn = 0;
};
inline constexpr std::size_t head_bytes = 64;

/// Nothing: the bytes are too few, or nobody of this version wrote them. `strange`: somebody of another version did.
struct HeadRead {
  std::optional<Head> head;
  bool strange = false;
};
[[nodiscard]] HeadRead read_head(std::span<const std::byte> bytes) noexcept;
/// Nothing: the bytes are too few, or nothing was told yet.
[[nodiscard]] std::optional<Report> read_report(std::span<const std::byte> page, const Head& head) noexcept;

}  // namespace agw::status
