#include <algorithm>

#include "agw/base/encoding.h"
#include "agw/grants/redis_store.h"
#include "agw/model/decision.h"
#include "agw/policy/charges.h"
#include "agw/policy/evaluate.h"
#include "agw/policy/route_file.h"

#include "arguments.h"
#include "asker.h"
#include "commands.h"
#include "failure.h"
#include "json_text.h"
#include "policy_error.h"
#include "policy_source.h"
#include "printable.h"
#include "store_connections.h"

namespace agw::agwctl {
namespace {

PrincipalPtr principal_of(const ExplainOptions& options, WallTime now) {
  if (options.machine && !(options.user.empty() && options.groups.empty()))
    throw Failure("--machine: a machine's token stands for nobody; leave --user and --group out", exit_usage);
  if (!options.machine) expect_id("--user", options.user);
  expect_id("--agent", options.agent);
  for (const auto& agent : options.chain) expect_id("--under", agent);
  auto out = std::make_shared<Principal>();
  out->issuer = options.issuer.empty() ? options.agent.substr(0, options.agent.find('|')) : options.issuer;
  out->user = options.user;
  out->agent = options.agent;
  out->chain = options.chain;
  out->machine = options.machine;
  out->client = options.agent;
  out->tenant = options.tenant;
  expect_tenant(options.tenant);
  for (const auto& group : options.groups) {
    expect_group(group);
    out->groups.push_back(group);
  }
  out->scopes = options.scopes.value_or(std::vector<std::string>());
  std::sort(out->scopes.begin(), out->scopes.end());
  out->scopes.erase(std::unique(out->scopes.begin(), out->scopes.end()), out->scopes.end());
  out->implied_scopes = out->scopes;
  out->provider = options.provider;
  out->model = options.model;
  out->authenticated_at = time_of("--auth-time", options.auth_time);
  out->acr = options.acr;
  out->issued_at = time_of("--issued-at", options.issued_at).value_or(now);
  return out;
}

policy::FactsPtr facts_of(const ExplainOptions& options, const std::string& named, const PrincipalPtr& principal,
                          std::unique_ptr<StoreConnections>& connections) {
  StoreOptions store = options.store;
  if (store.store.empty()) store.store = named;
  if (store.store.starts_with("file:")) {
    const auto compiled = read_policy_file(store.store.substr(5));
    auto out = std::make_shared<policy::Facts>(compiled->facts(*principal, options.operation));
    out->keep = compiled;
    return out;
  }
  connections = std::make_unique<StoreConnections>(redis_options(store));
  grants::RedisStore redis(connections->of(principal->tenant));
  auto step = redis.facts(principal, options.operation);
  auto await = [](auto waiting) -> Task<Result<policy::FactsPtr, grants::StoreFailure>> {
    co_return co_await std::move(waiting);
  };
  auto facts = run(await(std::move(step)));
  if (!facts) throw Failure(std::string(to_string(facts.error().reason)) + ": " + facts.error().detail);
  return *std::move(facts);
}

/// One location's answer.
struct Verdicts {
  const policy::RouteRecord* record = nullptr;  ///< null: no location names the operation
  Decision decision;
  std::string sentence;
  std::vector<const Limit*> limits;  ///< that a call would have to meet
  std::vector<std::string> notes;
};

/// Where a limit was declared, for people: `tickets/*`, `tenant default`, `bundle support`.
std::string declared_at(const Limit& limit, const std::string& tenant) {
  if (limit.place == grants::tenant_place) return "tenant " + tenant;
  const std::size_t bar = limit.place.find('|');
  return bar == std::string::npos ? limit.place : limit.place.substr(0, bar) + " " + limit.place.substr(bar + 1);
}

std::vector<const Limit*> limits_of(const policy::Question& question, const policy::FactsPtr& facts) {
  std::vector<const Limit*> out;
  for (const policy::Charge& charge : policy::charges(question, facts, 0)) out.push_back(charge.limit);
  return out;
}

GivenCall given_call(const ExplainOptions& options) {
  GivenCall out;
  for (const auto& each : options.arguments) give_argument(out, "--argument", each);
  for (const auto& each : options.variables) give_variable(out, "--variable", each);
  if (!options.client_ip.empty()) give_client_ip(out, "--client-ip", options.client_ip);
  return out;
}

Verdicts judge(const ExplainOptions& options, const Principal& principal, const policy::FactsPtr& known,
               const policy::RouteRecord* record, WallTime now) {
  const policy::Facts& facts = *known;
  Verdicts out;
  out.record = record;
  Principal caller = principal;
  policy::Question question{.principal = caller};
  question.now = now;
  if (record != nullptr) {
    question.route = &record->route;
    question.delegation = record->delegation;
    if (!record->route.resource) {
      if (!options.resource.empty())
        out.notes.emplace_back("this location gives the operation no resource: --resource is not used");
    } else if (options.resource.empty()) {
      question.resource_failure = Reason::argument_missing;
      out.notes.push_back("--resource is needed, of the form " + record->route.resource->text());
    } else {
      question.resource = options.resource;
    }
    if (!options.scopes) {
      auto& scopes = caller.implied_scopes;
      scopes = record->route.scopes;
      scopes.insert(scopes.end(), record->route.exchange_scopes.begin(), record->route.exchange_scopes.end());
      std::sort(scopes.begin(), scopes.end());
      out.notes.emplace_back("without --scope the token is taken to carry every scope that is needed");
    }
  }
  const GivenCall call = given_call(options);
  const GivenDetails details(call, record);
  question.details = &details;
  Judged judged = judge_both(question, facts);
  out.decision = std::move(judged.decision);
  out.limits = limits_of(question, known);
  if (!judged.hangs_on.empty())
    out.notes.push_back(
        "the answer hangs on what isn't said here (--argument, --client-ip, --auth-time, --acr, "
        "--variable): " +
        judged.hangs_on);
  else if (out.decision.unmet != nullptr)
    out.notes.push_back("this doesn't hold: " + out.decision.unmet->text());
  if (out.decision.failed_link != 0)
    out.notes.push_back("that is so for " + caller.chain[out.decision.failed_link - 1U] + ", under whom it acts");
  if (record != nullptr && record->mode == "observe")
    out.notes.emplace_back("this is only observed: nothing is refused here");
  const std::string agent = facts.agent != nullptr && !facts.agent->name.empty() ? facts.agent->name : options.agent;
  const std::string user = facts.user != nullptr && !facts.user->name.empty() ? facts.user->name : options.user;
  append_sentence(out.sentence,
                  {.agent = agent, .user = user, .operation = options.operation, .resource = question.resource},
                  out.decision);
  return out;
}

void print_text(const Verdicts& verdicts, const ExplainOptions& options, std::string_view tier, std::ostream& out) {
  out << printable(options.operation);
  if (!options.resource.empty()) out << " on " << printable(options.resource);
  if (verdicts.record != nullptr) {
    const policy::RouteRecord& record = *verdicts.record;
    out << " at " << printable(record.location) << " (" << printable(record.kind);
    if (!record.tool.empty()) out << ", tool " << printable(record.tool);
    if (!record.prompt.empty()) out << ", prompt " << printable(record.prompt);
    if (!record.uri.empty()) out << ", resources " << printable(record.uri);
    if (!record.method.empty()) out << ", " << printable(record.method) << " " << printable(record.path);
    out << ", " << printable(record.mode) << ")";
  } else {
    out << ": no location names this operation";
  }
  out << "\n";
  if (!tier.empty()) out << "  tier        " << printable(tier) << "\n";
  for (std::size_t i = 0; i < check_count; ++i) {
    const auto check = static_cast<Check>(i);
    const std::string_view name = to_string(check);
    out << "  " << name << std::string(12 - name.size(), ' ') << to_string(verdicts.decision.checks[check]) << "\n";
  }
  out << "  " << to_string(verdicts.decision.kind) << ": " << to_string(verdicts.decision.reason) << "\n";
  if (!verdicts.decision.needed_scopes.empty()) {
    out << "  needed scopes:";
    for (const auto& scope : verdicts.decision.needed_scopes) out << " " << printable(scope);
    out << "\n";
  }
  out << "  " << printable(verdicts.sentence) << "\n";
  for (const Limit* limit : verdicts.limits)
    out << "  limit: " << printable(write_limit(*limit)) << " (" << printable(declared_at(*limit, options.tenant))
        << ")\n";
  for (const auto& note : verdicts.notes) out << "  note: " << printable(note) << "\n";
}

std::string as_json(const Verdicts& verdicts, const std::string& tenant) {
  std::vector<std::string> limits;
  limits.reserve(verdicts.limits.size());
  for (const Limit* limit : verdicts.limits)
    limits.push_back(
        JsonObject().text("limit", write_limit(*limit)).text("declared", declared_at(*limit, tenant)).str());
  std::string out = "{";
  if (verdicts.record != nullptr)
    out += "\"location\":" + json_quoted(verdicts.record->location) +
           ",\"mode\":" + json_quoted(verdicts.record->mode) + ",";
  out += "\"decision\":" + json_quoted(to_string(verdicts.decision.kind));
  out += ",\"reason\":" + json_quoted(to_string(verdicts.decision.reason));
  out += std::string(",\"visible\":") + (verdicts.decision.visible ? "true" : "false") + ",\"checks\":{";
  for (std::size_t i = 0; i < check_count; ++i) {
    const auto check = static_cast<Check>(i);
    out += (i > 0 ? "," : "") + json_quoted(to_string(check)) + ":" +
           json_quoted(to_string(verdicts.decision.checks[check]));
  }
  out += "},\"needed_scopes\":" + json_list(verdicts.decision.needed_scopes);
  out += ",\"limits\":" + json_array(limits);
  return out + ",\"text\":" + json_quoted(verdicts.sentence) + ",\"notes\":" + json_list(verdicts.notes) + "}";
}

}  // namespace

int explain(const ExplainOptions& options, std::ostream& out) {
  const WallTime now = time_of("--at", options.at).value_or(agwctl::now());
  const PrincipalPtr principal = principal_of(options, now);
  const policy::RouteFile routes = read_route_file(options.state);
  std::unique_ptr<StoreConnections> connections;
  const policy::FactsPtr gathered = facts_of(options, routes.store, principal, connections);
  const policy::Facts& facts = *gathered;

  std::vector<Verdicts> all;
  for (const auto& record : routes.routes) {
    const bool fits = record.route.operation == options.operation &&
                      (options.location.empty() || record.location == options.location);
    if (fits) all.push_back(judge(options, *principal, gathered, &record, now));
  }
  if (all.empty()) all.push_back(judge(options, *principal, gathered, nullptr, now));

  if (options.json) {
    std::string text = "{\"operation\":" + json_quoted(options.operation) +
                       ",\"resource\":" + json_quoted(options.resource) + ",\"tier\":" + json_quoted(facts.tier_name) +
                       ",\"results\":[";
    for (std::size_t i = 0; i < all.size(); ++i) text += (i > 0 ? "," : "") + as_json(all[i], options.tenant);
    out << text << "]}\n";
  } else {
    for (const auto& verdicts : all) print_text(verdicts, options, facts.tier_name, out);
  }
  const bool allowed =
      std::all_of(all.begin(), all.end(), [](const Verdicts& each) { return each.decision.allowed(); });
  return allowed ? exit_ok : exit_denied;
}

}  // namespace agw::agwctl
