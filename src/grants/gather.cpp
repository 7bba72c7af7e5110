#include "gather.h"

#include <algorithm>
#include <optional>

#include "agw/policy/package.h"

namespace agw::grants {
namespace {

class Gatherer {
 public:
  /// `records` get what `facts` point into.
  Gatherer(const Principal& who, RecordSource& source, BundleHints& hints, policy::Facts& facts,
           std::vector<RecordPtr>& records, Missing& missing)
      : who_(who),
        prefix_(policy_key(who.tenant, "")),
        source_(source),
        hints_(hints),
        facts_(facts),
        records_(records),
        missing_(missing) {
    records_.reserve(records_.size() + usual_records);
  }

  void callers(std::string_view operation);
  void tier();
  void bundles();
  void store_groups();
  void conditions();
  void limits(std::string_view operation);
  void whole_packages();

 private:
  void revocations();

  using Sets = std::vector<const policy::GrantSet*>;

  static constexpr std::size_t usual_records = 24;

  /// `agw:p:{tenant}:` and the parts, one after the other.
  template <class... Parts>
  [[nodiscard]] std::string key(const Parts&... parts) const {
    std::string out;
    out.reserve(prefix_.size() + (std::string_view(parts).size() + ...));
    out += prefix_;
    ((out += std::string_view(parts)), ...);
    return out;
  }

  /// Null: not at hand.
  const Record* need(RecordKind kind, std::string name) {
    RecordPtr record = source_.find(name);
    if (!record) {
      want(kind, std::move(name));
      return nullptr;
    }
    if (!record->broken.empty() && missing_.broken.empty()) missing_.broken = record->broken;
    records_.push_back(record);
    return record.get();
  }
  void want(RecordKind kind, std::string name) {
    const auto same = [&](const Want& other) { return other.key == name; };
    if (std::none_of(missing_.wanted.begin(), missing_.wanted.end(), same))
      missing_.wanted.push_back({kind, std::move(name)});
  }
  /// What isn't known to be needed yet, and would take a trip of its own later: what it holds says nothing here.
  void ask_ahead(RecordKind kind, std::string name) {
    if (!source_.find(name)) want(kind, std::move(name));
  }
  template <class T>
  const T* need(RecordKind kind, std::string name) {
    const Record* record = need(kind, std::move(name));
    return record == nullptr ? nullptr : record->get<T>();
  }
  void sets(RecordKind kind, std::string name, Sets& into) {
    if (const auto* set = need<policy::GrantSet>(kind, std::move(name))) into.push_back(set);
  }

  void hold(const std::string& name);
  void hold_as_member(const MemberMap& members, std::span<const std::string> groups);

