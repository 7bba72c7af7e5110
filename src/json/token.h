// The grammar of single tokens (RFC 8259 sections 6 and 7).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "agw/base/result.h"
#include "agw/json/document.h"

namespace agw::json {

/// A number's whole text: `number` if not every reader could hold it (not finite, too small, an
/// integer beyond 64 bits, too long), `invalid` if it isn't one.
[[nodiscard]] Result<void, Error> check_number(std::string_view text) noexcept;

/// strict: neither NUL nor half of a surrogate pair. any: whatever RFC 8259 lets stand there; half a pair becomes the
/// three bytes that no UTF-8 text has.
enum class Escapes : std::uint8_t { strict, any };

/// Whether unescape() would succeed, and why not: nothing is written.
[[nodiscard]] Result<void, Error> check_escapes(std::string_view inside, Escapes which) noexcept;

/// Resolves the escapes of a string's inside, which is valid UTF-8 without raw quotes or control
/// characters. `out` has room for as many bytes.
[[nodiscard]] Result<std::size_t, Error> unescape(std::string_view inside, char* out, Escapes which) noexcept;

}  // namespace agw::json
