// From what was written to what requests use.
#pragma once

#include "line.h"
#include "settings.h"

namespace agw::nginx {

// nginx's callbacks for this module's configuration (conf.cpp).
void* create_main_conf(ngx_conf_t* cf) noexcept;
void* create_srv_conf(ngx_conf_t* cf) noexcept;
void* create_loc_conf(ngx_conf_t* cf) noexcept;
char* merge_loc_conf(ngx_conf_t* cf, void* parent, void* child) noexcept;

/// Checks the configuration as a whole and compiles every governed location. Problems are logged
/// with their places.
void compile(MainConf& main, Problems& problems);

/// Says what in an enforced location would break the promise that the judged request is the
/// forwarded one, or that callers stay apart.
void check_unsafe(const MainConf& main, const LocSettings& location, Problems& problems);

/// Says which variables of conditions nothing sets.
void check_variables(ngx_conf_t* cf, const MainConf& main, Problems& problems);

/// Warns where nginx would drop fields that an MCP client has to send.
void warn_of_lost_fields(ngx_conf_t* cf, const MainConf& main, Problems& problems);

/// What discovery serves, for each server that has a protected resource.
void make_documents(MainConf& main, Problems& problems);

/// Writes `routes.json` into agent_state: at a real load, never in `nginx -t`.
[[nodiscard]] bool write_state(const MainConf& main, ngx_log_t* log) noexcept;

/// An X-Accel-Redirect of a backend isn't followed from an enforced location.
void ignore_accel_redirect(ngx_conf_t* cf, const LocSettings& location) noexcept;

}  // namespace agw::nginx
