#include "compile.h"

#include <algorithm>
#include <set>

#include "client_certificates.h"
#include "introspection.h"
#include "reading.h"

namespace agw::nginx {
namespace {

constexpr std::size_t most_body = 16U << 20;

std::string label_of(const LocSettings& settings) {
  std::string out(settings.server != nullptr ? view(settings.server->server_name) : std::string_view());
  out += settings.core != nullptr ? view(settings.core->name) : std::string_view();
  return out.empty() ? "/" : out;
}

void add_new(std::vector<std::string>& list, const std::vector<std::string>& more) {
  for (const auto& item : more)
    if (std::ranges::find(list, item) == list.end()) list.push_back(item);
}

/// `https://Tools.example:8443` → `tools.example`
std::string host_of(std::string_view origin) {
  const std::size_t scheme = origin.find("://");
  std::string out(origin.substr(scheme == std::string_view::npos ? 0 : scheme + 3));
  if (!out.starts_with('[')) out.resize(std::min(out.find(':'), out.size()));
  std::ranges::transform(out, out.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; });
  return out;
}

class LocationCompiler {
 public:
  LocationCompiler(const MainConf& main, LocSettings& settings, Problems& problems)
      : main_(main), settings_(settings), problems_(problems), place_(settings.governance.place) {}

  std::shared_ptr<gateway::Location> compile() {
    location_ = std::make_shared<gateway::Location>();
    gateway::Location& out = *location_;
    out.label = label_of(settings_);
    out.kind = settings_.governance->kind;
    out.name_space = settings_.governance->name_space;
    out.mode = settings_.mode ? *settings_.mode : gateway::Mode::enforce;
    out.disclosure = settings_.disclosure ? *settings_.disclosure : gateway::Disclosure::hide;
    out.delegation = settings_.delegation ? *settings_.delegation : policy::DelegationMode::implicit;
    out.identity_headers = settings_.identity_headers && *settings_.identity_headers;
    if (settings_.origins) out.origins = *settings_.origins;
    if (settings_.forwarding) out.exchange = settings_.forwarding->exchange;
    const auto limit = static_cast<std::size_t>(settings_.core->client_max_body_size);
    out.max_body = limit == 0 ? most_body : std::min(limit, most_body);
    out.makes_sessions = settings_.makes_sessions && *settings_.makes_sessions;
    out.cuts_running = settings_.cuts_running && *settings_.cuts_running;
    if (settings_.answer_limit) out.max_answer = *settings_.answer_limit;
    // A policy file, and strict, hold with the next call.
    const bool copies =
        main_.store.kind == StoreConfig::Kind::redis && main_.freshness.mode != grants::Freshness::Mode::strict;
    out.list_ttl = copies ? main_.freshness.bound : Milliseconds(0);
    take_breakers();
    take_trust();
    compile_introspection(settings_, out, problems_);
    if (out.kind == gateway::Kind::mcp) take_hosts();
    take_routes();
    take_resource();
    check_forwarding();
    return location_;
  }

 private:
  void take_trust() {
    if (!settings_.trust) {
      problems_.error(place_,
                      "a governed location needs \"agent_trust\"; write agent_trust and the alias of an agent_issuer");
      return;
    }
    for (const auto& alias : *settings_.trust) {
      const auto issuer = std::ranges::find(main_.issuers, alias, &identity::IssuerConfig::alias);
      if (issuer == main_.issuers.end()) {
        problems_.error(settings_.trust.place, "\"agent_trust\" names the issuer " + quoted(alias) +
                                                   ", which is not defined; write agent_issuer " + alias +
                                                   " { … } in http");
        continue;
      }
      location_->trust.issuers.push_back(&*issuer);
      const identity::WorkloadConfig& workloads = issuer->workloads;
      // A trust domain is no authorization server: nobody can ask it for a token.
      if (workloads.trust_domain.empty()) location_->resource.issuers.push_back(issuer->issuer);
      if (!workloads.trust_domain.empty() && workloads.certificates) take_workloads(alias);
    }
  }

  void take_workloads(const std::string& alias) {
    location_->takes_workloads = true;
    const ClientCertificates asked = client_certificates(*settings_.server);
    if (asked != ClientCertificates::required && asked != ClientCertificates::optional)
      problems_.error(settings_.trust.place,
                      "\"agent_trust\" names " + quoted(alias) +
                          ", whose workloads show certificates, and nginx checks none; write ssl_verify_client "
                          "optional; (or on) and ssl_client_certificate FILE; in the server, or certificates off; in "
                          "the agent_issuer");
  }

