// $agent_user and its like: for logs, maps and headers, after the decision.
#include <array>
#include <string_view>

#include "context.h"
#include "hooks.h"

namespace agw::nginx {
namespace {

using Read = std::string_view (*)(RequestContext&);

struct Variable {
  std::string_view name;
  Read read;
};

std::string_view principal_part(RequestContext& context, std::string Principal::* member) {
  const auto& principal = context.call().principal;
  return principal ? std::string_view((*principal).*member) : std::string_view();
}

constexpr std::array variables{
    Variable{"agent_user", [](RequestContext& c) { return principal_part(c, &Principal::user); }},
    Variable{"agent_client", [](RequestContext& c) { return principal_part(c, &Principal::agent); }},
    Variable{"agent_tenant", [](RequestContext& c) { return principal_part(c, &Principal::tenant); }},
    Variable{"agent_operation", [](RequestContext& c) { return std::string_view(c.call().operation); }},
    Variable{"agent_object", [](RequestContext& c) { return std::string_view(c.call().resource); }},
    Variable{"agent_decision",
             [](RequestContext& c) { return c.decided() ? to_string(c.call().decision.kind) : std::string_view(); }},
    Variable{"agent_reason",
             [](RequestContext& c) {
               return c.decided() ? to_string(c.call().failure.value_or(c.call().decision.reason)) : std::string_view();
             }},
    Variable{"agent_class",
             [](RequestContext& c) {
               return c.call().route != nullptr ? std::string_view(c.call().route->policy.classification)
                                                : std::string_view();
             }},
    Variable{"agent_trace_id", [](RequestContext& c) { return std::string_view(c.call().trace_id); }},
};

ngx_int_t get(ngx_http_request_t* r, ngx_http_variable_value_t* value, uintptr_t index) noexcept try {
  RequestContext* const context = worker() != nullptr ? RequestContext::find(r) : nullptr;
  const std::string_view text = context != nullptr ? variables[index].read(*context) : std::string_view();
  value->valid = text.empty() ? 0 : 1;
  value->not_found = text.empty() ? 1 : 0;
  value->no_cacheable = 1;
  if (text.empty()) return NGX_OK;
  const ngx_str_t copy = pool_copy(r->pool, text);
  if (copy.data == nullptr) return NGX_ERROR;
  value->data = copy.data;
  value->len = static_cast<unsigned>(copy.len & 0xFFFFFFFU);
  return NGX_OK;
} catch (...) {
  return NGX_ERROR;
}

}  // namespace

ngx_int_t add_variables(ngx_conf_t* cf) noexcept {
  for (std::size_t i = 0; i < variables.size(); ++i) {
    ngx_str_t name = pool_copy(cf->pool, variables[i].name);
    if (name.data == nullptr) return NGX_ERROR;
    // What a call is changes as it is judged, so no value is kept.
    ngx_http_variable_t* variable = ngx_http_add_variable(cf, &name, NGX_HTTP_VAR_NOCACHEABLE);
    if (variable == nullptr) return NGX_ERROR;
    variable->get_handler = get;
    variable->data = i;
  }
  return NGX_OK;
}

}  // namespace agw::nginx
