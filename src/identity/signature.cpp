#include "signature.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "agw/base/encoding.h"
#include "agw/oauth/introspection.h"

namespace agw::identity {
namespace {

constexpr std::size_t longest_shown_key_id = 64;
/// Of what issuers sign, that which is known to be no access token.
constexpr std::array<std::string_view, 4> other_types{"logout+jwt", "secevent+jwt", "dpop+jwt",
                                                      "token-introspection+jwt"};

TokenRefusal refusal(Reason reason, std::string detail = {}) { return {reason, std::move(detail)}; }

/// A key id is the client's to choose: shown escaped and cut.
std::string shown(std::string_view key_id) { return encode_part(key_id.substr(0, longest_shown_key_id)); }

Reason reason_of(jose::VerifyError error) {
  switch (error) {
    case jose::VerifyError::key_unknown: return Reason::token_key_unknown;
    case jose::VerifyError::algorithm_refused: return Reason::token_algorithm_refused;
    case jose::VerifyError::signature_invalid: return Reason::token_signature_invalid;
  }
  return Reason::token_signature_invalid;
}

bool accepts_type(TokenType wanted, std::string_view type) {
  switch (wanted) {
    case TokenType::at_jwt: return type == "at+jwt";
    case TokenType::jwt: return type == "jwt" || type.empty();
    case TokenType::any: return std::ranges::find(other_types, type) == other_types.end();
  }
  return false;
}

bool is_expected(Expected expected, const IssuerConfig& config, std::string_view type) {
  switch (expected) {
    case Expected::access_token: return accepts_type(config.type, type);
    case Expected::exchange_result: return true;
    case Expected::introspection_answer: return type == oauth::signed_answer_typ;
  }
  return false;
}

}  // namespace

Reason reason_of(jose::JwtError error) noexcept {
  return error == jose::JwtError::algorithm_unknown ? Reason::token_algorithm_refused : Reason::token_malformed;
}

Task<Result<jose::UnverifiedJwt, TokenRefusal>> check_signature(std::string_view token, IssuerKeys& issuer,
                                                                Expected expected) {
  const IssuerConfig& config = issuer.config();
  auto jwt = jose::parse_jwt(token, config.max_token_bytes);
  if (!jwt) co_return fail(refusal(reason_of(jwt.error())));
  if (!is_expected(expected, config, jwt->type)) co_return fail(refusal(Reason::token_type_refused));
  if (std::find(config.algorithms.begin(), config.algorithms.end(), jwt->algorithm) == config.algorithms.end())
    co_return fail(refusal(Reason::token_algorithm_refused,
                           std::string(jose::to_string(jwt->algorithm)) + " of issuer " + config.alias));
  if (issuer.current() == nullptr && !co_await issuer.await_keys())
    co_return fail(refusal(Reason::issuer_unavailable, "no keys of issuer " + config.alias));
  auto key = issuer.current()->verify(*jwt, config.algorithms);
  if (!key && key.error() == jose::VerifyError::key_unknown && co_await issuer.refresh_for_unknown_key() &&
      issuer.current() != nullptr)
    key = issuer.current()->verify(*jwt, config.algorithms);
  if (!key) co_return fail(refusal(reason_of(key.error()), "key " + shown(jwt->key_id) + " of issuer " + config.alias));
  // The key that it was, also where the token doesn't name it.
  jwt->key_id = *std::move(key);
  co_return *std::move(jwt);
}

}  // namespace agw::identity
