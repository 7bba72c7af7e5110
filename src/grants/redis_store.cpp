#include "agw/grants/redis_store.h"

#include <optional>
#include <unordered_map>
#include <utility>

#include "gather.h"
#include "past.h"
#include "trip.h"

namespace agw::grants {
namespace {

/// How often a call begins anew because the policy was written while it was read.
constexpr int max_attempts = 4;
/// The callers' records; tier and groups; the bundles of a tier that was never met.
constexpr int max_trips = 3;

using Answer = Result<policy::FactsPtr, StoreFailure>;

/// What one call has read.
class ReadNow final : public RecordSource {
 public:
  ReadNow() { records_.reserve(usual_records); }
  [[nodiscard]] RecordPtr find(const std::string& key) override {
    const auto it = records_.find(key);
    return it == records_.end() ? nullptr : it->second;
  }
  void put(std::string key, RecordPtr record) { records_.emplace(std::move(key), std::move(record)); }

 private:
  static constexpr std::size_t usual_records = 32;
  std::unordered_map<std::string, RecordPtr> records_;
};

/// One reading of the store. `moved` afterwards: the policy was written meanwhile, begin anew.
class Inquiry {
 public:
  Inquiry(Asking asking, BundleHints& hints, const Principal& who, std::string_view operation)
      : asking_(asking), hints_(hints), who_(who), operation_(operation) {}

  Task<Answer> run() {
    for (int i = 0; i <= max_trips; ++i) {
      auto facts = std::make_shared<GatheredFacts>();
      Missing missing;
      gather(who_, operation_, records_, hints_, *facts, missing);
      if (!missing.broken.empty()) co_return fail(StoreFailure{Reason::store_invalid, missing.broken});
      if (missing.wanted.empty()) co_return policy::FactsPtr(std::move(facts));
      auto going = go(std::move(missing.wanted));
      if (auto gone = co_await std::move(going); !gone) co_return fail(std::move(gone.error()));
      if (moved_) break;
    }
    moved_ = true;
    co_return policy::FactsPtr();
  }
  [[nodiscard]] bool moved() const noexcept { return moved_; }
  [[nodiscard]] const Meta& meta() const noexcept { return *meta_; }

 private:
  Task<Result<void, StoreFailure>> go(std::vector<Want> wants) {
    Trip trip{.tenant = who_.tenant, .wants = wants, .meta = !meta_};
    auto travelling = travel(asking_, std::move(trip));
    auto answer = co_await std::move(travelling);
    if (!answer) co_return fail(std::move(answer.error()));
    if (answer->meta) meta_ = std::move(answer->meta);
    moved_ = !answer->believable || !answer->of(*meta_);
    for (std::size_t i = 0; i < wants.size(); ++i) records_.put(std::move(wants[i].key), std::move(answer->records[i]));
    co_return Result<void, StoreFailure>();
  }

  Asking asking_;
  BundleHints& hints_;
  const Principal& who_;
  std::string_view operation_;
  ReadNow records_;
  std::optional<Meta> meta_;
  bool moved_ = false;
};

/// What is wrong with one tenant's store, or nothing.
std::string fault_of(const std::string& tenant, const RedisReply& reply, Past* past) {
  const auto meta = required_meta(tenant, reply);
  if (!meta) return meta.error().detail;
  const std::string key = policy_key(tenant, "meta");
  if (past != nullptr && !past->admits(tenant, *meta)) return "key " + key + " went back";
  return {};
}

Task<StoreHealth> ask_health(Redis& redis, Past* past, const Server* server, std::vector<std::string> tenants) {
  std::vector<RedisCommand> commands{{"PING"}};
  for (const auto& tenant : tenants) commands.push_back({"HGETALL", policy_key(tenant, "meta")});
  const std::size_t asked = commands.size();
  const auto replies = co_await redis.pipeline(std::move(commands));
  StoreHealth out;
  if (!replies) {
    out.detail = to_string(replies.error());
    co_return out;
  }
  if (replies->size() != asked || replies->front().type != RedisReply::Type::text) {
    out.detail = "Redis refuses PING";
    co_return out;
  }
  if (server != nullptr && !server->fault().empty()) {
    out.detail = server->fault();
    co_return out;
  }
  out.usable = tenants.empty();
  for (std::size_t i = 0; i < tenants.size(); ++i) {
    const std::string fault = fault_of(tenants[i], (*replies)[i + 1], past);
    out.usable = out.usable || fault.empty();
    if (!fault.empty() && !out.detail.empty()) out.detail += "; ";
    out.detail += fault;
  }
  co_return out;
}

}  // namespace

struct RedisStore::State {
  State(Redis& redis, Zone* seen, std::vector<std::string> tenants) : redis(redis), tenants(std::move(tenants)) {
    if (seen != nullptr) attention.past = &own_past.emplace(*seen);
  }
  State(Redis& redis, std::vector<std::string> tenants, Attention attention)
      : redis(redis), tenants(std::move(tenants)), attention(attention) {}

  Redis& redis;
  std::optional<Past> own_past;
  std::vector<std::string> tenants;
  Attention attention;
  BundleHints hints;
};

Task<Result<policy::FactsPtr, StoreFailure>> RedisStore::ask(PrincipalPtr principal, std::string operation) {
  const std::shared_ptr<State> state = state_;
  const std::string meta_key = policy_key(principal->tenant, "meta");
  bool behind = false;
  for (int attempt = 0; attempt < max_attempts; ++attempt) {
    const Attention& attention = state->attention;
    Inquiry inquiry({state->redis, attention.server, attention.clock, attention.complaints}, state->hints, *principal,
                    operation);
    auto asking = inquiry.run();
    auto facts = co_await std::move(asking);
    if (inquiry.moved()) continue;
    if (!facts || attention.past == nullptr) co_return facts;
    // Another worker may have seen a newer policy since this one asked: then asking again helps.
    behind = !attention.past->admits(principal->tenant, inquiry.meta());
    if (!behind) co_return facts;
  }
  if (behind)
    co_return fail(StoreFailure{Reason::store_rolled_back,
                                "key " + meta_key +
                                    ": the store holds another or an older policy than was seen; restore "
                                    "it, or say that it is the truth: agwctl store confirm"});
  co_return fail(
      StoreFailure{Reason::store_unavailable, "key " + meta_key + ": the version changes during every reading"});
}

RedisStore::RedisStore(Redis& redis, Zone* seen, std::vector<std::string> tenants)
    : state_(std::make_shared<State>(redis, seen, std::move(tenants))) {}
RedisStore::RedisStore(Redis& redis, std::vector<std::string> tenants, Attention attention)
    : state_(std::make_shared<State>(redis, std::move(tenants), attention)) {}
RedisStore::~RedisStore() = default;

ValueTask<Result<policy::FactsPtr, StoreFailure>> RedisStore::facts(const PrincipalPtr& principal,
                                                                    std::string_view operation) {
  return ask(principal, std::string(operation));
}

ValueTask<StoreHealth> RedisStore::health() {
  return ask_health(state_->redis, state_->attention.past, state_->attention.server, state_->tenants);
}

}  // namespace agw::grants
