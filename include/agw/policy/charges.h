// What a call would use up: pure, nothing is consumed here.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agw/model/limit.h"
#include "agw/policy/evaluate.h"
#include "agw/policy/facts.h"

namespace agw::policy {

/// A counter, and how much of it a call takes.
struct Charge {
  const Limit* limit = nullptr;
  std::string tenant;            ///< percent-encoded; `*`: the counter belongs to all of them
  std::string key;               ///< the counter's name within the tenant, without a prefix
  std::int64_t amount = 0;       ///< in the limit's unit
  std::shared_ptr<const void> keep{};  ///< what the limit lives in, where it is policy's; null: in the configuration
};

/// One for each limit of the route, then one for each of policy: what any of them refuses is refused. `facts` go with
/// those of policy. `request_bytes`: what limits in bytes count before the backend has answered. Ids in the keys are
/// encoded, so that no client can reach another's counter.
[[nodiscard]] std::vector<Charge> charges(const Question& question, const FactsPtr& facts, std::int64_t request_bytes);

}  // namespace agw::policy
