#include "what_can.h"

#include "arguments.h"
#include "commands.h"
#include "failure.h"
#include "json_text.h"
#include "printable.h"
#include "table.h"

namespace agw::agwctl {
namespace {

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
  const std::string name = policy::sample_of(operation);
  return {operation, policy::reach(policy::resources_of(asker.facts(caller, name), name), [&](const auto& resource) {
            return asker.ask(caller, name, resource).decision.reason;
          })};
}

int what_can(const WhatCanOptions& options, std::ostream& out) {
  expect_id("AGENT", options.agent);
  expect_id("USER", options.user);
  expect_tenant(options.tenant);
  for (const auto& group : options.groups) expect_group(group);
  const PolicySource source = read_source(options.source, {options.tenant});
  AskOptions about = ask_about(options.tenant, options.at);
  about.unsaid = policy::Unsaid::in_favour;
  const Asker asker(source, about);
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
