#include "agw/idempotency/ledger.h"

#include <algorithm>
#include <array>
#include <unordered_map>
#include <utility>
#include <vector>

#include "agw/io/complaints.h"
#include "agw/io/key_types.h"
#include "agw/io/redis_script.h"
#include "agw/io/single_flight.h"

#include "scripts.h"

namespace agw::idempotency {
namespace {

constexpr std::size_t owner_bytes = 16;
constexpr Milliseconds first_pause{20};
constexpr Milliseconds longest_pause{500};
/// Half a minute in all, with a pause that doubles: as long as a lease is believed.
constexpr int most_attempts = 7;
constexpr Milliseconds retry_pause{500};

constexpr std::string_view word_done = "d";
constexpr std::string_view word_unknown = "u";
constexpr std::string_view word_large = "l";
constexpr std::string_view word_release;

enum class Finding : std::uint8_t { claimed, busy, unknown, other, large, done, mistyped, failed };

Finding finding_of(const RedisReply& reply) {
  constexpr std::array<std::pair<std::string_view, Finding>, 6> words{{{"claimed", Finding::claimed},
                                                                       {"busy", Finding::busy},
                                                                       {"unknown", Finding::unknown},
                                                                       {"other", Finding::other},
                                                                       {"large", Finding::large},
                                                                       {"done", Finding::done}}};
  if (reply.elements.empty()) return Finding::failed;
  const auto* const found = std::ranges::find(words, reply.elements[0].text, &decltype(words)::value_type::first);
  if (found == words.end()) return Finding::failed;
  if (found->second == Finding::done && reply.elements.size() != 2) return Finding::failed;
  return found->second;
}

}  // namespace

/// All that is needed to speak of one call: it is shared with what is under way for it.
struct Ledger::Entry {
  std::vector<std::string> names;      ///< Redis keys
  std::vector<std::string> arguments;  ///< for each name
  std::string owner;
  std::string bound;  ///< what its sealed answer is bound to
  Milliseconds ttl{};
  std::size_t most_bytes = 0;
};

struct Ledger::Found {
  Finding kind = Finding::failed;
  std::string record;
  std::string detail;
  std::shared_ptr<Claim> claim;
};

/// Shared with every claim and every task: a call may outlive the ledger when a worker ends.
struct Ledger::State : std::enable_shared_from_this<State> {
  State(Host given, Keys with) : host(given), keys(std::move(with)), complaints(given.log) {}

  void hold(const EntryPtr& entry) {
    held.emplace(entry->owner, entry);
    if (renewing) return;
    host.loop.keep([state = shared_from_this()] { return renew(state); });
    renewing = true;
  }

  /// False without memory for it, or when the worker is ending: then the lease runs out by itself.
  bool settle(const EntryPtr& entry, std::string_view word, std::string record) noexcept {
    if (!open) return false;
    if (!record.empty() && unwritten + record.size() > most_unwritten) {
      record.clear();
      word = word_large;
    }
    try {
      host.loop.spawn(write(shared_from_this(), entry, std::string(word), std::move(record)));
      return true;
    } catch (...) {
      held.erase(entry->owner);
      return false;
    }
  }

