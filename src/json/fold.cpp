// Keys that a lax reader could take for one another.
#include <algorithm>
#include <array>
#include <cstdint>
#include <iterator>
#include <utility>

#include "agw/json/document.h"

namespace agw::json {
namespace {

/// Every `step`-th character from first to last stands for the one `difference` further.
struct Range {
  std::uint32_t first;
  std::uint32_t last;
  std::uint32_t step;
  std::int32_t difference;
};

constexpr Range ranges[] = {
#include "fold_table.inc"
};

/// Soft hyphen, zero-width characters, word joiner: a key with one looks like the key without.
bool is_invisible(std::uint32_t code) {
  return code == 0x00AD || (code >= 0x200B && code <= 0x200D) || code == 0x2060 || code == 0xFEFF;
}

std::uint32_t fold(std::uint32_t code) {
  const Range* range = std::lower_bound(std::begin(ranges), std::end(ranges), code,
                                        [](const Range& row, std::uint32_t wanted) { return row.last < wanted; });
  if (range == std::end(ranges) || code < range->first || (code - range->first) % range->step != 0) return code;
  return static_cast<std::uint32_t>(static_cast<std::int32_t>(code) + range->difference);
}

/// The code point at the front and its length; the text is valid UTF-8.
std::pair<std::uint32_t, std::size_t> first_of(std::string_view text) {
  const auto byte = [&](std::size_t i) -> std::uint32_t {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0x80;
  };
  const std::uint32_t lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  if (lead < 0xE0) return {((lead & 0x1FU) << 6U) | (byte(1) & 0x3FU), 2};
  if (lead < 0xF0) return {((lead & 0x0FU) << 12U) | ((byte(1) & 0x3FU) << 6U) | (byte(2) & 0x3FU), 3};
  return {((lead & 0x07U) << 18U) | ((byte(1) & 0x3FU) << 12U) | ((byte(2) & 0x3FU) << 6U) | (byte(3) & 0x3FU), 4};
}

void append_utf8(std::string& out, std::uint32_t code) {
  const auto put = [&out](std::uint32_t byte) { out += static_cast<char>(byte); };
  if (code < 0x80) {
    put(code);
    return;
  }
  if (code < 0x800) {
    put(0xC0 | (code >> 6U));
  } else {
    if (code < 0x10000) {
      put(0xE0 | (code >> 12U));
    } else {
      put(0xF0 | (code >> 18U));
      put(0x80 | ((code >> 12U) & 0x3F));
    }
    put(0x80 | ((code >> 6U) & 0x3F));
  }
  put(0x80 | (code & 0x3F));
}

}  // namespace

std::string fold_key(std::string_view key) {
  std::string out;
  out.reserve(key.size());
  while (!key.empty()) {
    const char c = key.front();
    if (static_cast<unsigned char>(c) < 0x80) {
      out += c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
      key.remove_prefix(1);
      continue;
    }
    const auto [code, length] = first_of(key);
    if (!is_invisible(code)) append_utf8(out, fold(code));
    key.remove_prefix(std::min(length, key.size()));
  }
  return out;
}

}  // namespace agw::json
