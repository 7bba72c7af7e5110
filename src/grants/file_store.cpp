#include "agw/grants/file_store.h"

#include <optional>
#include <utility>

#include "facts_memory.h"

namespace agw::grants {
namespace {

/// An editor that keeps writing must not keep a call for ever.
constexpr int max_loads_per_call = 4;

using Loaded = Result<std::shared_ptr<const CompiledPolicy>, PolicyError>;

std::string shown(const PolicyError& error) {
  std::string out;
  if (error.line > 0) out += "line " + std::to_string(error.line) + ": ";
  if (!error.path.empty()) out += error.path + " ";
  return out + error.message;
}

}  // namespace

struct FileStore::State {
  State(Host given, std::shared_ptr<const CompiledPolicy> initial)
      : host(given), current(std::move(initial)), loads(given.loop, [](const std::exception_ptr&) { return false; }) {
    // Of this configuration: what an earlier one had read says nothing about this one.
    read = host.clock.now();
    newest_name = "policy:" + host.watch.path() + ":" + (current ? current->digest() : "");
    host.watch.on_announcement([this] { hear(); });
    // Nothing announces what was edited after the load and before this worker watched.
    edited = host.watch.changed();
    if (edited) hear();
  }

  [[nodiscard]] bool stale() {
    if (host.watch.changed()) edited = true;
    return edited || loads.under_way() > 0;
  }

  [[nodiscard]] Result<policy::FactsPtr, StoreFailure> facts(const PrincipalPtr& principal,
                                                             std::string_view operation) {
    if (behind)
      return fail(StoreFailure{Reason::store_unavailable,
                               host.watch.path() + " is broken, and the last good edit was never read here"});
    if (auto known = memory.find(*principal, operation)) return known;
    if (!current) return fail(StoreFailure{Reason::store_unavailable, host.watch.path() + " has never been read"});
    auto gathered = std::make_shared<policy::Facts>(current->facts(*principal, operation));
    gathered->keep = current;
    static_cast<void>(memory.remember(principal, operation, gathered));
    return policy::FactsPtr(std::move(gathered));
  }

  /// Reads and compiles off the loop; what calls see changes between two turns.
  Task<bool> load() {
    edited = false;
    auto result = std::make_shared<std::optional<Loaded>>();
    std::function<void()> job = [result, path = host.watch.path()] {
      try {
        result->emplace(load_policy_file(path));
      } catch (...) {
        result->emplace(fail(PolicyError{0, "", "can't be compiled: not enough memory"}));
      }
    };
    co_await host.background.run(std::move(job));
    if (!*result) co_return false;
    Loaded& loaded = **result;
    if (loaded) {
      current = *std::move(loaded);
      read = host.clock.now();
      memory.clear();
      broken.clear();
      behind = false;
      if (!host.zone.write(newest_name, current->digest(), host.clock.now()))
        host.log.write(LogLevel::error, "agent_store: agent_zone is full: other workers can't be told of this edit");
      host.log.write(LogLevel::notice, "agent_store: " + host.watch.path() + " has been read");
      host.listener.policy_loaded(host.watch.path());
      co_return true;
    }
    broken = shown(loaded.error());
    const auto newest = host.zone.read(newest_name);
    behind = newest && (!current || newest->bytes != current->digest());
    host.log.write(LogLevel::error, "agent_store: " + host.watch.path() + ": " + broken +
                                        (behind ? "; the last good edit was never read by this worker: calls are denied"
                                                : "; the last good policy stays in force"));
    host.listener.policy_broken(host.watch.path(), loaded.error());
    co_return false;
  }

  Task<void> refresh() {
    for (int i = 0; i < max_loads_per_call && stale(); ++i) {
      auto work = [this] { return load(); };
      static_cast<void>(co_await loads.run("policy", std::move(work)));
    }
  }

  /// An edit was announced: it is read now, not when somebody asks.
  void hear() {
    if (std::exchange(reads_ahead, true)) return;
    host.loop.spawn(read_ahead());
  }

  Task<void> read_ahead() {
    reads_ahead = false;
    co_await refresh();
  }

  Task<Result<policy::FactsPtr, StoreFailure>> facts_later(PrincipalPtr principal, std::string operation) {
    co_await refresh();
    co_return facts(principal, operation);
  }

  [[nodiscard]] StoreHealth health() const {
    return {.usable = current != nullptr && !behind,
            .detail = broken.empty() ? "" : "the last edit is broken: " + broken};
  }

  Task<StoreHealth> health_later() {
    co_await refresh();
    co_return health();
  }

  Host host;
  std::shared_ptr<const CompiledPolicy> current;
  FactsMemory memory;  ///< of what `current` says
  SingleFlight<bool> loads;
  std::string newest_name;  ///< in the zone: the digest of the newest good policy that any worker has read
  bool edited = false;
  bool reads_ahead = false;
  bool behind = false;
  std::string broken;
  WallTime read{};  ///< when `current` was
};

FileStore::FileStore(Host host, std::shared_ptr<const CompiledPolicy> initial)
    : state_(std::make_unique<State>(host, std::move(initial))) {}

FileStore::~FileStore() { state_->host.watch.on_announcement({}); }

ValueTask<Result<policy::FactsPtr, StoreFailure>> FileStore::facts(const PrincipalPtr& principal,
                                                                   std::string_view operation) {
  if (!state_->stale()) return state_->facts(principal, operation);
  return state_->facts_later(principal, std::string(operation));
}

ValueTask<StoreHealth> FileStore::health() {
  if (!state_->stale()) return state_->health();
  return state_->health_later();
}

void FileStore::tell(status::Report& report) const {
  status::Store& out = report.store;
  out.kind = status::StoreKind::file;
  out.usable = state_->health().usable ? 1 : 0;
  out.read = state_->read.time_since_epoch().count();
  if (state_->current) {
    out.digest.set(state_->current->digest());
    for (const auto& [name, tenant] : state_->current->source().tenants) {
      if (report.tenants++ >= status::most_tenants) continue;
      status::Tenant& told = report.tenant[report.tenants - 1];
      told.name.set(name);
      told.current = 1;
      told.stopped = tenant.tenant.stopped ? 1 : 0;
    }
  }
  out.broken.set(state_->broken);
}

}  // namespace agw::grants
