#include "agw/limits/limiter.h"

#include <algorithm>
#include <unordered_map>

#include "agw/limits/counter_table.h"

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

/// Shared with every call that holds a place: a call may outlive the limiter when a worker ends.
struct Limiter::State final : Lender {
  State(Host host) : clock(host.clock), table(host.memory), listener(host.listener), next_hold(host.random.next()) {}

  void give_back(const std::vector<policy::Charge>& charges, std::uint64_t hold) noexcept override {
    if (!open) return;
    try {
      held.erase(hold);
      std::vector<CounterKey> keys;
      for (const auto& charge : charges)
        if (at_once(charge)) keys.push_back(counter_key(charge.tenant, charge.key));
      table.give_back(keys, hold);
    } catch (...) {
      // Without memory for it the lease runs out by itself.
      return;
    }
  }

  void tell(const std::vector<policy::Charge>& charges, const std::vector<Standing>& standings) noexcept {
    for (std::size_t i = 0; i < std::min(charges.size(), standings.size()); ++i)
      if (standings[i].crossed > 0) listener.limit_crossed(charges[i], standings[i].crossed);
  }

  Clock& clock;
  CounterTable table;
  Listener& listener;
  std::uint64_t next_hold;  // begins anywhere, so that no two workers' meet
  std::unordered_map<std::uint64_t, std::vector<CounterKey>> held;
  std::size_t waiting = 0;
  bool renewing = false;
  bool open = true;  // false when the worker is ending
};

Limiter::Limiter(Host host) : loop_(host.loop), state_(std::make_shared<State>(host)) {}

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
  const std::int64_t now = now_of(state_->clock);
  usage->outcome = state_->table.take(wants_of(asked), {usage->hold(), now + lease.count()}, now);
  usage->refusal = refusal_of(*usage);
  if (usage->refusal) return usage;
  lend(usage);
  state_->tell(asked, usage->outcome.standings);
  if (usage->outcome.wait.count() > 0) return wait_for_turn(std::move(usage));
  return usage;
}

void Limiter::lend(const UsagePtr& usage) {
  const auto& charges = usage->charges();
  if (std::none_of(charges.begin(), charges.end(), at_once)) return;
  // From here on the places go back with the usage, also if there is no memory for what follows.
  usage->lend(state_);
  std::vector<CounterKey> keys;
  for (const auto& charge : charges)
    if (at_once(charge)) keys.push_back(counter_key(charge.tenant, charge.key));
  state_->held.emplace(usage->hold(), std::move(keys));
  if (state_->renewing) return;
  loop_.spawn(renew(state_, loop_));
  state_->renewing = true;
}

Task<void> Limiter::renew(std::shared_ptr<State> state, Loop& loop) {
  // As long as the worker lives: whoever holds nothing pays a timer every ten seconds.
  while (true) {
    auto pause = loop.sleep(lease / 3);
    co_await std::move(pause);
    const std::int64_t until = now_of(state->clock) + lease.count();
    for (const auto& [hold, keys] : state->held) state->table.renew(keys, {hold, until});
  }
}

Task<UsagePtr> Limiter::wait_for_turn(UsagePtr usage) {
  struct Waiting {
    explicit Waiting(std::shared_ptr<State> owner) : state(std::move(owner)) { ++state->waiting; }
    Waiting(const Waiting&) = delete;
    Waiting& operator=(const Waiting&) = delete;
    ~Waiting() { --state->waiting; }
    std::shared_ptr<State> state;
  };
  const Waiting waiting(state_);
  auto turn = loop_.sleep(usage->outcome.wait);
  co_await std::move(turn);
  co_return usage;
}

void Limiter::settle(const UsagePtr& usage, std::int64_t response_bytes) noexcept try {
  if (usage->refusal || response_bytes <= 0) return;
  std::vector<policy::Charge> charges;
  for (const auto& charge : usage->charges()) {
    if (charge.limit->unit != LimitUnit::bytes) continue;
    charges.push_back(charge);
    charges.back().amount = response_bytes;
  }
  if (charges.empty()) return;
  const auto standings = state_->table.settle(wants_of(charges), now_of(state_->clock));
  state_->tell(charges, standings);
} catch (...) {
  // Without memory to count an answer: the next calls find a little more left than there is.
  return;
}

}  // namespace agw::limits