  Host host;
  Keys keys;
  Complaints complaints;
  RedisScript claim{claim_script};
  RedisScript settled{settle_script};
  RedisScript release{release_script};
  RedisScript alive{renew_script};
  SingleFlight<FoundPtr> asking{host.loop, [](const std::exception_ptr&) { return FoundPtr(); }};
  std::unordered_map<std::string, EntryPtr> held;  ///< by owner
  std::size_t waiting = 0;
  std::size_t unwritten = 0;
  bool renewing = false;
  bool open = true;  ///< false when the worker is ending
};

Ledger::Ledger(Host host, Keys keys) : state_(std::make_shared<State>(host, std::move(keys))) {}

Ledger::~Ledger() { state_->open = false; }

Ledger::EntryPtr Ledger::entry_of(const Ask& ask) {
  auto out = std::make_shared<Entry>();
  for (std::size_t i = 0; i < state_->keys.size(); ++i) {
    out->names.push_back("agw:v:{" + ask.tenant + "}:idem:" + state_->keys.name(i, ask.subject));
    out->arguments.push_back(state_->keys.arguments(i, ask.subject, ask.arguments));
  }
  out->owner = state_->host.random.hex(owner_bytes);
  out->bound = "agw answer 1 ";
  out->bound.append(reinterpret_cast<const char*>(ask.arguments.data()), ask.arguments.size());
  out->bound += ask.subject;
  out->ttl = ask.rule->ttl;
  out->most_bytes = ask.rule->most_bytes;
  return out;
}

Task<Outcome> Ledger::commit(Ask ask) {
  struct Waiting {
    explicit Waiting(StatePtr owner) : state(std::move(owner)) { ++state->waiting; }
    Waiting(const Waiting&) = delete;
    Waiting& operator=(const Waiting&) = delete;
    ~Waiting() { --state->waiting; }
    StatePtr state;
  };
  const Milliseconds patience = ask.rule->wait;
  Milliseconds waited{0};
  Milliseconds pause = first_pause;
  while (true) {
    const EntryPtr entry = entry_of(ask);
    auto claim = std::make_shared<Claim>(state_, entry);
    // No two calls have one flight: what is shared is only that the work isn't the caller's.
    auto flight = state_->asking.run(
        entry->owner, [state = state_, entry, claim = std::move(claim)] { return Ledger::ask(state, entry, claim); });
    const FoundPtr found = co_await std::move(flight);
    const bool busy = found != nullptr && found->kind == Finding::busy;
    if (!busy || waited >= patience || state_->waiting >= most_waiting) {
      Outcome out;
      if (found != nullptr) out = outcome_of(*entry, *found);
      if (found == nullptr) out.refusal = Reason::idempotency_unavailable;
      out.waited = waited.count() > 0;
      co_return out;
    }
    const Waiting here(state_);
    const Milliseconds now = std::min(pause, patience - waited);
    auto sleeping = state_->host.loop.sleep(now);
    co_await std::move(sleeping);
    waited += now;
    pause = std::min(pause * 2, longest_pause);
  }
}

Task<Ledger::FoundPtr> Ledger::ask(StatePtr state, EntryPtr entry, std::shared_ptr<Claim> claim) {
  auto found = std::make_shared<Found>();
  std::vector<std::string> arguments{entry->owner, std::to_string(lease.count()), std::to_string(entry->ttl.count())};
  arguments.insert(arguments.end(), entry->arguments.begin(), entry->arguments.end());
  auto running = state->claim.run(state->host.redis, entry->names, std::move(arguments));
  auto reply = co_await std::move(running);
  if (!reply && reply.error() == RedisScript::wrong_type) {
    // Each name is looked at before any is written: there is nothing to give back.
    claim->stage_ = Claim::Stage::settled;
    found->kind = Finding::mistyped;
    auto complaining = complain(*state, *entry);
    co_await std::move(complaining);
    co_return found;
  }
  if (reply) found->kind = finding_of(*reply);
  if (!reply) found->detail = std::move(reply.error());
  if (found->kind == Finding::failed) {
    if (found->detail.empty()) found->detail = "an answer of another form";
    // It may have been claimed, and the answer lost: the claim dies here and gives it back.
    co_return found;
  }
  if (state->complaints.any())
    for (const auto& name : entry->names) state->complaints.whole(name);
  if (found->kind != Finding::claimed) {
    claim->stage_ = Claim::Stage::settled;
    if (found->kind == Finding::done) found->record = std::move(reply->elements[1].text);
    co_return found;
  }
  state->hold(entry);
  claim->stage_ = Claim::Stage::held;
  found->claim = std::move(claim);
  co_return found;
}

/// Which of the call's names holds something else.
Task<void> Ledger::complain(State& state, const Entry& entry) {
  std::vector<TypedKey> keys;
  keys.reserve(entry.names.size());
  for (const auto& name : entry.names) keys.push_back({name, "hash"});
  return complain_of_types(state.host.redis, state.complaints, std::move(keys),
                           "repeats of its call are denied, and nothing is recorded for them");
}

Outcome Ledger::outcome_of(const Entry& entry, Found& found) const {
  Outcome out;
  out.detail = std::move(found.detail);
  switch (found.kind) {
    case Finding::claimed: out.claim = std::move(found.claim); return out;
    case Finding::busy: out.refusal = Reason::idempotency_in_flight; return out;
    case Finding::unknown: out.refusal = Reason::idempotency_unknown; return out;
    case Finding::other: out.refusal = Reason::idempotency_mismatch; return out;
    case Finding::large: out.refusal = Reason::idempotency_unrecorded; return out;
    case Finding::mistyped: out.refusal = Reason::idempotency_unreadable; return out;
    case Finding::failed: out.refusal = Reason::idempotency_unavailable; return out;
    case Finding::done: break;
  }
  const auto plain = state_->keys.open(found.record, entry.bound);
  if (plain) out.answer = read_answer(*plain);
  if (!out.answer) out.refusal = Reason::idempotency_unreadable;
  return out;
}

Task<void> Ledger::write(StatePtr state, EntryPtr entry, std::string state_word, std::string record) {
  struct Unwritten {
    Unwritten(StatePtr owner, EntryPtr of, std::size_t size)
        : state(std::move(owner)), entry(std::move(of)), bytes(size) {
      state->unwritten += bytes;
    }
    Unwritten(const Unwritten&) = delete;
    Unwritten& operator=(const Unwritten&) = delete;
    ~Unwritten() {
      state->unwritten -= bytes;
      state->held.erase(entry->owner);
    }
    StatePtr state;
    EntryPtr entry;
    std::size_t bytes;
  };
  const Unwritten unwritten(state, entry, record.size());
  const bool release = state_word == word_release;
  std::vector<std::string> arguments{entry->owner};
  if (!release) {
    arguments.push_back(std::to_string(entry->ttl.count()));
    arguments.push_back(std::move(state_word));
    arguments.push_back(std::move(record));
  }
  Milliseconds pause = retry_pause;
  for (int attempt = 1;; ++attempt) {
    const RedisScript& script = release ? state->release : state->settled;
    auto running = script.run(state->host.redis, entry->names, arguments);
    const auto reply = co_await std::move(running);
    if (reply) co_return;
    if (reply.error() == RedisScript::wrong_type) {
      auto complaining = complain(*state, *entry);
      co_await std::move(complaining);
      co_return;
    }
    if (attempt == most_attempts) {
      state->host.log.write(LogLevel::error, "agent_gateway: Redis can't be told what became of a call (" +
                                                 reply.error() + "): its idempotency key is unknown from now on");
      co_return;
    }
    auto sleeping = state->host.loop.sleep(pause);
    co_await std::move(sleeping);
    pause *= 2;
  }
}

Task<void> Ledger::renew(StatePtr state) {
  // As long as the worker lives: whoever holds nothing pays a timer every ten seconds.
  while (true) {
    auto pause = state->host.loop.sleep(lease / 3);
    co_await std::move(pause);
    std::vector<EntryPtr> entries;
    entries.reserve(state->held.size());
    for (const auto& [owner, entry] : state->held) entries.push_back(entry);
    for (const EntryPtr& entry : entries) {
      if (!state->held.contains(entry->owner)) continue;
      auto running =
          state->alive.run(state->host.redis, entry->names,
                           {entry->owner, std::to_string(lease.count()), std::to_string(entry->ttl.count())});
      static_cast<void>(co_await std::move(running));
    }
  }
}

Claim::Claim(Ledger::StatePtr state, Ledger::EntryPtr entry) noexcept
    : state_(std::move(state)), entry_(std::move(entry)) {}

Claim::~Claim() {
  if (stage_ == Stage::asked || stage_ == Stage::held) settle(word_release, {});
  if (stage_ == Stage::sent) settle(word_unknown, {});
}

std::size_t Claim::most_bytes() const noexcept { return entry_->most_bytes; }

void Claim::sent() noexcept {
  if (stage_ == Stage::held) stage_ = Stage::sent;
}

void Claim::not_carried_out() noexcept {
  if (stage_ == Stage::sent) stage_ = Stage::held;
}

void Claim::keep(const KeptAnswer& answer) noexcept try {
  if (stage_ != Stage::sent) return;
  settle(word_done, state_->keys.seal(write_answer(answer), entry_->bound, state_->host.random));
} catch (...) {
  keep_nothing();
}

void Claim::keep_nothing() noexcept {
  if (stage_ == Stage::sent) settle(word_large, {});
}

void Claim::settle(std::string_view word, std::string record) noexcept {
  stage_ = Stage::settled;
  static_cast<void>(state_->settle(entry_, word, std::move(record)));
}

}  // namespace agw::idempotency
