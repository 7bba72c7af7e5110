#include "agw/gateway/breakers.h"

#include <algorithm>
#include <memory>

namespace agw::gateway {
namespace {

using limits::BreakerState;
using limits::Mark;

constexpr Seconds between_complaints{60};
constexpr int least_failure = 500;
constexpr int bad_gateway = 502;
constexpr int gateway_timeout = 504;

/// Denials are the agent's doing where it was known and understood: not what is refused because
/// something else is out of order, and not what it was refused because a breaker is open.
bool is_denial(const Decision& decision) {
  if (decision.kind != DecisionKind::deny) return false;
  switch (row(decision.reason).disposition) {
    case Disposition::allowed:
    case Disposition::challenge:
    case Disposition::unavailable:
    case Disposition::backend:
    case Disposition::limited:
    case Disposition::conflict: return false;
    default: return decision.reason != Reason::agent_breaker_open && decision.reason != Reason::client_aborted;
  }
}

/// Handshakes and lists say nothing of how many calls are denied: they would hide it.
Mark denial_mark(const Call& call) {
  if (is_denial(call.decision)) return Mark::bad;
  return call.decision.allowed() && !call.operation.empty() ? Mark::good : Mark::none;
}

/// A client that left says nothing about the backend, unless that had answered before; nor does a recorded answer.
Mark error_mark(const Call& call, const audit::Completion& completion) {
  if (!call.decision.allowed() || call.replay != nullptr) return Mark::none;
  if (completion.upstream_status != 0) return completion.upstream_status >= least_failure ? Mark::bad : Mark::good;
  // nginx found nobody whom to ask, or not by its name.
  const bool nobody = completion.status == bad_gateway || completion.status == gateway_timeout;
  return nobody && !call.failure && completion.outcome != audit::Outcome::aborted ? Mark::bad : Mark::none;
}

limits::CounterKey key_of(const Breaker& breaker, std::string_view tenant, std::string_view whose, bool enforced) {
  std::string name = enforced ? "breaker:" : "observed:breaker:";
  name += breaker.id();
  name += ':';
  return limits::counter_key(tenant, name.append(whose));
}

std::string place_label(const Breaker& breaker) {
  return std::string(breaker.subject == BreakerSubject::agent ? R"({subject="agent",place=")"
                                                              : R"({subject="backend",place=")") +
         breaker.place + "\"}";
}

std::string whose(const Call& call, const Principal& who, const Breaker& breaker) {
  if (breaker.subject == BreakerSubject::backend) return "the backend " + call.location->name_space;
  return "the agent " + who.agent;
}

/// `Retry-After` is in whole seconds; nobody is told to come too early.
std::uint32_t seconds_of(Milliseconds wait) {
  constexpr std::int64_t most = 7 * 24 * 3600;
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>((wait.count() + 999) / 1000, 1, most));
}

}  // namespace

Breakers::Breakers(Host host)
    : host_(host),
      table_(host.memory),
      next_id_(host.random.next()),
      uncounted_(host.metrics.cell("agent_breaker_uncounted_total")),
      open_agents_(host.metrics.cell("agent_breaker_open_agents")) {}

std::unique_ptr<limits::Watch> Breakers::watch_of(const Call& call, const Principal& who) {
  auto out = std::make_unique<limits::Watch>();
  out->id = next_id_++;
  for (const Breaker& breaker : call.location->breakers) {
    const bool by_agent = breaker.subject == BreakerSubject::agent;
    const std::string_view tenant = by_agent ? std::string_view(who.tenant) : "*";
    const std::string_view whom = by_agent ? who.agent : call.location->name_space;
    out->breakers.push_back({key_of(breaker, tenant, whom, call.enforced), &breaker});
  }
  return out;
}

void Breakers::pass(const policy::Facts& facts, Call& call) {
  if (!call.decision.allowed() || table_.all_closed()) return;
  if (facts.chain != nullptr) pass_chain(*facts.chain, call);
  if (!call.decision.allowed()) return;
  if (call.watch == nullptr) call.watch = watch_of(call, *call.principal);
  ask(facts, *call.principal, *call.watch, call);
}

void Breakers::pass_chain(const std::vector<policy::Facts>& chain, Call& call) {
  for (std::size_t i = 0; i < chain.size() && call.decision.allowed(); ++i) {
    const Principal who = as_made_by(*call.principal, call.principal->chain[i]);
    const auto watch = watch_of(call, who);
    std::erase_if(watch->breakers, [](const auto& each) { return each.breaker->subject != BreakerSubject::agent; });
    ask(chain[i], who, *watch, call);
    if (!call.decision.allowed()) call.decision.failed_link = static_cast<std::uint8_t>(i + 1);
  }
}

void Breakers::ask(const policy::Facts& facts, const Principal& who, limits::Watch& watch, Call& call) {
  std::optional<Milliseconds> closed_ago;
  const WallTime now = host_.clock.now();
  const BreakerRecord* record = facts.breaker;
  if (record != nullptr && record->state == BreakerRecordState::closed && record->since && *record->since <= now)
    closed_ago = now - *record->since;
  const auto gate = table_.ask(watch, closed_ago, host_.clock.steady());
  watch.tries = gate.tries;
  for (const std::size_t which : gate.closed)
    tell(call, who, watch, {which, BreakerState::closed, 0, 0}, gate.by_hand ? "by hand" : "because its time is over");
  if (!gate.held_by) return;
  const Breaker& breaker = *watch.breakers[*gate.held_by].breaker;
  call.decision.kind = DecisionKind::deny;
  call.decision.reason =
      breaker.subject == BreakerSubject::agent ? Reason::agent_breaker_open : Reason::backend_breaker_open;
  call.decision.checks.set(row(call.decision.reason).check, Verdict::fail);
  call.decision.retry_after = gate.wait ? seconds_of(*gate.wait) : 0;
}

