#include "policy_source.h"

#include <algorithm>

#include "agw/base/encoding.h"
#include "agw/grants/redis_codec.h"

#include "failure.h"
#include "keys.h"
#include "policy_error.h"
#include "store_connections.h"

namespace agw::agwctl {
namespace {

constexpr int max_attempts = 5;

std::shared_ptr<const grants::CompiledPolicy> read_redis(const StoreOptions& store, std::vector<std::string> tenants) {
  StoreConnections redis(redis_options(store));
  if (tenants.empty()) tenants = redis.tenants();
  if (tenants.empty()) throw Failure("the store holds no policy: no tenant has a meta record");
  grants::Policy policy;
  for (const auto& tenant : tenants)
    policy.tenants.emplace(tenant, read_tenant(redis.of(tenant), tenant, Stops::counted));
  return std::make_shared<const grants::CompiledPolicy>(std::move(policy));
}

}  // namespace

grants::TenantPolicy read_tenant(RedisConnection& redis, const std::string& tenant, Stops stops) {
  for (int attempt = 0; attempt < max_attempts; ++attempt) {
    const auto before = meta_of(redis, tenant);
    if (!before) throw Failure("tenant " + tenant + ": key " + grants::policy_key(tenant, "meta") + " is missing");
    const Keys keys = keys_of(redis, tenant);
    const auto after = meta_of(redis, tenant);
    if (!after || after->version != before->version || after->incarnation != before->incarnation) continue;
    auto policy = grants::decode_tenant(keys);
    if (!policy) throw Failure("tenant " + tenant + ": " + policy.error().detail);
    if (const auto record = keys.find("tenant"); record != keys.end() && stops == Stops::counted) {
      const auto read = grants::read_tenant_record("tenant", record->second);
      if (!read) throw Failure("tenant " + tenant + ": " + read.error().detail);
      policy->tenant = *read;
    }
    return *std::move(policy);
  }
  throw Failure("tenant " + tenant + ": the policy changes while it is read; try again");
}

PolicySource read_source(const SourceOptions& options, const std::vector<std::string>& tenants) {
  PolicySource out;
  StoreOptions store = options.store;
  if (options.state || store.store.empty()) {
    out.routes = read_route_file(options.state.value_or("/var/lib/nginx/agent"));
    if (store.store.empty()) store.store = out.routes->store;
  }
  out.store = store.store;
  constexpr std::string_view file = "file:";
  if (!store.store.starts_with(file)) {
    out.policy = read_redis(store, tenants);
    return out;
  }
  out.policy = read_policy_file(store.store.substr(file.size()));
  for (const auto& tenant : tenants)
    if (!out.policy->source().tenants.contains(tenant))
      throw Failure(store.store.substr(file.size()) + " has no tenant \"" + tenant + "\"");
  return out;
}

bool is_chosen(const std::vector<std::string>& tenants, const std::string& name) {
  return tenants.empty() || std::find(tenants.begin(), tenants.end(), name) != tenants.end();
}

policy::RouteFile read_route_file(const std::string& state) {
  const std::string path = state + "/routes.json";
  std::string text;
  try {
    text = read_text(path);
  } catch (const Failure&) {
    throw Failure(path + " can't be read; nginx writes it at start, name its agent_state by --state");
  }
  auto routes = policy::read_routes(text);
  if (!routes) throw Failure(path + ": " + routes.error());
  return *std::move(routes);
}

}  // namespace agw::agwctl
