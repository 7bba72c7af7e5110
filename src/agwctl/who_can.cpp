#include "who_can.h"

#include <algorithm>
#include <set>

#include "agw/model/pattern.h"

#include "arguments.h"
#include "asker.h"
#include "commands.h"
#include "failure.h"
#include "json_text.h"
#include "printable.h"
#include "table.h"

namespace agw::agwctl {
namespace {

/// More groups than this are not tried in pairs.
constexpr std::size_t most_paired = 300;

/// One agent that might call: one that the policy names, or any other that comes by the tier map.
struct Candidate {
  std::string text;
  std::string tier;  ///< of agents without a record
  Caller caller;
};

/// Somebody for whom it may: a user, members of groups, or a user who is also a member.
struct Person {
  std::string user;  ///< empty: any member
  std::vector<std::string> groups;
  std::vector<std::pair<std::string, Reason>> except;
};

std::string nobody(std::string_view issuer) { return std::string(issuer) + "|" + std::string(anything); }

std::vector<Candidate> candidates_of(const grants::TenantPolicy& tenant, const WhoCanOptions& options) {
  std::set<std::string> ids;
  for (const auto& [id, record] : tenant.agents) ids.insert(id);
  for (const auto& [holder, grants] : tenant.grants)
    if (holder.starts_with("agent:")) ids.insert(holder.substr(6));
  std::vector<Candidate> out;
  for (const auto& id : ids) {
    Candidate candidate{id, "", {}};
    candidate.caller.agent = id;
    candidate.caller.provider = options.provider;
    candidate.caller.model = options.model;
    out.push_back(std::move(candidate));
  }
  std::set<std::string> tiers;
  const auto add = [&](const std::string& tier, const std::string& provider, const std::string& model) {
    if (!tiers.insert(tier).second) return;
    Candidate candidate{"any other agent of tier " + tier, tier, {}};
    candidate.caller.agent = nobody("any");
    candidate.caller.provider = provider;
    candidate.caller.model = model;
    out.push_back(std::move(candidate));
  };
  for (const auto& rule : tenant.tier_map) add(rule.tier, rule.provider.value_or(""), rule.model.value_or(""));
  if (!tenant.fallback_tier.empty()) add(tenant.fallback_tier, "", "");
  return out;
}

/// Whom the policy names, and the groups of tokens that say something about the operation.
struct People {
  std::set<std::string> users;
  std::set<std::string> groups;
};

People people_of(const grants::TenantPolicy& tenant, const std::string& operation) {
  People out;
  const auto take_whom = [&](const std::vector<Grant>& grants) {
    for (const Grant& grant : grants)
      for (const auto& whom : grant.for_whom) {
        if (whom.starts_with("user:")) out.users.insert(whom.substr(5));
        if (whom.starts_with("group:") && matches(grant.operation, operation)) out.groups.insert(whom.substr(6));
      }
  };
  for (const auto& [id, record] : tenant.users) out.users.insert(id);
  for (const auto& [pair, record] : tenant.delegations) out.users.insert(pair.first);
  for (const auto& [holder, grants] : tenant.entitlements) {
    if (holder.starts_with("user:")) out.users.insert(holder.substr(5));
    const bool named = std::any_of(grants.begin(), grants.end(),
                                   [&](const Grant& grant) { return matches(grant.operation, operation); });
    if (holder.starts_with("group:") && named) out.groups.insert(holder.substr(6));
  }
  for (const auto& [holder, grants] : tenant.grants) take_whom(grants);
  for (const auto& [name, bundle] : tenant.bundles) {
    take_whom(bundle.grants);
    // What members have of its parents they have by it.
    const auto package = grants::with_parents(tenant.bundles, {name});
    const bool named = std::any_of(package.begin(), package.end(), [&](const std::string& each) {
      const auto& content = tenant.bundles.at(each).grants;
      return std::any_of(content.begin(), content.end(),
                         [&](const Grant& grant) { return matches(grant.operation, operation); });
    });
    if (named) out.groups.insert(bundle.members.begin(), bundle.members.end());
  }
  // A token can't claim a group of the store: its members are known by their records.
  std::erase_if(out.groups, [](const std::string& group) { return group.starts_with("store|"); });
  return out;
}

class Search {
 public:
  Search(const Asker& asker, const WhoCanOptions& options)
      : asker_(asker), options_(options), people_(people_of(asker.tenant(), options.operation)) {}

