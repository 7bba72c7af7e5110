// A policy made ready for look-up.
#include <algorithm>

#include "agw/grants/policy_file.h"
#include "agw/policy/package.h"

namespace agw::grants {
namespace {

/// An agent's own grants and its bundles', a user's own entitlements and its groups'.
constexpr std::size_t usual_sets = 4;

template <class Value>
using Table = std::unordered_map<std::string, Value, StringHash, std::equal_to<>>;

template <class Map>
const typename Map::mapped_type* find(const Map& map, std::string_view key) {
  const auto it = map.find(std::string(key));
  return it == map.end() ? nullptr : &it->second;
}

template <class Value>
const Value* find_in(const Table<Value>& table, std::string_view key) {
  if (table.empty()) return nullptr;
  const auto it = table.find(key);
  return it == table.end() ? nullptr : &it->second;
}

policy::GrantSet indexed(const std::vector<Grant>& grants, std::string holder) {
  return policy::GrantSet(grants, policy::Questions::many, std::move(holder));
}

/// Of the token and what stands behind it.
void add_revocations(const TenantPolicy& tenant, const Principal& principal, policy::Facts& out) {
  if (const auto found = tenant.issuers.find(principal.issuer); found != tenant.issuers.end()) {
    out.issuer_not_before = found->second.not_before;
    out.key_revoked = policy::names_key(found->second, principal);
  }
  if (const auto found = tenant.clients.find(principal.client); found != tenant.clients.end())
    out.client = &found->second;
  if (tenant.revoked.empty()) return;
  for (const auto& [kind, value] : {std::pair("jti:", &principal.jti), std::pair("sid:", &principal.sid)})
    if (!value->empty() && tenant.revoked.contains(kind + principal.issuer + "|" + *value)) out.token_revoked = true;
}

}  // namespace

struct CompiledPolicy::Tenant {
  const TenantPolicy* source = nullptr;
  Table<const AgentRecord*> agents;
  Table<const UserRecord*> users;
  Table<const OperationRecord*> operations;
  Table<const BreakerRecord*> breakers;
  Table<const DelegationRecord*> delegations;     // user \n agent
  Table<policy::GrantSet> agent_grants;           // by agent id
  Table<policy::GrantSet> tier_grants;            // by tier
  Table<policy::GrantSet> bundles;                // by bundle
  Table<std::vector<policy::HeldBundle>> packages;  // by bundle: itself, then its parents
  Table<std::vector<std::string>> members;          // by group: the bundles of which it is a member
  Table<policy::GrantSet> user_entitlements;
  Table<policy::GrantSet> group_entitlements;

