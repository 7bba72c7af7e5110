#include "commands.h"
#include "failure.h"
#include "keys.h"
#include "policy_source.h"
#include "store_connections.h"

namespace agw::agwctl {
int export_policy(const ExportOptions& options, std::ostream& out) {
  StoreConnections redis(redis_options(options.store));
  grants::Policy policy;
  const auto tenants = options.tenants.empty() ? redis.tenants() : options.tenants;
  if (tenants.empty()) throw Failure("the store holds no policy: no tenant has a meta record");
  for (const auto& tenant : tenants)
    policy.tenants.emplace(tenant, read_tenant(redis.of(tenant), tenant, Stops::left_out));
  const std::string text = grants::write_policy(policy);
  // What can't be applied again must not pass for a policy.
  if (const auto parsed = grants::parse_policy(text); !parsed)
    throw Failure("the store holds what a policy file can't: " + parsed.error().path + " " + parsed.error().message);
  out << text;
  return exit_ok;
}

}  // namespace agw::agwctl
