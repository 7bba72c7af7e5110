// Encodings of bytes: base64url, percent, hex, JSON string escapes, UTF-8.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace agw {

/// RFC 4648 section 5 without padding.
[[nodiscard]] std::string base64url_encode(std::string_view bytes);
/// Strict: no padding, no white space, no non-canonical trailing bits.
[[nodiscard]] std::optional<std::string> base64url_decode(std::string_view text);
/// RFC 4648 section 4 with padding.
[[nodiscard]] std::string base64_encode(std::string_view bytes);
/// Strict: padding required, no white space.
[[nodiscard]] std::optional<std::string> base64_decode(std::string_view text);

[[nodiscard]] std::string hex_encode(std::string_view bytes);

/// Percent-encodes every byte outside [A-Za-z0-9._@-], upper-case hex: the one form in which an
/// id from a token, a tenant, a resource value or a key's part enters a key or a resource.
[[nodiscard]] std::string encode_part(std::string_view bytes);
void append_encoded_part(std::string& out, std::string_view bytes);
/// Whether the text is exactly what encode_part makes of some bytes.
[[nodiscard]] bool is_encoded_part(std::string_view text) noexcept;
/// The bytes, or nothing if the text isn't in encode_part's form.
[[nodiscard]] std::optional<std::string> decode_part(std::string_view text);

/// application/x-www-form-urlencoded (for OAuth requests): RFC 6749 appendix B.
void append_form_field(std::string& body, std::string_view name, std::string_view value);

/// Appends `text` as the inside of a JSON string: control characters, quote and backslash are
/// escaped, invalid UTF-8 and NUL (which no strict reader takes) become U+FFFD, U+2028/2029 and DEL
/// are escaped too, so that the result is one line of valid JSON whatever came in.
void append_json_escaped(std::string& out, std::string_view text);
/// The same with the quotes around it.
[[nodiscard]] std::string json_quoted(std::string_view text);

/// Well-formed UTF-8 by RFC 3629 (no surrogates, no overlong forms).
[[nodiscard]] bool is_utf8(std::string_view text) noexcept;

/// Equal in time that depends on the lengths alone.
[[nodiscard]] bool equal_constant_time(std::string_view left, std::string_view right) noexcept;

/// A header value, quoted-string body (RFC 9110 section 5.6.4): quote and backslash escaped,
/// everything outside printable ASCII replaced by '?'.
[[nodiscard]] std::string quoted_string_body(std::string_view text);

}  // namespace agw
