// Patterns of operations and resources.
#pragma once

#include <string>
#include <string_view>

namespace agw {

/// Exact bytes, or a prefix that ends in `*` right after `:`, `/` or `.` (`ticket:*`,
/// `tickets/*`, `tickets/ticket.*`); `*` alone matches everything.
[[nodiscard]] bool is_pattern(std::string_view pattern) noexcept;
/// False for whatever is not a pattern.
[[nodiscard]] bool matches(std::string_view pattern, std::string_view value) noexcept;

/// `ns/name` with both parts of [A-Za-z0-9_.-] (name may hold further `/` parts: prompts/x).
[[nodiscard]] bool is_operation_name(std::string_view name) noexcept;
/// `alias|part` with the part in encode_part's form.
[[nodiscard]] bool is_principal_id(std::string_view id) noexcept;

}  // namespace agw
