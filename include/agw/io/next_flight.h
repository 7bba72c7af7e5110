// Many ask, one goes after all of them have asked.
#pragma once

#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "agw/io/loop.h"

namespace agw {

/// Answers everybody who asked before it began with one piece of work. Who asks while one is under way waits for the
/// next, which collects all of them: nobody gets an answer that is older than the question. One is under way at a time.
/// The work belongs to the worker: a client that leaves takes its own registration back and disturbs nobody. T is
/// copied to each waiter. An exception in the work becomes `on_crash`'s answer; where even that throws (memory is
/// short), each waiter gets the exception. Nobody is left waiting.
template <class T>
class NextFlight {
 public:
  using Work = std::function<Task<T>()>;
  using OnCrash = std::function<T(const std::exception_ptr&)>;

  /// `work` is called once per flight; it must own what it needs.
  NextFlight(Loop& loop, Work work, OnCrash on_crash)
      : loop_(loop), state_(std::make_shared<State>(std::move(work), std::move(on_crash))) {}

  Task<T> run() {
    Waiter waiter(loop_, state_);
    if (!state_->flying) {
      loop_.spawn(fly(state_));
      state_->flying = true;
    }
    co_await waiter.landed;
    if (!waiter.value) std::rethrow_exception(waiter.crash);
    co_return *std::move(waiter.value);
  }

 private:
  struct Waiter;
  struct State {
    State(Work work, OnCrash on_crash) : work(std::move(work)), on_crash(std::move(on_crash)) {}
    Work work;
    OnCrash on_crash;
    std::vector<Waiter*> waiting;  ///< for the next
    std::vector<Waiter*> aboard;
    bool flying = false;
  };
  using StatePtr = std::shared_ptr<State>;

  struct Waiter {
    Waiter(Loop& loop, StatePtr joined) : landed(loop), state(std::move(joined)) { state->waiting.push_back(this); }
    Waiter(const Waiter&) = delete;
    Waiter& operator=(const Waiter&) = delete;
    ~Waiter() {
      std::erase(state->waiting, this);
      std::erase(state->aboard, this);
    }
    Completion<bool> landed;
    std::optional<T> value;
    std::exception_ptr crash;
    StatePtr state;
  };

  static Task<void> fly(StatePtr state) {
    while (!state->waiting.empty()) {
      state->aboard.swap(state->waiting);
      std::optional<T> value;
      std::exception_ptr crash;
      try {
        auto task = state->work();
        value.emplace(co_await std::move(task));
      } catch (...) {
        crash = std::current_exception();
      }
      try {
        if (crash) value.emplace(state->on_crash(crash));
      } catch (...) {
        value.reset();
      }
      land(*state, value, crash);
    }
    state->flying = false;
  }

  static void land(State& state, const std::optional<T>& value, const std::exception_ptr& crash) noexcept {
    for (Waiter* waiter : state.aboard) {
      try {
        waiter->value = value;
        if (!value) waiter->crash = crash;
      } catch (...) {
        waiter->crash = std::current_exception();
      }
      waiter->landed.set(true);
    }
    state.aboard.clear();
  }

  Loop& loop_;
  StatePtr state_;
};

}  // namespace agw
