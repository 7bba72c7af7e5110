// `Mon-Fri 09:00-17:00 Europe/Berlin`: when something may be done.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agw/base/result.h"
#include "agw/base/time.h"
#include "agw/model/time_zone.h"

namespace agw {

/// 0: Monday. Nothing for what isn't one of Mon, Tue, Wed, Thu, Fri, Sat, Sun.
[[nodiscard]] std::optional<int> parse_weekday(std::string_view text) noexcept;
/// Seconds of the day of `09:00` or `09:00:30`; `24:00` is the end of the day.
[[nodiscard]] std::optional<std::int32_t> parse_clock(std::string_view text) noexcept;

/// Days, times of the day and a zone; immutable. The begin belongs to it, the end doesn't. A window whose end isn't
/// later than its begin goes on into the next day, and belongs to the day on which it began. What clocks show counts:
/// where they are put forward an hour is missing in it, where they are put back one is twice.
class Window {
 public:
  /// The message says what is wrong and what to write, and begins with a verb.
  [[nodiscard]] static Result<Window, std::string> parse(std::string_view text);
  [[nodiscard]] bool contains(WallTime time) const noexcept;
  [[nodiscard]] const std::string& text() const noexcept { return text_; }

 private:
  std::string text_;
  std::uint8_t days_ = 0;  ///< a bit for each, Monday first
  std::int32_t begin_ = 0;
  std::int32_t end_ = 0;
  std::shared_ptr<const TimeZone> zone_;
};

/// Whether one of them is open; without any there is nothing that could be shut.
[[nodiscard]] bool is_open(const std::vector<Window>& windows, WallTime time) noexcept;

}  // namespace agw
