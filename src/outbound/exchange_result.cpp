#include "exchange_result.h"

#include <algorithm>
#include <memory>
#include <sstream>
#include <vector>

#include "agw/json/tree.h"

namespace agw::outbound {
namespace {

constexpr Milliseconds unnamed_life{60'000};

std::string_view text_of(const json_t* value) {
  return json_is_string(value) ? std::string_view(json_string_value(value), json_string_length(value))
                               : std::string_view{};
}

std::vector<std::string> words(std::string_view text) {
  std::istringstream stream{std::string(text)};
  std::vector<std::string> out;
  for (std::string word; stream >> word;) out.push_back(word);
  return out;
}

/// A scope that wasn't asked for is more power than the call has. OpenID's own scopes say what
/// an ID token holds, not what a backend allows.
/// Where the operator names no scope, the caller's own are the bound.
std::optional<std::string> wider(const std::vector<std::string>& got, const ResultCheck& check) {
  constexpr std::string_view harmless[] = {"openid", "profile", "email"};
  const auto& bound = check.spec.scopes.empty() ? check.principal.implied_scopes : check.spec.scopes;
  for (const auto& scope : got) {
    if (std::find(bound.begin(), bound.end(), scope) != bound.end()) continue;
    if (std::find(std::begin(harmless), std::end(harmless), scope) != std::end(harmless)) continue;
    return "the token has a scope that was not asked for";
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> check_answer(const oauth::ExchangeAnswer& answer, const ResultCheck& check) {
  if (answer.token.empty()) return "the token is empty";
  const auto printable = [](char c) { return c > 0x20 && c < 0x7F; };
  const std::string_view bytes = answer.token.reveal();
  if (!std::all_of(bytes.begin(), bytes.end(), printable)) return "the token has a character that a header can't carry";
  if (answer.issued_token_type != "urn:ietf:params:oauth:token-type:access_token" &&
      answer.issued_token_type != "urn:ietf:params:oauth:token-type:jwt")
    return "issued_token_type is not an access token";
  // RFC 6749 section 5.1: compared without case. A DPoP token would need proofs of its own.
  std::string type = answer.token_type;
  std::transform(type.begin(), type.end(), type.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  if (type != "bearer") return "token_type is not Bearer";
  if (answer.scope_named) return wider(answer.scopes, check);
  return std::nullopt;
}

WallTime expiry_of(const oauth::ExchangeAnswer& answer, const ResultCheck& check) {
  Milliseconds life = unnamed_life;
  if (answer.expires_in > 0) life = Seconds(std::min<std::int64_t>(answer.expires_in, 86'400));
  return std::min(check.now + life, check.principal.expires_at);
}

bool looks_like_jwt(std::string_view token) noexcept { return std::count(token.begin(), token.end(), '.') == 2; }

std::optional<std::string> check_claims(std::string_view payload, const ResultCheck& check, WallTime& expires_at) {
  const json::Tree claims = json::read_tree(payload);
  if (!json_is_object(claims.get())) return "its payload is not an object";
  const json_t* subject = json_object_get(claims.get(), "sub");
  if (!json_is_string(subject) || text_of(subject) != check.principal.subject) return "sub is not the caller's";

  const json_t* audience = json_object_get(claims.get(), "aud");
  const bool alone = json_is_array(audience) && json_array_size(audience) == 1;
  const std::string_view only = text_of(alone ? json_array_get(audience, 0) : audience);
  if (only != check.spec.audience || only.empty()) return "aud is not the backend's alone";

  if (const json_t* scope = json_object_get(claims.get(), "scope")) {
    if (!json_is_string(scope)) return "scope is not a string";
    if (auto fault = wider(words(text_of(scope)), check)) return fault;
  }
  // Keycloak names the kind of a token in its payload.
  const std::string_view kind = text_of(json_object_get(claims.get(), "typ"));
  if (kind == "ID" || kind == "Refresh") return "it is not an access token";

  const json_t* expiry = json_object_get(claims.get(), "exp");
  if (!json_is_integer(expiry)) return "exp is missing";
  expires_at = std::min(expires_at, from_unix(json_integer_value(expiry)));
  if (expires_at + check.clock_skew <= check.now) return "it has expired already";
  return std::nullopt;
}

}  // namespace agw::outbound
