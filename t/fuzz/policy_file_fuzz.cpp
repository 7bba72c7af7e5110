// A policy file: any bytes. What is read must survive being written, compiled and asked.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "agw/grants/policy_file.h"
#include "agw/grants/redis_codec.h"
#include "agw/policy/evaluate.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace agw;
  auto policy = grants::parse_policy({reinterpret_cast<const char*>(data), size});
  if (!policy) return 0;
  const std::string text = grants::write_policy(*policy);
  const auto again = grants::parse_policy(text);
  if (!again || grants::write_policy(*again) != text) std::abort();
  for (const auto& [name, tenant] : policy->tenants) {
    const auto decoded = grants::decode_tenant(grants::encode_tenant(tenant));
    if (!decoded) std::abort();
  }

  const grants::CompiledPolicy compiled(*std::move(policy));
  for (const auto& [name, tenant] : compiled.source().tenants) {
    Principal who;
    who.tenant = name;
    who.user = tenant.users.empty() ? "company|mira" : tenant.users.begin()->first;
    who.agent = tenant.agents.empty() ? "company|docs" : tenant.agents.begin()->first;
    policy::Route route;
    route.operation = "tickets/ticket.read";
    policy::Question question{.principal = who};
    question.route = &route;
    for (const auto& [bundle, content] : tenant.bundles)
      who.groups.insert(who.groups.end(), content.members.begin(), content.members.end());
    const auto facts = compiled.facts(who, route.operation);
    if (facts.limits.size() < tenant.limits.size()) std::abort();
    for (std::size_t i = 0; i < tenant.limits.size(); ++i)
      if (facts.limits[i] != &tenant.limits[i]) std::abort();
    const Decision decision = evaluate(question, facts);
    const bool standing = facts.agent != nullptr || facts.tier != nullptr;
    if (decision.allowed() && (!standing || facts.grants.empty() || facts.entitlements.empty())) std::abort();
  }
  return 0;
}
