#include "worker.h"

#include <algorithm>
#include <array>
#include <new>
#include <set>

#include "agw/base/encoding.h"
#include "agw/base/exception.h"
#include "agw/gateway/breakers.h"
#include "agw/gateway/issuer_access.h"
#include "agw/gateway/limit_events.h"
#include "agw/gateway/policy_changes.h"
#include "agw/grants/copying_store.h"
#include "agw/grants/file_store.h"
#include "agw/grants/tenant_stores.h"
#include "agw/idempotency/ledger.h"
#include "agw/identity/possession.h"
#include "agw/identity/proofs.h"
#include "agw/identity/workloads.h"

#include "config/conf.h"
#include "request/context.h"
#include "sealing.h"
#include "telling.h"

namespace agw::nginx {
namespace {

/// Per worker; a remembered token or exchange takes two to four kilobytes.
constexpr std::size_t max_tokens = 100'000;
constexpr std::size_t max_exchanges = 50'000;
/// Half a kilobyte each.
constexpr std::size_t max_sessions = 20'000;

std::unique_ptr<Worker>& instance() noexcept {
  static std::unique_ptr<Worker> worker;
  return worker;
}

std::vector<const identity::IssuerConfig*> pointers(const MainConf& conf) {
  std::vector<const identity::IssuerConfig*> out;
  out.reserve(conf.issuers.size());
  for (const auto& issuer : conf.issuers) out.push_back(&issuer);
  return out;
}

/// Every tenant that some issuer may speak for.
std::vector<std::string> tenants(const MainConf& conf) {
  std::set<std::string> names;
  for (const auto& issuer : conf.issuers) {
    names.insert(issuer.tenants.begin(), issuer.tenants.end());
    if (issuer.tenants.empty()) names.insert("default");
  }
  return {names.begin(), names.end()};
}

RedisSettings redis_settings(const MainConf& conf) {
  RedisSettings out;
  out.address = conf.store.redis;
  out.ca_file = conf.store.ca_file;
  out.password_file = conf.store.password_file;
  out.sentinel_password_file = conf.store.sentinel_password_file;
  out.timeout = conf.store.timeout;
  return out;
}

WorkerHost::Settings host_settings(const MainConf& conf) {
  WorkerHost::Settings out;
  out.zone = conf.zone;
  out.pins = &conf.pins;
  if (conf.store.kind == StoreConfig::Kind::redis) out.redis = redis_settings(conf);
  out.tenants = tenants(conf);
  return out;
}

/// Variables in whose cached values the caller's credentials may lie, or its sealed session id.
std::vector<ngx_uint_t> find_credential_variables(ngx_cycle_t* cycle) {
  std::vector<ngx_uint_t> out;
  auto* core =
      static_cast<ngx_http_core_main_conf_t*>(ngx_http_cycle_get_module_main_conf(cycle, ngx_http_core_module));
  if (core == nullptr) return out;
  constexpr std::array<std::string_view, 6> names{"http_authorization",       "http_cookie",         "http_dpop",
                                                  "http_proxy_authorization", "http_mcp_session_id", "http_mcp_name"};
  const auto* variables = static_cast<const ngx_http_variable_t*>(core->variables.elts);
  for (ngx_uint_t i = 0; i < core->variables.nelts; ++i) {
    const std::string_view name = view(variables[i].name);
    const bool credential = std::find(names.begin(), names.end(), name) != names.end() || name.starts_with("cookie_");
    if (credential) out.push_back(i);
  }
  return out;
}

/// Tells of the policy file's edits where operators and security teams look.
class PolicyNews final : public grants::PolicyListener {
 public:
  PolicyNews(audit::Writer& audit, Clock& clock, Random& random, Metrics& metrics)
      : audit_(audit),
        clock_(clock),
        random_(random),
        loaded_(metrics.cell(R"(agent_policy_loads_total{result="ok"})")),
        broken_(metrics.cell(R"(agent_policy_loads_total{result="broken"})")) {}

  void policy_loaded(const std::string& path) noexcept override {
    loaded_.fetch_add(1, std::memory_order_relaxed);
    tell(DecisionKind::allow, Reason::allowed, "policy.change", path, "is in force now");
  }
  void policy_broken(const std::string& path, const grants::PolicyError& error) noexcept override {
    broken_.fetch_add(1, std::memory_order_relaxed);
    tell(DecisionKind::deny, Reason::store_invalid, "policy.broken", path, error.path + " " + error.message);
  }

