#include "agw/base/time.h"

#include <algorithm>
#include <cstdio>

namespace agw {
namespace {

/// What four digits of a year can say.
constexpr WallTime first = std::chrono::sys_days(std::chrono::year(0) / 1 / 1);
constexpr WallTime last = std::chrono::sys_days(std::chrono::year(10'000) / 1 / 1) - Milliseconds(1);

/// Two or four decimal digits at the front, taken off.
bool take_number(std::string_view& text, std::size_t digits, int& out) {
  if (text.size() < digits) return false;
  int value = 0;
  for (std::size_t i = 0; i < digits; ++i) {
    if (text[i] < '0' || text[i] > '9') return false;
    value = value * 10 + (text[i] - '0');
  }
  text.remove_prefix(digits);
  out = value;
  return true;
}

bool take_char(std::string_view& text, std::string_view any) {
  if (text.empty() || any.find(text.front()) == std::string_view::npos) return false;
  text.remove_prefix(1);
  return true;
}

}  // namespace

Rfc3339 rfc3339(WallTime time) noexcept {
  time = std::clamp(time, first, last);
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(time - day);
  std::array<char, 40> text{};
  std::snprintf(text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02d.%03dZ", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                static_cast<int>(clock.seconds().count()), static_cast<int>(clock.subseconds().count()));
  Rfc3339 out;
  std::copy_n(text.begin(), out.size(), out.begin());
  return out;
}

std::string format_rfc3339(WallTime time) {
  const Rfc3339 text = rfc3339(time);
  return {text.data(), text.size()};
}

std::optional<WallTime> parse_rfc3339(std::string_view text) {
  int year = 0;
  int month = 0;
  int day = 0;
  int hour = 0;
  int minute = 0;
  int second = 0;
  if (!take_number(text, 4, year) || !take_char(text, "-") || !take_number(text, 2, month) || !take_char(text, "-") ||
      !take_number(text, 2, day) || !take_char(text, "Tt") || !take_number(text, 2, hour) || !take_char(text, ":") ||
      !take_number(text, 2, minute) || !take_char(text, ":") || !take_number(text, 2, second))
    return std::nullopt;
  int milliseconds = 0;
  if (take_char(text, ".")) {
    int scale = 100;
    std::size_t digits = 0;
    while (!text.empty() && text.front() >= '0' && text.front() <= '9') {
      milliseconds += (text.front() - '0') * scale;
      scale /= 10;
      ++digits;
      text.remove_prefix(1);
    }
    if (digits == 0 || digits > 9) return std::nullopt;
  }
  int offset = 0;  // minutes
  if (!take_char(text, "Zz")) {
    if (text.empty()) return std::nullopt;
    const int sign = text.front() == '-' ? -1 : 1;
    int offset_hour = 0;
    int offset_minute = 0;
    if (!take_char(text, "+-") || !take_number(text, 2, offset_hour) || !take_char(text, ":") ||
        !take_number(text, 2, offset_minute) || offset_hour > 23 || offset_minute > 59)
      return std::nullopt;
    offset = sign * (offset_hour * 60 + offset_minute);
  }
  if (!text.empty()) return std::nullopt;
  const std::chrono::year_month_day date(std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day)));
  // A leap second (60) is read as the first instant of the next minute.
  if (!date.ok() || hour > 23 || minute > 59 || second > 60) return std::nullopt;
  const WallTime instant = std::chrono::sys_days(date) + std::chrono::hours(hour) +
                           std::chrono::minutes(minute - offset) + std::chrono::seconds(second) +
                           Milliseconds(milliseconds);
  // With its offset it may lie in a year that has no four digits.
  if (instant < first || instant > last) return std::nullopt;
  return instant;
}

}  // namespace agw
