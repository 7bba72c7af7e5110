// Memory that outlives the process which writes it.
#pragma once

#include <cstddef>
#include <span>

namespace agw {

/// Shared by the processes of one server, cut into one control block and several segments. It is
/// zero where nobody has written yet. A segment has one owner at a time, and so has the control
/// block; an owner that dies, however it dies, owns nothing any more.
class JournalMemory {
 public:
  virtual ~JournalMemory() = default;
  [[nodiscard]] virtual std::span<std::byte> control() noexcept = 0;
  [[nodiscard]] virtual std::size_t segments() const noexcept = 0;
  [[nodiscard]] virtual std::span<std::byte> segment(std::size_t index) noexcept = 0;

  /// This process becomes a segment's owner, until release() or its end. False: another one is.
  [[nodiscard]] virtual bool take(std::size_t index) noexcept = 0;
  virtual void release(std::size_t index) noexcept = 0;
  /// Whether some process, this one or another, owns it.
  [[nodiscard]] virtual bool owned(std::size_t index) noexcept = 0;

  /// The same for the control block: who has it seals.
  [[nodiscard]] virtual bool take_control() noexcept = 0;
};

}  // namespace agw
