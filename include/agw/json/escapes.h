// Where the characters of a string stand in its text.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

namespace agw::json {

/// For each of `places`, ascending offsets into Value::text() at which a character begins or the text ends, the offset
/// into Value::raw() at which that character's own form begins. `raw` is of a string that was read.
[[nodiscard]] std::vector<std::size_t> raw_places(std::string_view raw, std::span<const std::size_t> places);

}  // namespace agw::json
