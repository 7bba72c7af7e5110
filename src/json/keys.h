// Keys that one reader or another takes for the same.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "agw/base/result.h"

#include "tape.h"

namespace agw::json {

/// Equal for keys that fold alike.
[[nodiscard]] std::uint32_t hash_key(std::string_view key);
[[nodiscard]] bool folds_alike(std::string_view left, std::string_view right);

/// No two members may have the same key or keys that fold alike. O(n log n) whatever the keys.
/// `scratch` is kept by the caller for its memory.
[[nodiscard]] Result<void, Error> check_keys(const Tape& tape, std::span<const Node> members,
                                             std::vector<std::uint64_t>& scratch);

}  // namespace agw::json
