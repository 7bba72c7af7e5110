#include "token.h"

#include <charconv>
#include <cstdint>
#include <cstring>
#include <optional>

namespace agw::json {
namespace {

/// Doubles have 17 significant digits; nobody computes with more, and reading them costs.
constexpr std::size_t longest_number = 64;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

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

std::optional<std::uint32_t> hex4(std::string_view text) {
  if (text.size() < 4) return std::nullopt;
  std::uint32_t value = 0;
  for (char c : text.substr(0, 4)) {
    value <<= 4U;
    if (is_digit(c)) {
      value |= static_cast<std::uint32_t>(c - '0');
    } else if ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')) {
      value |= static_cast<std::uint32_t>((c | 0x20) - 'a' + 10);
    } else {
      return std::nullopt;
    }
  }
  return value;
}

bool is_high(std::uint32_t unit) { return unit >= 0xD800 && unit <= 0xDBFF; }
bool is_low(std::uint32_t unit) { return unit >= 0xDC00 && unit <= 0xDFFF; }

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

/// The character of `\u`'s digits at the front, taken off: one unit, or a pair of surrogates.
Result<std::uint32_t, Error> take_unicode(std::string_view& text, Escapes which) {
  const auto first = hex4(text);
  if (!first) return fail(Error::invalid);
  text.remove_prefix(4);
  const bool strict = which == Escapes::strict;
  if (*first == 0 && strict) return fail(Error::nul);
  if (is_low(*first) && strict) return fail(Error::invalid);
  if (!is_high(*first)) return *first;
  const auto second = text.starts_with("\\u") ? hex4(text.substr(2)) : std::nullopt;
  if (!second || !is_low(*second)) {
    if (strict) return fail(Error::invalid);
    return *first;
  }
  text.remove_prefix(6);
  return 0x10000 + ((*first - 0xD800) << 10U) + (*second - 0xDC00);
}

char simple_escape(char c) {
  switch (c) {
    case '"':
    case '\\':
    case '/': return c;
    case 'b': return '\b';
    case 'f': return '\f';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    default: return '\0';
  }
}

/// Tells `out` what a string's inside stands for: runs of bytes, and characters that were escaped.
template <class Out>
Result<void, Error> walk(std::string_view inside, Escapes which, Out& out) noexcept {
  while (true) {
    const std::size_t run = std::min(inside.find('\\'), inside.size());
    out.run(inside.substr(0, run));
    inside.remove_prefix(run);
    if (inside.empty()) return {};
    if (inside.size() < 2) return fail(Error::invalid);
    const char kind = inside[1];
    inside.remove_prefix(2);
    if (kind == 'u') {
      const auto code = take_unicode(inside, which);
      if (!code) return fail(code.error());
      out.code(*code);
    } else if (const char plain = simple_escape(kind)) {
      out.plain(plain);
    } else {
      return fail(Error::invalid);
    }
  }
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
