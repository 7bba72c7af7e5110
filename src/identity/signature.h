// Whether an issuer has signed something.
#pragma once

#include <cstdint>
#include <string_view>

#include "agw/base/result.h"
#include "agw/base/task.h"
#include "agw/identity/authenticator.h"
#include "agw/jose/jwt.h"

#include "issuer_keys.h"

namespace agw::identity {

/// What kind of JWT is expected, by its `typ` (RFC 8725 section 3.11): an access token of the issuer's type, what an
/// exchange returned, or an answer about a token (RFC 9701).
enum class Expected : std::uint8_t { access_token, exchange_result, introspection_answer };

/// Checks form, type, algorithm and signature, and waits for the issuer's keys where there are none. `token` outlives
/// the task, and what it returns.
[[nodiscard]] Task<Result<jose::UnverifiedJwt, TokenRefusal>> check_signature(std::string_view token,
                                                                              IssuerKeys& issuer, Expected expected);

/// Why bytes are no JWT that could be verified.
[[nodiscard]] Reason reason_of(jose::JwtError error) noexcept;

}  // namespace agw::identity
