#include "agw/grants/redis_store.h"

#include <algorithm>
#include <functional>
#include <list>
#include <map>
#include <unordered_map>

#include "agw/base/digest.h"
#include "agw/grants/redis_codec.h"

namespace agw::grants {

/// The bundles that a tier had when it was last read, so that they can be asked for together with
/// the tier itself. Never believed: the tier's record says which of them count.
struct RedisStore::Hints {
  static constexpr std::size_t max_tiers = 4096;

  [[nodiscard]] const std::vector<std::string>* find(const std::string& tier_key) const {
    const auto it = bundles.find(tier_key);
    return it == bundles.end() ? nullptr : &it->second;
  }
  void put(const std::string& tier_key, const std::vector<std::string>& names) {
    if (bundles.size() >= max_tiers && !bundles.contains(tier_key)) bundles.clear();
    bundles[tier_key] = names;
  }

  std::unordered_map<std::string, std::vector<std::string>> bundles;
};

namespace {

/// How often a call begins anew because the policy was written while it was read.
constexpr int max_attempts = 4;

/// What a Facts points into.
struct Answer {
  std::optional<TenantRecord> tenant;
  std::optional<AgentRecord> agent;
  std::optional<UserRecord> user;
  std::optional<DelegationRecord> delegation;
  std::optional<OperationRecord> operation;
  std::optional<TierRecord> tier;
  std::string tier_name;
  std::list<policy::GrantSet> sets;
  std::map<std::string, policy::GrantSet> bundles;
  policy::Facts facts;
};

using Take = std::function<Decoded<void>(const RedisReply&)>;

/// One pipelined trip: commands, and what is done with each reply.
class Trip {
 public:
  void ask(RedisCommand command, Take take) {
    commands_.push_back(std::move(command));
    takes_.push_back(std::move(take));
  }

  void hash(const std::string& key, std::function<Decoded<void>(const Fields&)> take) {
    ask({"HGETALL", key}, [key, take = std::move(take)](const RedisReply& reply) -> Decoded<void> {
      const auto fields = read_fields(key, reply);
      if (!fields) return fail(fields.error());
      return take(*fields);
    });
  }

  template <class Record, class Read>
  void record(const std::string& key, std::optional<Record>& into, Read read) {
    hash(key, [key, &into, read](const Fields& fields) -> Decoded<void> {
      if (fields.empty()) return {};
      auto decoded = read(key, fields);
      if (!decoded) return fail(decoded.error());
      into = *std::move(decoded);
      return {};
    });
  }

  void grants(const std::string& key, Answer& answer, std::vector<const policy::GrantSet*>& into, bool entitlements) {
    hash(key, [key, &answer, &into, entitlements](const Fields& fields) -> Decoded<void> {
      if (fields.empty()) return {};
      auto decoded = read_grants(key, fields, entitlements);
      if (!decoded) return fail(decoded.error());
      // `agw:p:{t}:grants:agent:…` is held by `agent:…`.
      const std::string_view kind = entitlements ? "}:entitlements:" : "}:grants:";
      std::string holder = key.substr(key.find(kind) + kind.size());
      into.push_back(&answer.sets.emplace_back(*std::move(decoded), policy::Questions::one, std::move(holder)));
      return {};
    });
  }

  [[nodiscard]] bool empty() const noexcept { return commands_.empty(); }
  [[nodiscard]] std::size_t size() const noexcept { return takes_.size(); }
  [[nodiscard]] std::vector<RedisCommand> commands() { return std::move(commands_); }

  [[nodiscard]] Decoded<void> take(const std::vector<RedisReply>& replies) const {
    for (std::size_t i = 0; i < takes_.size(); ++i)
      if (auto taken = takes_[i](replies[i]); !taken) return taken;
    return {};
  }

