#include "agw/limits/counter.h"

#include <algorithm>
#include <chrono>

namespace agw::limits {
namespace {

/// More than workers' cached clocks differ by; less than what anybody sets a clock back for.
constexpr std::int64_t clock_slack = 5'000;

std::int64_t divided_up(std::int64_t value, std::int64_t by) noexcept { return (value + by - 1) / by; }

bool was_set_back(std::int64_t stamp, std::int64_t now, std::int64_t length) noexcept {
  return stamp - now > length + clock_slack;
}

Step take_from_bucket(const Limit& limit, Level level, std::int64_t amount, std::int64_t now,
                      Charging charging) noexcept {
  const std::int64_t period = length_of(limit.period);
  const std::int64_t full = limit.burst * period;
  if (level.expires == 0) level = {0, now, 0};
  if (was_set_back(level.stamp, now, 0)) level.stamp = now;
  const std::int64_t elapsed = std::max<std::int64_t>(now - level.stamp, 0);
  // Compared first: the product of a long time and a large amount would not fit.
  level.value = elapsed >= divided_up(level.value, limit.amount) ? 0 : level.value - elapsed * limit.amount;
  level.stamp = std::max(level.stamp, now);

  const std::int64_t wanted = amount * period;
  const std::int64_t needed = limit.unit == LimitUnit::bytes ? 1 : wanted;
  const std::int64_t patience = limit.queue.count() * limit.amount;
  Step out;
  out.taken = charging == Charging::settled || level.value + needed <= full + patience;
  if (out.taken) {
    // A flood of large answers puts a bucket at most one more filling and a period in debt.
    level.value = std::min(level.value + wanted, 2 * full + limit.amount * period + patience);
    // Bytes that were let through have had their turn, unless they may wait for it.
    const bool queues = charging == Charging::asked && limit.queue.count() > 0;
    if (queues && level.value > full) out.wait = Milliseconds(divided_up(level.value - full, limit.amount));
  } else {
    out.wait = Milliseconds(divided_up(level.value + needed - full - patience, limit.amount));
  }
  const std::int64_t until_empty = divided_up(level.value, limit.amount);
  level.expires = level.stamp + until_empty;
  out.next = level;
  out.standing.remaining = std::max<std::int64_t>(full - level.value, 0) / period;
  out.standing.reset = Milliseconds(until_empty);
  return out;
}

Step take_from_window(const Limit& limit, Level level, std::int64_t amount, std::int64_t now,
                      Charging charging) noexcept {
  const Window here = window_around(limit.period, now);
  const bool over = level.expires == 0 || level.stamp <= now;
  if (over || was_set_back(level.stamp, now, here.end - here.begin)) {
    level.value = 0;
    level.stamp = here.end;
  }
  const std::int64_t needed = limit.unit == LimitUnit::bytes ? 1 : amount;
  Step out;
  out.taken = charging == Charging::settled || level.value + needed <= limit.amount;
  if (out.taken) {
    out.standing.crossed = crossed(limit, level.value, level.value + amount);
    level.value += amount;
  } else {
    out.wait = Milliseconds(std::max<std::int64_t>(level.stamp - now, 1));
  }
  // A worker whose clock is behind must not begin a window again that is over for the others.
  level.expires = level.stamp + clock_slack;
  out.next = level;
  out.standing.remaining = std::max<std::int64_t>(limit.amount - level.value, 0);
  out.standing.reset = Milliseconds(std::max<std::int64_t>(level.stamp - now, 0));
  return out;
}

}  // namespace

int crossed(const Limit& limit, std::int64_t before, std::int64_t after) noexcept {
  int out = 0;
  for (const int percent : limit.warn) {
    const auto reached = [&](std::int64_t used) {
      return used / limit.amount * 100 + used % limit.amount * 100 / limit.amount >= percent;
    };
    if (!reached(before) && reached(after)) out = percent;
  }
  return out;
}

Window window_around(LimitPeriod period, std::int64_t now) noexcept {
  if (period != LimitPeriod::month) {
    const std::int64_t length = length_of(period);
    const std::int64_t begin = now - (now % length + length) % length;
    return {begin, begin + length};
  }
  using std::chrono::days;
  using std::chrono::floor;
  using std::chrono::months;
  using std::chrono::sys_days;
  using std::chrono::year_month_day;
  const year_month_day today(floor<days>(WallTime(Milliseconds(now))));
  const auto first = today.year() / today.month() / std::chrono::day(1);
  const auto at = [](const year_month_day& date) {
    return std::chrono::duration_cast<Milliseconds>(sys_days(date).time_since_epoch()).count();
  };
  return {at(first), at(first + months(1))};
}

Step take(const Limit& limit, Level level, std::int64_t amount, std::int64_t now, Charging charging) noexcept {
  return limit.kind == LimitKind::window ? take_from_window(limit, level, amount, now, charging)
                                         : take_from_bucket(limit, level, amount, now, charging);
}

}  // namespace agw::limits
