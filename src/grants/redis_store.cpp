#include "agw/grants/redis_store.h"

#include <functional>
#include <list>

#include "agw/grants/redis_codec.h"

namespace agw::grants {
namespace {

/// An agent without a record has the bundles of its tier, which only the tier's record names: one
/// script reads both, so that a call never needs a third trip. All keys share the tenant's slot.
constexpr std::string_view tier_bundles_script =
    "local out = {}\n"
    "local names = redis.call('HGET', KEYS[1], 'bundles')\n"
    "if names then for name in string.gmatch(names, '%S+') do\n"
    "  out[#out + 1] = name\n"
    "  out[#out + 1] = redis.call('HGETALL', ARGV[1] .. name)\n"
    "end end\n"
    "return out\n";

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
  policy::Facts facts;
};

/// One key that is asked for, and what is done with its fields.
struct Ask {
  std::string key;
  std::function<Decoded<void>(const Fields&)> take;
};

/// One pipelined trip of HGETALLs (and a few others at its end).
class Trip {
 public:
  void ask(std::string key, std::function<Decoded<void>(const Fields&)> take) { asks_.push_back({std::move(key), std::move(take)}); }

  template <class Record, class Read>
  void record(std::string key, std::optional<Record>& into, Read read) {
    ask(key, [key, &into, read](const Fields& fields) -> Decoded<void> {
      if (fields.empty()) return {};
      auto decoded = read(key, fields);
      if (!decoded) return fail(decoded.error());
      into = *std::move(decoded);
      return {};
    });
  }

  void grants(std::string key, Answer& answer, std::vector<const policy::GrantSet*>& into, bool entitlements) {
    ask(key, [key, &answer, &into, entitlements](const Fields& fields) -> Decoded<void> {
      if (fields.empty()) return {};
      auto decoded = read_grants(key, fields, entitlements);
      if (!decoded) return fail(decoded.error());
      into.push_back(&answer.sets.emplace_back(*std::move(decoded)));
      return {};
    });
  }

  [[nodiscard]] std::vector<RedisCommand> commands() const {
    std::vector<RedisCommand> out;
    out.reserve(asks_.size() + 4);
    for (const auto& item : asks_) out.push_back({"HGETALL", item.key});
    return out;
  }
  [[nodiscard]] std::size_t size() const noexcept { return asks_.size(); }

  [[nodiscard]] Decoded<void> take(const std::vector<RedisReply>& replies) const {
    for (std::size_t i = 0; i < asks_.size(); ++i) {
      auto fields = read_fields(asks_[i].key, replies[i]);
      if (!fields) return fail(fields.error());
      if (auto taken = asks_[i].take(*fields); !taken) return taken;
    }
    return {};
  }

 private:
  std::vector<Ask> asks_;
};

StoreFailure failure(Reason reason, std::string detail) { return {reason, std::move(detail)}; }

/// One question to the store, from the first trip to the facts.
class Inquiry {
 public:
  Inquiry(Redis& redis, PrincipalPtr principal, std::string operation)
      : redis_(redis), principal_(std::move(principal)), operation_(std::move(operation)), answer_(std::make_shared<Answer>()) {}

  Task<Result<policy::Facts, StoreFailure>> run();

 private:
  [[nodiscard]] std::string key(std::string_view rest) const { return policy_key(principal_->tenant, rest); }
  void plan_first(Trip& trip);
  void plan_second(Trip& trip);
  [[nodiscard]] std::vector<RedisCommand> extra_first() const;
  Decoded<void> take_extra_first(const std::vector<RedisReply>& replies, std::size_t at);
  Decoded<void> take_tier_bundles(const RedisReply& reply);

