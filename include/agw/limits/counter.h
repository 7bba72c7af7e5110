// The arithmetic of one counter: exact, in whole numbers, with the time given.
#pragma once

#include <cstdint>

#include "agw/base/time.h"
#include "agw/limits/outcome.h"
#include "agw/model/limit.h"

namespace agw::limits {

/// What is kept of a bucket or a window. A counter whose `expires` has come means what none means.
///
/// Bucket: `value` is what is missing in it, in the limit's unit × the period's milliseconds (so
/// that a refill in whole milliseconds loses nothing, and a limit may be changed under it; more than
/// it holds while calls wait for their turn), `stamp` when that was so.
/// Window: `value` is what was used, `stamp` when the window ends.
struct Level {
  std::int64_t value = 0;
  std::int64_t stamp = 0;    ///< milliseconds since 1970
  std::int64_t expires = 0;  ///< the same; 0: nothing was counted yet
};

/// Begin and end of the period around `now`, in milliseconds since 1970, UTC.
struct Window {
  std::int64_t begin;
  std::int64_t end;
};
[[nodiscard]] Window window_around(LimitPeriod period, std::int64_t now) noexcept;

/// The highest warn percentage of a window that lies between the two; 0: none.
[[nodiscard]] int crossed(const Limit& limit, std::int64_t before, std::int64_t after) noexcept;

/// `settled`: what has been used already is counted, whatever is left. Bytes are let through as
/// long as anything is left: what an answer will take isn't known before it has come.
enum class Charging : std::uint8_t { asked, settled };

struct Step {
  bool taken = false;
  Level next;             ///< how the counter stands: with what was taken if all others agree
  Milliseconds wait{0};
  Standing standing;      ///< of `next` if taken, else of now
};

/// What taking `amount` from a bucket or window would do. Another worker's clock may be a little
/// behind: time in a counter doesn't go back, unless the clock was set.
[[nodiscard]] Step take(const Limit& limit, Level level, std::int64_t amount, std::int64_t now,
                        Charging charging = Charging::asked) noexcept;

}  // namespace agw::limits
