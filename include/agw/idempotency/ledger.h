// Which calls have been run: each key once, over all nginx that share a Redis.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include "agw/base/digest.h"
#include "agw/base/task.h"
#include "agw/idempotency/kept_answer.h"
#include "agw/idempotency/keys.h"
#include "agw/idempotency/rule.h"
#include "agw/io/clock.h"
#include "agw/io/log.h"
#include "agw/io/loop.h"
#include "agw/io/random.h"
#include "agw/io/redis.h"
#include "agw/model/reason.h"

namespace agw::idempotency {

/// A call as the ledger knows it.
struct Ask {
  std::string tenant;
  std::string subject;          ///< subject_of()
  Sha256 arguments{};           ///< of all that a repeat must have in common with the first
  const Rule* rule = nullptr;   ///< lives as long as the ledger
};

class Claim;

struct Outcome {
  std::shared_ptr<Claim> claim;      ///< this call runs
  std::optional<KeptAnswer> answer;  ///< it ran before: this is what was answered
  std::optional<Reason> refusal;     ///< neither
  bool waited = false;               ///< time has passed: what was judged must be judged again
  std::string detail;                ///< for the log
};

/// One per worker.
class Ledger {
 public:
  struct Host {
    Loop& loop;
    Random& random;
    Redis& redis;
    Log& log;
  };
  Ledger(Host host, Keys keys);
  ~Ledger();
  Ledger(const Ledger&) = delete;
  Ledger& operator=(const Ledger&) = delete;

  /// Claims the call's key, or says what became of the call that did. Asking belongs to the worker: a client that
  /// leaves can't cut it in half, and what it had claimed is given back. May wait as long as the rule says for a call
  /// that is under way.
  [[nodiscard]] Task<Outcome> commit(Ask ask);

  /// How long a claim is believed of a worker that doesn't speak any more; living ones renew theirs.
  static constexpr Milliseconds lease{30'000};
  /// Calls of one worker that may wait for another to end.
  static constexpr std::size_t most_waiting = 1'024;
  /// Bytes of answers that one worker holds until Redis has them.
  static constexpr std::size_t most_unwritten = std::size_t{32} << 20;

 private:
  friend class Claim;
  struct Entry;
  struct Found;
  struct State;
  using StatePtr = std::shared_ptr<State>;
  using EntryPtr = std::shared_ptr<const Entry>;
  using FoundPtr = std::shared_ptr<Found>;

  static Task<FoundPtr> ask(StatePtr state, EntryPtr entry, std::shared_ptr<Claim> claim);
  static Task<void> write(StatePtr state, EntryPtr entry, std::string state_word, std::string record);
  static Task<void> renew(StatePtr state);
  static Task<void> complain(State& state, const Entry& entry);
  [[nodiscard]] EntryPtr entry_of(const Ask& ask);
  [[nodiscard]] Outcome outcome_of(const Entry& entry, Found& found) const;

  StatePtr state_;
};

/// A key that one call holds. Belongs to the call; its destruction settles what nobody has settled: a call that never
/// left the gateway gives the key back, one that may have reached the backend makes it unknown. Where Redis can't be
/// told for half a minute, or the worker dies, the lease ends, and the key is unknown too.
class Claim {
 public:
  /// Only the ledger makes them.
  Claim(Ledger::StatePtr state, Ledger::EntryPtr entry) noexcept;
  Claim(const Claim&) = delete;
  Claim& operator=(const Claim&) = delete;
  ~Claim();

  [[nodiscard]] std::size_t most_bytes() const noexcept;
  /// From here on it may reach the backend.
  void sent() noexcept;
  /// It is certain that it was not carried out.
  void not_carried_out() noexcept;
  /// What it was answered, whole. Writing it belongs to the worker.
  void keep(const KeptAnswer& answer) noexcept;
  /// It was answered, and repeats can't have the answer.
  void keep_nothing() noexcept;

 private:
  friend class Ledger;
  enum class Stage : std::uint8_t { asked, held, sent, settled };
  void settle(std::string_view word, std::string record) noexcept;

  Ledger::StatePtr state_;
  Ledger::EntryPtr entry_;
  Stage stage_ = Stage::asked;
};

}  // namespace agw::idempotency
