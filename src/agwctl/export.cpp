#include "commands.h"
#include "failure.h"
#include "keys.h"

namespace agw::agwctl {
namespace {

constexpr int max_attempts = 5;

/// One tenant as of one version: read anew while somebody writes.
grants::TenantPolicy read_tenant(RedisConnection& redis, const std::string& tenant) {
  for (int attempt = 0; attempt < max_attempts; ++attempt) {
    const auto before = meta_of(redis, tenant);
    if (!before) throw Failure("tenant " + tenant + ": key " + grants::policy_key(tenant, "meta") + " is missing");
    const Keys keys = keys_of(redis, tenant);
    const auto after = meta_of(redis, tenant);
    if (!after || after->version != before->version || after->incarnation != before->incarnation) continue;
    auto policy = grants::decode_tenant(keys);
    if (!policy) throw Failure("tenant " + tenant + ": " + policy.error().detail);
    return *std::move(policy);
  }
  throw Failure("tenant " + tenant + ": the policy changes while it is read; try again");
}

}  // namespace

int export_policy(const ExportOptions& options, std::ostream& out) {
  RedisConnection redis(redis_options(options.store));
  grants::Policy policy;
  const auto tenants = options.tenants.empty() ? tenants_of(redis) : options.tenants;
  if (tenants.empty()) throw Failure("the store holds no policy: no tenant has a meta record");
  for (const auto& tenant : tenants) policy.tenants.emplace(tenant, read_tenant(redis, tenant));
  const std::string text = grants::write_policy(policy);
  // What can't be applied again must not pass for a policy.
  if (const auto parsed = grants::parse_policy(text); !parsed)
    throw Failure("the store holds what a policy file can't: " + parsed.error().path + " " + parsed.error().message);
  out << text;
  return exit_ok;
}

}  // namespace agw::agwctl
