// What the backend gets of the request's header.
#pragma once

#include <string_view>

#include "agw/gateway/gateway.h"

#include "../nginx.h"

namespace agw::nginx {

/// Takes the caller's credentials and whatever only the gateway may say from the request, and sets
/// the gateway's own fields. False without memory.
bool apply(ngx_http_request_t* r, const gateway::Forward& forward, std::string_view request_id);

}  // namespace agw::nginx
