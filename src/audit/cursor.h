// JSON written straight into memory: literals by their known size, strings sixteen bytes at a time.
#pragma once

#include <bit>
#include <charconv>
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
    if (text.empty()) return;  // its data may be null
    std::memcpy(at_, text.data(), text.size());
    at_ += text.size();
  }
  void number(std::uint64_t value) noexcept { at_ = std::to_chars(at_, at_ + 20, value).ptr; }
  /// The inside of a JSON string.
  void text(std::string_view value) noexcept {
    const char* const in = value.data();
    const std::size_t size = value.size();
    char* const out = at_;
    Block odd{};
    if (size >= sizeof(Block)) {
      if (size > max_string) [[unlikely]]
        return escape(value);
      std::size_t at = 0;
      for (; at + sizeof(Block) <= size; at += sizeof(Block)) odd |= copy(out + at, in + at);
      // The last one overlaps the one before: no rest to be taken byte by byte.
      odd |= copy(out + size - sizeof(Block), in + size - sizeof(Block));
    } else if (size >= 8) {
      const auto front = load<std::uint64_t>(in);
      const auto back = load<std::uint64_t>(in + size - 8);
      store(out, front);
      store(out + size - 8, back);
      odd = odd_in(std::bit_cast<Block>(Words{front, back}));
    } else if (size >= 4) {
      const auto front = load<std::uint32_t>(in);
      const auto back = load<std::uint32_t>(in + size - 4);
      store(out, front);
      store(out + size - 4, back);
      odd = odd_in(std::bit_cast<Block>(Words{front | std::uint64_t{back} << 32U, plain_word}));
    } else if (size > 0) {
      const char front = in[0];
      const char middle = in[size / 2];
      const char back = in[size - 1];
      out[0] = front;
      out[size / 2] = middle;
      out[size - 1] = back;
      odd = odd_in(std::bit_cast<Block>(Words{
          (plain_word & ~std::uint64_t{0xFFFFFF}) | byte(front) | byte(middle) << 8U | byte(back) << 16U, plain_word}));
    }
    const auto [low, high] = std::bit_cast<Words>(odd);
    if ((low | high) != 0) [[unlikely]]
      return escape(value);
    at_ = out + size;
  }

  [[nodiscard]] char* at() const noexcept { return at_; }
  /// Escapes needed more room than there was: what was written is of no use.
  [[nodiscard]] bool overflowed() const noexcept { return overflowed_; }

 private:
  using Block = signed char __attribute__((vector_size(16)));
  struct Words {
    std::uint64_t low;
    std::uint64_t high;
  };
  static constexpr std::uint64_t plain_word = 0x6161616161616161;

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

  // Marks what is no plain ASCII character of a JSON string: control characters and (as signed, they
  // are less than a space) parts of longer UTF-8 sequences, quotes, backslashes, DEL.
  static Block odd_in(Block v) noexcept { return (v < 0x20) | (v == '"') | (v == '\\') | (v == 0x7F); }
  static Block copy(char* to, const char* from) noexcept {
    const auto block = load<Block>(from);
    store(to, block);
    return odd_in(block);
  }

  void escape(std::string_view value) noexcept;

  char* at_;
  std::size_t spare_;
  bool overflowed_ = false;
};

}  // namespace agw::audit
