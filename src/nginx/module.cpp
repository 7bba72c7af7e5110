// The two modules of this library, and where nginx calls them.
#include <algorithm>
#include <array>

#include "adapters/shared_zone.h"
#include "config/compile.h"
#include "config/directive_table.h"
#include "config/reading.h"
#include "handlers/handlers.h"
#include "request/hooks.h"
#include "sealing.h"
#include "telling.h"
#include "worker.h"

namespace agw::nginx {
namespace {

constexpr std::string_view default_zone = "agents";
constexpr std::size_t default_zone_bytes = 16U << 20;

Checked read_answering_handler(const Reading& in) {
  auto* core = static_cast<ngx_http_core_loc_conf_t*>(ngx_http_conf_get_module_loc_conf(in.cf, ngx_http_core_module));
  if (core->handler != nullptr)
    return fail(quoted(in.name()) + " stands beside another handler; give it a location of its own");
  core->handler = in.name() == "agent_metrics" ? metrics_handler : ready_handler;
  in.location.settings->answers = true;
  return {};
}

using Reader = Checked (*)(const Reading&);

Reader reader_of(Directive id) {
  switch (id) {
    case Directive::zone: return read_zone;
    case Directive::store: return read_store;
    case Directive::store_admin: return read_store_admin;
    case Directive::freshness: return read_freshness;
    case Directive::copy_limit: return read_copy_limit;
    case Directive::audit: return read_audit;
    case Directive::audit_sync:
    case Directive::audit_on_error: return read_audit_setting;
    case Directive::limit_on_error: return read_limit_on_error;
    case Directive::revocation_grace: return read_revocation_grace;
    case Directive::break_glass: return read_break_glass_file;
    case Directive::key: return read_key;
    case Directive::state: return read_state;
    case Directive::issuer: return read_issuer;
    case Directive::gateway: return read_gateway;
    case Directive::protected_resource: return read_protected_resource;
    case Directive::tool: return read_tool;
    case Directive::prompt: return read_prompt;
    case Directive::mcp_resource: return read_mcp_resource;
    case Directive::operation: return read_operation;
    case Directive::metrics:
    case Directive::ready: return read_answering_handler;
    default: return read_location_setting;
  }
}

Checked read_directive(ngx_conf_t* cf, const DirectiveRow& row, LocConf& location) {
  auto& main = *static_cast<MainConf*>(ngx_http_conf_get_module_main_conf(cf, ngx_http_agent_gateway_module));
  const std::vector<std::string_view> words = words_of(cf);
  const Reading in{cf, main, location, words, place_of(cf)};
  if (words.size() - 1 < row.least || words.size() - 1 > row.most)
    return fail(quoted(row.name) + " has the wrong number of arguments; write: " + std::string(row.name) + " " +
                std::string(row.syntax));
  if (!location.settings->written) {
    location.settings->written = in.place;
    location.settings->written_name = row.name;
  }
  return reader_of(row.id)(in);
}

char* set_directive(ngx_conf_t* cf, ngx_command_t* cmd, void* conf) noexcept try {
  const Checked read = read_directive(cf, *static_cast<const DirectiveRow*>(cmd->post), *static_cast<LocConf*>(conf));
  if (read) return NGX_CONF_OK;
  if (!read.error().empty()) ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "%s", read.error().c_str());
  return static_cast<char*>(NGX_CONF_ERROR);
} catch (const std::exception& error) {
  ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "could not be read: %s", error.what());
  return static_cast<char*>(NGX_CONF_ERROR);
}

/// nginx's table of commands, made of the rows.
class Commands {
 public:
  Commands() noexcept {
    std::size_t at = 0;
    for (const DirectiveRow& row : directives()) {
      ngx_command_t& command = table_[at++];
      command.name.data = reinterpret_cast<u_char*>(const_cast<char*>(row.name.data()));
      command.name.len = row.name.size();
      command.type = NGX_CONF_ANY;
      if ((row.contexts & in_http) != 0) command.type |= NGX_HTTP_MAIN_CONF;
      if ((row.contexts & in_server) != 0) command.type |= NGX_HTTP_SRV_CONF;
      if ((row.contexts & in_location) != 0) command.type |= NGX_HTTP_LOC_CONF;
      if (row.block) command.type |= NGX_CONF_BLOCK;
      command.set = set_directive;
      command.conf = NGX_HTTP_LOC_CONF_OFFSET;
      command.post = const_cast<DirectiveRow*>(&row);
    }
  }
  [[nodiscard]] ngx_command_t* data() noexcept { return table_.data(); }

