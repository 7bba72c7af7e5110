// What each method of the specification means to the decision.
#pragma once

#include <string_view>

#include "agw/mcp/message.h"

namespace agw::mcp {

struct Method {
  std::string_view name;
  std::string_view event_type;
  Category category;
};

/// Null for what the era doesn't define: what an era has removed is unknown in it.
[[nodiscard]] const Method* find_method(std::string_view name, Era era) noexcept;

}  // namespace agw::mcp