 private:
  void tell(DecisionKind kind, Reason reason, std::string_view type, const std::string& path,
            const std::string& what) noexcept try {
    const std::string id = random_.hex(16);
    const std::string detail = path + ": " + what;
    const std::string text = kind == DecisionKind::allow ? "The edited policy file " + path + " is in force."
                                                         : "The edited policy file " + path +
                                                               " is broken; the last good policy stays in force.";
    audit::Event event;
    event.id = id;
    event.time = clock_.now();
    event.type = type;
    event.decision = kind;
    event.reason = reason;
    event.detail = detail;
    event.text = text;
    audit_.note(event);
  } catch (...) {
    ngx_log_error(NGX_LOG_ALERT, ngx_cycle->log, 0, "agent_audit: no memory for an audit line");
  }

  audit::Writer& audit_;
  Clock& clock_;
  Random& random_;
  Metrics::Cell& loaded_;
  Metrics::Cell& broken_;
};

}  // namespace

struct Worker::Services {
  Services(ngx_cycle_t* cycle, const MainConf& conf)
      : issuers(pointers(conf)),
        host(cycle, host_settings(conf)),
        audit({conf.audit_file != nullptr ? &audit_journal() : nullptr, host.log(), host.zone(), conf.audit_on_error}),
        news(audit, host.clock(), host.random(), host.zone()),
        authenticator({host.loop(), host.clock(), host.http(), host.zone(), host.zone(), host.log(), host.random()},
                      issuers, max_tokens),
        issuer_access(authenticator, issuers, host.log()),
        exchanger({host.loop(), host.clock(), host.http(), host.zone(), host.log(), host.random(), issuer_access},
                  max_exchanges),
        store(make_store(conf)),
        use_record(make_use_record(conf)),
        uses(make_uses()),
        limit_events(audit, host.clock(), host.random(), host.log()),
        limiter({host.loop(), host.clock(), host.random(), host.zone().counters(), limit_events, host.log(),
                 host.redis(), conf.limit_on_error}),
        token_uses({host.loop(), host.clock(), host.zone().uses(), host.log(), host.redis()}),
        ledger(make_ledger(conf)),
        handed_out(make_keys(conf, "agw handed out")),
        sessions(handed_out, host.random(), max_sessions),
        states(handed_out, host.clock(), host.random()),
        tasks(handed_out, host.random(), host.zone().tasks()),
        nonces(make_keys(conf, "agw dpop nonce")),
        spent(make_spent(conf)),
        possession({host.clock(), host.random(), *spent, nonces}),
        workloads(host.clock()),
        breakers({host.clock(), host.random(), host.zone().breakers(), host.zone(), host.log(), audit}),
        break_glass(make_break_glass(conf)),
        gateway({host.clock(), host.log(), host.zone(), authenticator, *store, limiter, exchanger, audit, uses.get(),
                 &breakers, ledger.get(), &sessions, &states, &tasks, break_glass.get(), &possession, &workloads,
                 &token_uses}),
        credential_variables(find_credential_variables(cycle)),
        locations(conf.locations.begin(), conf.locations.end()) {
    if (ngx_process == NGX_PROCESS_SINGLE && conf.audit_file != nullptr) {
      sealing = std::make_unique<SealingProcess>(cycle, conf, audit_journal());
      std::vector<const status::Source*> sealer{&sealing->status()};
      sealer_telling = std::make_unique<Telling>(conf, status::Kind::sealer, std::move(sealer));
      host.loop().keep([this] { return seal(host.loop(), *sealing, *sealer_telling); });
    }
    authenticator.start();
    host.loop().keep([this] { return watch_streams(host.loop()); });
    // Without an audit log nobody is told: then what changes stays in the stream for who has one.
    if (conf.store.kind == StoreConfig::Kind::redis && conf.audit_file != nullptr) {
      changes = std::make_unique<gateway::PolicyChanges>(
          gateway::PolicyChanges::Host{host.loop(), *host.redis(), host.zone(), host.zone(), audit, host.log()},
          tenants(conf));
      host.loop().keep([&telling = *changes] { return telling.run(); });
    }
    telling = std::make_unique<Telling>(conf, status::Kind::worker, sources());
    if (telling->wanted()) host.loop().keep([this] { return telling->run(host.loop()); });
  }

  ~Services() {
    // The worker's own tasks use what is destroyed below.
    host.cancel_tasks();
  }

  /// A write of policy is known a message later, and a stream ends in the next of these turns; one whose caller has to
  /// be asked for, in the one after that.
  static Task<void> watch_streams(Loop& loop) {
    constexpr Milliseconds between_looks{250};
    for (;;) {
      co_await loop.sleep(between_looks);
      look_at_streams();
    }
  }

  /// Where there is no master there is no helper process either.
  static Task<void> seal(Loop& loop, SealingProcess& sealing, Telling& telling) {
    for (;;) {
      const Milliseconds rest(sealing.pass());
      telling.tell_if_due();
      co_await loop.sleep(rest);
    }
  }

