// What a call uses up, and what is said of it.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "agw/gateway/call.h"
#include "agw/gateway/request.h"
#include "agw/policy/charges.h"

namespace agw::gateway {

/// Where a call has limits, by its route or by policy: only operations have, and nothing is taken for those that were
/// denied, nor for a look at what a call has made.
[[nodiscard]] inline bool is_limited(const Call& call) noexcept {
  if (!call.decision.allowed() || call.made != nullptr) return false;
  if (call.further != nullptr) return true;
  return call.route != nullptr && (!call.route->policy.limits.empty() || !call.facts->limits.empty());
}

/// What it would take, by the facts that it was judged by last. What is only observed is counted beside what is
/// enforced, in counters of its own, and uses nothing up.
[[nodiscard]] std::vector<policy::Charge> charges_of(const Call& call, const Request& request, std::size_t body_bytes);

/// The decision as the limits leave it.
[[nodiscard]] Decision within_limits(Decision decision, const limits::Usage& usage);

/// Retry-After and the RateLimit fields for whoever reads them.
using Fields = std::vector<std::pair<std::string, std::string>>;
[[nodiscard]] Fields limit_fields(const limits::Usage& usage);

}  // namespace agw::gateway
