// Whether the issuer gave what was asked for, and no more.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "agw/base/time.h"
#include "agw/model/principal.h"
#include "agw/oauth/token_exchange.h"
#include "agw/outbound/exchanger.h"

namespace agw::outbound {

struct ResultCheck {
  const Principal& principal;
  const ExchangeSpec& spec;
  WallTime now;
  Milliseconds clock_skew;
};

/// What is wrong with the answer around the token (RFC 8693 section 2.2.1): type, scope. Nothing
/// if all is well.
[[nodiscard]] std::optional<std::string> check_answer(const oauth::ExchangeAnswer& answer, const ResultCheck& check);

/// Until when the token is used: `expires_in`, capped by the subject token's own end (Keycloak
/// doesn't cap it). An answer without `expires_in` is used for a minute.
[[nodiscard]] WallTime expiry_of(const oauth::ExchangeAnswer& answer, const ResultCheck& check);

/// Three dot-separated parts: then its claims are checked; an opaque token's can't be.
[[nodiscard]] bool looks_like_jwt(std::string_view token) noexcept;

/// What is wrong with the claims of a token whose signature, issuer and expiry stand: `sub` must
/// be the subject token's, `aud` exactly the audience asked for, `scope` no wider than asked, and
/// it must not be an ID or refresh token. `expires_at` is lowered to `exp`.
[[nodiscard]] std::optional<std::string> check_claims(std::string_view payload, const ResultCheck& check,
                                                      WallTime& expires_at);

}  // namespace agw::outbound
