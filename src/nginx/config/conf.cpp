// Life of the configuration's objects, and their inheritance.
#include "conf.h"

#include <new>

#include "settings.h"

namespace agw::nginx {

MainConf::MainConf() : settings(std::make_unique<MainSettings>()) {}
MainConf::~MainConf() = default;

LocConf::LocConf() : LocConfBase{nullptr, false, nullptr}, settings(std::make_unique<LocSettings>()) {
  settings->conf = this;
}
LocConf::~LocConf() = default;

bool LocSettings::enforced() const noexcept {
  if (!governed()) return false;
  if (!mode || *mode == gateway::Mode::enforce) return true;
  if (!routes) return false;
  for (const auto& route : routes->list)
    if (route.mode == gateway::Mode::enforce) return true;
  return false;
}

namespace {

/// What nginx's pool can't destroy by itself.
template <class T>
void* create(ngx_conf_t* cf) noexcept {
  ngx_pool_cleanup_t* cleanup = ngx_pool_cleanup_add(cf->pool, 0);
  if (cleanup == nullptr) return nullptr;
  auto* made = new (std::nothrow) T();
  if (made == nullptr) return nullptr;
  cleanup->handler = [](void* data) noexcept { delete static_cast<T*>(data); };
  cleanup->data = made;
  return made;
}

}  // namespace

void* create_main_conf(ngx_conf_t* cf) noexcept try { return create<MainConf>(cf); } catch (...) {
  return nullptr;
}

void* create_srv_conf(ngx_conf_t* cf) noexcept { return create<SrvConf>(cf); }

void* create_loc_conf(ngx_conf_t* cf) noexcept try { return create<LocConf>(cf); } catch (...) {
  return nullptr;
}

char* merge_loc_conf(ngx_conf_t* cf, void* parent, void* child) noexcept try {
  auto* outer = static_cast<LocConf*>(parent);
  auto* inner = static_cast<LocConf*>(child);
  const LocSettings& from = *outer->settings;
  LocSettings& to = *inner->settings;
  to.parent = outer;
  to.core = static_cast<ngx_http_core_loc_conf_t*>(ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module));
  to.server = static_cast<ngx_http_core_srv_conf_t*>(ngx_http_conf_get_module_srv_conf(cf, ngx_http_core_module));
  to.srv = static_cast<SrvConf*>(ngx_http_conf_get_module_srv_conf(cf, ngx_http_agent_gateway_module));
  // A location that is governed as another kind, or under another namespace, has routes of its own.
  const bool same_kind = !to.governance || (from.governance && *to.governance == *from.governance);
  to.governance.inherit(from.governance);
  to.resource.inherit(from.resource);
  to.trust.inherit(from.trust);
  to.introspection.inherit(from.introspection);
  to.introspection_context.inherit(from.introspection_context);
  to.single_use.inherit(from.single_use);
  to.challenge_scopes.inherit(from.challenge_scopes);
  to.origins.inherit(from.origins);
  to.forwarding.inherit(from.forwarding);
  to.mode.inherit(from.mode);
  to.disclosure.inherit(from.disclosure);
  to.makes_sessions.inherit(from.makes_sessions);
  to.delegation.inherit(from.delegation);
  to.identity_headers.inherit(from.identity_headers);
  to.answer_limit.inherit(from.answer_limit);
  to.cuts_running.inherit(from.cuts_running);
  to.allow_unsafe.inherit(from.allow_unsafe);
  to.limits.inherit(from.limits);
  to.require.inherit(from.require);
  to.breakers.inherit(from.breakers);
  to.holder.inherit(from.holder);
  to.proofs.inherit(from.proofs);
  if (!to.routes && same_kind) to.routes = from.routes;
  auto* main = static_cast<MainConf*>(ngx_http_conf_get_module_main_conf(cf, ngx_http_agent_gateway_module));
  main->settings->locations.push_back(inner);
  return NGX_CONF_OK;
} catch (...) {
  return const_cast<char*>("could not be merged: out of memory");
}

const MainConf* main_conf(const ngx_cycle_t* cycle) noexcept {
  return static_cast<const MainConf*>(ngx_http_cycle_get_module_main_conf(cycle, ngx_http_agent_gateway_module));
}

const MainConf& main_conf(const ngx_http_request_t* r) noexcept {
  return *static_cast<const MainConf*>(ngx_http_get_module_main_conf(r, ngx_http_agent_gateway_module));
}

const SrvConf& srv_conf(const ngx_http_request_t* r) noexcept {
  return *static_cast<const SrvConf*>(ngx_http_get_module_srv_conf(r, ngx_http_agent_gateway_module));
}

const LocConf& loc_conf(const ngx_http_request_t* r) noexcept {
  return *static_cast<const LocConf*>(ngx_http_get_module_loc_conf(r, ngx_http_agent_gateway_module));
}

}  // namespace agw::nginx
