// What questions about policy are asked of: a file or Redis, and the routes that nginx knows.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agw/grants/policy_file.h"
#include "agw/policy/route_file.h"

#include "commands.h"
#include "redis_connection.h"

namespace agw::agwctl {

/// What was pulled by hand (a stop, revocations): part of what a gateway decides by, not of a policy file.
enum class Stops { left_out, counted };
/// One tenant of Redis as of one version: read anew while somebody writes.
[[nodiscard]] grants::TenantPolicy read_tenant(RedisConnection& redis, const std::string& tenant, Stops stops);

struct PolicySource {
  std::shared_ptr<const grants::CompiledPolicy> policy;
  std::optional<policy::RouteFile> routes;  ///< nothing: nobody asked for them
  std::string store;                        ///< the one that was read, as agent_store names it
};

/// Whether one of all tenants is among those that were asked for; none means all.
[[nodiscard]] bool is_chosen(const std::vector<std::string>& tenants, const std::string& name);

/// Without a store: the one that routes.json names, with its routes. With one: routes only if the state's folder is
/// named, so that an answer doesn't depend on where it is asked. `tenants`: empty for all; each must be there.
[[nodiscard]] PolicySource read_source(const SourceOptions& options, const std::vector<std::string>& tenants);

[[nodiscard]] policy::RouteFile read_route_file(const std::string& state);

}  // namespace agw::agwctl
