#include "credentials.h"

#include <algorithm>

namespace agw::gateway {
namespace {

bool is_scheme(std::string_view value, std::string_view lower) {
  if (value.size() <= lower.size() || value[lower.size()] != ' ') return false;
  return std::equal(lower.begin(), lower.end(), value.begin(), [](char want, char got) {
    return want == (got >= 'A' && got <= 'Z' ? static_cast<char>(got + 32) : got);
  });
}

/// RFC 9110 section 11.2: token68.
bool is_token68(std::string_view text) {
  const std::size_t end = text.find_last_not_of('=');
  if (end == std::string_view::npos) return false;
  return std::all_of(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(end) + 1, [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
           c == '_' || c == '~' || c == '+' || c == '/';
  });
}

bool is_lower_hex(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

}  // namespace

Result<std::string_view, Reason> bearer_token(const Headers& headers) {
  const unsigned sent = headers.count("authorization");
  if (sent == 0) return fail(Reason::token_missing);
  if (sent > 1) return fail(Reason::token_malformed);
  std::string_view value = headers.get("authorization");
  if (is_scheme(value, "dpop")) return fail(Reason::token_binding_unsupported);
  if (!is_scheme(value, "bearer")) return fail(Reason::token_missing);
  value.remove_prefix(6);
  value.remove_prefix(std::min(value.find_first_not_of(' '), value.size()));
  if (!is_token68(value)) return fail(Reason::token_malformed);
  return value;
}

std::string_view trace_id(const Headers& headers) {
  const std::string_view value = headers.get("traceparent");
  // W3C Trace Context section 3.2: 2, 32, 16 and 2 hex digits; later versions may append.
  if (value.size() < 55 || value[2] != '-' || value[35] != '-' || value[52] != '-') return {};
  if (value.size() > 55 && value[55] != '-') return {};
  const std::string_view id = value.substr(3, 32);
  if (!is_lower_hex(value.substr(0, 2)) || value.starts_with("ff") || !is_lower_hex(id)) return {};
  if (id.find_first_not_of('0') == std::string_view::npos) return {};
  return id;
}

}  // namespace agw::gateway
