// What a call would use up: pure, nothing is consumed here.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "agw/model/limit.h"
#include "agw/policy/evaluate.h"
#include "agw/policy/facts.h"

namespace agw::policy {

/// A counter, and how much of it a call takes.
struct Charge {
  const Limit* limit = nullptr;  ///< of the configuration
  std::string tenant;            ///< percent-encoded; `*`: the counter belongs to all of them
  std::string key;               ///< the counter's name within the tenant, without a prefix
  std::int64_t amount = 0;       ///< in the limit's unit
};

/// One for each limit of the route. `request_bytes`: what limits in bytes count before the backend
/// has answered. Ids in the keys are encoded, so that no client can reach another's counter.
[[nodiscard]] std::vector<Charge> charges(const Question& question, const Facts& facts, std::int64_t request_bytes);

}  // namespace agw::policy
