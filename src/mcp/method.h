// What each method of the specification means to the decision.
#pragma once

#include <string_view>

#include "agw/mcp/message.h"

namespace agw::mcp {

/// A method belongs to the versions that define it: what an era has removed is unknown in it.
[[nodiscard]] Category category_of(std::string_view method, Era era) noexcept;

}  // namespace agw::mcp
