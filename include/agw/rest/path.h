// Paths in the one form that judge and backend read alike.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace agw::rest {

/// Whether a raw request path (without query) is canonical: starts with `/`; no empty segment but
/// perhaps the last, no `.` or `..`; only what RFC 3986 lets stand in a segment, without `;`
/// parameters; percent escapes in upper-case hex, never for unreserved characters, slash, backslash,
/// `;`, control characters, or for a `%` that would make another escape; UTF-8. Its decoded form
/// must equal `decoded` (what nginx matched locations on).
[[nodiscard]] bool is_canonical(std::string_view raw, std::string_view decoded);

/// One decoded query parameter.
struct QueryParameter {
  std::string name;
  std::string value;
};
/// Splits at `&`, decodes `%XX` and `+`; empty parts are left out. Nothing on a malformed escape, a
/// raw control or non-ASCII byte, invalid UTF-8 or NUL.
[[nodiscard]] std::optional<std::vector<QueryParameter>> parse_query(std::string_view query);

}  // namespace agw::rest