void Breakers::answered(Call& call, int status) {
  if (call.watch == nullptr || !call.watch->tries || status == 0) return;
  std::vector<Mark> marks(call.watch->breakers.size());
  for (std::size_t i = 0; i < marks.size(); ++i)
    if (call.watch->breakers[i].breaker->subject == BreakerSubject::backend)
      marks[i] = status >= least_failure ? Mark::bad : Mark::good;
  call.watch->tries = false;
  call.watch->told = true;
  count(call, marks);
}

void Breakers::finish(Call& call, const audit::Completion& completion) {
  // Asking what one may do is no call.
  if (call.principal == nullptr || call.type == "permissions") return;
  const Mark by_denials = denial_mark(call);
  const Mark by_errors = error_mark(call, completion);
  const bool told = call.watch != nullptr && call.watch->told;
  const bool tries = call.watch != nullptr && call.watch->tries;
  const auto& breakers = call.location->breakers;
  std::vector<Mark> marks(breakers.size());
  bool anything = tries;
  for (std::size_t i = 0; i < breakers.size(); ++i) {
    marks[i] = breakers[i].count == BreakerCount::denials ? by_denials : by_errors;
    if (told && breakers[i].subject == BreakerSubject::backend) marks[i] = Mark::none;
    anything = anything || marks[i] != Mark::none;
  }
  if (!anything) return;
  if (call.watch == nullptr) call.watch = watch_of(call, *call.principal);
  count(call, marks);
}

void Breakers::count(Call& call, const std::vector<Mark>& marks) {
  const auto counted = table_.count(*call.watch, marks, host_.clock.steady());
  for (const auto& turn : counted.turns) {
    const bool by_time = turn.to == BreakerState::closed && turn.counted == 0;
    tell(call, *call.principal, *call.watch, turn, by_time ? "because its time is over" : "because a call succeeded");
  }
  if (counted.no_room) tell_full();
}

void Breakers::tell(const Call& call, const Principal& who, const limits::Watch& watch, const limits::Turn& turn,
                    std::string_view how) {
  const Breaker& breaker = *watch.breakers[turn.which].breaker;
  const bool opened = turn.to == BreakerState::open;
  const std::string name = whose(call, who, breaker);
  const std::string id = host_.random.hex(16);
  std::string detail = breaker.text + " at " + breaker.place;
  std::string text = "The breaker of " + name;
  if (opened) {
    detail += ": " + std::to_string(turn.bad) + " of " + std::to_string(turn.counted);
    text += breaker.open_for
                ? " has opened: until " + format_rfc3339(host_.clock.now() + *breaker.open_for) + " nothing passes"
                : " has opened: nothing passes until somebody closes it";
  } else {
    ((text += " has closed ") += how);
  }
  text += call.enforced ? "." : ", or would have: it is only observed.";
  audit::Event event;
  event.id = id;
  event.time = host_.clock.now();
  event.type = opened ? "breaker.open" : "breaker.close";
  event.decision = opened ? DecisionKind::deny : DecisionKind::allow;
  const Reason open_reason =
      breaker.subject == BreakerSubject::agent ? Reason::agent_breaker_open : Reason::backend_breaker_open;
  event.reason = opened ? open_reason : Reason::allowed;
  event.enforced = call.enforced;
  if (breaker.subject == BreakerSubject::agent) event.principal = &who;
  event.detail = detail;
  event.text = text;
  if (!host_.audit.note(event)) host_.log.write(LogLevel::error, "agent_audit: no room for an event: " + text);
  if (!opened || !call.enforced) return;
  const std::string labels = place_label(breaker);
  Metrics::Cell*& cell = trips_[labels];
  if (cell == nullptr) cell = &host_.metrics.cell("agent_breaker_trips_total" + labels);
  cell->fetch_add(1, std::memory_order_relaxed);
}

void Breakers::tell_full() {
  uncounted_.fetch_add(1, std::memory_order_relaxed);
  const SteadyTime now = host_.clock.steady();
  if (told_full_ != SteadyTime() && now - told_full_ < between_complaints) return;
  told_full_ = now;
  host_.log.write(LogLevel::error,
                  "agent_breaker: there is no room for more breakers in agent_zone; calls pass uncounted");
}

void Breakers::show(const std::vector<const Location*>& locations) {
  open_agents_.store(table_.open_agents(host_.clock.steady()), std::memory_order_relaxed);
  std::map<std::string, std::uint64_t> backends;
  for (const Location* location : locations) {
    for (const Breaker& breaker : location->breakers) {
      if (breaker.subject != BreakerSubject::backend) continue;
      const auto state = table_.state(key_of(breaker, "*", location->name_space, true));
      auto& worst = backends[location->name_space];
      worst = std::max<std::uint64_t>(worst, state == BreakerState::closed ? 0 : 1);
    }
  }
  for (const auto& [name, open] : backends)
    host_.metrics.cell("agent_breaker_open_backends{backend=\"" + name + "\"}").store(open, std::memory_order_relaxed);
}

}  // namespace agw::gateway
