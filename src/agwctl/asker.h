// Asks the gateway's own evaluate() about calls that nobody has made.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agw/policy/charges.h"
#include "agw/policy/evaluate.h"
#include "agw/policy/reach.h"

#include "given_call.h"
#include "policy_source.h"

namespace agw::agwctl {

using policy::anything;
using policy::sample_of;

/// Who calls, as a token would say it.
struct Caller {
  std::string user;
  std::string agent;
  std::vector<std::string> chain;  ///< other agents, the nearest first
  bool machine = false;            ///< then there is no user
  std::vector<std::string> groups;
  std::optional<std::vector<std::string>> scopes;  ///< absent: whatever is needed
  std::string provider;
  std::string model;
  std::string issuer;                 ///< empty: the agent's
  std::optional<WallTime> issued_at;  ///< absent: at the moment of the call
  GivenCall call;
};

struct AskOptions {
  std::string tenant = "default";
  policy::DelegationMode delegation = policy::DelegationMode::implicit;  ///< where no routes are known
  std::string location;                                                  ///< empty: every one
  WallTime now{};
  bool any_time = false;  ///< `now` decides what has run out, and no condition or window
  /// Whether a call counts as allowed that hangs on a condition which nothing here says enough for.
  policy::Unsaid unsaid = policy::Unsaid::against;
};

/// Without a location; `at` as --at is written, absent: now. Throws Failure (usage).
[[nodiscard]] AskOptions ask_about(const std::string& tenant, const std::optional<std::string>& at);

struct Answer {
  Decision decision;
  const policy::RouteRecord* place = nullptr;  ///< null: no route names the operation, or none are known
  std::string hangs_on{};                      ///< a condition, or what else decides and isn't said; empty: nothing
};

class Asker {
 public:
  /// `source` outlives it.
  Asker(const PolicySource& source, AskOptions options);

  /// With routes: every operation that they name. Without: the operations and patterns that the tenant's policy names.
  [[nodiscard]] std::vector<std::string> operations() const;
  [[nodiscard]] std::vector<const policy::RouteRecord*> places(const std::string& operation) const;
  /// The first place that allows, else what the first one says. Without routes: what the store's policy says. A place
  /// whose operation has no resource doesn't look at it; one that has a resource and gets none denies.
  [[nodiscard]] Answer ask(const Caller& caller, const std::string& operation, const std::string& resource) const;
  /// What a call that got this answer uses up of the limits of its place and of policy; nothing where it was denied.
  [[nodiscard]] std::vector<policy::Charge> charges(const Caller& caller, const std::string& operation,
                                                    const Answer& answer) const;
  [[nodiscard]] policy::Facts facts(const Caller& caller, const std::string& operation) const;

  [[nodiscard]] const grants::TenantPolicy& tenant() const noexcept { return *tenant_; }
  [[nodiscard]] bool has_routes() const noexcept { return source_.routes.has_value(); }
  /// What answers have hung on so far.
  [[nodiscard]] const std::set<std::string>& hung_on() const noexcept { return hung_on_; }

 private:
  [[nodiscard]] Principal principal(const Caller& caller) const;
  [[nodiscard]] Answer judge(policy::Question question, const policy::Facts& facts, const Caller& caller,
                             const policy::RouteRecord* place) const;

  const PolicySource& source_;
  AskOptions options_;
  const grants::TenantPolicy* tenant_;
  mutable std::set<std::string> hung_on_;
};

/// Evaluates with what isn't said against the caller, and says on what the answer hangs if that would be another in its
/// favour.
struct Judged {
  Decision decision;
  Decision in_favour;
  std::string hangs_on;
};
[[nodiscard]] Judged judge_both(policy::Question question, const policy::Facts& facts);

/// What people should know about the answers; empty if nothing.
[[nodiscard]] std::vector<std::string> notes_of(const Asker& asker);

}  // namespace agw::agwctl
