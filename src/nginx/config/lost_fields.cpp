// Header fields of MCP clients that nginx drops before anybody can see them.
#include <algorithm>
#include <set>
#include <span>

#include "compile.h"

namespace agw::nginx {
namespace {

template <class T>
std::span<T> elements(const ngx_array_t& array) noexcept {
  return {static_cast<T*>(array.elts), array.nelts};
}

#if (NGX_HTTP_V2) && nginx_version >= 1025001
/// `http2 on;`. The module is looked up by its name: a server that was built without it has no such symbol.
bool says_http2(const ngx_conf_t* cf, const ngx_http_core_srv_conf_t& server) noexcept {
  for (ngx_uint_t i = 0; cf->cycle->modules[i] != nullptr; ++i) {
    const ngx_module_t& module = *cf->cycle->modules[i];
    if (std::string_view(module.name) != "ngx_http_v2_module") continue;
    return static_cast<const ngx_http_v2_srv_conf_t*>(server.ctx->srv_conf[module.ctx_index])->enable == 1;
  }
  return false;
}
#else
bool says_http2(const ngx_conf_t*, const ngx_http_core_srv_conf_t&) noexcept { return false; }
#endif

bool listens_so([[maybe_unused]] const ngx_http_listen_opt_t& opt) noexcept {
  bool later = false;
#if (NGX_HTTP_V2)
  later = later || opt.http2 != 0;
#endif
#if (NGX_HTTP_V3)
  later = later || opt.quic != 0;
#endif
  return later;
}

/// Whether it is spoken to in HTTP/2 or HTTP/3, whose heads nginx keeps nowhere.
bool speaks_later_http(const ngx_conf_t* cf, const ngx_http_core_srv_conf_t* server) noexcept {
  if (says_http2(cf, *server)) return true;
  const auto* core =
      static_cast<const ngx_http_core_main_conf_t*>(ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module));
  if (core->ports == nullptr) return false;
  for (const ngx_http_conf_port_t& port : elements<ngx_http_conf_port_t>(*core->ports))
    for (const ngx_http_conf_addr_t& address : elements<ngx_http_conf_addr_t>(port.addrs)) {
      const auto servers = elements<ngx_http_core_srv_conf_t*>(address.servers);
      if (listens_so(address.opt) && std::ranges::find(servers, server) != servers.end()) return true;
    }
  return false;
}

}  // namespace

void warn_of_lost_fields(ngx_conf_t* cf, const MainConf& main, Problems& problems) {
  std::set<const ngx_http_core_srv_conf_t*> told;
  for (const LocConf* conf : main.settings->locations) {
    const LocSettings& settings = *conf->settings;
    if (conf->location == nullptr || conf->location->kind != gateway::Kind::mcp || !settings.governance) continue;
    const ngx_http_core_srv_conf_t* const server = settings.server;
    // Who has written either knows of it.
    if (server == nullptr || server->ignore_invalid_headers == 0 || server->underscores_in_headers != 0) continue;
    if (!speaks_later_http(cf, server) || !told.insert(server).second) continue;
    problems.warning(
        settings.governance.place,
        "over HTTP/2 and HTTP/3 nginx drops header fields Mcp-Param-… whose names have an underscore or other "
        "odd characters, and backends refuse calls that need them; write underscores_in_headers on; (or "
        "ignore_invalid_headers off;) in the server");
  }
}

}  // namespace agw::nginx