  explicit Tenant(const TenantPolicy& policy) : source(&policy) {
    for (const auto& [id, record] : policy.agents) agents.emplace(id, &record);
    for (const auto& [id, record] : policy.users) users.emplace(id, &record);
    for (const auto& [id, record] : policy.operations) operations.emplace(id, &record);
    for (const auto& [id, record] : policy.breakers) breakers.emplace(id, &record);
    for (const auto& [pair, record] : policy.delegations) delegations.emplace(pair.first + "\n" + pair.second, &record);
    for (const auto& [name, bundle] : policy.bundles) bundles.emplace(name, indexed(bundle.grants, "bundle:" + name));
    for (const auto& [name, bundle] : policy.bundles)
      for (const auto& each : with_parents(policy.bundles, {name})) {
        const auto& [own, content] = *policy.bundles.find(each);
        packages[name].push_back({own, &content, find_in(bundles, own)});
      }
    for (const auto& [name, bundle] : policy.bundles)
      for (const auto& group : bundle.members) members[group].push_back(name);
    for (const auto& [holder, grants] : policy.grants) {
      if (holder.starts_with("agent:")) agent_grants.emplace(holder.substr(6), indexed(grants, holder));
      if (holder.starts_with("tier:")) tier_grants.emplace(holder.substr(5), indexed(grants, holder));
    }
    for (const auto& [holder, grants] : policy.entitlements) {
      if (holder.starts_with("user:")) user_entitlements.emplace(holder.substr(5), indexed(grants, holder));
      if (holder.starts_with("group:")) group_entitlements.emplace(holder.substr(6), indexed(grants, holder));
    }
  }
};

std::vector<policy::HeldBundle> CompiledPolicy::held_bundles(const Tenant& tenant, const policy::Facts& facts,
                                                             const Principal& principal) {
  std::vector<policy::HeldBundle> out;
  const auto hold = [&](const std::vector<std::string>& names) {
    for (const auto& name : names) {
      const auto* package = find_in(tenant.packages, name);
      if (package == nullptr) continue;
      for (const auto& bundle : *package) {
        const auto same = [&](const policy::HeldBundle& other) { return other.record == bundle.record; };
        if (std::none_of(out.begin(), out.end(), same)) out.push_back(bundle);
      }
    }
  };
  const auto hold_as_member = [&](const std::vector<std::string>& groups) {
    for (const auto& group : groups)
      if (const auto* names = find_in(tenant.members, group)) hold(*names);
  };
  if (facts.agent != nullptr) {
    hold(facts.agent->bundles);
    hold_as_member(principal.groups);
    if (facts.user != nullptr) hold_as_member(facts.user->groups);
  } else if (facts.tier != nullptr) {
    hold(facts.tier->bundles);
  }
  return out;
}

CompiledPolicy::CompiledPolicy(Policy policy, std::string digest)
    : policy_(std::move(policy)), digest_(std::move(digest)) {
  for (const auto& [name, tenant] : policy_.tenants) tenants_.emplace(name, std::make_unique<Tenant>(tenant));
}

CompiledPolicy::~CompiledPolicy() = default;

policy::Facts CompiledPolicy::facts(const Principal& principal, std::string_view operation) const {
  policy::Facts out = facts_of(principal, operation);
  if (principal.chain.empty()) return out;
  auto chain = std::make_shared<std::vector<policy::Facts>>();
  chain->reserve(principal.chain.size());
  for (const auto& agent : principal.chain) chain->push_back(facts_of(as_made_by(principal, agent), operation));
  out.chain = std::move(chain);
  return out;
}

policy::Facts CompiledPolicy::facts_of(const Principal& principal, std::string_view operation) const {
  policy::Facts out;
  const auto found = tenants_.find(std::string_view(principal.tenant));
  if (found == tenants_.end()) return out;
  const Tenant& tenant = *found->second;
  const auto pointer = [](const auto* entry) { return entry == nullptr ? nullptr : *entry; };
  out.tenant = &tenant.source->tenant;
  out.agent = pointer(find_in(tenant.agents, principal.agent));
  out.user = pointer(find_in(tenant.users, principal.user));
  if (!tenant.delegations.empty())
    out.delegation = pointer(find_in(tenant.delegations, principal.user + "\n" + principal.agent));
  out.breaker = pointer(find_in(tenant.breakers, principal.agent));
  add_revocations(*tenant.source, principal, out);
  out.operation = pointer(find_in(tenant.operations, operation));

  out.tier_name = out.agent != nullptr && !out.agent->tier.empty()
                      ? std::string_view(out.agent->tier)
                      : policy::tier_from_map(tenant.source->tier_map, tenant.source->fallback_tier, principal);
  if (!out.tier_name.empty()) out.tier = find(tenant.source->tiers, out.tier_name);

  out.grants.reserve(usual_sets);
  out.entitlements.reserve(usual_sets);
  const auto add = [](std::vector<const policy::GrantSet*>& list, const policy::GrantSet* set) {
    if (set != nullptr) list.push_back(set);
  };
  add(out.grants, find_in(tenant.agent_grants, principal.agent));
  if (!out.tier_name.empty()) add(out.grants, find_in(tenant.tier_grants, out.tier_name));
  const auto held = held_bundles(tenant, out, principal);
  for (const auto& bundle : held) out.grants.push_back(bundle.grants);
  out.conditions = policy::conditions_of(held);
  if (!operation.empty()) {
    for (const Limit& limit : tenant.source->limits) out.limits.push_back(&limit);
    const auto met = policy::limits_of(held, operation);
    out.limits.insert(out.limits.end(), met.begin(), met.end());
  }

  add(out.entitlements, find_in(tenant.user_entitlements, principal.user));
  for (const auto& group : principal.groups) add(out.entitlements, find_in(tenant.group_entitlements, group));
  if (out.user != nullptr) {
    out.store_groups = out.user->groups;
    for (const auto& group : out.store_groups) add(out.entitlements, find_in(tenant.group_entitlements, group));
  }
  return out;
}

}  // namespace agw::grants
