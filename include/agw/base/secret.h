// Bytes that must not be shown.
#pragma once

#include <string>
#include <string_view>
#include <utility>

namespace agw {

/// Overwrites memory in a way that the optimiser keeps.
void wipe(char* data, std::size_t size) noexcept;

/// A token, password or key. It can't be printed, formatted, compared or copied by accident, and
/// its bytes are overwritten when it dies. reveal() is the one way to them, easy to grep for.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string bytes) noexcept : bytes_(std::move(bytes)) {}
  Secret(Secret&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
  Secret& operator=(Secret&& other) noexcept {
    if (this != &other) {
      clear();
      bytes_ = std::exchange(other.bytes_, {});
    }
    return *this;
  }
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  ~Secret() { clear(); }

  [[nodiscard]] std::string_view reveal() const noexcept { return bytes_; }
  [[nodiscard]] bool empty() const noexcept { return bytes_.empty(); }
  [[nodiscard]] Secret clone() const { return Secret(bytes_); }

 private:
  void clear() noexcept {
    wipe(bytes_.data(), bytes_.size());
    bytes_.clear();
  }
  std::string bytes_;
};

}  // namespace agw
