// From a token's payload to a principal.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agw/base/result.h"
#include "agw/identity/authenticator.h"
#include "agw/identity/issuer_config.h"
#include "agw/json/tree.h"
#include "agw/model/principal.h"

namespace agw::identity {

/// The `iss` of a payload whose signature has not been checked: only to choose among trusted
/// issuers. Empty if it isn't there; nothing if the payload is no strict JSON object.
[[nodiscard]] std::optional<std::string> unverified_issuer(std::string_view payload);

struct ClaimRules {
  const IssuerConfig& issuer;
  const std::string& resource;  ///< must be in `aud`, unless the issuer has audiences of its own
  WallTime now;
  /// Whose actors the token may name, besides its own issuer's.
  std::span<const IssuerConfig* const> trusted{};
};

/// Checks time and audience (RFC 7519 section 4.1, RFC 8725) and compiles what the issuer's
/// configuration names. A claim that is needed and missing, or one of the wrong type, is token_claim_invalid.
[[nodiscard]] Result<std::shared_ptr<Principal>, TokenRefusal> read_claims(std::string_view payload,
                                                                           const ClaimRules& rules);

/// These scopes and what the issuer's configuration says that they imply; sorted.
[[nodiscard]] std::vector<std::string> with_implied(const std::vector<std::string>& scopes, const IssuerConfig& issuer);

/// Whether such a token is good for one operation; the claim must be a boolean.
[[nodiscard]] Result<bool, TokenRefusal> single_use_of(const json_t* claims, const IssuerConfig& issuer);

/// Only `iss` and the times: for the result of an exchange.
[[nodiscard]] std::optional<TokenRefusal> check_times(std::string_view payload, const IssuerConfig& issuer,
                                                      WallTime now);

}  // namespace agw::identity
