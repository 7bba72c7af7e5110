// JWT-SVIDs: tokens of workloads, whose issuer is the trust domain of their subject.
#pragma once

#include <optional>
#include <string_view>

#include "agw/identity/authenticator.h"

namespace agw::identity {

/// A trust domain without a bundle: certificates alone name its workloads.
[[nodiscard]] inline bool is_keyless(const IssuerConfig& issuer) noexcept {
  return !issuer.workloads.trust_domain.empty() && issuer.jwks_file.empty();
}

/// The trusted issuer for a token without `iss`, by the trust domain of its `sub`; null: none. Nothing is verified yet.
[[nodiscard]] const IssuerConfig* issuer_of_svid(std::string_view payload, const TrustProfile& trust);

/// Makes the principal, whose `sub` was read, the workload that it names (JWT-SVID section 3.1).
[[nodiscard]] std::optional<TokenRefusal> take_workload(Principal& principal, const IssuerConfig& issuer);

/// What every workload is: a machine, with the tenant and the scopes of its issuer's configuration.
void take_standing(Principal& principal, const IssuerConfig& issuer);

}  // namespace agw::identity
