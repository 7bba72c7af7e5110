// Where nginx calls into a request's course. Every function fails closed and lets no exception out.
#pragma once

#include "../config/conf.h"
#include "../nginx.h"

namespace agw::nginx {

/// Access phase: decides about the request, waiting without blocking the worker.
ngx_int_t access_handler(ngx_http_request_t* r) noexcept;

/// Precontent phase: nothing goes on in an enforced location without an allow that was given for
/// this very location, method, URI and arguments.
ngx_int_t guard_before_content(ngx_http_request_t* r) noexcept;

/// The same in the content phase, for what try_files and the like have changed since.
ngx_int_t guard_content(ngx_http_request_t* r) noexcept;

/// Puts the guard before a location's own content handler (proxy_pass …), which nginx calls
/// without the content phase's other handlers. `location` keeps the original.
void guard_content_handler(ngx_http_core_loc_conf_t* location, LocConf& conf) noexcept;

/// Log phase: completes the audit event.
ngx_int_t log_handler(ngx_http_request_t* r) noexcept;

/// Header and body filter: judges what the backend answered.
void install_filters() noexcept;

/// `$agent_user` and its like.
ngx_int_t add_variables(ngx_conf_t* cf) noexcept;

}  // namespace agw::nginx
