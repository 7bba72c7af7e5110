#include "agw/policy/evaluate.h"

#include <algorithm>

#include "agw/model/pattern.h"

#include "conditions.h"

namespace agw::policy {
namespace {

/// What one check found: nothing wrong, or the reason.
using Finding = std::optional<Reason>;

bool in_force(const Grant& grant, WallTime now) {
  return (!grant.since || *grant.since <= now) && (!grant.until || now < *grant.until);
}

bool covers_resource(const Grant& grant, std::string_view resource) {
  if (!grant.resource || *grant.resource == "*") return true;
  // A grant on certain resources says nothing about a call that names none.
  return !resource.empty() && matches(*grant.resource, resource);
}

bool is_for(const Grant& grant, const Principal& principal, const Facts& facts) {
  // What an agent may do for people it may not do for nobody, unless a grant says so.
  if (principal.machine) [[unlikely]]
    return is_for_machines(grant) || (grant.for_whom.empty() && grant.effect == Effect::deny);
  if (grant.for_whom.empty()) return true;
  const auto names = [&](const std::string& whom) {
    constexpr std::string_view user = "user:";
    constexpr std::string_view group = "group:";
    const std::string_view text = whom;
    if (text.starts_with(user)) return !principal.user.empty() && text.substr(user.size()) == principal.user;
    if (!text.starts_with(group)) return false;
    const std::string_view name = text.substr(group.size());
    const auto among = [&](std::span<const std::string> groups) {
      return std::find(groups.begin(), groups.end(), name) != groups.end();
    };
    return among(principal.groups) || among(facts.store_groups);
  };
  return std::any_of(grant.for_whom.begin(), grant.for_whom.end(), names);
}

/// What a holder's grants say about one operation.
struct Tally {
  bool named = false;    ///< some allow names the operation, whatever its limits
  bool allowed = false;
  bool denied = false;
  Basis basis;           ///< the first allow that covers the call
  const Condition* unmet = nullptr;  ///< of an allow that would cover the call
};

Tally tally(const std::vector<const GrantSet*>& sets, const Question& question, const Facts& facts) {
  Tally out;
  const Conditions conditions(question, facts);
  const GrantSet* holder = nullptr;
  // Of the bundle and its parents: they take allows away, never a denial.
  const auto unmet_of_holder = [&]() -> const Condition* {
    for (const SetCondition& each : facts.conditions)
      if (each.grants == holder && !conditions.lets_pass(each.when)) return each.when;
    return nullptr;
  };
  const auto weigh = [&](const Grant& grant) {
    if (!is_for(grant, question.principal, facts)) return;
    out.named = out.named || grant.effect == Effect::allow;
    if (!in_force(grant, question.now)) return;
    if (grant.effect == Effect::deny) {
      // A denial whose resource can't be compared must not be slipped past.
      out.denied = out.denied || ((question.resource_failure || question.of_many ||
                                   covers_resource(grant, question.resource) || question.resource.empty()) &&
                                  conditions.denies(grant.when.get()));
    } else if (!out.allowed && (question.resource_failure || covers_resource(grant, question.resource))) {
      const Condition* unmet = conditions.lets_pass(grant.when.get()) ? unmet_of_holder() : grant.when.get();
      if (unmet != nullptr) {
        out.unmet = unmet;
        return;
      }
      out.allowed = true;
      out.basis = {holder->holder(), &grant};
    }
  };
  const bool comparable = !question.resource_failure && !question.of_many && !question.resource.empty();
  for (const GrantSet* set : sets) {
    holder = set;
    if (comparable)
      set->for_each(question.route->operation, question.resource, weigh);
    else
      set->for_each(question.route->operation, weigh);
  }
  // Grants for other resources name the operation, too: whoever has such a one may see it.
  if (comparable && !out.named) {
    for (const GrantSet* set : sets) {
      set->for_each(question.route->operation, [&](const Grant& grant) {
        out.named = out.named || (grant.effect == Effect::allow && is_for(grant, question.principal, facts));
      });
    }
  }
  return out;
}

bool issued_before(const Principal& principal, const std::optional<WallTime>& not_before) {
  // A token that doesn't say when it was issued can't show that it is new enough.
  return not_before && principal.issued_at < *not_before;
}

Finding check_token(const Question& question, const Facts& facts) {
  if (facts.token_revoked) return Reason::token_revoked;
  if (facts.key_revoked) return Reason::token_key_revoked;
  const Principal& principal = question.principal;
  const bool too_old = issued_before(principal, facts.issuer_not_before) ||
                       (facts.client != nullptr && issued_before(principal, facts.client->not_before)) ||
                       (facts.tenant != nullptr && issued_before(principal, facts.tenant->not_before)) ||
                       (facts.agent != nullptr && issued_before(principal, facts.agent->not_before)) ||
                       (facts.user != nullptr && issued_before(principal, facts.user->not_before)) ||
                       (facts.tier != nullptr && issued_before(principal, facts.tier->not_before));
  if (too_old) return Reason::token_issued_before;
  return std::nullopt;
}

Finding check_user_standing(const Question& question, const Facts& facts) {
  if (facts.tenant != nullptr && facts.tenant->stopped && !question.breaks_glass) return Reason::stopped;
  if (facts.tenant != nullptr && facts.tenant->status != Status::active) return Reason::tenant_refused;
  if (question.principal.machine) {
    const auto admits = [](const GrantSet* set) { return set->admits_machines(); };
    if (std::none_of(facts.grants.begin(), facts.grants.end(), admits)) return Reason::machine_refused;
    return std::nullopt;
  }
  if (question.principal.user.empty()) return Reason::user_missing;
  if (facts.user != nullptr && facts.user->status != Status::active) return Reason::user_disabled;
  return std::nullopt;
}

bool is_open(const BreakerRecord* breaker, WallTime now) {
  return breaker != nullptr && breaker->state == BreakerRecordState::open && (!breaker->until || now < *breaker->until);
}

/// Whoever is told to come again mustn't come too early.
std::uint32_t seconds_until(const std::optional<WallTime>& end, WallTime now) {
  constexpr std::int64_t longest = 7 * 24 * 3600;
  if (!end) return 0;
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(((*end - now).count() + 999) / 1000, 1, longest));
}

Finding check_agent_standing(const Question& question, const Facts& facts) {
  if (facts.client != nullptr && facts.client->status != Status::active) return Reason::client_disabled;
  if (facts.agent == nullptr && facts.tier_name.empty()) return Reason::agent_unknown;
  if (facts.agent != nullptr && facts.agent->status == Status::disabled) return Reason::agent_disabled;
  if (facts.agent != nullptr && facts.agent->status == Status::quarantined) return Reason::agent_quarantined;
  if (is_open(facts.breaker, question.now)) return Reason::agent_breaker_open;
  if (!facts.tier_name.empty() && facts.tier == nullptr) return Reason::tier_unknown;
  if (facts.tier != nullptr && facts.tier->status != Status::active) return Reason::tier_disabled;
  return std::nullopt;
}

Finding check_delegation(const Question& question, const Facts& facts) {
  // Nobody could have delegated to it: what it may do says the grant for machines.
  if (question.principal.machine) return std::nullopt;
  if (facts.delegation != nullptr && facts.delegation->status == DelegationStatus::disconnected)
    return Reason::delegation_disconnected;
  if (facts.delegation == nullptr && question.delegation == DelegationMode::required) return Reason::delegation_missing;
  return std::nullopt;
}

bool below_ceiling(const Facts& facts, std::string_view operation) {
  if (facts.tier == nullptr || !facts.tier->ceiling) return true;
  const auto& ceiling = *facts.tier->ceiling;
  return std::any_of(ceiling.begin(), ceiling.end(),
                     [&](const std::string& pattern) { return matches(pattern, operation); });
}

std::vector<std::string> needed_scopes(const Route& route) {
  std::vector<std::string> needed = route.scopes;
  needed.insert(needed.end(), route.exchange_scopes.begin(), route.exchange_scopes.end());
  std::sort(needed.begin(), needed.end());
  needed.erase(std::unique(needed.begin(), needed.end()), needed.end());
  return needed;
}

bool has_all(const Principal& principal, const std::vector<std::string>& scopes) {
  return std::all_of(scopes.begin(), scopes.end(),
                     [&](const std::string& scope) { return principal.has_scope(scope); });
}

Finding first(Finding one, Finding other) { return one ? one : other; }

/// What hangs on one agent: on the one that calls, or on another of the chain.
struct AgentFindings {
  Finding token;
  Finding agent;
  Finding delegation;
  bool visible = true;
  const Condition* unmet = nullptr;
};

/// What a handshake asks of one agent.
AgentFindings standing_of(const Question& question, const Facts& facts) {
  AgentFindings out;
  out.token = check_token(question, facts);
  out.agent = check_agent_standing(question, facts);
  out.delegation = check_delegation(question, facts);
  return out;
}

/// What a call asks of one agent.
AgentFindings findings_of(const Question& question, const Facts& facts, const Tally& grants) {
  AgentFindings out = standing_of(question, facts);
  const bool within_ceiling = below_ceiling(facts, question.route->operation);
  if (!within_ceiling) out.agent = first(out.agent, Reason::tier_ceiling);
  if (grants.denied) out.agent = first(out.agent, Reason::agent_grant_denied);
  if (!grants.allowed) out.agent = first(out.agent, Reason::agent_grant_missing);
  // What lies above the ceiling is nothing that the agent could ever call: hidden like an unknown.
  out.visible = grants.named && within_ceiling;
  out.unmet = grants.unmet;
  return out;
}

/// Whose finding each is: the number of an agent of the chain, or 0.
struct Blame {
  std::uint8_t token = 0;
  std::uint8_t agent = 0;
  std::uint8_t delegation = 0;
};

/// Each agent of the chain must be able to do it by itself, for the same user: what the one that calls may do is what
/// all of them may (stricter than RFC 8693 section 4.1, for which earlier actors are information).
template <class Judge>
[[gnu::noinline]] Blame add_chain(const Facts& facts, AgentFindings& whole, Judge&& judge) {
  Blame blame;
  for (std::size_t i = 0; i < facts.chain->size(); ++i) {
    const AgentFindings link = judge((*facts.chain)[i]);
    const auto number = static_cast<std::uint8_t>(i + 1);
    const auto add = [number](Finding& into, Finding from, std::uint8_t& whose) {
      if (into || !from) return;
      into = from;
      whose = number;
    };
    if (!whole.agent && link.agent) whole.unmet = link.unmet;
    add(whole.token, link.token, blame.token);
    add(whole.agent, link.agent, blame.agent);
    add(whole.delegation, link.delegation, blame.delegation);
    whole.visible = whole.visible && link.visible;
  }
  return blame;
}

std::uint8_t blamed(const Blame& blame, Check check) {
  switch (check) {
    case Check::token: return blame.token;
    case Check::agent: return blame.agent;
    case Check::delegation: return blame.delegation;
    default: return 0;
  }
}

/// Collects verdicts in the order of Check; the first failure names the reason.
class Judgement {
 public:
  void add(Check check, Finding finding) {
    decision.checks.set(check, finding ? Verdict::fail : Verdict::pass);
    if (finding && !failed_) decision.reason = *finding;
    failed_ = failed_ || finding.has_value();
  }
  [[nodiscard]] Decision close() {
    decision.kind = failed_ ? DecisionKind::deny : DecisionKind::allow;
    if (!failed_) decision.reason = Reason::allowed;
    return std::move(decision);
  }
  Decision decision;

