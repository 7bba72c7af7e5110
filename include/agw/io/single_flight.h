// Many ask, one goes.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "agw/io/loop.h"

namespace agw {

/// Answers every question that is asked while the same one is under way with one piece of work.
/// The work belongs to the worker: a client that leaves takes its own registration back and
/// disturbs nobody. T is copied to each waiter (a Result holding a shared_ptr, usually).
/// An exception in the work reaches nobody as a value: `on_crash` makes the answer instead.
template <class T>
class SingleFlight {
 public:
  SingleFlight(Loop& loop, std::function<T()> on_crash)
      : loop_(loop), state_(std::make_shared<State>()), on_crash_(std::move(on_crash)) {}

  /// `work` is called, at most once per flight, to make the task; it must own what it needs.
  Task<T> run(std::string key, std::function<Task<T>()> work) {
    Waiter waiter(loop_);
    join(key, waiter, std::move(work));
    co_return co_await waiter.completion;
  }

  [[nodiscard]] std::size_t under_way() const noexcept { return state_->flights.size(); }

 private:
  struct Waiter;
  struct Flight {
    std::vector<Waiter*> waiters;
  };
  struct State {
    std::unordered_map<std::string, std::shared_ptr<Flight>> flights;
  };
  struct Waiter {
    explicit Waiter(Loop& loop) : completion(loop) {}
    Waiter(const Waiter&) = delete;
    Waiter& operator=(const Waiter&) = delete;
    ~Waiter() {
      if (!flight) return;
      std::erase(flight->waiters, this);
    }
    Completion<T> completion;
    std::shared_ptr<Flight> flight;
  };

  void join(const std::string& key, Waiter& waiter, std::function<Task<T>()> work) {
    auto& flight = state_->flights[key];
    const bool first = !flight;
    if (first) flight = std::make_shared<Flight>();
    flight->waiters.push_back(&waiter);
    waiter.flight = flight;
    if (first) loop_.spawn(fly(state_, key, std::move(work), on_crash_));
  }

  static Task<void> fly(std::shared_ptr<State> state, std::string key, std::function<Task<T>()> work,
                        std::function<T()> on_crash) {
    std::optional<T> value;
    try {
      auto task = work();
      value.emplace(co_await std::move(task));
    } catch (...) {
      value.emplace(on_crash());
    }
    auto node = state->flights.extract(key);
    if (node.empty()) co_return;
    const auto& flight = node.mapped();
    for (Waiter* waiter : flight->waiters) waiter->completion.set(*value);
  }

  Loop& loop_;
  std::shared_ptr<State> state_;
  std::function<T()> on_crash_;
};

}  // namespace agw