 private:
  std::vector<RedisCommand> commands_;
  std::vector<Take> takes_;
};

Decoded<Meta> required_meta(std::string_view tenant, const RedisReply& reply) {
  const std::string key = policy_key(tenant, "meta");
  const auto fields = read_fields(key, reply);
  if (!fields) return fail(fields.error());
  auto meta = read_meta(key, *fields);
  if (!meta) return fail(std::move(meta.error()));
  if (!*meta) return fail(CodecError{"key " + key + " is missing"});
  return **std::move(meta);
}

StoreFailure invalid(CodecError error) { return {Reason::store_invalid, std::move(error.detail)}; }

/// One reading of the store. `moved` afterwards: the policy was written meanwhile, begin anew.
class Inquiry {
 public:
  using Hints = RedisStore::Hints;
  Inquiry(Redis& redis, Hints& hints, const Principal& principal, std::string_view operation)
      : redis_(redis), hints_(hints), who_(principal), operation_(operation), answer_(std::make_shared<Answer>()) {}

  Task<Result<policy::FactsPtr, StoreFailure>> run();
  [[nodiscard]] bool moved() const noexcept { return moved_; }
  [[nodiscard]] const std::optional<Meta>& meta() const noexcept { return meta_; }

 private:
  [[nodiscard]] std::string key(std::string_view rest) const { return policy_key(who_.tenant, rest); }
  Task<Result<void, StoreFailure>> go(Trip& trip);
  void plan_meta(Trip& trip);
  void plan_callers(Trip& trip);
  void plan_tier_map(Trip& trip);
  void plan_revoked(Trip& trip);
  void plan_second(Trip& trip);
  void plan_bundle(Trip& trip, const std::string& name, bool hinted);
  [[nodiscard]] const std::vector<std::string>* bundles() const;
  [[nodiscard]] policy::FactsPtr close();

