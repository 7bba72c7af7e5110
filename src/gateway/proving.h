// Whether a call's token needs more than to be sent.
#pragma once

#include "agw/gateway/call.h"
#include "agw/gateway/location.h"

namespace agw::gateway {

/// Of a plain bearer token, at a location that takes such, nothing is asked.
[[nodiscard]] inline bool must_prove(const Location& location, const Call& call, const Principal& principal) noexcept {
  return principal.is_bound() || call.scheme != identity::TokenScheme::bearer ||
         location.sender.holder != identity::Holder::anybody || location.takes_workloads;
}

}  // namespace agw::gateway
