// Who may do something: agents, and for whom.
#pragma once

#include <string>

#include "asker.h"

namespace agw::agwctl {

/// Whether any agent may, for anybody whom the policy names or could be a member of the groups that it names.
[[nodiscard]] bool anybody_can(const Asker& asker, const std::string& operation, const std::string& resource);

}  // namespace agw::agwctl
