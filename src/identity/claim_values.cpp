#include "claim_values.h"

#include <cstddef>
#include <sstream>

namespace agw::identity {
namespace {

constexpr std::size_t longest_list = 1024;  // groups, scopes, audiences

std::string text_of(const json_t* value) { return {json_string_value(value), json_string_length(value)}; }

}  // namespace

TokenRefusal invalid_claim(std::string_view claim, std::string_view what) {
  return {Reason::token_claim_invalid, "claim " + std::string(claim) + " " + std::string(what)};
}

Claimed<const json_t*> find_claim(const json_t* claims, const std::string& path) {
  if (path.empty()) return nullptr;
  if (const json_t* whole = json_object_get(claims, path.c_str())) return whole;
  const json_t* here = claims;
  std::istringstream parts(path);
  for (std::string part; here != nullptr && std::getline(parts, part, '/');) {
    if (!json_is_object(here)) return fail(invalid_claim(path, "lies in something without members"));
    here = json_object_get(here, part.c_str());
  }
  return here;
}

Claimed<std::string> needed_claim(const json_t* claims, const std::string& path) {
  const auto value = find_claim(claims, path);
  if (!value) return fail(value.error());
  if (*value == nullptr) return fail(invalid_claim(path, "is missing"));
  if (!json_is_string(*value) || json_string_length(*value) == 0) return fail(invalid_claim(path, "is not a string"));
  return text_of(*value);
}

Claimed<std::string> optional_claim(const json_t* claims, const std::string& path) {
  const auto value = find_claim(claims, path);
  if (!value) return fail(value.error());
  if (*value == nullptr) return std::string();
  if (!json_is_string(*value)) return fail(invalid_claim(path, "is not a string"));
  return text_of(*value);
}

Claimed<std::vector<std::string>> claim_strings(const json_t* claims, const std::string& path, Words words) {
  const auto found = find_claim(claims, path);
  if (!found) return fail(found.error());
  const json_t* value = *found;
  std::vector<std::string> out;
  if (value == nullptr) return out;
  if (json_is_string(value)) {
    if (words == Words::kept) return std::vector<std::string>{text_of(value)};
    std::istringstream text(text_of(value));
    for (std::string word; text >> word;) out.push_back(word);
    return out;
  }
  if (!json_is_array(value) || json_array_size(value) > longest_list)
    return fail(invalid_claim(path, "is neither a string nor a list of strings"));
  for (std::size_t i = 0; i < json_array_size(value); ++i) {
    const json_t* item = json_array_get(value, i);
    if (!json_is_string(item)) return fail(invalid_claim(path, "is not a list of strings"));
    out.push_back(text_of(item));
  }
  return out;
}

Claimed<std::optional<WallTime>> claim_time(const json_t* claims, const char* name) {
  constexpr json_int_t furthest = 253'402'300'799;  // the end of 9999
  const json_t* value = json_object_get(claims, name);
  if (value == nullptr) return std::optional<WallTime>();
  if (!json_is_integer(value)) return fail(invalid_claim(name, "is not a whole number"));
  const json_int_t seconds = json_integer_value(value);
  if (seconds < 0 || seconds > furthest) return fail(invalid_claim(name, "is out of range"));
  return std::optional<WallTime>(from_unix(seconds));
}

}  // namespace agw::identity