  Redis& redis_;
  PrincipalPtr principal_;
  std::string operation_;
  std::shared_ptr<Answer> answer_;
  bool initialised_ = false;
};

void Inquiry::plan_first(Trip& trip) {
  Answer& answer = *answer_;
  const Principal& who = *principal_;
  trip.ask(key("meta"), [this](const Fields& fields) -> Decoded<void> {
    const auto meta = read_meta(key("meta"), fields);
    if (!meta) return fail(meta.error());
    initialised_ = meta->has_value();
    return {};
  });
  trip.record(key("tenant"), answer.tenant, read_tenant_record);
  trip.record(key("agent:" + who.agent), answer.agent, read_agent_record);
  trip.record(key("user:" + who.user), answer.user, read_user_record);
  trip.record(key("delegation:" + who.user + ":" + who.agent), answer.delegation, read_delegation_record);
  if (!operation_.empty()) trip.record(key("operation:" + operation_), answer.operation, read_operation_record);
  trip.ask(key("issuer:" + who.issuer), [this](const Fields& fields) -> Decoded<void> {
    const auto it = fields.find("not_before");
    if (it == fields.end() || it->second.empty()) return {};
    answer_->facts.issuer_not_before = parse_rfc3339(it->second);
    if (!answer_->facts.issuer_not_before) return fail(CodecError{"key " + key("issuer:" + principal_->issuer) + ", field not_before: is not a time"});
    return {};
  });
  trip.grants(key("grants:agent:" + who.agent), answer, answer.facts.grants, false);
  trip.grants(key("entitlements:user:" + who.user), answer, answer.facts.entitlements, true);
  for (const auto& group : who.groups) trip.grants(key("entitlements:group:" + group), answer, answer.facts.entitlements, true);
}

/// After the hashes of the first trip: the tier map's candidates, most specific first, and what is
/// revoked.
std::vector<RedisCommand> Inquiry::extra_first() const {
  const Principal& who = *principal_;
  std::vector<RedisCommand> out;
  out.push_back({"HMGET", key("tiers"), tier_field(who.provider, who.model), tier_field(who.provider, std::nullopt),
                 tier_field(std::nullopt, who.model), "*"});
  RedisCommand revoked{"EXISTS"};
  if (!who.jti.empty()) revoked.push_back(key("revoked:jti:" + who.issuer + "|" + who.jti));
  if (!who.sid.empty()) revoked.push_back(key("revoked:sid:" + who.issuer + "|" + who.sid));
  if (revoked.size() > 1) out.push_back(std::move(revoked));
  return out;
}

Decoded<void> Inquiry::take_extra_first(const std::vector<RedisReply>& replies, std::size_t at) {
  const RedisReply& tiers = replies[at];
  if (tiers.type != RedisReply::Type::array) return fail(CodecError{"key " + key("tiers") + ": is not a hash"});
  std::string from_map;
  for (const RedisReply& candidate : tiers.elements) {
    if (candidate.type != RedisReply::Type::text) continue;
    from_map = candidate.text;
    break;
  }
  const auto& record = answer_->agent;
  answer_->tier_name = record && !record->tier.empty() ? record->tier : from_map;
  if (at + 1 < replies.size()) {
    if (replies[at + 1].type != RedisReply::Type::integer) return fail(CodecError{"EXISTS of " + key("revoked:…") + ": no number"});
    answer_->facts.token_revoked = replies[at + 1].integer > 0;
  }
  return {};
}

void Inquiry::plan_second(Trip& trip) {
  Answer& answer = *answer_;
  if (!answer.tier_name.empty()) {
    trip.record(key("tier:" + answer.tier_name), answer.tier, read_tier_record);
    trip.grants(key("grants:tier:" + answer.tier_name), answer, answer.facts.grants, false);
  }
  if (answer.agent)
    for (const auto& bundle : answer.agent->bundles) trip.grants(key("grants:bundle:" + bundle), answer, answer.facts.grants, false);
  if (!answer.user) return;
  answer.facts.store_groups = answer.user->groups;
  for (const auto& group : answer.user->groups) trip.grants(key("entitlements:group:" + group), answer, answer.facts.entitlements, true);
}

Decoded<void> Inquiry::take_tier_bundles(const RedisReply& reply) {
  if (reply.type != RedisReply::Type::array || reply.elements.size() % 2 != 0)
    return fail(CodecError{"the bundles of tier " + answer_->tier_name + " can't be read"});
  for (std::size_t i = 0; i < reply.elements.size(); i += 2) {
    const std::string name = key("grants:bundle:" + reply.elements[i].text);
    const auto fields = read_fields(name, reply.elements[i + 1]);
    if (!fields) return fail(fields.error());
    auto grants = read_grants(name, *fields, false);
    if (!grants) return fail(grants.error());
    answer_->facts.grants.push_back(&answer_->sets.emplace_back(*std::move(grants)));
  }
  return {};
}

template <class T>
const T* pointer(const std::optional<T>& value) {
  return value ? &*value : nullptr;
}

Task<Result<policy::Facts, StoreFailure>> Inquiry::run() {
  Trip first;
  plan_first(first);
  auto commands = first.commands();
  for (auto& command : extra_first()) commands.push_back(std::move(command));
  const std::size_t expected = commands.size();
  auto replies = co_await redis_.pipeline(std::move(commands));
  if (!replies) co_return fail(failure(Reason::store_unavailable, std::string(to_string(replies.error()))));
  if (replies->size() != expected) co_return fail(failure(Reason::store_unavailable, "an answer is missing"));
  // Without meta nothing is known: every absence could be a loss.
  auto taken = first.take(*replies);
  if (!taken) co_return fail(failure(Reason::store_invalid, taken.error().detail));
  if (!initialised_) co_return fail(failure(Reason::store_uninitialised, "key " + key("meta") + " is missing"));
  taken = take_extra_first(*replies, first.size());
  if (!taken) co_return fail(failure(Reason::store_invalid, taken.error().detail));

  Trip second;
  plan_second(second);
  commands = second.commands();
  const bool by_tier = !answer_->agent && !answer_->tier_name.empty();
  if (by_tier)
    commands.push_back({"EVAL", std::string(tier_bundles_script), "1", key("tier:" + answer_->tier_name), key("grants:bundle:")});
  if (!commands.empty()) {
    const std::size_t wanted = commands.size();
    auto more = co_await redis_.pipeline(std::move(commands));
    if (!more) co_return fail(failure(Reason::store_unavailable, std::string(to_string(more.error()))));
    if (more->size() != wanted) co_return fail(failure(Reason::store_unavailable, "an answer is missing"));
    taken = second.take(*more);
    if (taken && by_tier) taken = take_tier_bundles(more->back());
    if (!taken) co_return fail(failure(Reason::store_invalid, taken.error().detail));
  }

  policy::Facts facts = std::move(answer_->facts);
  facts.tenant = pointer(answer_->tenant);
  facts.agent = pointer(answer_->agent);
  facts.user = pointer(answer_->user);
  facts.delegation = pointer(answer_->delegation);
  facts.operation = pointer(answer_->operation);
  facts.tier = pointer(answer_->tier);
  facts.tier_name = answer_->tier_name;
  facts.keep = answer_;
  co_return facts;
}

Task<Result<policy::Facts, StoreFailure>> inquire(Redis& redis, PrincipalPtr principal, std::string operation) {
  Inquiry inquiry(redis, std::move(principal), std::move(operation));
  co_return co_await inquiry.run();
}

Task<StoreHealth> ask_health(Redis& redis) {
  std::vector<RedisCommand> commands;
  commands.push_back({"PING"});
  const auto replies = co_await redis.pipeline(std::move(commands));
  StoreHealth out;
  out.usable = replies && replies->size() == 1 && replies->front().type == RedisReply::Type::text;
  if (!replies) out.detail = to_string(replies.error());
  co_return out;
}

}  // namespace

RedisStore::RedisStore(Redis& redis) : redis_(redis) {}
RedisStore::~RedisStore() = default;

ValueTask<Result<policy::Facts, StoreFailure>> RedisStore::facts(PrincipalPtr principal, std::string operation) {
  return inquire(redis_, std::move(principal), std::move(operation));
}

ValueTask<StoreHealth> RedisStore::health() { return ask_health(redis_); }

}  // namespace agw::grants
