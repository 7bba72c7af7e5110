// Who acts by a token, under whom, and for whom.
#pragma once

#include <memory>

#include <jansson.h>

#include "agw/model/principal.h"

#include "claim_values.h"
#include "claims.h"

namespace agw::identity {

/// Fills in the principal's user, agent, chain, actors and machine, and its subject.
///
/// RFC 8693 section 4.1: `act` nests, its outermost actor is the current one, which is the agent. Whoever else had a
/// hand in it is in the chain: the client to whom the token was given where it is another, the earlier actors, and a
/// machine that is the subject. Section 4.4: where there is a `may_act`, the agent must be the one that it names.
/// A token never makes an agent its own user.
[[nodiscard]] std::optional<TokenRefusal> read_callers(const json_t* claims, const ClaimRules& rules, Principal& out);

}  // namespace agw::identity