 private:
  // The last one stays empty: nginx reads up to it.
  std::array<ngx_command_t, static_cast<std::size_t>(Directive::ready) + 2> table_{};
};
Commands commands;

ngx_int_t preconfiguration(ngx_conf_t* cf) noexcept {
  if (!observe_directives(cf)) return NGX_ERROR;
  return add_variables(cf);
}

bool add_handler(ngx_conf_t* cf, ngx_http_phases phase, ngx_http_handler_pt handler) noexcept {
  auto* core = static_cast<ngx_http_core_main_conf_t*>(ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module));
  auto* slot = static_cast<ngx_http_handler_pt*>(ngx_array_push(&core->phases[phase].handlers));
  if (slot == nullptr) return false;
  *slot = handler;
  return true;
}

ngx_int_t postconfiguration(ngx_conf_t* cf) noexcept try {
  stop_observing();
  auto& main = *static_cast<MainConf*>(ngx_http_conf_get_module_main_conf(cf, ngx_http_agent_gateway_module));
  Problems problems(cf->log);
  compile(main, problems);
  check_variables(cf, main, problems);
  warn_of_lost_fields(cf, main, problems);
  if (!problems.any()) make_documents(main, problems);
  if (problems.any()) return NGX_ERROR;
  if (!main.locations.empty() && main.zone == nullptr) {
    ngx_str_t name = pool_copy(cf->pool, default_zone);
    main.zone = name.data == nullptr
                    ? nullptr
                    : SharedZone::declare(cf, name, default_zone_bytes, &ngx_http_agent_gateway_module);
    if (main.zone == nullptr) return NGX_ERROR;
  }
  for (LocConf* conf : main.settings->locations) {
    if (conf->location == nullptr || !conf->enforced) continue;
    guard_content_handler(conf->settings->core, *conf);
    ignore_accel_redirect(cf, *conf->settings);
  }
  if (main.locations.empty()) main.zone = nullptr;
  const bool added = add_handler(cf, NGX_HTTP_POST_READ_PHASE, discovery_handler) &&
                     add_handler(cf, NGX_HTTP_ACCESS_PHASE, access_handler) &&
                     add_handler(cf, NGX_HTTP_PRECONTENT_PHASE, guard_before_content) &&
                     add_handler(cf, NGX_HTTP_CONTENT_PHASE, guard_content) &&
                     add_handler(cf, NGX_HTTP_LOG_PHASE, log_handler);
  return added ? NGX_OK : NGX_ERROR;
} catch (...) {
  stop_observing();
  ngx_log_error(NGX_LOG_EMERG, cf->log, 0, "agent_gateway: the configuration could not be compiled: out of memory");
  return NGX_ERROR;
}

ngx_int_t init_module(ngx_cycle_t* cycle) noexcept {
  if (ngx_test_config != 0) return NGX_OK;
  const MainConf* main = main_conf(cycle);
  if (main == nullptr || !main->active()) return NGX_OK;
  const bool written = write_state(*main, cycle->log);
  if (written) prepare_telling(cycle, *main);
  // nginx's master exits if this fails: a start may, a reload must not take the service down. Workers for whom there
  // is no journal deny.
  const bool sealed = prepare_sealing(cycle, *main);
  return (written && sealed) || !ngx_is_init_cycle(cycle->old_cycle) ? NGX_OK : NGX_ERROR;
}

void exit_master(ngx_cycle_t* cycle) noexcept { end_sealing(cycle); }

ngx_int_t install_filters_at_end(ngx_conf_t*) noexcept {
  install_filters();
  return NGX_OK;
}

ngx_http_module_t gateway_context{preconfiguration, postconfiguration, create_main_conf, nullptr,
                                  create_srv_conf,  nullptr,           create_loc_conf,  merge_loc_conf};

ngx_http_module_t filter_context{nullptr, install_filters_at_end, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr};

}  // namespace
}  // namespace agw::nginx

extern "C" {

ngx_module_t ngx_http_agent_gateway_module = {
    NGX_MODULE_V1, &agw::nginx::gateway_context, agw::nginx::commands.data(), NGX_HTTP_MODULE,
    nullptr,       agw::nginx::init_module,      agw::nginx::init_worker,     nullptr,
    nullptr,       agw::nginx::exit_worker,      agw::nginx::exit_master,     NGX_MODULE_V1_PADDING};

ngx_module_t ngx_http_agent_gateway_filter_module = {NGX_MODULE_V1, &agw::nginx::filter_context,
                                                     nullptr,       NGX_HTTP_MODULE,
                                                     nullptr,       nullptr,
                                                     nullptr,       nullptr,
                                                     nullptr,       nullptr,
                                                     nullptr,       NGX_MODULE_V1_PADDING};
}
