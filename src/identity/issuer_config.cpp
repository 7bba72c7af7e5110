#include "agw/identity/issuer_config.h"

#include "agw/base/digest.h"
#include "agw/base/encoding.h"

namespace agw::identity {

std::string IssuerConfig::digest() const {
  std::string all;
  const auto add = [&all](std::string_view part) {
    append_encoded_part(all, part);
    all += '\n';
  };
  add(alias);
  add(issuer);
  for (const auto algorithm : algorithms) add(jose::to_string(algorithm));
  add(std::to_string(static_cast<int>(type)));
  for (const std::string* claim : {&claims.user, &claims.user_name, &claims.agent, &claims.groups, &claims.tenant,
                                   &claims.provider, &claims.model, &claims.scope, &claims.actor})
    add(*claim);
  for (const auto& tenant : tenants) add("tenant " + tenant);
  for (const auto& [scope, implied] : scope_implies) {
    add("scope " + scope);
    for (const auto& other : implied) add(other);
  }
  add(std::to_string(clock_skew.count()));
  add(jwks_file);
  add(token_endpoint);
  add(introspection_endpoint);
  add(signed_introspection ? "signed" : "plain");
  add(opaque_prefix ? "opaque " + *opaque_prefix : "");
  add(single_use ? "once" : "");
  add(single_use_claim);
  add(ca_file);
  add(proxy);
  add(std::to_string(static_cast<int>(discovery)));
  for (const auto& audience : audiences) add("audience " + audience);
  for (const auto& path : required) add("required " + path);
  add(std::to_string(static_cast<int>(actors.accepted)) + " " + std::to_string(actors.least) + " " +
      std::to_string(actors.most));
  add(std::to_string(static_cast<int>(machine.by)));
  add(machine.claim);
  add(machine.value);
  add(workloads.trust_domain + (workloads.certificates ? " certificates" : ""));
  for (const auto& [name, agent] : workloads.agents) {
    add("workload " + name);
    add(agent);
  }
  for (const auto& scope : workloads.scopes) add("workload scope " + scope);
  return sha256_hex(all);
}

}  // namespace agw::identity
