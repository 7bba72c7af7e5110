// The decision: pure, no I/O, no clock of its own.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agw/model/decision.h"
#include "agw/model/limit.h"
#include "agw/model/principal.h"
#include "agw/policy/call_details.h"
#include "agw/policy/facts.h"
#include "agw/policy/resource_template.h"

namespace agw::policy {

enum class DelegationMode : std::uint8_t { implicit, required };

/// What the route says about one operation; immutable after load.
struct Route {
  std::string operation;  ///< `tickets/ticket.read`
  std::vector<std::string> scopes;
  /// Scopes that the backend's token will carry; must be within the caller's unless the operator
  /// wrote scope_independent (then this is empty).
  std::vector<std::string> exchange_scopes;
  std::optional<ResourceTemplate> resource;
  std::string classification;
  std::string risk;
  /// What each call of it uses up: the location's limits, then its own.
  std::vector<Limit> limits;
  std::int64_t cost = 1;  ///< in limits of cost units
  std::vector<ConditionPtr> require;  ///< all of them must hold
};

/// How a condition counts that hangs on what nobody has said: always as one that doesn't let pass, but for whoever asks
/// what a call might be told.
enum class Unsaid : std::uint8_t { against, in_favour };

/// The question. `route` null: the location doesn't name the operation.
struct Question {
  const Principal& principal;
  const Route* route = nullptr;
  std::string_view resource{};  ///< expanded; empty if the route has no template
  std::optional<Reason> resource_failure{};  ///< why it couldn't be expanded
  /// The call learns of every resource of the operation (their names, as values of a completion): each denial of some
  /// counts.
  bool of_many = false;
  DelegationMode delegation = DelegationMode::implicit;
  bool breaks_glass = false;  ///< a stop doesn't hold for the caller; everything else does
  WallTime now{};
  /// What conditions may ask beyond this and the facts; null: all of it is absent.
  const CallDetails* details = nullptr;
  Unsaid unsaid = Unsaid::against;
  bool any_time = false;  ///< what hangs on the moment alone is unsaid: `now` is no call's
};

/// Every check is judged; the first failing one in the order of Check gives the reason.
/// operation_unknown comes before all others. A deny grant or entitlement wins over any allow.
/// What lies above the ceiling of the agent's tier is not visible.
[[nodiscard]] Decision evaluate(const Question& question, const Facts& facts);

/// For messages that need no grant (handshake, lists, notifications, streams): token not revoked,
/// tenant, user and agent active, delegation not disconnected. Same order, same reasons.
[[nodiscard]] Decision admit(const Question& question, const Facts& facts);

}  // namespace agw::policy
