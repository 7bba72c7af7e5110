// The grammar of single tokens (RFC 8259 sections 6 and 7).
#pragma once

#include <cstddef>
#include <string_view>

#include "agw/base/result.h"
#include "agw/json/document.h"

namespace agw::json {

/// A number's whole text: `number` if not every reader could hold it (not finite, too small, an
/// integer beyond 64 bits, too long), `invalid` if it isn't one.
[[nodiscard]] Result<void, Error> check_number(std::string_view text) noexcept;

/// Whether unescape() would succeed, and why not: nothing is written. Half a surrogate pair is
/// invalid.
[[nodiscard]] Result<void, Error> check_escapes(std::string_view inside) noexcept;

/// Resolves the escapes of a string's inside, which is valid UTF-8 without raw quotes or control
/// characters. `out` has room for as many bytes.
[[nodiscard]] Result<std::size_t, Error> unescape(std::string_view inside, char* out) noexcept;

}  // namespace agw::json