  void take_sender() {
    if (settings_.holder) location_->sender.holder = *settings_.holder;
    if (settings_.proofs) location_->sender.proofs = *settings_.proofs;
    location_->resource.needs_proofs = location_->sender.holder == identity::Holder::of_key;
    const ClientCertificates asked = client_certificates(*settings_.server);
    location_->resource.takes_certificates = asked != ClientCertificates::none;
    if (asked == ClientCertificates::none && location_->sender.holder == identity::Holder::of_certificate)
      problems_.error(settings_.holder.place,
                      "\"agent_sender_constraint\" wants tokens that are bound to client certificates, and nginx asks "
                      "for none; write ssl_verify_client optional; in the server");
  }

  void take_routes() {
    if (!settings_.routes) return;
    if (settings_.routes->kind != location_->kind) {
      const Place& where = settings_.routes->list.empty() ? place_ : settings_.routes->list.front().place;
      problems_.error(where,
                      location_->kind == gateway::Kind::mcp
                          ? "\"agent_operation\" belongs to a location with agent_gateway rest; write agent_tool here"
                          : "\"agent_tool\", \"agent_prompt\" and \"agent_mcp_resource\" belong to a location with "
                            "agent_gateway mcp; write agent_operation here");
      return;
    }
    location_->routes.reserve(settings_.routes->list.size());
    for (const RouteSetting& setting : settings_.routes->list) take_route(setting);
  }

  void take_route(const RouteSetting& setting) {
    gateway::OperationRoute route;
    route.policy.operation = location_->name_space + "/" + setting.operation;
    route.policy.scopes = setting.scopes;
    route.policy.resource = setting.resource;
    route.policy.classification = setting.classification;
    route.policy.risk = setting.risk;
    route.mode = setting.mode.value_or(location_->mode);
    location_->enforces_some =
        location_->enforces_some || (location_->mode == gateway::Mode::observe && route.mode == gateway::Mode::enforce);
    route.exchange = setting.exchange;
    take_limits(setting, route.policy);
    take_conditions(setting, route.policy);
    take_idempotency(setting, route);
    take_tool_rules(setting, route);
    const auto& exchange = setting.exchange ? setting.exchange : location_->exchange;
    if (exchange && !exchange->scope_independent) route.policy.exchange_scopes = exchange->scopes;
    add_new(scopes_, route.policy.scopes);
    add_new(scopes_, route.policy.exchange_scopes);
    const auto index = static_cast<std::uint32_t>(location_->routes.size());
    if (location_->kind == gateway::Kind::mcp) {
      take_subject(setting, index, route);
    } else {
      route.method = setting.path.method;
      route.path = setting.path_text;
      if (const auto added = location_->router.add(setting.path); !added)
        problems_.error(setting.place, "\"agent_operation\": " + added.error().message);
      if (setting.resource)
        for (const auto& path : setting.resource->placeholders())
          location_->body_is_judged = location_->body_is_judged || (path.size() > 1 && path[0] == "body");
    }
    location_->routes.push_back(std::move(route));
  }

  void take_subject(const RouteSetting& setting, std::uint32_t index, gateway::OperationRoute& route) {
    switch (setting.subject) {
      case mcp::SubjectKind::prompt:
        route.prompt = setting.name;
        location_->prompts.emplace(setting.name, index);
        return;
      case mcp::SubjectKind::resource:
        route.uri = setting.uri->text();
        static_cast<void>(location_->resources.add(*setting.uri, index));
        return;
      default: route.tool = setting.name; location_->tools.emplace(setting.name, index);
    }
  }

