// What is asked about a token for one call: who it stands for, what its issuer says, and whether it was used before.
#pragma once

#include <algorithm>

#include "agw/base/result.h"
#include "agw/gateway/call.h"
#include "agw/gateway/location.h"

namespace agw::gateway {

/// Whether issuers hear what their tokens are used for: then they are asked once that is known.
[[nodiscard]] inline bool tells_issuer(const Location& location) noexcept {
  return location.trust.introspection && location.trust.introspection->context != identity::AskedContext::none;
}

/// The token may be good, and its issuer has yet to be asked.
[[nodiscard]] inline bool is_to_be_asked(const Result<PrincipalPtr, Reason>& principal) noexcept {
  return principal && *principal == nullptr;
}

/// Whether the call is an operation of a token that is good for one. Handshake and lists are none.
[[nodiscard]] inline bool uses_up_token(const Call& call) noexcept {
  if (!call.principal->single_use && call.location->single_use_tiers.empty()) return false;
  if (!call.decision.allowed() || (call.operation.empty() && call.further == nullptr)) return false;
  return call.principal->single_use ||
         std::ranges::find(call.location->single_use_tiers, call.tier) != call.location->single_use_tiers.end();
}

}  // namespace agw::gateway
