#include "agw/model/pattern.h"

#include <algorithm>

#include "agw/base/encoding.h"

namespace agw {
namespace {

bool is_name_byte(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-';
}

}  // namespace

bool is_pattern(std::string_view pattern) noexcept {
  if (pattern.empty()) return false;
  const std::size_t star = pattern.find('*');
  if (star == std::string_view::npos) return true;
  if (star != pattern.size() - 1) return false;
  if (star == 0) return true;
  const char before = pattern[star - 1];
  return before == ':' || before == '/' || before == '.';
}

bool matches(std::string_view pattern, std::string_view value) noexcept {
  if (!is_pattern(pattern)) return false;
  if (pattern.back() == '*') return value.starts_with(pattern.substr(0, pattern.size() - 1));
  return pattern == value;
}

bool is_operation_name(std::string_view name) noexcept {
  std::size_t parts = 0;
  while (true) {
    const std::size_t slash = name.find('/');
    const std::string_view part = name.substr(0, slash);
    if (part.empty() || !std::all_of(part.begin(), part.end(), is_name_byte)) return false;
    ++parts;
    if (slash == std::string_view::npos) return parts >= 2;
    name.remove_prefix(slash + 1);
  }
}

bool is_principal_id(std::string_view id) noexcept {
  const std::size_t bar = id.find('|');
  if (bar == std::string_view::npos || bar == 0 || bar + 1 == id.size()) return false;
  return is_encoded_part(id.substr(0, bar)) && is_encoded_part(id.substr(bar + 1));
}

}  // namespace agw
