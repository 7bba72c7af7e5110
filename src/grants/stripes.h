// When what was read last changed, for all keys in little room.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>

namespace agw::grants {

/// Keys share 4096 stripes, each with an epoch that moves when one of its keys was written. Whoever
/// reads notes the epoch before asking; what was read is true while it stands. A neighbour's write
/// costs a reading, never a wrong answer.
class Stripes {
 public:
  struct Stamp {
    std::uint32_t stripe = 0;
    std::uint32_t hearing = 0;  ///< by which line it would have been heard of
    std::uint64_t epoch = 0;
  };

  [[nodiscard]] Stamp stamp(std::string_view key) const noexcept {
    const auto stripe = static_cast<std::uint32_t>(std::hash<std::string_view>{}(key) % count);
    return {stripe, hearing_, epochs_[stripe]};
  }
  [[nodiscard]] bool holds(Stamp stamp) const noexcept {
    return epochs_[stamp.stripe] == stamp.epoch && stamp.hearing == hearing_;
  }
  /// Whether it held when writes were last heard of, and nothing has spoken against it since.
  [[nodiscard]] bool held(Stamp stamp) const noexcept {
    return epochs_[stamp.stripe] == stamp.epoch && stamp.hearing + (deaf_ ? 1U : 0U) == hearing_;
  }

  void move(std::string_view key) noexcept {
    ++epochs_[stamp(key).stripe];
    ++moves_;
  }
  void move_all() noexcept {
    for (auto& epoch : epochs_) ++epoch;
    ++moves_;
  }
  /// Writes aren't heard of any more: nothing holds, but nothing is known to have changed either.
  void go_deaf() noexcept {
    if (!deaf_) ++hearing_;
    deaf_ = true;
    ++moves_;
  }
  /// They are again, by a line that knows nothing of what came before.
  void hear_again() noexcept {
    move_all();
    deaf_ = false;
  }
  /// Another number after every move: what held at the same number holds still.
  [[nodiscard]] std::uint64_t moves() const noexcept { return moves_; }

 private:
  static constexpr std::size_t count = 4096;
  std::array<std::uint64_t, count> epochs_{};
  std::uint64_t moves_ = 0;
  std::uint32_t hearing_ = 0;
  bool deaf_ = false;
};

}  // namespace agw::grants