  /// What the store says of itself comes before what the connection says.
  std::vector<const status::Source*> sources() {
    std::vector<const status::Source*> out{store_status, &authenticator};
    if (host.redis_status() != nullptr) out.push_back(host.redis_status());
    if (break_glass) out.push_back(break_glass.get());
    return out;
  }

  [[nodiscard]] grants::CopyingStore::Host store_host(Redis& redis) {
    RedisChannel* const channel = channels.empty() ? nullptr : channels.back().get();
    return {redis, channel, host.loop(), host.clock(), host.random(), host.log(), host.zone(), host.zone()};
  }

  std::unique_ptr<grants::Store> make_redis_store(const MainConf& conf) {
    if (host.cluster() != nullptr) return make_cluster_store(conf, *host.cluster());
    // Messages and heartbeats must not wait behind answers: they have a connection of their own.
    if (hears(conf)) channels.push_back(host.connect_redis(redis_settings(conf)));
    auto store = std::make_unique<grants::CopyingStore>(store_host(*host.redis()),
                                                        grants::CopySettings{conf.freshness,
                                                                             conf.copy_limit,
                                                                             tenants(conf),
                                                                             std::to_string(ngx_worker),
                                                                             conf.store.redis.fails_over(),
                                                                             {},
                                                                             conf.revocation_grace});
    store->start();
    store_status = store.get();
    return store;
  }

  /// Each tenant is at a node of its own, which may change, and tells of its own writes alone.
  std::unique_ptr<grants::Store> make_cluster_store(const MainConf& conf, RedisCluster& cluster) {
    auto stores = std::make_unique<grants::TenantStores>();
    const auto names = tenants(conf);
    for (const std::string& name : names) {
      if (hears(conf)) channels.push_back(cluster.channel(name));
      auto known = store_host(cluster.of(name));
      known.slot = &cluster.of(name).state();
      auto store = std::make_unique<grants::CopyingStore>(known, grants::CopySettings{conf.freshness,
                                                                                      conf.copy_limit / names.size(),
                                                                                      {name},
                                                                                      std::to_string(ngx_worker),
                                                                                      true,
                                                                                      name,
                                                                                      conf.revocation_grace});
      store->start();
      stores->add(name, std::move(store));
    }
    store_status = stores.get();
    return stores;
  }

  static bool hears(const MainConf& conf) noexcept { return conf.freshness.mode != grants::Freshness::Mode::max_age; }

  std::unique_ptr<grants::Store> make_store(const MainConf& conf) {
    if (conf.store.kind == StoreConfig::Kind::redis) return make_redis_store(conf);
    watch = host.watch(conf.store.path, conf.store.identity);
    auto store = std::make_unique<grants::FileStore>(
        grants::FileStore::Host{host.loop(), host.background(), *watch, host.zone(), host.clock(), host.log(), news},
        conf.store.policy);
    store_status = store.get();
    return store;
  }

  /// With a policy file and no agent_state there is no place for them.
  std::unique_ptr<grants::UseRecord> make_use_record(const MainConf& conf) {
    if (conf.store.kind == StoreConfig::Kind::redis) return std::make_unique<grants::RedisUses>(*host.redis());
    if (!conf.last_uses) return nullptr;
    auto append = [file = conf.last_uses](std::string_view text) { return file->append(text); };
    return std::make_unique<grants::FileUses>(host.background(), std::move(append));
  }

  std::unique_ptr<grants::LastUse> make_uses() {
    if (!use_record) return nullptr;
    auto out = std::make_unique<grants::LastUse>(
        grants::LastUse::Host{host.loop(), host.clock(), host.zone(), host.log(), *use_record});
    host.loop().keep([&noting = *out] { return noting.run(); });
    return out;
  }

  /// Where some operation asks for a key `nginx -t` has seen to it that both are there.
  std::unique_ptr<idempotency::Ledger> make_ledger(const MainConf& conf) {
    if (host.redis() == nullptr || conf.keys.empty()) return nullptr;
    return std::make_unique<idempotency::Ledger>(
        idempotency::Ledger::Host{host.loop(), host.random(), *host.redis(), host.log()}, idempotency::Keys(conf.keys));
  }

  std::unique_ptr<grants::BreakGlass> make_break_glass(const MainConf& conf) {
    if (conf.break_glass.path.empty()) return nullptr;
    break_glass_watch = host.watch(conf.break_glass.path, conf.break_glass.identity);
    return std::make_unique<grants::BreakGlass>(
        grants::BreakGlass::Host{host.loop(), host.background(), *break_glass_watch, host.clock(), host.log()},
        conf.break_glass.agents);
  }

