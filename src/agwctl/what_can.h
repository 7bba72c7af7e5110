// What one agent may do for one user, by operation.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "agw/policy/reach.h"

#include "asker.h"

namespace agw::agwctl {

struct Reach : policy::Reach {
  std::string operation;
  Reach(std::string name, policy::Reach reach) : policy::Reach(std::move(reach)), operation(std::move(name)) {}
};

/// What the caller may do with this operation (or pattern of some), on which of the resources that the caller's grants
/// and entitlements tell apart.
[[nodiscard]] Reach reach_of(const Asker& asker, const Caller& caller, const std::string& operation);

}  // namespace agw::agwctl
