// A log that takes lines, and is believed only as far as it can be read back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace agw {

class LogFile {
 public:
  virtual ~LogFile() = default;

  struct State {
    std::uint64_t identity = 0;  ///< another file has another one
    std::uint64_t size = 0;      ///< bytes
    bool regular = true;         ///< false: it can't be read back, nor cut (a pipe, a device)
  };
  /// Keeps other writers of the same file away until end(). Nothing: another one is writing now.
  [[nodiscard]] virtual std::optional<State> begin() noexcept = 0;
  virtual void end() noexcept = 0;

  /// Appends; how many bytes were taken. Fewer than given: an error, or nobody reads. Waits a
  /// bounded time.
  [[nodiscard]] virtual std::size_t append(std::string_view bytes) noexcept = 0;
  /// Reads back, also from a file that has been renamed since (rotation). Fewer bytes than asked
  /// for: the end, or it can't be read.
  [[nodiscard]] virtual std::string read(std::uint64_t identity, std::uint64_t offset, std::size_t size) = 0;
  /// Cuts what was appended behind `size`.
  [[nodiscard]] virtual bool cut(std::uint64_t identity, std::uint64_t size) noexcept = 0;
  /// What was appended survives a loss of power when it returns true.
  [[nodiscard]] virtual bool sync() noexcept = 0;
};

}  // namespace agw
