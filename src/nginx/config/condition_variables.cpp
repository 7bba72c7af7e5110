// Variables that conditions name, held against those that nginx knows once every directive is read.
#include <algorithm>
#include <cctype>
#include <span>

#include "compile.h"

namespace agw::nginx {
namespace {

std::string lower(std::string_view name) {
  std::string out(name);
  std::ranges::transform(out, out.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

/// By its name, or by a beginning that stands for many (`http_`, `arg_`).
bool is_known(const ngx_http_core_main_conf_t& core, const std::string& name) {
  const std::span keys(static_cast<const ngx_hash_key_t*>(core.variables_keys->keys.elts),
                       core.variables_keys->keys.nelts);
  if (std::ranges::any_of(keys, [&](const ngx_hash_key_t& key) { return view(key.key) == name; })) return true;
  const std::span prefixes(static_cast<const ngx_http_variable_t*>(core.prefix_variables.elts),
                           core.prefix_variables.nelts);
  return std::ranges::any_of(prefixes, [&](const ngx_http_variable_t& one) {
    return name.starts_with(view(one.name)) && name.size() > one.name.len;
  });
}

}  // namespace

void check_variables(ngx_conf_t* cf, const MainConf& main, Problems& problems) {
  const auto* core =
      static_cast<const ngx_http_core_main_conf_t*>(ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module));
  std::vector<std::pair<std::string_view, ngx_uint_t>> told;
  const auto check = [&](const std::vector<ConditionSetting>& conditions) {
    for (const auto& [condition, place] : conditions)
      for (const HostVariable& variable : condition->variables()) {
        const std::pair where(place.file, place.line);
        if (is_known(*core, lower(variable.name)) || std::ranges::find(told, where) != told.end()) continue;
        told.push_back(where);
        problems.error(place, "a condition asks for $" + variable.name +
                                  ", which nothing sets; write a map, geo or js_set for it, or another name");
      }
  };
  for (const LocConf* conf : main.settings->locations) {
    if (conf->settings->require) check(*conf->settings->require);
    if (!conf->settings->routes) continue;
    for (const RouteSetting& route : conf->settings->routes->list) check(route.require);
  }
}

}  // namespace agw::nginx
