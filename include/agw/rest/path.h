// Paths in the one form that judge and backend read alike.
#pragma once

#include <string>
#include <string_view>
#include <vector>
#include <optional>

namespace agw::rest {

/// Whether a raw request path (without query) is canonical: starts with `/`; no empty, `.` or
/// `..` segment; no `%2f`, `%5c`, `%00`, backslash, control or non-ASCII byte, `;` parameter; percent escapes only
/// for bytes that need them (not unreserved ones), in upper-case hex. Its decoded form must equal
/// `decoded` (what nginx matched locations on).
[[nodiscard]] bool is_canonical(std::string_view raw, std::string_view decoded);

/// One decoded query parameter.
struct QueryParameter {
  std::string name;
  std::string value;
};
/// Splits at `&`, decodes `%XX` and `+`. Nothing on a malformed escape, invalid UTF-8 or NUL.
[[nodiscard]] std::optional<std::vector<QueryParameter>> parse_query(std::string_view query);

}  // namespace agw::rest
