#include "mirror.h"

#include <algorithm>

#include "agw/base/encoding.h"

namespace agw::mcp {
namespace {

constexpr std::string_view base64_open = "=?base64?";
constexpr std::string_view base64_close = "?=";

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

/// The value that a header stands for; nothing if it can't be one.
std::optional<std::string> decoded(std::string_view value) {
  value = trimmed(value);
  if (value.starts_with(base64_open) && value.ends_with(base64_close) &&
      value.size() >= base64_open.size() + base64_close.size()) {
    value.remove_prefix(base64_open.size());
    value.remove_suffix(base64_close.size());
    return base64_decode(value);
  }
  const bool plain = std::all_of(value.begin(), value.end(), [](char c) { return c >= 0x20 && c < 0x7F; });
  if (!plain) return std::nullopt;
  return std::string(value);
}

}  // namespace

std::optional<std::string> MirrorCheck::fault() const {
  const bool modern = era == Era::modern;
  if (headers.count("mcp-method") == 0) {
    if (modern) return "Mcp-Method is missing";
  } else if (trimmed(headers.get("mcp-method")) != method) {
    return "Mcp-Method";
  }
  if (headers.count("mcp-name") == 0) {
    if (modern && !name.empty()) return "Mcp-Name is missing";
    return std::nullopt;
  }
  if (name.empty()) return "Mcp-Name has nothing to repeat";
  if (decoded(headers.get("mcp-name")) != name) return "Mcp-Name";
  return std::nullopt;
}

}  // namespace agw::mcp
