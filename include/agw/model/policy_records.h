// The records that policy is made of, as both stores hold them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agw/base/time.h"
#include "agw/model/condition.h"
#include "agw/model/limit.h"
#include "agw/model/window.h"

namespace agw {

enum class Effect : std::uint8_t { allow, deny };

/// A grant to an agent or inside a bundle, or (without `for_whom`) an entitlement of a user or
/// group. `operation` and `resource` are patterns; no resource means every resource.
struct Grant {
  std::string id;
  std::string operation;
  Effect effect = Effect::allow;
  std::optional<std::string> resource;
  /// `user:alias|x`, `group:alias|x` or `machine`; empty = every user. An allow is for a machine only if it says so;
  /// a denial without any is for machines too.
  std::vector<std::string> for_whom;
  std::optional<WallTime> since;
  std::optional<WallTime> until;
  std::string by;
  std::string reason;
  std::string ticket;
  ConditionPtr when;  ///< null: always. An allow counts where it holds, a denial unless it certainly doesn't
};

/// What `for_whom` calls a machine.
inline constexpr std::string_view machine_whom = "machine";
[[nodiscard]] inline bool is_for_machines(const Grant& grant) {
  return std::find(grant.for_whom.begin(), grant.for_whom.end(), machine_whom) != grant.for_whom.end();
}

enum class Status : std::uint8_t { active, disabled, quarantined };

struct TenantRecord {
  Status status = Status::active;
  std::optional<WallTime> not_before;
  bool stopped = false;  ///< nothing of it passes but for agents that break the glass, whatever its status
};

struct AgentRecord {
  Status status = Status::active;
  std::string owner;
  std::string tier;
  std::vector<std::string> bundles;
  std::string name;
  std::optional<WallTime> not_before;
  bool known = true;  ///< false: nothing was written of it but that it is revoked, which admits nobody
};

/// An OAuth client, whichever agents its tokens name.
struct ClientRecord {
  Status status = Status::active;
  std::optional<WallTime> not_before;
};

struct IssuerRecord {
  std::optional<WallTime> not_before;
  std::vector<std::string> revoked_keys;  ///< encoded ids
};

struct UserRecord {
  Status status = Status::active;
  std::string name;
  std::vector<std::string> groups;  ///< `store|name`
  std::optional<WallTime> not_before;
};

enum class DelegationStatus : std::uint8_t { active, disconnected };

struct DelegationRecord {
  DelegationStatus status = DelegationStatus::active;
  std::optional<WallTime> since;
};

enum class BreakerRecordState : std::uint8_t { open, closed };

/// An agent's circuit breaker, opened or closed by hand.
struct BreakerRecord {
  BreakerRecordState state = BreakerRecordState::open;
  std::optional<WallTime> since;  ///< closed: what tripped before is closed too
  std::optional<WallTime> until;  ///< open: then no longer
};

struct TierRecord {
  Status status = Status::active;
  std::optional<WallTime> not_before;
  std::optional<std::vector<std::string>> ceiling;  ///< operation patterns; absent = no ceiling
  std::vector<std::string> bundles;                 ///< for agents without a record
};

/// A named, versioned package for a role; its grants are held by `bundle:<name>`.
struct BundleRecord {
  std::string version;
  std::string parent;  ///< what it says, denials and limits above all, holds for whoever has this one; may be empty
  std::vector<Limit> limits;  ///< what calls use up that come by it
  ConditionPtr when;  ///< what its allows need, and those of whoever has it for a parent; null: nothing
};

struct OperationRecord {
  std::string owner;
  std::string classification;
  bool frozen = false;
  std::vector<Window> windows;  ///< when it may be used; none: at any time
};

/// One line of the map from provider and model to a tier; an absent part matches anything.
struct TierRule {
  std::optional<std::string> provider;
  std::optional<std::string> model;
  std::string tier;
};

}  // namespace agw
