#include "agw/base/encoding.h"

#include "arguments.h"
#include "change.h"
#include "commands.h"
#include "failure.h"

namespace agw::agwctl {
namespace {

/// When it closes by itself; empty: when somebody closes it.
std::string end_of(const BreakerOptions& options) {
  if (!options.duration.empty())
    return format_rfc3339(std::chrono::ceil<Seconds>(now() + duration_of("--for", options.duration)));
  if (options.until.empty()) return {};
  const WallTime until = time_of("--until", options.until);
  if (until <= now())
    throw Failure("--until is over already; write a time to come, as 2026-12-31T00:00:00Z", exit_usage);
  return format_rfc3339(until);
}

std::string text_of(const grants::Fields& fields, std::string_view name) {
  const auto found = fields.find(name);
  return found == fields.end() ? std::string() : found->second;
}

}  // namespace

int breaker(const BreakerOptions& options, std::ostream& out) {
  expect_id("AGENT", options.agent);
  const std::string until = end_of(options);
  const Plan plan = [&](TenantChange& change) {
    const std::string name = "breaker:" + options.agent;
    const grants::Fields& held = change.read(name);
    // One that is open stays as it is. Closing again closes what has tripped since.
    if (options.open && text_of(held, "state") == "open" && text_of(held, "until") == until)
      return std::vector<Change>();
    Change written;
    written.name = name;
    written.created = held.empty();
    written.written.emplace("state", options.open ? "open" : "closed");
    written.written.emplace("since", format_rfc3339(now()));
    if (!until.empty()) written.written.emplace("until", until);
    if (until.empty() && held.contains("until")) written.removed.emplace_back("until");
    return std::vector<Change>{std::move(written)};
  };
  return change_tenant(options.change.write, options.change.tenant, options.change.if_version, plan, out);
}

}  // namespace agw::agwctl
