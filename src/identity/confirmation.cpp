#include "confirmation.h"

#include <string>

#include "agw/base/encoding.h"

namespace agw::identity {
namespace {

constexpr std::size_t digest_bytes = 32;

/// Absent: nothing is taken. False: it is there, and no SHA-256 in base64url.
bool take(const json_t* confirmation, const char* member, std::string& into) {
  const json_t* value = json_object_get(confirmation, member);
  if (value == nullptr) return true;
  if (!json_is_string(value)) return false;
  const std::string text(json_string_value(value), json_string_length(value));
  const auto digest = base64url_decode(text);
  if (!digest || digest->size() != digest_bytes) return false;
  into = text;
  return true;
}

}  // namespace

std::optional<TokenRefusal> read_confirmation(const json_t* claims, Principal& principal) {
  const json_t* confirmation = json_object_get(claims, "cnf");
  if (confirmation == nullptr) return std::nullopt;
  if (!json_is_object(confirmation)) return TokenRefusal{Reason::token_claim_invalid, "claim cnf is not an object"};
  if (!take(confirmation, "jkt", principal.bound_key))
    return TokenRefusal{Reason::token_claim_invalid, "claim cnf/jkt is no thumbprint"};
  if (!take(confirmation, "x5t#S256", principal.bound_certificate))
    return TokenRefusal{Reason::token_claim_invalid, "claim cnf/x5t#S256 is no thumbprint"};
  if (!principal.is_bound()) return TokenRefusal{Reason::token_binding_unsupported, "claim cnf"};
  return std::nullopt;
}

}  // namespace agw::identity
