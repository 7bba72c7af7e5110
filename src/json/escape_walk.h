// What a string's inside stands for, run by run (RFC 8259 section 7).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "agw/base/result.h"
#include "agw/json/document.h"

#include "token.h"

namespace agw::json {

inline bool is_digit(char c) { return c >= '0' && c <= '9'; }

inline std::optional<std::uint32_t> hex4(std::string_view text) {
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

inline bool is_high(std::uint32_t unit) { return unit >= 0xD800 && unit <= 0xDBFF; }
inline bool is_low(std::uint32_t unit) { return unit >= 0xDC00 && unit <= 0xDFFF; }

/// The character of `\u`'s digits at the front, taken off: one unit, or a pair of surrogates.
inline Result<std::uint32_t, Error> take_unicode(std::string_view& text, Escapes which) {
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

inline char simple_escape(char c) {
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

}  // namespace agw::json
