#include "agw/mcp/parameter_field.h"

#include <algorithm>
#include <array>
#include <cstddef>

namespace agw::mcp {
namespace {

constexpr std::string_view prefix = "mcp-param-";

char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

bool is_plain(char c) noexcept { return c == '-' || (lower(c) >= 'a' && lower(c) <= 'z') || (c >= '0' && c <= '9'); }

/// As the loosest server reads it.
char folded(char c) noexcept { return is_plain(c) ? lower(c) : '-'; }

bool is_token(char c) noexcept {
  return is_plain(c) || std::string_view("!#$%&'*+.^_`|~").find(c) != std::string_view::npos;
}

bool is_value(char c) noexcept { return c == '\t' || (static_cast<unsigned char>(c) >= 0x20 && c != 0x7F); }

bool begins_parameter(std::string_view line) noexcept {
  return line.size() > prefix.size() &&
         std::equal(prefix.begin(), prefix.end(), line.begin(), [](char want, char c) { return want == lower(c); });
}

/// An empty one, too, lies in the line.
std::string_view without_space_around(std::string_view text) noexcept {
  const auto is_space = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

std::optional<ParameterField> dropped(std::string_view line) noexcept {
  if (!begins_parameter(line)) return std::nullopt;
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const std::string_view name = line.substr(0, colon);
  if (std::ranges::all_of(name, is_plain) || !std::ranges::all_of(name, is_token)) return std::nullopt;
  std::string_view value = line.substr(colon + 1);
  if (value.ends_with('\r')) value.remove_suffix(1);
  value = without_space_around(value);
  if (!std::ranges::all_of(value, is_value)) return std::nullopt;
  return ParameterField{name, value};
}

}  // namespace

std::optional<ParameterField> next_dropped_parameter(std::string_view& head) noexcept {
  for (std::size_t feed = head.find('\n'); feed != std::string_view::npos; feed = head.find('\n')) {
    const std::string_view line = head.substr(0, feed);
    head.remove_prefix(feed + 1);
    if (const auto found = dropped(line)) return found;
  }
  return std::nullopt;
}

bool fold_alike(std::string_view name, std::string_view other) noexcept {
  return std::ranges::equal(name, other, [](char a, char b) { return folded(a) == folded(b); });
}

bool is_twin(std::string_view name, std::string_view field) noexcept {
  return fold_alike(name, field) &&
         !std::ranges::equal(name, field, [](char a, char b) { return lower(a) == lower(b); });
}

bool is_twin_of_any(std::string_view name) noexcept {
  constexpr std::array<std::string_view, 4> judged{"mcp-name", "mcp-method", "mcp-protocol-version", "last-event-id"};
  // Most names are none, and that is seen at once: a twin differs only where its field has a dash.
  const auto is_odd = [&](std::size_t at) { return at < name.size() && !is_plain(name[at]); };
  if (!is_odd(3) && !is_odd(9) && !is_odd(12) && !is_odd(4) && !is_odd(10)) return false;
  return is_twin(name.substr(0, prefix.size()), prefix) ||
         std::ranges::any_of(judged, [&](std::string_view field) { return is_twin(name, field); });
}

}  // namespace agw::mcp
