// Points in time and their text.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace agw {

using Milliseconds = std::chrono::milliseconds;
using Seconds = std::chrono::seconds;
/// Wall-clock time, UTC.
using WallTime = std::chrono::sys_time<Milliseconds>;
/// Time that never goes back; only differences mean something.
using SteadyTime = std::chrono::time_point<std::chrono::steady_clock, Milliseconds>;

/// RFC 3339 in UTC with milliseconds: 2026-11-20T14:22:11.304Z.
/// What lies outside the years 0 to 9999 becomes the first or last instant that it can say.
using Rfc3339 = std::array<char, 24>;
[[nodiscard]] Rfc3339 rfc3339(WallTime time) noexcept;
[[nodiscard]] std::string format_rfc3339(WallTime time);
/// RFC 3339 date-time, any offset, fraction optional. Nothing else is taken.
[[nodiscard]] std::optional<WallTime> parse_rfc3339(std::string_view text);

/// From whole seconds since 1970 (a JWT NumericDate).
[[nodiscard]] constexpr WallTime from_unix(std::int64_t seconds) {
  return WallTime(std::chrono::duration_cast<Milliseconds>(Seconds(seconds)));
}
[[nodiscard]] constexpr std::int64_t to_unix(WallTime time) {
  return std::chrono::duration_cast<Seconds>(time.time_since_epoch()).count();
}

}  // namespace agw
