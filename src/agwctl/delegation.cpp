#include "arguments.h"
#include "change.h"
#include "commands.h"

namespace agw::agwctl {

int delegation(const DelegationOptions& options, std::ostream& out) {
  expect_id("USER", options.user);
  expect_id("AGENT", options.agent);
  const std::string wanted = options.connected ? "active" : "disconnected";
  const Plan plan = [&](TenantChange& change) {
    const std::string name = "delegation:" + options.user + ":" + options.agent;
    const grants::Fields& held = change.read(name);
    const auto status = held.find("status");
    // An absent record and an absent status say the same in a store, but only the first lets `required` fail.
    const std::string was = status != held.end() ? status->second : held.empty() ? "" : "active";
    if (was == wanted) return std::vector<Change>();
    Change written;
    written.name = name;
    written.created = held.empty();
    written.written.emplace("status", wanted);
    if (options.connected) written.written.emplace("since", format_rfc3339(now()));
    return std::vector<Change>{std::move(written)};
  };
  return change_tenant(options.change.write, options.change.tenant, options.change.if_version, plan, out);
}

}  // namespace agw::agwctl
