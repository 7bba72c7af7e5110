// The policy file: parsed, checked and compiled.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "agw/base/digest.h"
#include "agw/base/result.h"
#include "agw/model/policy_records.h"
#include "agw/policy/facts.h"
#include "agw/policy/grant_set.h"
#include "agw/policy/package.h"

namespace agw::grants {

struct Bundle : BundleRecord {
  std::vector<std::string> members;  ///< groups, `company|support` or `store|oncall`: see CompiledPolicy::facts
  std::vector<Grant> grants;
};

/// One tenant's policy as written: what the file, `agwctl apply`, `export` and Redis have in
/// common. Keys are encoded ids.
struct TenantPolicy {
  TenantRecord tenant;
  std::map<std::string, AgentRecord> agents;
  std::map<std::string, UserRecord> users;
  std::map<std::string, TierRecord> tiers;
  std::vector<TierRule> tier_map;
  std::string fallback_tier;                        ///< `*`
  std::map<std::string, Bundle> bundles;
  std::map<std::string, std::vector<Grant>> grants;        ///< by holder `agent:…` | `bundle:…` | `tier:…`
  std::map<std::string, std::vector<Grant>> entitlements;  ///< by holder `user:…` | `group:…`
  std::map<std::pair<std::string, std::string>, DelegationRecord> delegations;  ///< user, agent
  std::map<std::string, BreakerRecord> breakers;  ///< by agent
  std::map<std::string, OperationRecord> operations;
  std::vector<Limit> limits;  ///< what every call of an operation uses up
  std::map<std::string, ClientRecord> clients;
  std::map<std::string, IssuerRecord> issuers;  ///< by alias
  std::set<std::string> revoked;                ///< `jti:company|value`, `sid:company|value`
};

struct Policy {
  std::map<std::string, TenantPolicy> tenants;
};

// Bundles come from others: who has a team's has its organisation's too. In a policy file a holder names the nearest,
// in Redis all of them, so that a call reads no tree.
/// The names, each followed by its parents; each once.
[[nodiscard]] std::vector<std::string> with_parents(const std::map<std::string, Bundle>& bundles,
                                                    const std::vector<std::string>& names);
/// The names that are no parents of others among them.
[[nodiscard]] std::vector<std::string> without_parents(const std::map<std::string, Bundle>& bundles,
                                                       const std::vector<std::string>& names);
/// One that stands there without its parent; empty if there is none.
[[nodiscard]] std::string orphan_among(const std::map<std::string, Bundle>& bundles,
                                       const std::vector<std::string>& names);

/// What is wrong with a policy file, and where.
struct PolicyError {
  int line = 0;         ///< 0 if it isn't a syntax error
  std::string path;     ///< `tenants.default.grants[3].until`
  std::string message;  ///< what is wrong and what to write instead
};

/// Places of limits, which are a part of their counters' names, and no operation's.
inline constexpr std::string_view tenant_place = "policy";
[[nodiscard]] std::string bundle_place(std::string_view bundle);
/// Limits of one list: each of another kind, or they would count each other's calls.
inline constexpr std::size_t most_limits = 32;

/// Strict: unknown keys, wrong types, ids that aren't encoded, duplicate ids, references to
/// missing bundles or tiers are errors.
[[nodiscard]] Result<Policy, PolicyError> parse_policy(std::string_view json);
/// Canonical JSON (sorted, two-space indent), what `agwctl export` prints.
[[nodiscard]] std::string write_policy(const Policy& policy);

/// A policy made ready for look-up; immutable, shared by whoever uses it.
class CompiledPolicy {
 public:
  /// `digest`: of the text it was made of, to tell one edit from another.
  explicit CompiledPolicy(Policy policy, std::string digest = {});
  ~CompiledPolicy();
  CompiledPolicy(const CompiledPolicy&) = delete;
  CompiledPolicy& operator=(const CompiledPolicy&) = delete;
  /// Pointers into this object; the caller sets Facts::keep to its owner. The bundles of a call are its agent's; for an
  /// agent with a record, those also that have a group of the user's (of the token, or of the user's record) among
  /// their members; for one without, its tier's. With those of each agent of the principal's chain.
  [[nodiscard]] policy::Facts facts(const Principal& principal, std::string_view operation) const;
  [[nodiscard]] const Policy& source() const noexcept { return policy_; }
  [[nodiscard]] const std::string& digest() const noexcept { return digest_; }

 private:
  struct Tenant;
  [[nodiscard]] static std::vector<policy::HeldBundle> held_bundles(const Tenant& tenant, const policy::Facts& facts,
                                                                    const Principal& principal);
  [[nodiscard]] policy::Facts facts_of(const Principal& principal, std::string_view operation) const;
  Policy policy_;
  std::string digest_;
  std::unordered_map<std::string, std::unique_ptr<Tenant>, StringHash, std::equal_to<>> tenants_;
};

/// Reads, parses and compiles a file (blocking: for load, agwctl and Background jobs).
[[nodiscard]] Result<std::shared_ptr<const CompiledPolicy>, PolicyError> load_policy_file(const std::string& path);

}  // namespace agw::grants