  void take_tool_rules(const RouteSetting& setting, gateway::OperationRoute& route) {
    if (!setting.tool_rules.inner && !setting.tool_rules.listing && setting.tool_rules.headers.empty()) return;
    if (setting.tool_rules.listing)
      location_->listing_tools.push_back(static_cast<std::uint32_t>(location_->routes.size()));
    route.tool_rules = std::make_shared<const gateway::ToolRules>(setting.tool_rules);
    const ngx_http_core_srv_conf_t* const server = settings_.server;
    for (const auto& header : setting.tool_rules.headers) {
      const std::string_view name = header.field;
      const bool odd = std::ranges::any_of(
          name, [](char c) { return !((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_'); });
      const bool underscored = name.find('_') != std::string_view::npos;
      // Without these nginx drops such fields before anybody sees them.
      if (odd && server->ignore_invalid_headers != 0)
        problems_.error(setting.place, "\"param_header\" has the field " + quoted(name) +
                                           ", whose characters nginx takes for invalid: it would drop it; write "
                                           "ignore_invalid_headers off; in the server");
      else if (underscored && server->underscores_in_headers == 0 && server->ignore_invalid_headers != 0)
        problems_.error(setting.place,
                        "\"param_header\" has the field " + quoted(name) +
                            ", which nginx drops for its underscore; write underscores_in_headers on; in "
                            "the server");
    }
  }

  /// The resource's own name, those of nginx's server, and those of agent_origins.
  void take_hosts() {
    std::vector<std::string> hosts;
    const auto* const names = static_cast<const ngx_http_server_name_t*>(settings_.server->server_names.elts);
    for (ngx_uint_t i = 0; i < settings_.server->server_names.nelts; ++i) {
#if (NGX_PCRE)
      if (names[i].regex != nullptr) return;
#endif
      std::string name(view(names[i].name));
      if (name.ends_with(".*")) return;
      if (name.starts_with('*')) name.erase(0, 1);
      if (name.starts_with('.')) hosts.push_back(name.substr(1));
      if (!name.empty()) hosts.push_back(std::move(name));
    }
    if (settings_.resource) hosts.push_back(host_of(settings_.resource->origin));
    for (const auto& origin : location_->origins) hosts.push_back(host_of(origin));
    location_->hosts = std::move(hosts);
  }

  void take_breakers() {
    if (!settings_.breakers) return;
    location_->breakers = *settings_.breakers;
    std::set<std::string> known;
    for (Breaker& breaker : location_->breakers) {
      if (breaker.place.empty()) breaker.place = location_->name_space + "/*";
      if (!known.insert(breaker.id()).second)
        problems_.error(settings_.breakers.place,
                        "\"" + breaker.text + "\" counts what another breaker beside it counts; write one of them");
    }
  }

  void take_idempotency(const RouteSetting& setting, gateway::OperationRoute& route) {
    route.idempotency = setting.idempotency;
    if (route.idempotency == nullptr) return;
    // What a repeat has in common with the first is in the body, too.
    location_->body_is_judged = location_->body_is_judged || location_->kind == gateway::Kind::rest;
    if (main_.store.kind == StoreConfig::Kind::file)
      problems_.error(setting.place,
                      "\"idempotency\" needs agent_store in Redis, which knows the keys that were used; write "
                      "agent_store redis://…, or remove it");
    if (main_.keys.empty())
      problems_.error(
          setting.place,
          "\"idempotency\" needs \"agent_key\" in http, which seals recorded answers; write agent_key FILE, "
          "with for example the output of: openssl rand 32");
  }

  void take_limits(const RouteSetting& setting, policy::Route& route) {
    route.cost = setting.cost;
    if (settings_.limits) route.limits = *settings_.limits;
    for (Limit& limit : route.limits)
      if (limit.place.empty()) limit.place = location_->name_space + "/*";
    for (Limit limit : setting.limits) {
      limit.place = route.operation;
      route.limits.push_back(std::move(limit));
    }
    std::set<std::string> counters;
    for (const Limit& limit : route.limits) {
      if (!counters.insert(limit.id()).second)
        problems_.error(limit.place == route.operation ? setting.place : settings_.limits.place,
                        "\"" + limit.text + "\" counts what another limit beside it counts; write one of them");
      const bool of_all = limit.subjects.size() == 1 && limit.subjects.front() == LimitSubject::backend;
      if (of_all && !main_.store.redis.seeds.empty())
        problems_.error(limit.place == route.operation ? setting.place : settings_.limits.place,
                        "\"" + limit.text +
                            "\" counts the calls of all tenants, which lie on several nodes of a Redis Cluster; write "
                            "tenant+backend in its place, or agent_store redis+sentinel://HOST:PORT,…/MASTER");
      const std::int64_t most = limit.kind == LimitKind::bucket ? limit.burst : limit.amount;
      if (limit.unit == LimitUnit::cost && route.cost > most)
        problems_.error(setting.place, "the operation costs " + std::to_string(route.cost) + ", and the limit \"" +
                                           limit.text + "\" never has so much; write a smaller cost or a larger limit");
    }
  }

  void take_conditions(const RouteSetting& setting, policy::Route& route) {
    std::vector<ConditionSetting> all;
    if (settings_.require) all = *settings_.require;
    all.insert(all.end(), setting.require.begin(), setting.require.end());
    for (const ConditionSetting& one : all) {
      route.require.push_back(one.condition);
      const auto asks = [&](CallField field) {
        const auto& fields = one.condition->fields();
        return std::ranges::find(fields, field) != fields.end();
      };
      if (asks(CallField::risk) && route.risk.empty())
        problems_.warning(one.place, "a condition asks for risk, and " + route.operation +
                                         " has none: what hangs on it doesn't hold; write risk NAME in its block");
      if (asks(CallField::tool) && setting.subject != mcp::SubjectKind::tool)
        problems_.error(one.place, "a condition asks for tool, and " + route.operation +
                                       " is no tool: it could never hold; write operation in its place");
      if (location_->kind != gateway::Kind::rest) continue;
      for (const auto& path : one.condition->arguments()) {
        if (const auto checked = check_argument("require", path, setting.path, setting.path_text); !checked)
          problems_.error(one.place, checked.error());
        location_->body_is_judged = location_->body_is_judged || (path.size() > 1 && path[0] == "body");
      }
    }
  }

  void take_resource() {
    if (!settings_.resource) {
      problems_.error(place_,
                      "a governed location needs \"agent_protected_resource\"; write its exact URL, as "
                      "agent_protected_resource https://tools.example.com/mcp");
      return;
    }
    auto issuers = std::move(location_->resource.issuers);
    location_->resource = *settings_.resource;
    location_->resource.issuers = std::move(issuers);
    location_->trust.resource = location_->resource.identifier;
    take_sender();
    warn_of_path();
    if (location_->exchange && !location_->exchange->scope_independent) add_new(scopes_, location_->exchange->scopes);
    location_->challenge_scopes = settings_.challenge_scopes ? *settings_.challenge_scopes : scopes_;
    location_->resource.scopes_supported = location_->challenge_scopes;
    add_new(location_->resource.scopes_supported, scopes_);
  }

  /// Clients take a resource for their own only if the URL they call begins with it.
  void warn_of_path() {
    const ngx_http_core_loc_conf_t* core = settings_.core;
    const std::string_view name = view(core->name);
    if (core->named || core->noname || !name.starts_with('/') || name.starts_with(location_->resource.path) ||
        location_->resource.path.starts_with(name))
      return;
    problems_.warning(settings_.resource.place, "the resource's path " + location_->resource.path +
                                                    " isn't that of the location " + std::string(name) +
                                                    ": clients compare it with the URL that they call");
  }

  void check_forwarding() {
    const bool exchanges = location_->exchange || std::ranges::any_of(location_->routes, [](const auto& route) {
                             return route.exchange.has_value();
                           });
    if (!settings_.forwarding && settings_.enforced())
      problems_.error(place_,
                      "an enforced location needs to say what its backend gets: write agent_exchange audience=NAME "
                      "scope=SCOPE, or agent_forward none");
    if (!exchanges) return;
    for (const auto* issuer : location_->trust.issuers)
      if (!issuer->client)
        problems_.error(settings_.forwarding ? settings_.forwarding.place : place_,
                        "an exchange needs the gateway's own client at the issuer " + quoted(issuer->alias) +
                            "; write in agent_issuer: client gateway secret_file=FILE");
  }

  const MainConf& main_;
  LocSettings& settings_;
  Problems& problems_;
  Place place_;
  std::shared_ptr<gateway::Location> location_;
  std::vector<std::string> scopes_;
};

void check_block(const LocSettings& settings, Problems& problems) {
  if (settings.governance || !settings.routes || settings.routes->list.empty()) return;
  if (settings.parent != nullptr && settings.parent->settings->routes == settings.routes) return;
  problems.error(
      settings.routes->list.front().place,
      "this location isn't governed; write agent_gateway mcp NAMESPACE or agent_gateway rest NAMESPACE in it");
}

/// A setting of a location in which nothing is governed is a door that somebody believes to be shut.
void check_effect(const LocSettings& settings, Problems& problems) {
  const LocConf* outer = settings.parent;
  const bool in_server = outer != nullptr && outer->settings->parent != nullptr;
  if (!in_server || !settings.written || settings.governance || settings.governed_below || settings.answers ||
      settings.routes)
    return;
  problems.error(*settings.written, quoted(settings.written_name) +
                                        " has no effect: nothing in this location is governed; write agent_gateway mcp "
                                        "NAMESPACE or agent_gateway rest NAMESPACE, or remove it");
}

void check_enforced(const MainConf& main, const LocSettings& settings, Problems& problems) {
  if (settings.core != nullptr && settings.core->satisfy == NGX_HTTP_SATISFY_ANY &&
      !(settings.allow_unsafe && settings.allow_unsafe->contains("satisfy")))
    problems.error(
        settings.governance.place,
        "\"satisfy any\" lets calls pass without the gateway; write satisfy all, or agent_allow_unsafe satisfy");
  check_unsafe(main, settings, problems);
}

/// A resource may be spread over several locations: its metadata names the scopes of all of them,
/// and a step-up in one keeps those of the others.
void share_scopes(const std::vector<std::shared_ptr<gateway::Location>>& made) {
  for (const auto& one : made)
    for (const auto& other : made)
      if (one->resource.identifier == other->resource.identifier)
        add_new(one->resource.scopes_supported, other->resource.scopes_supported);
}

/// A grace is what an operator allows beyond the lease; it has none to extend, or says less than it.
void check_grace(const MainConf& main, Problems& problems) {
  if (!main.settings->revocation_grace || main.revocation_grace.count() == 0) return;
  const Place& place = *main.settings->revocation_grace;
  if (main.freshness.mode != grants::Freshness::Mode::push)
    problems.error(place,
                   "\"agent_revocation_grace\" is for agent_freshness push: strict lets nothing pass that isn't asked "
                   "for, and with max_age copies count for that time anyway; leave it out");
  else if (main.revocation_grace <= main.freshness.bound)
    problems.error(place,
                   "\"agent_revocation_grace\" isn't longer than the lease of agent_freshness, for which copies "
                   "count anyway; write more, or leave it out");
}

}  // namespace

void compile(MainConf& main, Problems& problems) {
  const Place* first = nullptr;
  std::vector<std::shared_ptr<gateway::Location>> made;
  for (const LocConf* conf : main.settings->locations) {
    if (!conf->settings->governance) continue;
    for (LocConf* outer = conf->settings->parent; outer != nullptr; outer = outer->settings->parent)
      outer->settings->governed_below = true;
  }
  for (LocConf* conf : main.settings->locations) {
    LocSettings& settings = *conf->settings;
    check_block(settings, problems);
    check_effect(settings, problems);
    if (!settings.governed()) continue;
    if (first == nullptr) first = &settings.governance.place;
    // A nested block that says nothing of its own is the location around it. (Limits on bodies
    // are part of a location too.)
    const LocConf* outer = settings.parent;
    const bool same = !settings.written && outer != nullptr && outer->owner && outer->settings->core != nullptr &&
                      outer->settings->core->client_max_body_size == settings.core->client_max_body_size;
    if (same) {
      conf->owner = outer->owner;
    } else {
      made.push_back(LocationCompiler(main, settings, problems).compile());
      conf->owner = made.back();
    }
    conf->location = conf->owner.get();
    conf->enforced = settings.enforced();
    if (settings.enforced()) check_enforced(main, settings, problems);
    if (!same) main.locations.push_back(conf->location);
  }
  share_scopes(made);
  if (first == nullptr) return;
  if (!main.settings->store)
    problems.error(
        *first,
        "a governed location needs \"agent_store\" in http; write agent_store file:/etc/nginx/agents/policy.json");
  if (!main.settings->audit)
    problems.error(*first,
                   "a governed location needs \"agent_audit\" in http; write agent_audit "
                   "/var/log/nginx/agent-audit.jsonl, or agent_audit off");
  if (main.store_admin && main.store.kind != StoreConfig::Kind::redis)
    problems.error(*main.settings->store_admin, "\"agent_store_admin\" needs agent_store in Redis");
  check_grace(main, problems);
  for (const auto& [written, name] : {std::pair(&main.settings->freshness, "agent_freshness"),
                                      std::pair(&main.settings->revocation_grace, "agent_revocation_grace"),
                                      std::pair(&main.settings->copy_limit, "agent_copy_limit")})
    if (*written && main.store.kind == StoreConfig::Kind::file)
      problems.error(**written, quoted(name) + " is for agent_store in Redis; a policy file is read at every edit");
}

}  // namespace agw::nginx
