// Arguments of a tool as a policy names them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agw/base/result.h"
#include "agw/json/document.h"
#include "agw/model/reason.h"

namespace agw::mcp {

/// The value at `path` (nested members) as text: argument_missing if a part is absent,
/// argument_invalid if a part on the way is no object or the value is neither a non-empty string
/// nor an integer. The text is valid as long as the document and `scratch`.
[[nodiscard]] Result<std::string_view, Reason> find_argument(std::optional<json::Value> root,
                                                             const std::vector<std::string>& path,
                                                             std::string& scratch);

}  // namespace agw::mcp
