// Which keys of Redis aren't what they should be.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agw/base/task.h"
#include "agw/io/complaints.h"
#include "agw/io/redis.h"

namespace agw {

struct TypedKey {
  std::string key;
  std::string_view type;  ///< a literal: `hash`, `zset`
};

/// Asks Redis, and says of each key of another type that it is one, and `so` what follows from it: once, not with every
/// call that meets it. `complaints` and `so` (a literal) outlive the task.
[[nodiscard]] Task<void> complain_of_types(Redis& redis, Complaints& complaints, std::vector<TypedKey> keys,
                                           std::string_view so);

}  // namespace agw
