// Keys that a lax reader could take for one another.
#include <array>
#include <utility>

#include "agw/json/document.h"

namespace agw::json {
namespace {

/// Code points outside ASCII that simple case folding or compatibility forms map to ASCII letters.
/// Go's encoding/json folds the first two (CVE-2026-27896); the rest are what NFKC readers do.
constexpr std::array<std::pair<char32_t, char>, 4> odd_letters{{
    {0x017F, 's'},  // long s
    {0x212A, 'k'},  // Kelvin sign
    {0x0130, 'i'},  // capital I with dot
    {0x0131, 'i'},  // dotless i
}};

/// The code point at the front and its length; the text is valid UTF-8.
std::pair<char32_t, std::size_t> first_of(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<char32_t>(static_cast<unsigned char>(text[i])); };
  const char32_t lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  if (lead < 0xE0) return {((lead & 0x1FU) << 6U) | (byte(1) & 0x3FU), 2};
  if (lead < 0xF0) return {((lead & 0x0FU) << 12U) | ((byte(1) & 0x3FU) << 6U) | (byte(2) & 0x3FU), 3};
  return {((lead & 0x07U) << 18U) | ((byte(1) & 0x3FU) << 12U) | ((byte(2) & 0x3FU) << 6U) | (byte(3) & 0x3FU), 4};
}

char lower(char32_t code) { return static_cast<char>(code >= 'A' && code <= 'Z' ? code + 32 : code); }

}  // namespace

std::string fold_key(std::string_view key) {
  std::string out;
  out.reserve(key.size());
  while (!key.empty()) {
    const auto [code, length] = first_of(key);
    char folded = '\0';
    if (code < 0x80) folded = lower(code);
    if (code >= 0xFF01 && code <= 0xFF5E) folded = lower(code - 0xFEE0);  // full-width forms
    for (const auto& [odd, letter] : odd_letters)
      if (code == odd) folded = letter;
    // Zero-width and soft-hyphen characters are invisible: a key with one looks like one without.
    const bool invisible = code == 0x00AD || (code >= 0x200B && code <= 0x200D) || code == 0x2060 || code == 0xFEFF;
    if (folded != '\0') {
      out += folded;
    } else if (!invisible) {
      out.append(key.substr(0, length));
    }
    key.remove_prefix(length);
  }
  return out;
}

}  // namespace agw::json
