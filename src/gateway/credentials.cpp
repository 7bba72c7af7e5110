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

bool is_lower_hex(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

}  // namespace

Result<SentToken, Reason> sent_token(const Headers& headers) {
  const auto [sent, field] = headers.find("authorization");
  if (sent == 0) return fail(Reason::token_missing);
  if (sent > 1) return fail(Reason::token_malformed);
  std::string_view value = field;
  SentToken out;
  if (!is_scheme(value, "bearer")) {
    if (!is_scheme(value, "dpop")) return fail(Reason::token_missing);
    out.scheme = identity::TokenScheme::dpop;
  }
  value.remove_prefix(out.scheme == identity::TokenScheme::dpop ? 4 : 6);
  value.remove_prefix(std::min(value.find_first_not_of(' '), value.size()));
  // Whether these bytes are a token at all is found by whoever reads one that isn't known yet.
  out.token = value;
  return out;
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
