// Browsers' pages: which may call, and what they may read (CORS).
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agw/gateway/location.h"
#include "agw/gateway/request.h"

namespace agw::gateway {

/// Whether the request may come from where it says: no Origin at all (an agent that is no
/// browser), the resource's own origin, or one of agent_origins. `null` and repeated Origin
/// headers are refused. (Fetch standard; MCP transports, "Security Warning".)
[[nodiscard]] bool origin_allowed(const Location& location, const Headers& headers);

/// Whether the Host is one by which the location may be called: a name of its own, an IP address or localhost, or none.
/// A page that points its own name to this address (DNS rebinding) calls by that name, also where it sends no Origin.
[[nodiscard]] bool host_allowed(const Location& location, const Headers& headers);

/// Whether it is a CORS preflight, which carries no credentials by design.
[[nodiscard]] bool is_preflight(const Request& request);

/// The fields that let a page of an allowed origin read the answer; none without Origin.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> cors_headers(const Location& location,
                                                                            const Headers& headers);
/// Those of the answer to a preflight.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> preflight_headers(const Location& location,
                                                                                 const Headers& headers);

}  // namespace agw::gateway