  const Principal& who_;
  std::string prefix_;
  RecordSource& source_;
  BundleHints& hints_;
  policy::Facts& facts_;
  std::vector<RecordPtr>& records_;
  Missing& missing_;
  std::optional<std::string_view> tier_;  ///< nothing: not known yet
  std::vector<policy::HeldBundle> held_;
};

std::string_view tier_of(const TierMap& map, const Principal& who) {
  for (const std::string& field : {tier_field(who.provider, who.model), tier_field(who.provider, std::nullopt),
                                   tier_field(std::nullopt, who.model), std::string("*")})
    if (const auto it = map.find(field); it != map.end()) return it->second;
  return {};
}

/// Of the token and what stands behind it; what stands in its caller's own records is read with those.
void Gatherer::revocations() {
  if (const auto* issuer = need<IssuerRecord>(RecordKind::issuer, key("issuer:", who_.issuer))) {
    facts_.issuer_not_before = issuer->not_before;
    facts_.key_revoked = policy::names_key(*issuer, who_);
  }
  if (!who_.client.empty()) facts_.client = need<ClientRecord>(RecordKind::client, key("client:", who_.client));
  for (const auto& [kind, value] : {std::pair("jti", &who_.jti), std::pair("sid", &who_.sid)}) {
    if (value->empty()) continue;
    const std::string name = key("revoked:", kind, ":", who_.issuer, "|", *value);
    if (need<Present>(RecordKind::revoked, name) != nullptr) facts_.token_revoked = true;
  }
  if (facts_.agent == nullptr || facts_.agent->known || facts_.agent->status != Status::active) return;
  // An agent that nothing is said of but since when its tokens count: it has no record, and keeps what its tier has.
  facts_.issuer_not_before = std::max(facts_.issuer_not_before, facts_.agent->not_before);
  facts_.agent = nullptr;
}

void Gatherer::callers(std::string_view operation) {
  facts_.tenant = need<TenantRecord>(RecordKind::tenant, key("tenant"));
  const Record* agent = need(RecordKind::agent, key("agent:", who_.agent));
  facts_.agent = agent != nullptr ? agent->get<AgentRecord>() : nullptr;
  if (!who_.user.empty()) {
    facts_.user = need<UserRecord>(RecordKind::user, key("user:", who_.user));
    facts_.delegation = need<DelegationRecord>(RecordKind::delegation, key("delegation:", who_.user, ":", who_.agent));
    sets(RecordKind::entitlements, key("entitlements:user:", who_.user), facts_.entitlements);
  }
  facts_.breaker = need<BreakerRecord>(RecordKind::breaker, key("breaker:", who_.agent));
  if (!operation.empty()) facts_.operation = need<OperationRecord>(RecordKind::operation, key("operation:", operation));
  revocations();
  sets(RecordKind::grants, key("grants:agent:", who_.agent), facts_.grants);
  for (const auto& group : who_.groups)
    sets(RecordKind::entitlements, key("entitlements:group:", group), facts_.entitlements);

  ask_ahead(RecordKind::members, key("members"));
  const Record* tiers = need(RecordKind::tiers, key("tiers"));
  if (agent == nullptr || tiers == nullptr) return;
  const auto* map = tiers->get<TierMap>();
  const bool own = facts_.agent != nullptr && !facts_.agent->tier.empty();
  if (own) {
    tier_ = facts_.agent->tier;
  } else {
    tier_ = map == nullptr ? std::string_view() : tier_of(*map, who_);
  }
}

void Gatherer::tier() {
  if (!tier_ || tier_->empty()) return;
  facts_.tier_name = *tier_;
  const std::string name(*tier_);
  const Record* record = need(RecordKind::tier, key("tier:", name));
  facts_.tier = record != nullptr ? record->get<TierRecord>() : nullptr;
  sets(RecordKind::grants, key("grants:tier:", name), facts_.grants);
  if (facts_.agent != nullptr) return;
  if (facts_.tier != nullptr) {
    hints_.put(key("tier:", name), facts_.tier->bundles);
  } else if (const auto* hinted = record != nullptr ? nullptr : hints_.find(key("tier:", name))) {
    for (const auto& bundle : *hinted) {
      want(RecordKind::grants, key("grants:bundle:", bundle));
      want(RecordKind::bundle, key("bundle:", bundle));
    }
  }
}

void Gatherer::hold(const std::string& name) {
  const auto same = [&](const policy::HeldBundle& other) { return other.name == name; };
  if (std::any_of(held_.begin(), held_.end(), same)) return;
  policy::HeldBundle bundle{.name = name};
  bundle.grants = need<policy::GrantSet>(RecordKind::grants, key("grants:bundle:", name));
  bundle.record = need<BundleRecord>(RecordKind::bundle, key("bundle:", name));
  if (bundle.grants != nullptr) facts_.grants.push_back(bundle.grants);
  held_.push_back(bundle);
}

void Gatherer::hold_as_member(const MemberMap& members, std::span<const std::string> groups) {
  for (const auto& group : groups) {
    const auto found = members.find("group:" + group);
    if (found == members.end()) continue;
    for (const auto& name : found->second) hold(name);
  }
}

void Gatherer::bundles() {
  if (facts_.agent != nullptr) {
    for (const auto& name : facts_.agent->bundles) hold(name);
    if (const auto* members = need<MemberMap>(RecordKind::members, key("members"))) {
      hold_as_member(*members, who_.groups);
      if (facts_.user != nullptr) hold_as_member(*members, facts_.user->groups);
    }
  } else if (facts_.tier != nullptr) {
    for (const auto& name : facts_.tier->bundles) hold(name);
  }
}

/// Who names a bundle names its parents: what they deny and limit must not be missed.
void Gatherer::whole_packages() {
  const auto orphan = policy::orphan_among(held_);
  if (orphan.empty() || !missing_.wanted.empty() || !missing_.broken.empty()) return;
  missing_.broken = "key " + key("bundle:", orphan) + ", field parent: isn't among the bundles of " +
                    (facts_.agent != nullptr ? who_.agent + " and of who it acts for" : "tier " + std::string(*tier_));
}

void Gatherer::conditions() { facts_.conditions = policy::conditions_of(held_); }

void Gatherer::limits(std::string_view operation) {
  if (operation.empty()) return;
  if (const auto* limits = need<std::vector<Limit>>(RecordKind::limits, key("limits")))
    for (const Limit& limit : *limits) facts_.limits.push_back(&limit);
  const auto met = policy::limits_of(held_, operation);
  facts_.limits.insert(facts_.limits.end(), met.begin(), met.end());
}

void Gatherer::store_groups() {
  if (facts_.user == nullptr) return;
  facts_.store_groups = facts_.user->groups;
  for (const auto& group : facts_.user->groups)
    sets(RecordKind::entitlements, key("entitlements:group:", group), facts_.entitlements);
}

void gather_one(const Principal& principal, std::string_view operation, RecordSource& source, BundleHints& hints,
                policy::Facts& facts, std::vector<RecordPtr>& records, Missing& missing) {
  Gatherer gatherer(principal, source, hints, facts, records, missing);
  gatherer.callers(operation);
  gatherer.tier();
  gatherer.bundles();
  gatherer.conditions();
  gatherer.store_groups();
  gatherer.limits(operation);
  gatherer.whole_packages();
}

}  // namespace

void gather(const Principal& principal, std::string_view operation, RecordSource& source, BundleHints& hints,
            GatheredFacts& facts, Missing& missing) {
  gather_one(principal, operation, source, hints, facts, facts.records, missing);
  if (principal.chain.empty()) return;
  auto chain = std::make_shared<std::vector<policy::Facts>>(principal.chain.size());
  for (std::size_t i = 0; i < chain->size(); ++i)
    gather_one(as_made_by(principal, principal.chain[i]), operation, source, hints, (*chain)[i], facts.records,
               missing);
  facts.chain = std::move(chain);
}

}  // namespace agw::grants
