// Whether a call's token needs more than to be sent.
#pragma once

#include "agw/base/result.h"
#include "agw/gateway/call.h"
#include "agw/gateway/location.h"

namespace agw::gateway {

/// Of a plain bearer token, at a location that takes such, nothing is asked; nor of one whose issuer has yet to be
/// asked who it is for.
[[nodiscard]] inline bool must_prove(const Location& location, const Call& call,
                                     const Result<PrincipalPtr, Reason>& who) noexcept {
  if (!who || *who == nullptr) return false;
  return (*who)->is_bound() || call.scheme != identity::TokenScheme::bearer ||
         location.sender.holder != identity::Holder::anybody || location.takes_workloads;
}

}  // namespace agw::gateway
