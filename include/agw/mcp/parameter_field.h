// Header fields `Mcp-Param-…` as they stand in a request's head, for hosts that drop those whose names they don't like.
#pragma once

#include <optional>
#include <string_view>

namespace agw::mcp {

/// Views of the head's own bytes.
struct ParameterField {
  std::string_view name;  ///< as sent, with its prefix
  std::string_view value;  ///< without white space around it
};

/// Takes the next one off the front of `head` that such hosts drop although it is well-formed: the name is a token (RFC
/// 9110 section 5.6.2) with a character beyond letters, digits and `-`, the value is free of control characters.
/// Nothing: there is none in the whole lines of `head`. What stands behind the last line feed isn't looked at.
[[nodiscard]] std::optional<ParameterField> next_dropped_parameter(std::string_view& head) noexcept;

/// Whether some server takes the two names of fields for one: it folds case, and reads `_` and the like as `-`.
[[nodiscard]] bool fold_alike(std::string_view name, std::string_view other) noexcept;

/// Whether some server takes the name for that of `field`, which it isn't.
[[nodiscard]] bool is_twin(std::string_view name, std::string_view field) noexcept;

/// The same for the fields that are compared with a message's body (`Mcp_Name`, `MCP-Protocol_Version`), and for the
/// names of all parameters (`Mcp_Param-Region`). `Mcp-Param-user_id` is none: MCP doesn't say how parameters are
/// called.
[[nodiscard]] bool is_twin_of_any(std::string_view name) noexcept;

}  // namespace agw::mcp
