// JSON that commands print for scripts.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agw/base/encoding.h"

namespace agw::agwctl {

/// `["a","b"]`.
[[nodiscard]] inline std::string json_list(const std::vector<std::string>& values) {
  std::string out = "[";
  for (const auto& value : values) {
    if (out.size() > 1) out += ',';
    out += json_quoted(value);
  }
  return out + "]";
}

/// The same of values that are JSON already.
[[nodiscard]] inline std::string json_array(const std::vector<std::string>& values) {
  std::string out = "[";
  for (const auto& value : values) {
    if (out.size() > 1) out += ',';
    out += value;
  }
  return out + "]";
}

/// One object on one line, member by member.
class JsonObject {
 public:
  JsonObject& raw(std::string_view key, std::string_view json) {
    if (!std::exchange(first_, false)) out_ += ',';
    out_ += json_quoted(key);
    out_ += ':';
    out_ += json;
    return *this;
  }
  JsonObject& text(std::string_view key, std::string_view value) { return raw(key, json_quoted(value)); }
  JsonObject& text_if(std::string_view key, std::string_view value) { return value.empty() ? *this : text(key, value); }
  JsonObject& number(std::string_view key, std::uint64_t value) { return raw(key, std::to_string(value)); }
  JsonObject& flag(std::string_view key, bool value) { return raw(key, value ? "true" : "false"); }
  JsonObject& list(std::string_view key, const std::vector<std::string>& values) { return raw(key, json_list(values)); }
  [[nodiscard]] std::string str() const { return out_ + "}"; }

 private:
  std::string out_ = "{";
  bool first_ = true;
};

}  // namespace agw::agwctl
