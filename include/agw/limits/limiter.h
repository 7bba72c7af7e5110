// The commit: what a call uses up is taken once, all of it or nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "agw/base/task.h"
#include "agw/io/clock.h"
#include "agw/io/log.h"
#include "agw/io/loop.h"
#include "agw/io/random.h"
#include "agw/io/redis.h"
#include "agw/io/shared_memory.h"
#include "agw/limits/usage.h"
#include "agw/policy/charges.h"

namespace agw::limits {

/// Hears that a window's use has crossed one of its warn percentages: once for each window, by the
/// call that crossed it.
class Listener {
 public:
  virtual ~Listener() = default;
  virtual void limit_crossed(const policy::Charge& charge, int percent) noexcept = 0;
};

/// What happens to a call whose counters Redis can't be asked for.
enum class OnError : std::uint8_t { deny, local };

/// One per worker. Counters are exact: across the workers of a node in its zone, across nodes in
/// Redis where there is one.
class Limiter {
 public:
  struct Host {
    Loop& loop;
    Clock& clock;
    Random& random;
    SharedMemory& memory;
    Listener& listener;
    Log& log;
    Redis* redis = nullptr;  ///< where the counters of all nodes are; null: in the zone
    OnError on_error = OnError::deny;
  };
  explicit Limiter(Host host);
  ~Limiter();
  Limiter(const Limiter&) = delete;
  Limiter& operator=(const Limiter&) = delete;

  /// Never null; `refusal` says whether the call may go on. Suspends where Redis is asked, and where
  /// a call waits for its turn (`queue=`). Asking belongs to the worker: who leaves meanwhile can't
  /// cut it in half; what was taken is used, and places of calls at once are given back.
  [[nodiscard]] ValueTask<UsagePtr> commit(std::vector<policy::Charge> charges);

  /// After the call: what its answer used of limits in bytes. Places of calls at once are given
  /// back with the usage itself.
  void settle(const UsagePtr& usage, std::int64_t response_bytes) noexcept;

  [[nodiscard]] std::size_t waiting() const noexcept;

  /// How long a place is kept for a worker that doesn't speak any more.
  static constexpr Milliseconds lease{30'000};
  /// Calls of one worker that may wait for their turn.
  static constexpr std::size_t most_waiting = 1'024;

 private:
  struct State;
  using StatePtr = std::shared_ptr<State>;
  [[nodiscard]] Task<UsagePtr> take_there(UsagePtr usage);
  static Task<UsagePtr> ask(StatePtr state, UsagePtr usage);
  [[nodiscard]] Task<UsagePtr> wait_for_turn(UsagePtr usage);
  static Task<void> renew(StatePtr state);
  static Task<void> settle_there(StatePtr state, std::vector<policy::Charge> charges);
  static Task<void> give_back_there(StatePtr state, std::vector<policy::Charge> charges, std::uint64_t hold);

  std::shared_ptr<State> state_;
};

}  // namespace agw::limits