  /// Without agent_key this server's own key seals: what is handed out then ends with it.
  SealKeys make_keys(const MainConf& conf, std::string_view use) {
    if (!conf.keys.empty()) return SealKeys(conf.keys, use);
    std::vector<Secret> own;
    own.emplace_back(std::string(host.zone().own_key()));
    return SealKeys(own, use);
  }

  /// Where several nginx share a Redis, a proof is good at one of them only.
  std::unique_ptr<identity::SpentProofs> make_spent(const MainConf& conf) {
    if (host.redis() == nullptr)
      return std::make_unique<identity::ZoneProofs>(host.zone().proofs(), host.clock(), host.zone().own_key());
    auto out = std::make_unique<identity::RedisProofs>(*host.redis(), host.log());
    for (const std::string& tenant : tenants(conf)) host.loop().spawn(out->begin(tenant));
    return out;
  }

  std::vector<const identity::IssuerConfig*> issuers;
  WorkerHost host;
  std::unique_ptr<SealingProcess> sealing;
  std::unique_ptr<Telling> sealer_telling;
  audit::Writer audit;
  PolicyNews news;
  identity::Authenticator authenticator;
  gateway::IssuerAccess issuer_access;
  outbound::Exchanger exchanger;
  std::unique_ptr<InotifyWatch> watch;
  std::vector<std::unique_ptr<NginxRedis>> channels;
  const status::Source* store_status = nullptr;  ///< of `store`
  std::unique_ptr<grants::Store> store;
  std::unique_ptr<grants::UseRecord> use_record;
  std::unique_ptr<grants::LastUse> uses;
  std::unique_ptr<gateway::PolicyChanges> changes;
  gateway::LimitEvents limit_events;
  limits::Limiter limiter;
  limits::TokenUses token_uses;
  std::unique_ptr<idempotency::Ledger> ledger;
  SealKeys handed_out;
  gateway::Sessions sessions;
  gateway::States states;
  gateway::Tasks tasks;
  SealKeys nonces;
  std::unique_ptr<identity::SpentProofs> spent;
  identity::Possession possession;
  identity::Workloads workloads;
  gateway::Breakers breakers;
  std::unique_ptr<InotifyWatch> break_glass_watch;
  std::unique_ptr<grants::BreakGlass> break_glass;
  gateway::Gateway gateway;
  std::vector<ngx_uint_t> credential_variables;
  std::vector<const gateway::Location*> locations;
  std::unique_ptr<Telling> telling;  ///< of all of them: it comes last and goes first
};

Worker::Worker(ngx_cycle_t* cycle) : services_(std::make_unique<Services>(cycle, *main_conf(cycle))) {
  prepare_for_exceptions();
}

Worker::~Worker() = default;

gateway::Gateway& Worker::gateway() noexcept { return services_->gateway; }
void Worker::show_breakers() { services_->breakers.show(services_->locations); }
WorkerHost& Worker::host() noexcept { return services_->host; }
const std::vector<ngx_uint_t>& Worker::credential_variables() const noexcept { return services_->credential_variables; }

Task<Worker::Readiness> Worker::readiness() {
  Readiness out;
  out.ready = true;
  std::string issuers;
  for (const auto& issuer : services_->authenticator.health()) {
    out.ready = out.ready && issuer.usable;
    if (!issuers.empty()) issuers += ',';
    issuers += json_quoted(issuer.alias) + R"(:{"usable":)" + (issuer.usable ? "true" : "false");
    if (!issuer.detail.empty()) issuers += R"(,"detail":)" + json_quoted(issuer.detail);
    issuers += '}';
  }
  const auto store = co_await services_->store->health();
  out.ready = out.ready && store.usable;
  out.body = std::string(R"({"ready":)") + (out.ready ? "true" : "false") + R"(,"store":{"usable":)" +
             (store.usable ? "true" : "false");
  if (!store.detail.empty()) out.body += R"(,"detail":)" + json_quoted(store.detail);
  out.body += R"(},"issuers":{)" + issuers + "}}\n";
  co_return out;
}

Worker* worker() noexcept { return instance().get(); }

ngx_int_t init_worker(ngx_cycle_t* cycle) noexcept try {
  if (!WorkerHost::wanted()) return NGX_OK;
  const MainConf* conf = main_conf(cycle);
  if (conf == nullptr || !conf->active()) return NGX_OK;
  instance() = std::make_unique<Worker>(cycle);
  return NGX_OK;
} catch (const std::exception& error) {
  ngx_log_error(NGX_LOG_EMERG, cycle->log, 0, "agent_gateway: the worker can't start: %s", error.what());
  return NGX_ERROR;
} catch (...) {
  return NGX_ERROR;
}

void exit_worker(ngx_cycle_t*) noexcept {
  // A worker that is told to stop at once still has calls under way: their lines are written.
  finish_open_calls();
  instance().reset();
}

}  // namespace agw::nginx
