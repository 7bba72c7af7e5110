// What a listener is told of the gateway's own accord.
#pragma once

#include <string>

#include "agw/gateway/call.h"

namespace agw::gateway {

/// Events that say of each of these lists that it has changed, in the form of the listener's era.
[[nodiscard]] std::string list_notices(const Call& call, ListKinds changed);

}  // namespace agw::gateway
