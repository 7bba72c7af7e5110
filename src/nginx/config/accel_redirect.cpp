#include <array>
#include <string_view>

#include "compile.h"

namespace agw::nginx {
namespace {

/// Modules whose location configuration begins with nginx's upstream settings (so in every nginx
/// from 1.22 on). They are found by name: a build without one of them has no such symbol.
constexpr std::array<std::string_view, 5> upstream_modules{"ngx_http_proxy_module", "ngx_http_fastcgi_module",
                                                           "ngx_http_uwsgi_module", "ngx_http_scgi_module",
                                                           "ngx_http_grpc_module"};

}  // namespace

void ignore_accel_redirect(ngx_conf_t* cf, const LocSettings& location) noexcept {
  if (location.core == nullptr) return;
  for (ngx_uint_t i = 0; cf->cycle->modules[i] != nullptr; ++i) {
    const ngx_module_t* module = cf->cycle->modules[i];
    for (const std::string_view name : upstream_modules) {
      if (name != module->name) continue;
      auto* upstream = static_cast<ngx_http_upstream_conf_t*>(location.core->loc_conf[module->ctx_index]);
      if (upstream != nullptr) upstream->ignore_headers |= NGX_HTTP_UPSTREAM_IGN_XA_REDIRECT;
    }
  }
}

}  // namespace agw::nginx