 private:
  bool failed_ = false;
};

/// The security team's say over the operation, whatever the route wants.
Finding check_operation(const OperationRecord* operation, const Conditions& conditions) {
  if (operation == nullptr) return std::nullopt;
  if (operation->frozen) return Reason::operation_frozen;
  if (!conditions.is_open(*operation)) return Reason::outside_window;
  return std::nullopt;
}

/// Whose failure it was, and how long it lasts.
void complete(Decision& decision, const Question& question, const Facts& facts, const Blame& blame) {
  if (!decision.allowed() && facts.chain != nullptr) decision.failed_link = blamed(blame, row(decision.reason).check);
  if (decision.reason != Reason::agent_breaker_open) return;
  const Facts& broken = decision.failed_link == 0 ? facts : (*facts.chain)[decision.failed_link - 1U];
  decision.retry_after = seconds_until(broken.breaker->until, question.now);
}

/// The first of the route's conditions that doesn't hold; null if all do.
const Condition* unmet_of(const Route& route, const Conditions& conditions) {
  for (const auto& condition : route.require)
    if (!conditions.lets_pass(condition.get())) return condition.get();
  return nullptr;
}

}  // namespace

Decision evaluate(const Question& question, const Facts& facts) {
  if (question.route == nullptr) return deny(Reason::operation_unknown);
  const Route& route = *question.route;
  const Principal& principal = question.principal;
  const Tally grants = tally(facts.grants, question, facts);
  AgentFindings agents = findings_of(question, facts, grants);
  Blame blame;
  if (facts.chain != nullptr) [[unlikely]]
    blame = add_chain(facts, agents, [&](const Facts& link) {
      return findings_of(question, link, tally(link.grants, question, link));
    });
  Judgement judgement;
  judgement.add(Check::token, agents.token);

  // For a machine nobody is entitled: its grants say themselves that they are for machines.
  const Tally entitlements = principal.machine ? Tally() : tally(facts.entitlements, question, facts);
  Finding user = check_user_standing(question, facts);
  if (principal.machine) {
    if (!grants.allowed) user = first(user, Reason::machine_grant_missing);
  } else {
    if (entitlements.denied) user = first(user, Reason::user_entitlement_denied);
    if (!entitlements.allowed) user = first(user, Reason::user_entitlement_missing);
  }
  judgement.add(Check::user, user);
  judgement.add(Check::agent, agents.agent);
  judgement.add(Check::delegation, agents.delegation);

  const bool has_scopes = has_all(principal, route.scopes) && has_all(principal, route.exchange_scopes);
  judgement.add(Check::scope, has_scopes ? Finding() : Reason::scope_missing);

  const Conditions conditions(question, facts);
  Finding policy = first(check_operation(facts.operation, conditions), question.resource_failure);
  const Condition* required = unmet_of(route, conditions);
  if (required != nullptr) policy = first(policy, Reason::condition_failed);
  judgement.add(Check::route, policy);

  Decision decision = judgement.close();
  decision.granted = grants.basis;
  decision.entitled = entitlements.basis;
  switch (decision.reason) {
    case Reason::user_entitlement_missing: decision.unmet = entitlements.unmet; break;
    case Reason::machine_grant_missing: decision.unmet = grants.unmet; break;
    case Reason::agent_grant_missing: decision.unmet = agents.unmet; break;
    case Reason::condition_failed: decision.unmet = required; break;
    default: break;
  }
  decision.visible = (principal.machine || entitlements.named) && agents.visible;
  if (!has_scopes) decision.needed_scopes = needed_scopes(route);
  complete(decision, question, facts, blame);
  return decision;
}

Decision admit(const Question& question, const Facts& facts) {
  AgentFindings agents = standing_of(question, facts);
  Blame blame;
  if (facts.chain != nullptr) [[unlikely]]
    blame = add_chain(facts, agents, [&](const Facts& link) { return standing_of(question, link); });
  Judgement judgement;
  judgement.add(Check::token, agents.token);
  judgement.add(Check::user, check_user_standing(question, facts));
  judgement.add(Check::agent, agents.agent);
  judgement.add(Check::delegation, agents.delegation);
  Decision decision = judgement.close();
  complete(decision, question, facts, blame);
  return decision;
}

std::string_view tier_from_map(const std::vector<TierRule>& rules, std::string_view fallback,
                               const Principal& principal) noexcept {
  for (const TierRule& rule : rules) {
    const bool fits =
        (!rule.provider || *rule.provider == principal.provider) && (!rule.model || *rule.model == principal.model);
    if (fits) return rule.tier;
  }
  return fallback;
}

}  // namespace agw::policy
