// Tools whose answers list other tools.
#pragma once

#include <memory>
#include <vector>

#include "agw/gateway/call.h"

namespace agw::gateway {

/// What a call's own answer has to look like: as the block of its tool says, or that of the tool inside it, whose
/// answer it hands on. Empty for all others, and where these are only observed.
[[nodiscard]] std::vector<const response::ToolListing*> listings_of(const Call& call);

/// Whether its answer must be one that lists tools.
[[nodiscard]] bool must_list_tools(const Call& call) noexcept;

/// Down to which depth of an answer keys are acted by, for the sake of such lists; 0: the location has none.
[[nodiscard]] unsigned listing_depth(const Location& location) noexcept;

}  // namespace agw::gateway
