// What few tools have in their blocks: inner, lists, param_header. Errors say what to write instead.
#pragma once

#include <string>
#include <string_view>

#include "agw/base/result.h"
#include "agw/gateway/location.h"

#include "reading.h"

namespace agw::nginx {

/// Letters, digits and hyphens.
[[nodiscard]] bool is_field_name(std::string_view name);

/// `words` are what stands behind the parameter's name.
[[nodiscard]] Result<gateway::InnerRule, std::string> read_inner(Words words);
[[nodiscard]] Result<response::ToolListing, std::string> read_listing(Words words);
[[nodiscard]] Result<gateway::ParameterHeader, std::string> read_param_header(Words words);

}  // namespace agw::nginx
