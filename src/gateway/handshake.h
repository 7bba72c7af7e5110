// The backend's token for messages that call no operation: handshakes, lists, streams.
#pragma once

#include <string>
#include <vector>

#include "agw/gateway/call.h"

namespace agw::gateway {

/// Whether the caller has all of them, hierarchies honoured.
[[nodiscard]] bool covers(const Principal& principal, const std::vector<std::string>& scopes);

/// Never more than the caller has (some servers would grant it all the same), and no narrow token is locked out: of the
/// location's exchange it asks for the scopes that the caller has; where it has none of them for the exchange of an
/// operation that it covers; else the agent is told what to ask for. `decision` allows the message.
[[nodiscard]] Decision within_scopes(const Location& location, Call& call, Decision decision);

}  // namespace agw::gateway
