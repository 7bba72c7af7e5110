#include "commands.h"
#include "failure.h"
#include "keys.h"
#include "policy_source.h"

namespace agw::agwctl {
int export_policy(const ExportOptions& options, std::ostream& out) {
  RedisConnection redis(redis_options(options.store));
  grants::Policy policy;
  const auto tenants = options.tenants.empty() ? tenants_of(redis) : options.tenants;
  if (tenants.empty()) throw Failure("the store holds no policy: no tenant has a meta record");
  for (const auto& tenant : tenants) policy.tenants.emplace(tenant, read_tenant(redis, tenant, Stops::left_out));
  const std::string text = grants::write_policy(policy);
  // What can't be applied again must not pass for a policy.
  if (const auto parsed = grants::parse_policy(text); !parsed)
    throw Failure("the store holds what a policy file can't: " + parsed.error().path + " " + parsed.error().message);
  out << text;
  return exit_ok;
}

}  // namespace agw::agwctl
