#include "agw/limits/limiter.h"

#include <algorithm>
#include <optional>
#include <unordered_map>
#include <utility>

#include "agw/io/single_flight.h"
#include "agw/limits/counter_table.h"
#include "agw/limits/redis_counters.h"

namespace agw::limits {
namespace {

/// Far beyond what one answer carries; keeps the arithmetic exact.
constexpr std::int64_t most_bytes = std::int64_t{1} << 40;

std::int64_t now_of(const Clock& clock) noexcept { return clock.now().time_since_epoch().count(); }

bool at_once(const policy::Charge& charge) noexcept { return charge.limit->kind == LimitKind::concurrent; }

std::vector<Want> wants_of(const std::vector<policy::Charge>& charges) {
  std::vector<Want> out;
  out.reserve(charges.size());
  for (const auto& charge : charges)
    out.push_back({counter_key(charge.tenant, charge.key), charge.limit, std::min(charge.amount, most_bytes)});
  return out;
}

std::vector<CounterKey> places_of(const std::vector<policy::Charge>& charges) {
  std::vector<CounterKey> out;
  for (const auto& charge : charges)
    if (at_once(charge)) out.push_back(counter_key(charge.tenant, charge.key));
  return out;
}

std::optional<Reason> refusal_of(const Usage& usage) noexcept {
  switch (usage.outcome.kind) {
    case Taking::taken: return std::nullopt;
    case Taking::refused:
      return usage.refused_by()->kind == LimitKind::concurrent ? Reason::limit_concurrency : Reason::limit_exceeded;
    case Taking::no_room: return Reason::limit_room_full;
    case Taking::failed: return Reason::limit_unavailable;
  }
  return Reason::limit_unavailable;
}

}  // namespace

/// Shared with every call that holds a place and every task that asks: a call may outlive the
/// limiter when a worker ends.
struct Limiter::State final : Lender, std::enable_shared_from_this<State> {
  explicit State(Host host)
      : loop(host.loop),
        clock(host.clock),
        table(host.memory),
        listener(host.listener),
        on_error(host.on_error),
        next_hold(host.random.next()) {
    if (host.redis != nullptr) redis.emplace(*host.redis, host.log);
  }

  /// Who holds places, and where.
  struct Place {
    std::vector<CounterKey> here;
    std::vector<RedisCounters::Held> there;
  };

  /// From here on the places go back with the usage, also if there is no memory for what follows.
  void lend(const UsagePtr& usage, bool in_redis) {
    const auto& charges = usage->charges();
    if (std::none_of(charges.begin(), charges.end(), at_once)) return;
    usage->lend(shared_from_this());
    Place place;
    if (!in_redis) {
      place.here = places_of(charges);
    } else {
      for (const auto& charge : charges)
        if (at_once(charge)) place.there.push_back({RedisCounters::key_of(charge), usage->hold()});
    }
    held.emplace(usage->hold(), std::move(place));
    if (renewing) return;
    loop.keep([state = shared_from_this()] { return renew(state); });
    renewing = true;
  }

  void give_back(const std::vector<policy::Charge>& charges, std::uint64_t hold) noexcept override {
    if (!open) return;
    try {
      const auto known = held.extract(hold);
      if (redis && (known.empty() || !known.mapped().there.empty()))
        loop.spawn(give_back_there(shared_from_this(), charges, hold));
      else
        table.give_back(places_of(charges), hold);
    } catch (...) {
      // Without memory for it the lease runs out by itself.
      return;
    }
  }

  void tell(const std::vector<policy::Charge>& charges, const std::vector<Standing>& standings) noexcept {
    for (std::size_t i = 0; i < std::min(charges.size(), standings.size()); ++i)
      if (standings[i].crossed > 0) listener.limit_crossed(charges[i], standings[i].crossed);
  }

  void take_here(const UsagePtr& usage) {
    const std::int64_t now = now_of(clock);
    usage->outcome = table.take(wants_of(usage->charges()), {usage->hold(), now + lease.count()}, now);
    conclude(usage, false);
  }

  void conclude(const UsagePtr& usage, bool in_redis) {
    usage->refusal = refusal_of(*usage);
    if (usage->refusal) return;
    lend(usage, in_redis);
    tell(usage->charges(), usage->outcome.standings);
  }

