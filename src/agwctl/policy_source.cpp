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

bool is_pulled(const std::string& name, const grants::Fields& fields) {
  return std::any_of(fields.begin(), fields.end(),
                     [&](const auto& field) { return grants::is_pulled_by_hand(name, field.first); });
}

template <class Record>
Record read_or_throw(const std::string& tenant, grants::Decoded<Record> read) {
  if (!read) throw Failure("tenant " + tenant + ": " + read.error().detail);
  return *std::move(read);
}

/// What calls meet beside the policy.
void count_what_was_pulled(const std::string& tenant, const Keys& keys, grants::TenantPolicy& policy) {
  for (const auto& [name, fields] : keys) {
    if (!is_pulled(name, fields)) continue;
    const std::size_t colon = name.find(':');
    const std::string kind = name.substr(0, colon);
    const std::string whose = colon == std::string::npos ? "" : name.substr(colon + 1);
    const auto stand = [](auto& record, const auto& read) {
      record.status = read.status;
      record.not_before = read.not_before;
    };
    if (kind == "tenant") {
      policy.tenant = read_or_throw(tenant, grants::read_tenant_record(name, fields));
    } else if (kind == "user") {
      stand(policy.users[whose], read_or_throw(tenant, grants::read_user_record(name, fields)));
    } else if (kind == "agent") {
      // Since when its tokens count says nothing of an agent without a record: tokens are taken to be new.
      const auto read = read_or_throw(tenant, grants::read_agent_record(name, fields));
      if (read.known || read.status != Status::active) stand(policy.agents[whose], read);
    } else if (kind == "tier") {
      if (policy.tiers.contains(whose))
        stand(policy.tiers[whose], read_or_throw(tenant, grants::read_tier_record(name, fields)));
    } else if (kind == "client") {
      stand(policy.clients[whose], read_or_throw(tenant, grants::read_client_record(name, fields)));
    } else if (kind == "issuer") {
      policy.issuers[whose] = read_or_throw(tenant, grants::read_issuer_record(name, fields));
    }
  }
}

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
    if (stops == Stops::counted) count_what_was_pulled(tenant, keys, *policy);
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
