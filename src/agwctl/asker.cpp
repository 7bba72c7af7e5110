#include "asker.h"

#include <algorithm>
#include <set>

#include "arguments.h"
#include "failure.h"

namespace agw::agwctl {

AskOptions ask_about(const std::string& tenant, const std::optional<std::string>& at) {
  AskOptions out;
  out.tenant = tenant;
  out.now = time_of("--at", at).value_or(now());
  return out;
}

Asker::Asker(const PolicySource& source, AskOptions options) : source_(source), options_(std::move(options)) {
  const auto& tenants = source_.policy->source().tenants;
  const auto found = tenants.find(options_.tenant);
  if (found == tenants.end()) throw Failure("there is no tenant \"" + options_.tenant + "\"");
  tenant_ = &found->second;
}

std::vector<std::string> Asker::operations() const {
  std::set<std::string> out;
  if (source_.routes) {
    for (const auto& record : source_.routes->routes)
      if (options_.location.empty() || record.location == options_.location) out.insert(record.route.operation);
    return {out.begin(), out.end()};
  }
  const auto take = [&](const std::vector<Grant>& grants) {
    for (const Grant& grant : grants) out.insert(grant.operation);
  };
  for (const auto& [name, record] : tenant_->operations) out.insert(name);
  for (const auto& [name, bundle] : tenant_->bundles) take(bundle.grants);
  for (const auto& [holder, grants] : tenant_->grants) take(grants);
  for (const auto& [holder, grants] : tenant_->entitlements) take(grants);
  return {out.begin(), out.end()};
}

std::vector<const policy::RouteRecord*> Asker::places(const std::string& operation) const {
  std::vector<const policy::RouteRecord*> out;
  if (!source_.routes) return out;
  for (const auto& record : source_.routes->routes)
    if (record.route.operation == operation && (options_.location.empty() || record.location == options_.location))
      out.push_back(&record);
  return out;
}

Principal Asker::principal(const Caller& caller) const {
  Principal out;
  out.issuer = caller.issuer.empty() ? caller.agent.substr(0, caller.agent.find('|')) : caller.issuer;
  out.user = caller.user;
  out.agent = caller.agent;
  out.chain = caller.chain;
  out.machine = caller.machine;
  out.client = caller.agent;
  out.tenant = options_.tenant;
  out.groups = caller.groups;
  out.provider = caller.provider;
  out.model = caller.model;
  out.issued_at = caller.issued_at.value_or(options_.now);
  out.authenticated_at = caller.call.authenticated_at;
  out.acr = caller.call.acr;
  out.implied_scopes = caller.scopes.value_or(std::vector<std::string>());
  std::sort(out.implied_scopes.begin(), out.implied_scopes.end());
  out.scopes = out.implied_scopes;
  return out;
}

policy::Facts Asker::facts(const Caller& caller, const std::string& operation) const {
  return source_.policy->facts(principal(caller), operation);
}

std::vector<policy::Charge> Asker::charges(const Caller& caller, const std::string& operation,
                                           const Answer& answer) const {
  if (!answer.decision.allowed()) return {};
  const Principal who = principal(caller);
  auto known = std::make_shared<policy::Facts>(source_.policy->facts(who, operation));
  known->keep = source_.policy;
  policy::Route nowhere;
  nowhere.operation = operation;
  policy::Question question{.principal = who};
  question.route = answer.place != nullptr ? &answer.place->route : &nowhere;
  return policy::charges(question, std::move(known), 0);
}

Judged judge_both(policy::Question question, const policy::Facts& facts) {
  Judged out;
  out.decision = policy::evaluate(question, facts);
  if (out.decision.allowed()) return out;
  question.unsaid = policy::Unsaid::in_favour;
  out.in_favour = policy::evaluate(question, facts);
  if (!out.in_favour.allowed()) return out;
  out.hangs_on =
      out.decision.unmet != nullptr ? out.decision.unmet->text() : std::string(to_string(out.decision.reason));
  return out;
}

Answer Asker::judge(policy::Question question, const policy::Facts& facts, const Caller& caller,
                    const policy::RouteRecord* place) const {
  const GivenDetails details(caller.call, place);
  question.details = &details;
  question.any_time = options_.any_time;
  Judged judged = judge_both(question, facts);
  if (!judged.hangs_on.empty()) hung_on_.insert(judged.hangs_on);
  const bool favours = !judged.hangs_on.empty() && options_.unsaid == policy::Unsaid::in_favour;
  return {favours ? std::move(judged.in_favour) : std::move(judged.decision), place, std::move(judged.hangs_on)};
}

Answer Asker::ask(const Caller& caller, const std::string& operation, const std::string& resource) const {
  Principal who = principal(caller);
  const policy::Facts facts = source_.policy->facts(who, operation);
  policy::Question question{.principal = who};
  question.now = options_.now;
  if (!source_.routes) {
    policy::Route route;
    route.operation = operation;
    question.route = &route;
    question.resource = resource;
    question.delegation = options_.delegation;
    return judge(question, facts, caller, nullptr);
  }
  std::optional<Answer> first;
  for (const policy::RouteRecord* place : places(operation)) {
    question.route = &place->route;
    question.delegation = place->delegation;
    question.resource = place->route.resource ? std::string_view(resource) : std::string_view();
    question.resource_failure.reset();
    if (place->route.resource && resource.empty()) question.resource_failure = Reason::argument_missing;
    if (!caller.scopes) {
      who.implied_scopes = place->route.scopes;
      who.implied_scopes.insert(who.implied_scopes.end(), place->route.exchange_scopes.begin(),
                                place->route.exchange_scopes.end());
      std::sort(who.implied_scopes.begin(), who.implied_scopes.end());
    }
    Answer answer = judge(question, facts, caller, place);
    if (answer.decision.allowed()) return answer;
    if (!first) first = std::move(answer);
  }
  if (first) return *std::move(first);
  question.route = nullptr;
  return {policy::evaluate(question, facts), nullptr, {}};
}

std::vector<std::string> notes_of(const Asker& asker) {
  std::vector<std::string> out;
  for (const auto& condition : asker.hung_on())
    out.push_back("some answers hang on what isn't said here, and are given as if it held: " + condition);
  if (!asker.has_routes()) {
    out.emplace_back(
        "nginx's routes weren't looked at (--state): scopes, resources and required delegations aren't judged");
    return out;
  }
  std::set<std::string> observed;
  for (const auto& operation : asker.operations())
    for (const auto* place : asker.places(operation))
      if (place->mode != "enforce") observed.insert(place->location + " (" + place->mode + ")");
  for (const auto& place : observed) out.push_back("nothing is refused at " + place);
  return out;
}

}  // namespace agw::agwctl
