// What a listener is told of the gateway's own accord.
#pragma once

#include "agw/base/time.h"
#include "agw/gateway/call.h"
#include "agw/gateway/location.h"

namespace agw::gateway {

/// The lists of which the one shows something else than the other, by the function that judges calls.
[[nodiscard]] ListKinds differing_lists(const Location& location, const Heard& before, const Heard& after,
                                        WallTime now);

}  // namespace agw::gateway
