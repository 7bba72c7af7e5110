// What an issuer says of a token, as a principal.
#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "agw/base/result.h"
#include "agw/identity/authenticator.h"
#include "agw/model/principal.h"

#include "claims.h"

namespace agw::identity {

/// Of an opaque token: `claims` are all that is known of it, and are read by the rules of a JWT's. `iss`, which
/// RFC 7662 section 2.2 makes optional, must be the issuer's own where it is there.
[[nodiscard]] Result<std::shared_ptr<Principal>, TokenRefusal> principal_of_answer(std::string_view claims,
                                                                                   const ClaimRules& rules);

/// Of a verified JWT: what its issuer says now may take from it and adds nothing. Scopes that aren't named any more are
/// gone, an earlier end counts; another subject or issuer is another token.
[[nodiscard]] std::optional<TokenRefusal> narrow(Principal& principal, std::string_view claims,
                                                 const ClaimRules& rules);

}  // namespace agw::identity
