#include "what_can.h"

#include <algorithm>
#include <set>

#include "agw/model/pattern.h"

#include "arguments.h"
#include "commands.h"
#include "failure.h"
#include "json_text.h"
#include "printable.h"
#include "table.h"

namespace agw::agwctl {
namespace {

/// What the caller's grants tell apart, the widest first.
std::vector<std::string> resources_of(const policy::Facts& facts, const std::string& operation) {
  std::set<std::string> found{"*"};
  for (const auto* sets : {&facts.grants, &facts.entitlements})
    for (const policy::GrantSet* set : *sets)
      set->for_each(operation, [&](const Grant& grant) {
        if (grant.resource) found.insert(*grant.resource);
      });
  std::vector<std::string> out(found.begin(), found.end());
  std::sort(out.begin(), out.end(), [](const std::string& a, const std::string& b) {
    const auto narrow = [](const std::string& text) { return text.ends_with('*') ? text.size() : std::string::npos; };
    return std::pair(narrow(a), a) < std::pair(narrow(b), b);
  });
  return out;
}

bool within(const std::string& resource, const std::vector<std::string>& patterns) {
  return std::any_of(patterns.begin(), patterns.end(),
                     [&](const std::string& pattern) { return matches(pattern, sample_of(resource)); });
}

std::string except_text(const Reach& reach) {
  std::string out;
  for (const auto& [resource, reason] : reach.except)
    out += (out.empty() ? "" : ", ") + resource + " (" + std::string(to_string(reason)) + ")";
  return out.empty() ? "-" : out;
}

std::string reach_json(const Reach& reach) {
  std::vector<std::string> except;
  except.reserve(reach.except.size());
  for (const auto& [resource, reason] : reach.except)
    except.push_back(JsonObject().text("resource", resource).text("reason", to_string(reason)).str());
  JsonObject out;
  out.text("operation", reach.operation).list("allowed", reach.allowed).raw("except", json_array(except));
  return out.text("reason", to_string(reach.reason)).str();
}

}  // namespace

Reach reach_of(const Asker& asker, const Caller& caller, const std::string& operation) {
  Reach out{operation, {}, {}, Reason::allowed};
  const std::string name = sample_of(operation);
  std::optional<Reason> refused;
  for (const std::string& resource : resources_of(asker.facts(caller, name), name)) {
    const Reason reason = asker.ask(caller, name, sample_of(resource)).decision.reason;
    const bool covered = within(resource, out.allowed);
    if (reason == Reason::allowed) {
      std::vector<std::string> denied;
      denied.reserve(out.except.size());
      for (const auto& [pattern, why] : out.except) denied.push_back(pattern);
      if (!covered || within(resource, denied)) out.allowed.push_back(resource);
    } else {
      if (covered) out.except.emplace_back(resource, reason);
      // The one that came furthest says what is lacking.
      if (!refused || row(reason).check > row(*refused).check) refused = reason;
    }
  }
  if (out.allowed.empty()) out.reason = refused.value_or(Reason::agent_grant_missing);
  return out;
}

int what_can(const WhatCanOptions& options, std::ostream& out) {
  expect_id("AGENT", options.agent);
  expect_id("USER", options.user);
  expect_tenant(options.tenant);
  for (const auto& group : options.groups) expect_group(group);
  const PolicySource source = read_source(options.source, {options.tenant});
  const Asker asker(source, ask_about(options.tenant, options.at));
  Caller caller;
  caller.agent = options.agent;
  caller.user = options.user;
  caller.groups = options.groups;
  caller.provider = options.provider;
  caller.model = options.model;
  Table table({"OPERATION", "ON", "EXCEPT"});
  Table refused({"OPERATION", "REFUSED"});
  std::vector<std::string> rows;
  std::size_t allowed = 0;
  for (const std::string& operation : asker.operations()) {
    const Reach reach = reach_of(asker, caller, operation);
    rows.push_back(reach_json(reach));
    if (reach.allowed.empty()) {
      refused.add({operation, std::string(to_string(reach.reason))});
      continue;
    }
    ++allowed;
    table.add({operation, joined(reach.allowed), except_text(reach)});
  }
  const auto notes = notes_of(asker);
  if (options.json) {
    JsonObject all;
    all.text("agent", options.agent).text("user", options.user).text("tenant", options.tenant);
    out << all.raw("operations", json_array(rows)).list("notes", notes).str() << "\n";
  } else {
    out << printable(options.agent) << ", acting for " << printable(options.user) << ", tenant " << options.tenant
        << (allowed == 0 ? ": nothing\n" : "\n");
    if (allowed > 0) table.print(out);
    if (options.all && rows.size() > allowed) refused.print(out);
    for (const auto& note : notes) out << "  note: " << printable(note) << "\n";
  }
  return allowed == 0 ? exit_denied : exit_ok;
}

}  // namespace agw::agwctl
