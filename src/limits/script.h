// What Redis runs for a commit.
#pragma once

#include <string_view>

namespace agw::limits {

/// KEYS: the counters. ARGV: hold, lease in ms, 1 to settle, then for each counter: kind (b, w, c),
/// amount, period in ms (0: a calendar month), what a bucket holds, what it may be overdrawn by,
/// what is taken, what must be left for it. Answers: 1 or 0 (refused), the refusing counter, ms to
/// wait, and for each counter: what remains, ms until all does, what a window had used before.
/// Numbers are written with all their digits: Lua's own form has fourteen.
inline constexpr std::string_view take_script = R"lua(
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local hold, lease, settled = ARGV[1], tonumber(ARGV[2]), ARGV[3] == '1'
local slack = 5000
local function up(a, b) return math.floor((a + b - 1) / b) end
local function digits(n) return string.format('%.0f', n) end

local function day_of(year, month)
  if month <= 2 then year = year - 1 end
  local era = math.floor(year / 400)
  local of_era = year - era * 400
  local shifted = month > 2 and month - 3 or month + 9
  local of_year = math.floor((153 * shifted + 2) / 5)
  return era * 146097 + of_era * 365 + math.floor(of_era / 4) - math.floor(of_era / 100) + of_year - 719468
end
local function month_end(ms)
  local days = math.floor(ms / 86400000) + 719468
  local era = math.floor(days / 146097)
  local of_era = days - era * 146097
  local y = math.floor((of_era - math.floor(of_era / 1460) + math.floor(of_era / 36524) - math.floor(of_era / 146096)) / 365)
  local of_year = of_era - (365 * y + math.floor(y / 4) - math.floor(y / 100))
  local shifted = math.floor((5 * of_year + 2) / 153)
  local month = shifted < 10 and shifted + 3 or shifted - 9
  local year = y + era * 400 + (month <= 2 and 1 or 0)
  if month == 12 then return day_of(year + 1, 1) * 86400000 end
  return day_of(year, month + 1) * 86400000
end

local answer, steps = {1, 0, 0}, {}
for i, key in ipairs(KEYS) do
  local at = 3 + (i - 1) * 7
  local kind = ARGV[at + 1]
  local n = {}
  for j = 2, 7 do n[j] = tonumber(ARGV[at + j]) end
  local amount, period, full, patience, wanted, needed = n[2], n[3], n[4], n[5], n[6], n[7]
  local taken, wait, remaining, reset, before = false, 0, 0, 0, 0
  if kind == 'c' then
    redis.call('ZREMRANGEBYSCORE', key, '-inf', digits(now))
    local held = redis.call('ZCARD', key)
    taken = held < amount
    remaining = math.max(amount - held - 1, 0)
    if not taken then wait = 1000 end
    steps[i] = {kind}
  elseif kind == 'b' then
    local kept = redis.call('HMGET', key, 'v', 's')
    local used, stamp = tonumber(kept[1] or 0), tonumber(kept[2] or now)
    if stamp - now > slack then stamp = now end
    local elapsed = math.max(now - stamp, 0)
    if elapsed >= up(used, amount) then used = 0 else used = used - elapsed * amount end
    stamp = math.max(stamp, now)
    taken = settled or used + needed <= full + patience
    if taken then
      used = math.min(used + wanted, 2 * full + amount * period + patience)
      if patience > 0 and not settled and used > full then wait = up(used - full, amount) end
    else
      wait = up(used + needed - full - patience, amount)
    end
    reset = up(used, amount)
    remaining = math.floor(math.max(full - used, 0) / period)
    steps[i] = {kind, used, stamp, reset}
  else
    local kept = redis.call('HMGET', key, 'n', 'e')
    local used, over = tonumber(kept[1] or 0), tonumber(kept[2] or 0)
    local ends = period > 0 and now - now % period + period or month_end(now)
    local longest = period > 0 and period or 31 * 86400000
    if over <= now or over - now > longest + slack then used = 0 over = ends end
    before = used
    taken = settled or used + needed <= amount
    if taken then used = used + wanted else wait = math.max(over - now, 1) end
    remaining = math.max(amount - used, 0)
    reset = math.max(over - now, 0)
    steps[i] = {kind, used, over}
  end
  if not taken and answer[1] == 1 then
    answer[1] = 0
    answer[2] = i - 1
    answer[3] = wait
  elseif answer[1] == 1 then
    answer[3] = math.max(answer[3], wait)
  end
  answer[#answer + 1] = remaining
  answer[#answer + 1] = reset
  answer[#answer + 1] = before
end
if answer[1] == 0 then return answer end
for i, key in ipairs(KEYS) do
  local step = steps[i]
  if step[1] == 'c' then
    redis.call('ZADD', key, digits(now + lease), hold)
    redis.call('PEXPIRE', key, lease)
  elseif step[1] == 'b' then
    redis.call('HSET', key, 'v', digits(step[2]), 's', digits(step[3]))
    redis.call('PEXPIRE', key, digits(math.max(step[4], 1)))
  else
    redis.call('HSET', key, 'n', digits(step[2]), 'e', digits(step[3]))
    redis.call('PEXPIREAT', key, digits(step[3] + slack))
  end
end
return answer
)lua";

/// KEYS: one set of calls at once. ARGV: hold, lease in ms. What has run out stays so.
inline constexpr std::string_view renew_script = R"lua(
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) then return 0 end
redis.call('ZADD', KEYS[1], string.format('%.0f', now + tonumber(ARGV[2])), ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
)lua";

}  // namespace agw::limits
