// Many ask, one goes.
#pragma once

#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "agw/io/loop.h"

namespace agw {

/// Answers every question that is asked while the same one is under way with one piece of work.
/// The work belongs to the worker: a client that leaves takes its own registration back and
/// disturbs nobody. T is copied to each waiter (a Result holding a shared_ptr, usually).
/// An exception in the work reaches nobody as a value: `on_crash` makes the answer instead. Where
/// even that throws (memory is short), each waiter gets the exception. Nobody is left waiting.
template <class T>
class SingleFlight {
 public:
  using OnCrash = std::function<T(const std::exception_ptr&)>;

  SingleFlight(Loop& loop, OnCrash on_crash)
      : loop_(loop), state_(std::make_shared<State>()), on_crash_(std::move(on_crash)) {}

  /// `work` is called, at most once per flight, to make the task; it must own what it needs.
  Task<T> run(std::string key, std::function<Task<T>()> work) {
    Waiter waiter(loop_);
    join(key, waiter, std::move(work));
    co_await waiter.landed;
    if (!waiter.flight->value) std::rethrow_exception(waiter.flight->crash);
    co_return *waiter.flight->value;
  }

  [[nodiscard]] std::size_t under_way() const noexcept { return state_->flights.size(); }

 private:
  struct Waiter;
  struct Flight {
    std::vector<Waiter*> waiters;
    std::optional<T> value;  ///< once it has landed; none: `crash`
    std::exception_ptr crash;
  };
  using FlightPtr = std::shared_ptr<Flight>;
  struct State {
    std::unordered_map<std::string, FlightPtr> flights;
  };
  struct Waiter {
    explicit Waiter(Loop& loop) : landed(loop) {}
    Waiter(const Waiter&) = delete;
    Waiter& operator=(const Waiter&) = delete;
    ~Waiter() {
      if (flight) std::erase(flight->waiters, this);
    }
    Completion<bool> landed;
    FlightPtr flight;
  };

  /// All or nothing: a flight that nobody flies would keep whoever joins it waiting for ever.
  void join(const std::string& key, Waiter& waiter, std::function<Task<T>()> work) {
    if (const auto known = state_->flights.find(key); known != state_->flights.end()) {
      known->second->waiters.push_back(&waiter);
      waiter.flight = known->second;
      return;
    }
    auto flight = std::make_shared<Flight>();
    flight->waiters.push_back(&waiter);
    auto flown = fly(state_, key, std::move(work), on_crash_);
    const auto entry = state_->flights.emplace(key, flight).first;
    try {
      loop_.spawn(std::move(flown));
    } catch (...) {
      state_->flights.erase(entry);
      throw;
    }
    waiter.flight = std::move(flight);
  }

  static Task<void> fly(std::shared_ptr<State> state, std::string key, std::function<Task<T>()> work,
                        OnCrash on_crash) {
    std::optional<T> value;
    std::exception_ptr crash;
    try {
      auto task = work();
      value.emplace(co_await std::move(task));
    } catch (...) {
      crash = std::current_exception();
    }
    try {
      if (crash) value.emplace(on_crash(crash));
    } catch (...) {
      value.reset();
    }
    land(*state, key, std::move(value), std::move(crash));
  }

  static void land(State& state, const std::string& key, std::optional<T> value, std::exception_ptr crash) noexcept {
    const auto node = state.flights.extract(key);
    if (node.empty()) return;
    Flight& flight = *node.mapped();
    flight.value = std::move(value);
    flight.crash = std::move(crash);
    for (Waiter* waiter : flight.waiters) waiter->landed.set(true);
  }

  Loop& loop_;
  std::shared_ptr<State> state_;
  OnCrash on_crash_;
};

}  // namespace agw
