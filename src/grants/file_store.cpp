#include "agw/grants/file_store.h"

#include <optional>

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
      : host(given), current(std::move(initial)), loads(given.loop, [] { return false; }) {}

  [[nodiscard]] bool stale() {
    if (host.watch.changed()) edited = true;
    return edited || loads.under_way() > 0;
  }

  [[nodiscard]] Result<policy::Facts, StoreFailure> facts(const Principal& principal,
                                                          std::string_view operation) const {
    if (!current) return fail(StoreFailure{Reason::store_unavailable, host.watch.path() + " has never been read"});
    policy::Facts out = current->facts(principal, operation);
    out.keep = current;
    return out;
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
      broken.clear();
      host.log.write(LogLevel::notice, "agent_store: " + host.watch.path() + " has been read");
      host.listener.policy_loaded(host.watch.path());
      co_return true;
    }
    broken = shown(loaded.error());
    host.log.write(LogLevel::error,
                   "agent_store: " + host.watch.path() + ": " + broken + "; the last good policy stays in force");
    host.listener.policy_broken(host.watch.path(), loaded.error());
    co_return false;
  }

  Task<void> refresh() {
    for (int i = 0; i < max_loads_per_call && stale(); ++i) {
      auto work = [this] { return load(); };
      static_cast<void>(co_await loads.run("policy", std::move(work)));
    }
  }

  Task<Result<policy::Facts, StoreFailure>> facts_later(PrincipalPtr principal, std::string operation) {
    co_await refresh();
    co_return facts(*principal, operation);
  }

  [[nodiscard]] StoreHealth health() const {
    return {.usable = current != nullptr, .detail = broken.empty() ? "" : "the last edit is broken: " + broken};
  }

  Task<StoreHealth> health_later() {
    co_await refresh();
    co_return health();
  }

  Host host;
  std::shared_ptr<const CompiledPolicy> current;
  SingleFlight<bool> loads;
  bool edited = false;
  std::string broken;
};

FileStore::FileStore(Host host, std::shared_ptr<const CompiledPolicy> initial)
    : state_(std::make_unique<State>(host, std::move(initial))) {}

FileStore::~FileStore() = default;

ValueTask<Result<policy::Facts, StoreFailure>> FileStore::facts(const PrincipalPtr& principal,
                                                                std::string_view operation) {
  if (!state_->stale()) return state_->facts(*principal, operation);
  return state_->facts_later(principal, std::string(operation));
}

ValueTask<StoreHealth> FileStore::health() {
  if (!state_->stale()) return state_->health();
  return state_->health_later();
}

}  // namespace agw::grants
