#include "gather.h"

#include <algorithm>
#include <optional>

namespace agw::grants {
namespace {

class Gatherer {
 public:
  Gatherer(const Principal& who, RecordSource& source, BundleHints& hints, GatheredFacts& facts, Missing& missing)
      : who_(who),
        prefix_(policy_key(who.tenant, "")),
        source_(source),
        hints_(hints),
        facts_(facts),
        missing_(missing) {
    facts_.records.reserve(usual_records);
  }

  void callers(std::string_view operation);
  void tier();
  void bundles();
  void store_groups();

 private:
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
    facts_.records.push_back(record);
    return record.get();
  }
  void want(RecordKind kind, std::string name) {
    const auto same = [&](const Want& other) { return other.key == name; };
    if (std::none_of(missing_.wanted.begin(), missing_.wanted.end(), same))
      missing_.wanted.push_back({kind, std::move(name)});
  }
  template <class T>
  const T* need(RecordKind kind, std::string name) {
    const Record* record = need(kind, std::move(name));
    return record == nullptr ? nullptr : record->get<T>();
  }
  void sets(RecordKind kind, std::string name, Sets& into) {
    if (const auto* set = need<policy::GrantSet>(kind, std::move(name))) into.push_back(set);
  }

  const Principal& who_;
  std::string prefix_;
  RecordSource& source_;
  BundleHints& hints_;
  GatheredFacts& facts_;
  Missing& missing_;
  std::optional<std::string_view> tier_;  ///< nothing: not known yet
};

std::string_view tier_of(const TierMap& map, const Principal& who) {
  for (const std::string& field : {tier_field(who.provider, who.model), tier_field(who.provider, std::nullopt),
                                   tier_field(std::nullopt, who.model), std::string("*")})
    if (const auto it = map.find(field); it != map.end()) return it->second;
  return {};
}

void Gatherer::callers(std::string_view operation) {
  facts_.tenant = need<TenantRecord>(RecordKind::tenant, key("tenant"));
  const Record* agent = need(RecordKind::agent, key("agent:", who_.agent));
  facts_.agent = agent != nullptr ? agent->get<AgentRecord>() : nullptr;
  facts_.user = need<UserRecord>(RecordKind::user, key("user:", who_.user));
  facts_.delegation = need<DelegationRecord>(RecordKind::delegation, key("delegation:", who_.user, ":", who_.agent));
  if (!operation.empty()) facts_.operation = need<OperationRecord>(RecordKind::operation, key("operation:", operation));
  if (const auto* issuer = need<IssuerRecord>(RecordKind::issuer, key("issuer:", who_.issuer)))
    facts_.issuer_not_before = issuer->not_before;
  for (const auto& [kind, value] : {std::pair("jti", &who_.jti), std::pair("sid", &who_.sid)}) {
    if (value->empty()) continue;
    const std::string name = key("revoked:", kind, ":", who_.issuer, "|", *value);
    if (need<Present>(RecordKind::revoked, name) != nullptr) facts_.token_revoked = true;
  }
  sets(RecordKind::grants, key("grants:agent:", who_.agent), facts_.grants);
  sets(RecordKind::entitlements, key("entitlements:user:", who_.user), facts_.entitlements);
  for (const auto& group : who_.groups)
    sets(RecordKind::entitlements, key("entitlements:group:", group), facts_.entitlements);

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
    for (const auto& bundle : *hinted) want(RecordKind::grants, key("grants:bundle:", bundle));
  }
}

void Gatherer::bundles() {
  const std::vector<std::string>* names = nullptr;
  if (facts_.agent != nullptr) {
    names = &facts_.agent->bundles;
  } else if (facts_.tier != nullptr) {
    names = &facts_.tier->bundles;
  }
  if (names == nullptr) return;
  for (const auto& name : *names) sets(RecordKind::grants, key("grants:bundle:", name), facts_.grants);
}

void Gatherer::store_groups() {
  if (facts_.user == nullptr) return;
  facts_.store_groups = facts_.user->groups;
  for (const auto& group : facts_.user->groups)
    sets(RecordKind::entitlements, key("entitlements:group:", group), facts_.entitlements);
}

}  // namespace

void gather(const Principal& principal, std::string_view operation, RecordSource& source, BundleHints& hints,
            GatheredFacts& facts, Missing& missing) {
  Gatherer gatherer(principal, source, hints, facts, missing);
  gatherer.callers(operation);
  gatherer.tier();
  gatherer.bundles();
  gatherer.store_groups();
}

}  // namespace agw::grants