  Redis& redis_;
  Hints& hints_;
  const Principal& who_;
  std::string_view operation_;
  std::shared_ptr<Answer> answer_;
  std::optional<Meta> meta_;
  std::string meta_wrong_;
  std::string tier_of_map_;
  bool moved_ = false;
};

/// Nothing else counts without meta: every absence could be a loss.
void Inquiry::plan_meta(Trip& trip) {
  trip.ask({"HGETALL", key("meta")}, [this](const RedisReply& reply) -> Decoded<void> {
    auto meta = required_meta(who_.tenant, reply);
    if (!meta) {
      meta_wrong_ = meta.error().detail;
      return fail(std::move(meta.error()));
    }
    meta_ = *std::move(meta);
    return {};
  });
}

void Inquiry::plan_callers(Trip& trip) {
  Answer& answer = *answer_;
  trip.record(key("tenant"), answer.tenant, read_tenant_record);
  trip.record(key("agent:" + who_.agent), answer.agent, read_agent_record);
  trip.record(key("user:" + who_.user), answer.user, read_user_record);
  trip.record(key("delegation:" + who_.user + ":" + who_.agent), answer.delegation, read_delegation_record);
  if (!operation_.empty())
    trip.record(key("operation:" + std::string(operation_)), answer.operation, read_operation_record);
  trip.hash(key("issuer:" + who_.issuer), [this](const Fields& fields) -> Decoded<void> {
    const auto it = fields.find("not_before");
    if (it == fields.end()) return {};
    answer_->facts.issuer_not_before = parse_rfc3339(it->second);
    if (answer_->facts.issuer_not_before) return {};
    return fail(CodecError{"key " + key("issuer:" + who_.issuer) + ", field not_before: is not a time"});
  });
  trip.grants(key("grants:agent:" + who_.agent), answer, answer.facts.grants, false);
  trip.grants(key("entitlements:user:" + who_.user), answer, answer.facts.entitlements, true);
  for (const auto& group : who_.groups)
    trip.grants(key("entitlements:group:" + group), answer, answer.facts.entitlements, true);
}

/// The candidates of the tier map, the most specific first.
void Inquiry::plan_tier_map(Trip& trip) {
  RedisCommand command{"HMGET",
                       key("tiers"),
                       tier_field(who_.provider, who_.model),
                       tier_field(who_.provider, std::nullopt),
                       tier_field(std::nullopt, who_.model),
                       "*"};
  trip.ask(std::move(command), [this](const RedisReply& reply) -> Decoded<void> {
    if (reply.type != RedisReply::Type::array || reply.elements.size() != 4)
      return fail(CodecError{"key " + key("tiers") + ": is not a hash"});
    for (const RedisReply& candidate : reply.elements) {
      if (candidate.type != RedisReply::Type::text) continue;
      tier_of_map_ = candidate.text;
      break;
    }
    return {};
  });
}

void Inquiry::plan_revoked(Trip& trip) {
  RedisCommand command{"EXISTS"};
  if (!who_.jti.empty()) command.push_back(key("revoked:jti:" + who_.issuer + "|" + who_.jti));
  if (!who_.sid.empty()) command.push_back(key("revoked:sid:" + who_.issuer + "|" + who_.sid));
  if (command.size() == 1) return;
  trip.ask(std::move(command), [this](const RedisReply& reply) -> Decoded<void> {
    if (reply.type != RedisReply::Type::integer) return fail(CodecError{"key " + key("revoked") + ":…: can't be read"});
    answer_->facts.token_revoked = reply.integer > 0;
    return {};
  });
}

const std::vector<std::string>* Inquiry::bundles() const {
  if (answer_->agent) return &answer_->agent->bundles;
  return answer_->tier ? &answer_->tier->bundles : nullptr;
}

void Inquiry::plan_bundle(Trip& trip, const std::string& name, bool hinted) {
  const std::string where = key("grants:bundle:" + name);
  trip.hash(where, [this, where, name, hinted](const Fields& fields) -> Decoded<void> {
    const auto* wanted = bundles();
    if (hinted && (wanted == nullptr || std::find(wanted->begin(), wanted->end(), name) == wanted->end())) return {};
    auto decoded = read_grants(where, fields, false);
    if (!decoded) return fail(decoded.error());
    answer_->bundles.emplace(name, policy::GrantSet(*std::move(decoded), policy::Questions::one, "bundle:" + name));
    return {};
  });
}

void Inquiry::plan_second(Trip& trip) {
  Answer& answer = *answer_;
  const bool own_tier = answer.agent && !answer.agent->tier.empty();
  answer.tier_name = own_tier ? answer.agent->tier : tier_of_map_;
  if (!answer.tier_name.empty()) {
    trip.record(key("tier:" + answer.tier_name), answer.tier, read_tier_record);
    trip.grants(key("grants:tier:" + answer.tier_name), answer, answer.facts.grants, false);
  }
  if (answer.agent) {
    for (const auto& name : answer.agent->bundles) plan_bundle(trip, name, false);
  } else if (const auto* hinted = hints_.find(key("tier:" + answer.tier_name))) {
    for (const auto& name : *hinted) plan_bundle(trip, name, true);
  }
  if (!answer.user) return;
  answer.facts.store_groups = answer.user->groups;
  for (const auto& group : answer.user->groups)
    trip.grants(key("entitlements:group:" + group), answer, answer.facts.entitlements, true);
}

/// Each trip ends with the version: what was read between two equal ones belongs together, because
/// whoever writes policy raises it in the same transaction.
Task<Result<void, StoreFailure>> Inquiry::go(Trip& trip) {
  trip.ask({"HGET", key("meta"), "version"}, [this](const RedisReply& reply) -> Decoded<void> {
    moved_ = reply.type != RedisReply::Type::text || reply.text != std::to_string(meta_->version);
    return {};
  });
  auto replies = co_await redis_.pipeline(trip.commands());
  if (!replies) co_return fail(StoreFailure{Reason::store_unavailable, std::string(to_string(replies.error()))});
  if (replies->size() != trip.size()) co_return fail(StoreFailure{Reason::store_unavailable, "an answer is missing"});
  if (auto taken = trip.take(*replies); !taken) co_return fail(invalid(std::move(taken.error())));
  co_return Result<void, StoreFailure>();
}

template <class T>
const T* pointer(const std::optional<T>& value) {
  return value ? &*value : nullptr;
}

policy::FactsPtr Inquiry::close() {
  Answer& answer = *answer_;
  if (const auto* names = bundles())
    for (const auto& name : *names)
      if (const auto it = answer.bundles.find(name); it != answer.bundles.end())
        answer.facts.grants.push_back(&it->second);
  policy::Facts facts = std::move(answer.facts);
  facts.tenant = pointer(answer.tenant);
  facts.agent = pointer(answer.agent);
  facts.user = pointer(answer.user);
  facts.delegation = pointer(answer.delegation);
  facts.operation = pointer(answer.operation);
  facts.tier = pointer(answer.tier);
  facts.tier_name = answer.tier_name;
  facts.keep = answer_;
  return std::make_shared<const policy::Facts>(std::move(facts));
}

Task<Result<policy::FactsPtr, StoreFailure>> Inquiry::run() {
  Trip first;
  plan_meta(first);
  plan_callers(first);
  plan_tier_map(first);
  plan_revoked(first);
  auto gone = co_await go(first);
  if (!meta_wrong_.empty()) co_return fail(StoreFailure{Reason::store_uninitialised, meta_wrong_});
  if (!gone) co_return fail(std::move(gone.error()));

  Trip second;
  plan_second(second);
  if (!moved_ && !second.empty()) {
    gone = co_await go(second);
    if (!gone) co_return fail(std::move(gone.error()));
  }
  if (!moved_ && !answer_->agent && answer_->tier) {
    hints_.put(key("tier:" + answer_->tier_name), answer_->tier->bundles);
    Trip third;
    for (const auto& name : answer_->tier->bundles)
      if (!answer_->bundles.contains(name)) plan_bundle(third, name, false);
    if (!third.empty()) gone = co_await go(third);
    if (!gone) co_return fail(std::move(gone.error()));
  }
  co_return close();
}

Progress progress_of(const Meta& meta) noexcept {
  // Any fixed key: all workers must come to the same number.
  return {KeyedHash(0, 0)(meta.incarnation), meta.confirmed, meta.version};
}

/// What is wrong with one tenant's store, or nothing.
std::string fault_of(std::string_view tenant, const RedisReply& reply, Zone* seen) {
  const auto meta = required_meta(tenant, reply);
  if (!meta) return meta.error().detail;
  const std::string key = policy_key(tenant, "meta");
  if (seen != nullptr && !seen->advance(key, progress_of(*meta))) return "key " + key + " went back";
  return {};
}

Task<StoreHealth> ask_health(Redis& redis, Zone* seen, std::vector<std::string> tenants) {
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
  out.usable = tenants.empty();
  for (std::size_t i = 0; i < tenants.size(); ++i) {
    const std::string fault = fault_of(tenants[i], (*replies)[i + 1], seen);
    out.usable = out.usable || fault.empty();
    if (!fault.empty() && !out.detail.empty()) out.detail += "; ";
    out.detail += fault;
  }
  co_return out;
}

}  // namespace

Task<Result<policy::FactsPtr, StoreFailure>> RedisStore::ask(PrincipalPtr principal, std::string operation) {
  const std::shared_ptr<Hints> hints = hints_;
  Redis& redis = redis_;
  Zone* const seen = seen_;
  const std::string meta_key = policy_key(principal->tenant, "meta");
  bool behind = false;
  for (int attempt = 0; attempt < max_attempts; ++attempt) {
    Inquiry inquiry(redis, *hints, *principal, operation);
    auto facts = co_await inquiry.run();
    if (inquiry.moved()) continue;
    if (!facts || seen == nullptr) co_return facts;
    // Another worker may have seen a newer policy since this one asked: then asking again helps.
    behind = !seen->advance(meta_key, progress_of(*inquiry.meta()));
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
    : redis_(redis), seen_(seen), tenants_(std::move(tenants)), hints_(std::make_shared<Hints>()) {}
RedisStore::~RedisStore() = default;

ValueTask<Result<policy::FactsPtr, StoreFailure>> RedisStore::facts(const PrincipalPtr& principal,
                                                                    std::string_view operation) {
  return ask(principal, std::string(operation));
}

ValueTask<StoreHealth> RedisStore::health() { return ask_health(redis_, seen_, tenants_); }

}  // namespace agw::grants
