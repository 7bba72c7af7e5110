// What a clock on the wall shows where somebody works.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agw/base/result.h"
#include "agw/base/time.h"

namespace agw {

/// A local moment: whole seconds, as they are counted there.
struct LocalTime {
  int weekday = 0;            ///< 0: Monday
  std::int32_t second = 0;    ///< of the day, 0 to 86399
};

/// One zone of the system's database (TZif, RFC 8536); immutable. Only from UTC to local time, which has one answer for
/// every moment; the other way has none or two where clocks are changed.
class TimeZone {
 public:
  /// `Europe/Berlin`, `UTC`. Null: the system knows no such zone. Each zone's file is read once in a process: a
  /// database that was renewed counts from the next start on.
  [[nodiscard]] static std::shared_ptr<const TimeZone> find(std::string_view name);
  /// Of a file's bytes; the message says what is wrong.
  [[nodiscard]] static Result<TimeZone, std::string> parse(std::string_view name, std::string_view bytes);

  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  /// Seconds east of Greenwich.
  [[nodiscard]] std::int32_t offset(WallTime time) const noexcept;
  [[nodiscard]] LocalTime local(WallTime time) const noexcept;

  /// A day of the year on which clocks are changed, and when (POSIX TZ).
  struct Change {
    enum class Form : std::uint8_t { month, julian, day } form = Form::month;
    int month = 1;
    int week = 1;
    int day = 0;  ///< of the week from Sunday, or of the year
    std::int32_t second = 7200;
  };
  /// What holds after the last transition of the table.
  struct Rule {
    std::int32_t standard = 0;
    std::int32_t summer = 0;
    std::optional<std::pair<Change, Change>> changes;  ///< begin and end of summer time; nothing: there is none
  };

 private:
  struct Transition {
    std::int64_t at;  ///< seconds since 1970
    std::int32_t offset;
  };

  std::string name_;
  std::int32_t first_ = 0;  ///< before every transition
  std::vector<Transition> transitions_;
  std::optional<Rule> rule_;
};

}  // namespace agw
