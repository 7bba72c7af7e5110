// How much a call may use up, as a configuration or a policy says it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agw/base/result.h"
#include "agw/base/time.h"

namespace agw {

/// Whose use is counted together. Several mean: each combination by itself.
enum class LimitSubject : std::uint8_t { tenant, team, agent, user, tool, classification, backend };
inline constexpr std::size_t limit_subject_count = 7;
[[nodiscard]] std::string_view to_string(LimitSubject subject) noexcept;

/// bucket: refills evenly; window: begins anew with each second, minute, hour, day or month (UTC);
/// concurrent: what is under way.
enum class LimitKind : std::uint8_t { bucket, window, concurrent };
enum class LimitUnit : std::uint8_t { requests, bytes, cost, calls };
enum class LimitPeriod : std::uint8_t { second, minute, hour, day, month };

/// One limit. Amounts are in its unit.
struct Limit {
  std::string text;   ///< as a person writes it, without the options: `agent+tool 5r/h`
  std::string name;   ///< what callers are told it is called; the text, unless written
  std::string place;  ///< where it was declared: `tickets/ticket.read`, `tickets/*` or `*`; part of the counter's key
  std::vector<LimitSubject> subjects;  ///< in the enum's order, each once
  LimitKind kind = LimitKind::bucket;
  LimitUnit unit = LimitUnit::requests;
  LimitPeriod period = LimitPeriod::second;  ///< no meaning for concurrent
  std::int64_t amount = 0;
  std::int64_t burst = 0;  ///< bucket: what it holds
  Milliseconds queue{0};  ///< bucket: how long a call may wait for its turn
  std::vector<int> warn;  ///< window: percentages whose crossing is an event, rising

  /// Names the counter: the same limit keeps it when its amount is changed.
  [[nodiscard]] std::string id() const;
};

/// Milliseconds; a month counts as 30 days here (its window is the calendar's).
[[nodiscard]] std::int64_t length_of(LimitPeriod period) noexcept;

/// SUBJECT[+SUBJECT…] AMOUNT [burst=N] [queue=TIME] [warn=PERCENT[,PERCENT…]] [name=NAME] [window].
/// AMOUNT: `5r/h` requests, `10mb/d` bytes, `1000u/month` cost units, `8c` calls at once. The
/// message says what is wrong and what to write instead; `place` is left to the caller.
[[nodiscard]] Result<Limit, std::string> parse_limit(std::span<const std::string_view> words);
/// The same of one text, its words divided by single spaces.
[[nodiscard]] Result<Limit, std::string> parse_limit(std::string_view text);

/// As parse_limit takes it, options included.
[[nodiscard]] std::string write_limit(const Limit& limit);

}  // namespace agw
