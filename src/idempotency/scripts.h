// What Redis runs for repeats. A call is one hash under each of its names: `s`tate (c: claimed, d: done, u: unknown,
// l: answered, and not kept), `o`wner, the `a`rguments' digest, `u`ntil when the owner is believed to be alive, and
// the sealed `r`ecord.
#pragma once

#include <string_view>

namespace agw::idempotency {

/// KEYS: the call's names. ARGV: owner, lease in ms, ttl in ms, the arguments' digest for each name. Answers one of
/// `claimed`, `busy`, `unknown`, `other`, `large`, `done` and the record. One name that is known says it for all.
inline constexpr std::string_view claim_script = R"lua(-- claim
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
for i, key in ipairs(KEYS) do
  local kept = redis.call('HMGET', key, 's', 'a', 'u', 'r')
  if kept[1] then
    if kept[2] ~= ARGV[3 + i] then return {'other'} end
    if kept[1] == 'd' then return {'done', kept[4] or ''} end
    if kept[1] == 'l' then return {'large'} end
    if kept[1] == 'c' and (tonumber(kept[3]) or 0) > now then return {'busy'} end
    return {'unknown'}
  end
end
for i, key in ipairs(KEYS) do
  redis.call('HSET', key, 's', 'c', 'o', ARGV[1], 'a', ARGV[3 + i], 'u', string.format('%.0f', now + ARGV[2]))
  redis.call('PEXPIRE', key, ARGV[3])
end
return {'claimed'}
)lua";

/// KEYS: the call's names. ARGV: owner, ttl in ms, the state, the record or nothing. Changes what is still the owner's.
inline constexpr std::string_view settle_script = R"lua(-- settle
for i, key in ipairs(KEYS) do
  local kept = redis.call('HMGET', key, 'o', 's')
  if kept[1] == ARGV[1] and kept[2] == 'c' then
    redis.call('HSET', key, 's', ARGV[3])
    if ARGV[4] ~= '' then redis.call('HSET', key, 'r', ARGV[4]) end
    redis.call('PEXPIRE', key, ARGV[2])
  end
end
return 1
)lua";

/// KEYS: the call's names. ARGV: owner. It never reached the backend: whoever comes next runs it.
inline constexpr std::string_view release_script = R"lua(-- release
for i, key in ipairs(KEYS) do
  local kept = redis.call('HMGET', key, 'o', 's')
  if kept[1] == ARGV[1] and kept[2] == 'c' then redis.call('DEL', key) end
end
return 1
)lua";

/// KEYS: the call's names. ARGV: owner, lease in ms, ttl in ms. The owner lives.
inline constexpr std::string_view renew_script = R"lua(-- renew
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
for i, key in ipairs(KEYS) do
  local kept = redis.call('HMGET', key, 'o', 's')
  if kept[1] == ARGV[1] and kept[2] == 'c' then
    redis.call('HSET', key, 'u', string.format('%.0f', now + ARGV[2]))
    redis.call('PEXPIRE', key, ARGV[3])
  end
end
return 1
)lua";

}  // namespace agw::idempotency
