// What the store knows about one call.
#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agw/model/policy_records.h"
#include "agw/model/principal.h"
#include "agw/policy/grant_set.h"

namespace agw::policy {

/// What the allows of some grants need beside their own conditions: a bundle's, or a parent's of it. Denials don't ask.
struct SetCondition {
  const GrantSet* grants = nullptr;
  const Condition* when = nullptr;
};

/// Pointers into something that `keep` owns (a compiled snapshot, or what Redis answered).
/// A null record means that the store, known to be whole, has none.
struct Facts {
  std::shared_ptr<const void> keep;
  const TenantRecord* tenant = nullptr;
  const AgentRecord* agent = nullptr;
  const BreakerRecord* breaker = nullptr;  ///< the agent's
  const UserRecord* user = nullptr;
  const DelegationRecord* delegation = nullptr;
  std::string_view tier_name;  ///< of the record, else of the map, else of `*`; empty = none
  const TierRecord* tier = nullptr;  ///< null although tier_name is set: tier_unknown
  const OperationRecord* operation = nullptr;
  bool token_revoked = false;  ///< by jti or sid
  bool key_revoked = false;  ///< that which signed the token
  const ClientRecord* client = nullptr;
  std::optional<WallTime> issuer_not_before;  ///< of the issuer, and of an agent that has no record
  bool grace = false;  ///< the store isn't reached: they are what was known of it a moment ago
  /// The agent's own grants, then those of its bundles (of its record, or of its tier for an
  /// agent without one).
  std::vector<const GrantSet*> grants;
  std::vector<SetCondition> conditions;  ///< of those, where there are some
  /// The user's own entitlements, then those of the groups (token and store).
  std::vector<const GrantSet*> entitlements;
  /// What a call of this operation uses up beside its route's limits: of the tenant, then of the bundles that it comes
  /// by. Where the question has no operation there are none.
  std::vector<const Limit*> limits;
  /// `store|name` groups of the user record, beside the principal's own.
  std::span<const std::string> store_groups;
  /// The same call as each agent of Principal::chain would make it, in that order; null: there are none.
  std::shared_ptr<const std::vector<Facts>> chain;
};

/// Whether the token's key is one that the issuer's record revokes.
[[nodiscard]] inline bool names_key(const IssuerRecord& issuer, const Principal& principal) noexcept {
  if (issuer.revoked_keys.empty() || principal.key_id.empty()) return false;
  return std::find(issuer.revoked_keys.begin(), issuer.revoked_keys.end(), principal.key_id) !=
         issuer.revoked_keys.end();
}

using FactsPtr = std::shared_ptr<const Facts>;

/// The tier of an agent without one in its record: the first rule that fits provider and model
/// (both stores hold the most specific rules first, so that their order in a file means nothing),
/// else the fallback (`*`), else empty.
[[nodiscard]] std::string_view tier_from_map(const std::vector<TierRule>& rules, std::string_view fallback,
                                             const Principal& principal) noexcept;

}  // namespace agw::policy
