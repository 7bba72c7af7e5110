// What a token is bound to (RFC 7800).
#pragma once

#include <optional>

#include <jansson.h>

#include "agw/identity/authenticator.h"
#include "agw/model/principal.h"

namespace agw::identity {

/// Takes `cnf` of these claims into the principal: `jkt` (RFC 9449 section 6.1) and `x5t#S256` (RFC 8705 section 3.1).
/// A token that is bound in no way that can be checked is refused; what stands beside a way that can is ignored, as
/// RFC 7800 section 3.1 has it.
[[nodiscard]] std::optional<TokenRefusal> read_confirmation(const json_t* claims, Principal& principal);

}  // namespace agw::identity
