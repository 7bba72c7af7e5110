#include "agw/limits/token_uses.h"

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "agw/base/encoding.h"
#include "agw/io/complaints.h"
#include "agw/io/key_types.h"
#include "agw/io/redis_script.h"
#include "agw/io/single_flight.h"

#include "use_table.h"

namespace agw::limits {
namespace {

/// Nodes whose clocks are behind ours take the token a little longer.
constexpr Milliseconds kept_longer{60'000};

/// KEYS: the token's use. ARGV: the call, what lets it come again (or nothing), when the token was issued in ms, how
/// long to keep it in ms, how often a call may come again, the tenant's meta. That is read only, and no key of the
/// script's: of those a user who may only read policy (docs/store.md) has to be allowed to write each. A use is a hash:
/// `c`all, and a field for each leave. `born` says from when on uses are known: its whole second counts as before.
constexpr std::string_view use_script = R"lua(-- use a token
local born = tonumber(redis.call('HGET', ARGV[6], 'born') or '')
if not born then return 'unborn' end
if tonumber(ARGV[3]) < (born + 1) * 1000 then return 'predates' end
local call = redis.call('HGET', KEYS[1], 'c')
if not call then
  redis.call('HSET', KEYS[1], 'c', ARGV[1])
  if ARGV[2] ~= '' then redis.call('HSET', KEYS[1], ARGV[2], '') end
  redis.call('PEXPIRE', KEYS[1], ARGV[4])
  return 'first'
end
if call ~= ARGV[1] or ARGV[2] == '' then return 'used' end
if redis.call('HLEN', KEYS[1]) > tonumber(ARGV[5]) then return 'used' end
if redis.call('HSETNX', KEYS[1], ARGV[2], '') == 1 then return 'again' end
return 'used'
)lua";

std::int64_t ms_of(WallTime time) noexcept { return time.time_since_epoch().count(); }

std::string hex_of(const Sha256& digest) {
  return hex_encode({reinterpret_cast<const char*>(digest.data()), digest.size()});
}

CounterKey head_of(const Sha256& digest) noexcept {
  CounterKey out;
  std::copy_n(digest.begin(), out.size(), out.begin());
  return out;
}

std::string_view name_of(const TokenUse& use) noexcept { return use.observed ? "observed" : "token"; }

/// The earliest moment at which it can have been issued. (Before 1970: it isn't known when.)
WallTime certainly_issued(const TokenUse& use) noexcept { return use.issued_at - use.clock_skew; }

UseOutcome outcome_of(Using found) {
  switch (found) {
    case Using::first:
    case Using::again: return {};
    case Using::used: return {Reason::token_used, {}};
    case Using::predates: return {Reason::token_predates_store, {}};
    case Using::no_room: return {Reason::token_use_room_full, {}};
  }
  return {Reason::token_use_unavailable, {}};
}

UseOutcome outcome_of(const RedisReply& reply) {
  if (reply.text == "first" || reply.text == "again") return {};
  if (reply.text == "used") return {Reason::token_used, {}};
  if (reply.text == "predates") return {Reason::token_predates_store, {}};
  if (reply.text == "unborn") return {Reason::token_use_unavailable, "the tenant's meta has no born"};
  return {Reason::token_use_unavailable, "an answer of another form"};
}

}  // namespace

struct TokenUses::State {
  explicit State(Host given) : host(given), complaints(given.log) {
    if (given.redis == nullptr) table.emplace(given.memory, ms_of(given.clock.now()));
  }

  [[nodiscard]] UseOutcome use_here(const TokenUse& use) {
    const std::string name = std::string(name_of(use)) + ":" + hex_of(use.token);
    UseEntry entry{.token = counter_key(use.tenant, name),
                   .call = head_of(use.call),
                   .leave = std::nullopt,
                   .issued = ms_of(certainly_issued(use)),
                   .expires = ms_of(use.forgotten_at)};
    if (use.leave) entry.leave = head_of(*use.leave);
    return outcome_of(table->use(entry, most_leaves, ms_of(host.clock.now())));
  }

  static Task<UseOutcome> use_there(std::shared_ptr<State> state, std::shared_ptr<const TokenUse> use);

  Host host;
  std::optional<UseTable> table;  ///< without Redis
  Complaints complaints;
  RedisScript script{use_script};
  SingleFlight<UseOutcome> asking{
      host.loop, [](const std::exception_ptr&) { return UseOutcome{Reason::token_use_unavailable, "an exception"}; }};
  std::uint64_t asked = 0;
};

TokenUses::TokenUses(Host host) : state_(std::make_shared<State>(host)) {}

TokenUses::~TokenUses() = default;

ValueTask<UseOutcome> TokenUses::commit(TokenUse use) {
  if (state_->table) return state_->use_here(use);
  auto owned = std::make_shared<const TokenUse>(std::move(use));
  // No two calls have one flight: what is shared is only that the work isn't the caller's.
  return state_->asking.run(std::to_string(++state_->asked),
                            [state = state_, owned = std::move(owned)] { return State::use_there(state, owned); });
}

Task<UseOutcome> TokenUses::State::use_there(std::shared_ptr<State> state, std::shared_ptr<const TokenUse> use) {
  const std::string tag = "{" + use->tenant + "}";
  const std::string key = "agw:v:" + tag + ":once:" + std::string(name_of(*use)) + ":" + hex_of(use->token);
  const Milliseconds left = std::max(use->forgotten_at - state->host.clock.now(), Milliseconds(0)) + kept_longer;
  std::vector<std::string> arguments{hex_of(use->call),
                                     use->leave ? hex_of(*use->leave) : std::string(),
                                     std::to_string(ms_of(certainly_issued(*use))),
                                     std::to_string(left.count()),
                                     std::to_string(most_leaves),
                                     "agw:p:" + tag + ":meta"};
  auto running = state->script.run(*state->host.redis, {key}, std::move(arguments));
  const auto reply = co_await std::move(running);
  if (reply) co_return outcome_of(*reply);
  if (reply.error() == RedisScript::wrong_type) {
    auto complaining = complain_of_types(*state->host.redis, state->complaints, {{key, "hash"}},
                                         "the token that it stands for is refused");
    co_await std::move(complaining);
  }
  co_return UseOutcome{Reason::token_use_unavailable, reply.error()};
}

}  // namespace agw::limits
