#include "agw/mcp/mirror.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

#include "agw/base/encoding.h"

#include "fields.h"

namespace agw::mcp {
namespace {

constexpr std::string_view base64_open = "=?base64?";
constexpr std::string_view base64_close = "?=";

/// Beyond it two integers may be one number.
constexpr double exact_until = 9007199254740992.0;

std::optional<double> number_of(std::string_view text) {
  double out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(out)) return std::nullopt;
  return out;
}

/// `42` and `42.0` are one number; of those that a double can't hold only the same digits are.
bool same_number(std::string_view field, std::string_view raw) {
  if (field == raw) return true;
  const auto one = number_of(field);
  const auto other = number_of(raw);
  return one && other && std::abs(*one) < exact_until && *one == *other;
}

}  // namespace

bool mirrors_name(std::string_view value, std::string_view name) {
  const bool encoded = value.size() >= base64_open.size() + base64_close.size() && value.starts_with(base64_open) &&
                       value.ends_with(base64_close);
  if (!encoded) {
    const bool plain = std::all_of(value.begin(), value.end(), [](char c) { return c >= 0x20 && c < 0x7F; });
    return plain && value == name;
  }
  value.remove_prefix(base64_open.size());
  value.remove_suffix(base64_close.size());
  const auto decoded = base64_decode(value);
  return decoded && *decoded == name;
}

std::string mirror_of(std::string_view name) {
  const bool plain = std::ranges::all_of(name, [](char c) { return c >= 0x20 && c < 0x7F; }) &&
                     trimmed(name).size() == name.size() && !name.starts_with(base64_open);
  if (plain) return std::string(name);
  return std::string(base64_open) + base64_encode(name) + std::string(base64_close);
}

bool mirrors_value(std::string_view field, const json::Value& value) {
  const std::string_view text = trimmed(field);
  if (value.is(json::Kind::string)) return mirrors_name(text, value.text());
  if (const auto truth = value.boolean()) return text == (*truth ? "true" : "false");
  return value.is(json::Kind::number) && same_number(text, value.raw());
}

}  // namespace agw::mcp