  Loop& loop;
  Clock& clock;
  CounterTable table;
  std::optional<RedisCounters> redis;
  SingleFlight<UsagePtr> asking{loop, [](const std::exception_ptr&) { return UsagePtr(); }};
  Listener& listener;
  OnError on_error;
  std::uint64_t next_hold;  // begins anywhere, so that no two workers' meet
  std::unordered_map<std::uint64_t, Place> held;
  std::size_t waiting = 0;
  bool renewing = false;
  bool open = true;  // false when the worker is ending
};

Limiter::Limiter(Host host) : state_(std::make_shared<State>(host)) {}

Limiter::~Limiter() { state_->open = false; }

std::size_t Limiter::waiting() const noexcept { return state_->waiting; }

ValueTask<UsagePtr> Limiter::commit(std::vector<policy::Charge> charges) {
  auto usage = std::make_shared<Usage>(std::move(charges), state_->next_hold++);
  const auto& asked = usage->charges();
  const bool may_wait =
      std::any_of(asked.begin(), asked.end(), [](const auto& charge) { return charge.limit->queue.count() > 0; });
  if (may_wait && state_->waiting >= most_waiting) {
    usage->refusal = Reason::limit_queue_full;
    return usage;
  }
  if (state_->redis) return take_there(std::move(usage));
  state_->take_here(usage);
  if (!usage->refusal && usage->outcome.wait.count() > 0) return wait_for_turn(std::move(usage));
  return usage;
}

Task<UsagePtr> Limiter::take_there(UsagePtr usage) {
  // No two calls have one flight: what is shared is only that the work isn't the caller's.
  const std::uint64_t hold = usage->hold();
  auto flight = state_->asking.run(std::to_string(hold), [state = state_, usage] { return ask(state, usage); });
  const UsagePtr answered = co_await std::move(flight);
  if (answered == nullptr) usage->refusal = Reason::limit_unavailable;
  if (usage->refusal || usage->outcome.wait.count() == 0) co_return usage;
  auto turn = wait_for_turn(usage);
  co_return co_await std::move(turn);
}

Task<UsagePtr> Limiter::ask(StatePtr state, UsagePtr usage) {
  auto asking = state->redis->take(usage->charges(), usage->hold(), lease, usage->detail);
  usage->outcome = co_await std::move(asking);
  if (usage->outcome.kind != Taking::failed) {
    state->conclude(usage, true);
    co_return usage;
  }
  // It may have been taken, and the answer lost.
  state->give_back(usage->charges(), usage->hold());
  if (state->on_error == OnError::local)
    state->take_here(usage);
  else
    usage->refusal = Reason::limit_unavailable;
  co_return usage;
}

Task<void> Limiter::give_back_there(StatePtr state, std::vector<policy::Charge> charges, std::uint64_t hold) {
  auto giving = state->redis->give_back(std::move(charges), hold);
  co_await std::move(giving);
}

Task<void> Limiter::renew(StatePtr state) {
  // As long as the worker lives: whoever holds nothing pays a timer every ten seconds.
  while (true) {
    auto pause = state->loop.sleep(lease / 3);
    co_await std::move(pause);
    const std::int64_t until = now_of(state->clock) + lease.count();
    std::vector<RedisCounters::Held> there;
    for (const auto& [hold, place] : state->held) {
      state->table.renew(place.here, {hold, until});
      there.insert(there.end(), place.there.begin(), place.there.end());
    }
    if (there.empty()) continue;
    auto renewing = state->redis->renew(std::move(there), lease);
    co_await std::move(renewing);
  }
}

Task<UsagePtr> Limiter::wait_for_turn(UsagePtr usage) {
  struct Waiting {
    explicit Waiting(StatePtr owner) : state(std::move(owner)) { ++state->waiting; }
    Waiting(const Waiting&) = delete;
    Waiting& operator=(const Waiting&) = delete;
    ~Waiting() { --state->waiting; }
    StatePtr state;
  };
  const Waiting waiting(state_);
  auto turn = state_->loop.sleep(usage->outcome.wait);
  co_await std::move(turn);
  co_return usage;
}

void Limiter::settle(const UsagePtr& usage, std::int64_t response_bytes) noexcept try {
  if (usage->refusal || response_bytes <= 0) return;
  std::vector<policy::Charge> charges;
  for (const auto& charge : usage->charges()) {
    if (charge.limit->unit != LimitUnit::bytes) continue;
    charges.push_back(charge);
    charges.back().amount = std::min(response_bytes, most_bytes);
  }
  if (charges.empty()) return;
  if (state_->redis) {
    state_->loop.spawn(settle_there(state_, std::move(charges)));
    return;
  }
  const auto standings = state_->table.settle(wants_of(charges), now_of(state_->clock));
  state_->tell(charges, standings);
} catch (...) {
  // Without memory to count an answer: the next calls find a little more left than there is.
  return;
}

Task<void> Limiter::settle_there(StatePtr state, std::vector<policy::Charge> charges) {
  auto settling = state->redis->settle(charges);
  const auto standings = co_await std::move(settling);
  state->tell(charges, standings);
}

}  // namespace agw::limits
