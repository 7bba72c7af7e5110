// What one agent may do for one user, by operation.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "asker.h"

namespace agw::agwctl {

struct Reach {
  std::string operation;
  std::vector<std::string> allowed;  ///< patterns of resources, the widest; `*`: every one
  std::vector<std::pair<std::string, Reason>> except;
  Reason reason = Reason::allowed;  ///< where nothing is allowed: why
};

/// What the caller may do with this operation (or pattern of some), on which of the resources that the caller's grants
/// and entitlements tell apart.
[[nodiscard]] Reach reach_of(const Asker& asker, const Caller& caller, const std::string& operation);

}  // namespace agw::agwctl
