#include "token.h"

#include <charconv>
#include <cstdint>
#include <cstring>

#include "escape_walk.h"

namespace agw::json {
namespace {

/// Doubles have 17 significant digits; nobody computes with more, and reading them costs.
constexpr std::size_t longest_number = 64;

/// Removes one digit or more from the front.
bool take_digits(std::string_view& text) {
  const std::size_t before = text.size();
  while (!text.empty() && is_digit(text.front())) text.remove_prefix(1);
  return text.size() < before;
}

bool take(std::string_view& text, std::string_view any) {
  if (text.empty() || any.find(text.front()) == std::string_view::npos) return false;
  text.remove_prefix(1);
  return true;
}

/// What 64 bits don't hold is rounded by one reader, wraps round or is refused in another.
Result<void, Error> check_integer(std::string_view text) noexcept {
  constexpr std::size_t always_fits = 18;
  if (text.size() <= always_fits) return {};
  const char* const begin = text.data();
  const char* const end = begin + text.size();
  std::int64_t negative = 0;
  std::uint64_t positive = 0;
  const auto read = *begin == '-' ? std::from_chars(begin, end, negative) : std::from_chars(begin, end, positive);
  if (read.ec != std::errc() || read.ptr != end) return fail(Error::number);
  return {};
}

char* put_utf8(std::uint32_t code, char* out) {
  const auto put = [&out](std::uint32_t byte) { *out++ = static_cast<char>(byte); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xC0 | (code >> 6U));
    put(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    put(0xE0 | (code >> 12U));
    put(0x80 | ((code >> 6U) & 0x3F));
    put(0x80 | (code & 0x3F));
  } else {
    put(0xF0 | (code >> 18U));
    put(0x80 | ((code >> 12U) & 0x3F));
    put(0x80 | ((code >> 6U) & 0x3F));
    put(0x80 | (code & 0x3F));
  }
  return out;
}

}  // namespace

Result<void, Error> check_number(std::string_view text) noexcept {
  std::string_view rest = text;
  take(rest, "-");
  const bool zero = rest.starts_with('0');
  const std::size_t digits_before = rest.size();
  if (!take_digits(rest)) return fail(Error::invalid);
  if (zero && digits_before - rest.size() > 1) return fail(Error::invalid);
  if (take(rest, ".") && !take_digits(rest)) return fail(Error::invalid);
  const bool exponent = take(rest, "eE");
  if (exponent) {
    take(rest, "+-");
    if (!take_digits(rest)) return fail(Error::invalid);
  }
  if (!rest.empty()) return fail(Error::invalid);
  if (text.size() > longest_number) return fail(Error::number);
  if (text.find('.') == std::string_view::npos && !exponent) return check_integer(text);
  if (!exponent) return {};  // so few digits are always within a double's range
  double value = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  if (read.ec != std::errc() || read.ptr != text.data() + text.size()) return fail(Error::number);
  return {};
}

Result<void, Error> check_escapes(std::string_view inside, Escapes which) noexcept {
  struct Nothing {
    void run(std::string_view) const noexcept {}
    void plain(char) const noexcept {}
    void code(std::uint32_t) const noexcept {}
  } nothing;
  return walk(inside, which, nothing);
}

Result<std::size_t, Error> unescape(std::string_view inside, char* out, Escapes which) noexcept {
  struct Writer {
    char* at;
    void run(std::string_view bytes) noexcept {
      std::memcpy(at, bytes.data(), bytes.size());
      at += bytes.size();
    }
    void plain(char c) noexcept { *at++ = c; }
    void code(std::uint32_t value) noexcept { at = put_utf8(value, at); }
  } writer{out};
  if (auto good = walk(inside, which, writer); !good) return fail(good.error());
  return static_cast<std::size_t>(writer.at - out);
}

}  // namespace agw::json
