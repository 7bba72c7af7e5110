#include "agw/json/scalar.h"

#include <algorithm>

namespace agw::json {
namespace {

std::string_view trim(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

bool same(std::string_view text, std::string_view lower) {
  return text.size() == lower.size() && std::equal(text.begin(), text.end(), lower.begin(), [](char c, char want) {
           return (c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c) == want;
         });
}

}  // namespace

std::optional<std::string_view> scalar_text(const Value& value, std::string& scratch) {
  if (value.is(Kind::string)) {
    if (value.text().empty()) return std::nullopt;
    return value.text();
  }
  const auto integer = value.integer();
  if (!integer) return std::nullopt;
  scratch = std::to_string(*integer);
  return std::string_view(scratch);
}

bool is_json_media_type(std::string_view content_type) noexcept {
  constexpr std::string_view usual = "application/json";
  if (content_type == usual) return true;
  const std::size_t semicolon = content_type.find(';');
  if (!same(trim(content_type.substr(0, semicolon)), usual)) return false;
  if (semicolon == std::string_view::npos) return true;
  const std::string_view parameter = trim(content_type.substr(semicolon + 1));
  return same(parameter, "charset=utf-8") || same(parameter, "charset=\"utf-8\"") || parameter.empty();
}

}  // namespace agw::json
