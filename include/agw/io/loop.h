// How suspended coroutines come back: only from a turn of the host's event loop.
#pragma once

#include <coroutine>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "agw/base/task.h"
#include "agw/base/time.h"

namespace agw {

class Loop;

/// Something to run on a later turn of the loop. Its destructor takes it back. One owner, not
/// movable, posted at most once at a time.
class Posted {
 public:
  Posted() = default;
  Posted(const Posted&) = delete;
  Posted& operator=(const Posted&) = delete;
  virtual ~Posted() { unlink(); }
  [[nodiscard]] bool pending() const noexcept { return previous_ != nullptr; }
  void unlink() noexcept;

 protected:
  virtual void run() noexcept = 0;

 private:
  friend class Loop;
  Posted* previous_ = nullptr;  // a ring; nullptr when not linked
  Posted* next_ = nullptr;
};

/// The host's event loop. The host implements schedule(), spawn's storage is here.
class Loop {
 public:
  Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;
  /// Cancels what was spawned and drops what was posted.
  virtual ~Loop();

  /// Runs it on a later turn, never inside this call. Posting what is pending changes nothing.
  void post(Posted& item) noexcept;

  /// Owns and starts (on a later turn) a task that belongs to the worker, not to a request.
  /// An exception that escapes it is reported through report().
  void spawn(Task<void> task);
  /// Owns and starts a task that is to live as long as the worker: where an exception ends it
  /// (memory was short for a moment), that is reported, and `make` makes another one a little later.
  void keep(std::function<Task<void>()> make);
  /// Cancels all spawned tasks, at the worker's exit.
  void cancel_spawned() noexcept;

  /// The host calls it from its event: runs what was posted before the call.
  void drain() noexcept;

  /// A coroutine that ends after `delay`; destroying it takes the timer back.
  [[nodiscard]] virtual Task<void> sleep(Milliseconds delay) = 0;

 protected:
  /// Called when the first item is posted: the host must call drain() soon, from its own event.
  virtual void schedule() noexcept = 0;
  /// An exception escaped a spawned task.
  virtual void report(std::exception_ptr error) noexcept = 0;
  /// The host must call restart() after `restart_pause`; asked twice before that, once is enough.
  virtual void schedule_restart() noexcept = 0;
  /// Starts the kept tasks that have ended.
  void restart() noexcept;
  static constexpr Milliseconds restart_pause{1000};

 private:
  class Spawned;
  class Anchor;
  static void close_ring(Posted& anchor) noexcept;
  static Posted* first(Posted& anchor) noexcept;
  void own(std::unique_ptr<Spawned> task);
  void reap(Spawned& finished) noexcept;

  std::unique_ptr<Posted> queue_;    // the anchors of two rings
  std::unique_ptr<Posted> running_;
  std::vector<std::unique_ptr<Spawned>> spawned_;
};

/// One value, one waiter. Lives with the waiter (in the awaiting frame); whoever produces the
/// value calls set() once, and must be told by the owner's destructor when the wait is over.
/// The waiter is resumed through Loop::post, never inside set().
template <class T>
class Completion final : private Posted {
 public:
  explicit Completion(Loop& loop) noexcept : loop_(loop) {}

  void set(T value) {
    if (value_) return;
    value_.emplace(std::move(value));
    if (waiting_) loop_.post(*this);
  }
  [[nodiscard]] bool is_set() const noexcept { return value_.has_value(); }

  [[nodiscard]] bool await_ready() const noexcept { return value_.has_value(); }
  void await_suspend(std::coroutine_handle<> waiting) noexcept { waiting_ = waiting; }
  T await_resume() { return std::move(*value_); }

 private:
  void run() noexcept override { std::exchange(waiting_, {}).resume(); }

  Loop& loop_;
  std::optional<T> value_;
  std::coroutine_handle<> waiting_;
};

}  // namespace agw
