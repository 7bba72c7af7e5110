// Responses of the module's own that are no refusals: discovery, metrics, readiness.
#pragma once

#include "../nginx.h"

namespace agw::nginx {

/// Post-read phase: protected resource metadata and auth.md, before any location or rewrite.
ngx_int_t discovery_handler(ngx_http_request_t* r) noexcept;

/// Content handler of agent_metrics.
ngx_int_t metrics_handler(ngx_http_request_t* r) noexcept;

/// Content handler of agent_ready.
ngx_int_t ready_handler(ngx_http_request_t* r) noexcept;

}  // namespace agw::nginx