  [[nodiscard]] std::vector<Person> of(const Candidate& candidate) const {
    std::vector<Person> out;
    std::vector<std::string> lacking;
    for (const auto& group : people_.groups) {
      if (!allowed(candidate, nobody("any"), {group})) {
        lacking.push_back(group);
        continue;
      }
      Person person{"", {group}, {}};
      for (const auto& user : people_.users)
        if (const Reason reason = judged(candidate, user, {group}); reason != Reason::allowed)
          person.except.emplace_back(user, reason);
      out.push_back(std::move(person));
    }
    if (lacking.size() <= most_paired)
      for (std::size_t i = 0; i < lacking.size(); ++i)
        for (std::size_t j = i + 1; j < lacking.size(); ++j)
          if (allowed(candidate, nobody("any"), {lacking[i], lacking[j]}))
            out.push_back({"", {lacking[i], lacking[j]}, {}});
    for (const auto& user : people_.users) {
      if (allowed(candidate, user, {})) {
        out.push_back({user, {}, {}});
        continue;
      }
      for (const auto& group : lacking)
        if (allowed(candidate, user, {group})) out.push_back({user, {group}, {}});
    }
    return out;
  }

 private:
  [[nodiscard]] Reason judged(const Candidate& candidate, const std::string& user,
                              const std::vector<std::string>& groups) const {
    Caller caller = candidate.caller;
    caller.user = user;
    caller.groups = groups;
    return asker_.ask(caller, options_.operation, options_.resource).decision.reason;
  }
  [[nodiscard]] bool allowed(const Candidate& candidate, const std::string& user,
                             const std::vector<std::string>& groups) const {
    return judged(candidate, user, groups) == Reason::allowed;
  }

  const Asker& asker_;
  const WhoCanOptions& options_;
  People people_;
};

std::string person_text(const Person& person) {
  std::string out = person.user;
  if (!person.groups.empty())
    out += (out.empty() ? "members of " : " as a member of ") + joined(person.groups, " and ");
  for (std::size_t i = 0; i < person.except.size(); ++i) {
    out += i == 0 ? ", except " : ", ";
    out += person.except[i].first + " (" + std::string(to_string(person.except[i].second)) + ")";
  }
  return out;
}

std::string person_json(const Candidate& candidate, const Person& person) {
  JsonObject out;
  out.text_if("agent", candidate.tier.empty() ? candidate.caller.agent : "").text_if("tier", candidate.tier);
  out.text_if("user", person.user).list("groups", person.groups);
  std::vector<std::string> except;
  except.reserve(person.except.size());
  for (const auto& [user, reason] : person.except)
    except.push_back(JsonObject().text("user", user).text("reason", to_string(reason)).str());
  return out.raw("except", json_array(except)).str();
}

void expect_resource(const Asker& asker, const WhoCanOptions& options) {
  if (!asker.has_routes()) return;
  const auto places = asker.places(options.operation);
  if (places.empty()) throw Failure("no location of routes.json names the operation " + options.operation, exit_denied);
  for (const auto* place : places)
    if (!place->route.resource || !options.resource.empty()) return;
  throw Failure("RESOURCE is needed, of the form " + places.front()->route.resource->text(), exit_usage);
}

}  // namespace

bool anybody_can(const Asker& asker, const std::string& operation, const std::string& resource) {
  WhoCanOptions options;
  options.operation = operation;
  options.resource = resource;
  const Search search(asker, options);
  const auto candidates = candidates_of(asker.tenant(), options);
  return std::any_of(candidates.begin(), candidates.end(),
                     [&](const Candidate& candidate) { return !search.of(candidate).empty(); });
}

int who_can(const WhoCanOptions& options, std::ostream& out) {
  expect_operation("OPERATION", options.operation);
  expect_tenant(options.tenant);
  const PolicySource source = read_source(options.source, {options.tenant});
  AskOptions about = ask_about(options.tenant, options.at);
  about.unsaid = policy::Unsaid::in_favour;
  const Asker asker(source, about);
  expect_resource(asker, options);
  WhoCanOptions sampled = options;
  sampled.resource = sample_of(options.resource);
  const Search search(asker, sampled);
  Table table({"AGENT", "FOR"});
  std::vector<std::string> rows;
  for (const Candidate& candidate : candidates_of(asker.tenant(), options)) {
    bool first = true;
    for (const Person& person : search.of(candidate)) {
      table.add({std::exchange(first, false) ? candidate.text : "", person_text(person)});
      rows.push_back(person_json(candidate, person));
    }
  }
  const auto notes = notes_of(asker);
  if (options.json) {
    JsonObject all;
    all.text("operation", options.operation).text("resource", options.resource).text("tenant", options.tenant);
    out << all.raw("allowed", json_array(rows)).list("notes", notes).str() << "\n";
  } else {
    out << printable(options.operation) << (options.resource.empty() ? "" : " on " + printable(options.resource))
        << ", tenant " << options.tenant << (rows.empty() ? ": nobody\n" : "\n");
    if (!rows.empty()) table.print(out);
    for (const auto& note : notes) out << "  note: " << printable(note) << "\n";
  }
  return rows.empty() ? exit_denied : exit_ok;
}

}  // namespace agw::agwctl
