// What holds for all tenants of a store at once, and so for one that is made later.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "store_connections.h"

namespace agw::agwctl {

/// Fields of `tenant` that a stop of all tenants, or a revocation of all that was issued, has written; those of `but`
/// aside. Throws Failure.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> held_everywhere(StoreConnections& stores,
                                                                               const std::string& but);

}  // namespace agw::agwctl
