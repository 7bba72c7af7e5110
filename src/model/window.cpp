#include "agw/model/window.h"

#include <algorithm>
#include <array>

namespace agw {
namespace {

constexpr std::array<std::string_view, 7> weekdays{"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};
constexpr std::uint8_t every_day = 0x7F;
constexpr std::int32_t day_end = 86'400;
constexpr std::string_view form = "; write it as \"Mon-Fri 09:00-17:00 Europe/Berlin\"";

std::unexpected<std::string> wrong(const std::string& what) { return fail(what + std::string(form)); }

/// In quotes; a message moves no terminal.
std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text.substr(0, 64)) out += c < 0x20 || c == 0x7F ? '?' : c;
  return out + "\"";
}

/// `Mon`, `Mon-Fri`, `Fri-Mon`, `Mon,Wed-Fri`; 0 if it is none.
std::uint8_t days_of(std::string_view text) {
  std::uint8_t out = 0;
  while (true) {
    const std::string_view part = text.substr(0, text.find(','));
    const std::size_t dash = part.find('-');
    const auto first = parse_weekday(part.substr(0, dash));
    const auto last = dash == std::string_view::npos ? first : parse_weekday(part.substr(dash + 1));
    if (!first || !last) return 0;
    for (int day = *first;; day = (day + 1) % 7) {
      out = static_cast<std::uint8_t>(out | (1U << day));
      if (day == *last) break;
    }
    if (part.size() == text.size()) return out;
    text.remove_prefix(part.size() + 1);
  }
}

std::optional<int> two_digits(std::string_view text, int most) {
  if (text.size() != 2 || text[0] < '0' || text[0] > '9' || text[1] < '0' || text[1] > '9') return std::nullopt;
  const int out = (text[0] - '0') * 10 + text[1] - '0';
  return out <= most ? std::optional(out) : std::nullopt;
}

}  // namespace

std::optional<int> parse_weekday(std::string_view text) noexcept {
  const auto found = std::find(weekdays.begin(), weekdays.end(), text);
  return found == weekdays.end() ? std::nullopt : std::optional(static_cast<int>(found - weekdays.begin()));
}

std::optional<std::int32_t> parse_clock(std::string_view text) noexcept {
  if ((text.size() != 5 && text.size() != 8) || text[2] != ':') return std::nullopt;
  const auto hours = two_digits(text.substr(0, 2), 24);
  const auto minutes = two_digits(text.substr(3, 2), 59);
  if (!hours || !minutes) return std::nullopt;
  std::int32_t out = *hours * 3600 + *minutes * 60;
  if (text.size() == 8) {
    const auto seconds = two_digits(text.substr(6), 59);
    if (text[5] != ':' || !seconds) return std::nullopt;
    out += *seconds;
  }
  return out <= day_end ? std::optional(out) : std::nullopt;
}

Result<Window, std::string> Window::parse(std::string_view text) {
  Window out;
  out.text_ = text;
  std::vector<std::string_view> words;
  for (std::string_view rest = text;;) {
    const std::size_t end = rest.find(' ');
    words.push_back(rest.substr(0, end));
    if (end == std::string_view::npos) break;
    rest.remove_prefix(end + 1);
  }
  if (words.size() != 2 && words.size() != 3) return wrong("isn't days, times and a time zone");
  out.days_ = words.size() == 3 ? days_of(words[0]) : every_day;
  if (out.days_ == 0) return wrong("has the days " + quoted(words[0]));
  const std::string_view times = words[words.size() - 2];
  const std::size_t dash = times.find('-');
  const auto begin = parse_clock(times.substr(0, dash));
  const auto end = dash == std::string_view::npos ? std::nullopt : parse_clock(times.substr(dash + 1));
  if (!begin || !end || *begin == day_end) return wrong("has the times " + quoted(times));
  if (*begin == *end)
    return fail("begins and ends at " + std::string(times.substr(0, dash)) + "; write 00:00-24:00 for whole days");
  out.begin_ = *begin;
  out.end_ = *end;
  out.zone_ = TimeZone::find(words.back());
  if (!out.zone_) return wrong("has the unknown time zone " + quoted(words.back()));
  return out;
}

bool Window::contains(WallTime time) const noexcept {
  const LocalTime local = zone_->local(time);
  const auto is_day = [&](int day) { return (days_ >> day & 1U) != 0; };
  if (begin_ < end_) return is_day(local.weekday) && local.second >= begin_ && local.second < end_;
  return (is_day(local.weekday) && local.second >= begin_) || (is_day((local.weekday + 6) % 7) && local.second < end_);
}

bool is_open(const std::vector<Window>& windows, WallTime time) noexcept {
  return windows.empty() ||
         std::any_of(windows.begin(), windows.end(), [&](const Window& one) { return one.contains(time); });
}

}  // namespace agw
