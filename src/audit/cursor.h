// JSON written straight into memory: literals by their known size, strings sixteen bytes at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace agw::audit {

/// A string's escaped form is cut here, and marked with `…`.
inline constexpr std::size_t max_string = 4096;
inline constexpr std::size_t cut_mark = 3;  ///< bytes of `…`

/// Whoever makes one knows that everything fits as long as no string needs an escape; `spare` is
/// the room beyond that, which escapes may use up. Stores may touch 16 bytes behind the end.
class Cursor {
 public:
  Cursor(char* begin, std::size_t spare) noexcept : at_(begin), spare_(spare) {}

  template <std::size_t N>
  void literal(const char (&text)[N]) noexcept {
    std::memcpy(at_, text, N - 1);
    at_ += N - 1;
  }
  /// As it is: text of our own.
  void raw(std::string_view text) noexcept {
    std::memcpy(at_, text.data(), text.size());
    at_ += text.size();
  }
  /// The inside of a JSON string.
  void text(std::string_view value) noexcept {
    const char* in = value.data();
    std::size_t left = value.size();
    char* out = at_;
    if (left > max_string) return escape(value);
    for (; left >= sizeof(Block); left -= sizeof(Block), in += sizeof(Block), out += sizeof(Block)) {
      const auto block = load<Block>(in);
      if (odd(block)) return escape(value);
      store(out, block);
    }
    if (left >= 8) {
      const auto front = load<std::uint64_t>(in);
      const auto back = load<std::uint64_t>(in + left - 8);
      if ((odd(front) | odd(back)) != 0) return escape(value);
      store(out, front);
      store(out + left - 8, back);
    } else if (left >= 4) {
      const auto front = load<std::uint32_t>(in);
      const auto back = load<std::uint32_t>(in + left - 4);
      if (odd(front | std::uint64_t{back} << 32U) != 0) return escape(value);
      store(out, front);
      store(out + left - 4, back);
    } else if (left > 0) {
      const char front = in[0];
      const char middle = in[left / 2];
      const char back = in[left - 1];
      constexpr std::uint64_t plain = 0x6161616161000000;
      if (odd(plain | byte(front) | byte(middle) << 8U | byte(back) << 16U) != 0) return escape(value);
      out[0] = front;
      out[left / 2] = middle;
      out[left - 1] = back;
    }
    at_ = out + left;
  }

  [[nodiscard]] char* at() const noexcept { return at_; }
  /// Escapes needed more room than there was: what was written is of no use.
  [[nodiscard]] bool overflowed() const noexcept { return overflowed_; }

 private:
  using Block = unsigned char __attribute__((vector_size(16)));

  template <class T>
  static T load(const char* from) noexcept {
    T value;
    std::memcpy(&value, from, sizeof value);
    return value;
  }
  template <class T>
  static void store(char* to, const T& value) noexcept {
    std::memcpy(to, &value, sizeof value);
  }
  static std::uint64_t byte(char c) noexcept { return static_cast<unsigned char>(c); }

  // Not zero if some byte is no plain ASCII character of a JSON string: a control character, a
  // quote, a backslash, DEL or part of a longer UTF-8 sequence.
  static std::uint64_t odd(std::uint64_t w) noexcept {
    constexpr std::uint64_t ones = 0x0101010101010101;
    const auto equals = [w](std::uint64_t c) {
      const std::uint64_t x = w ^ (ones * c);
      return (x - ones) & ~x;
    };
    return (((w - ones * 0x20) & ~w) | equals('"') | equals('\\') | equals(0x7F) | w) & (ones * 0x80);
  }
  static bool odd(const Block& v) noexcept {
    const auto found = (v < 0x20) | (v > 0x7E) | (v == '"') | (v == '\\');
    std::uint64_t halves[2];
    std::memcpy(halves, &found, sizeof halves);
    return (halves[0] | halves[1]) != 0;
  }

  void escape(std::string_view value) noexcept;

  char* at_;
  std::size_t spare_;
  bool overflowed_ = false;
};

}  // namespace agw::audit
