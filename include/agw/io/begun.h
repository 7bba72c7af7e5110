// Two things at once, for one who waits for both.
#pragma once

#include <exception>
#include <optional>
#include <utility>

#include "agw/io/loop.h"

namespace agw {

/// A task that begins when this is made and goes on by itself: await ended(), then take(). One owner, in
/// whose frame it lives; its destructor cancels.
template <class T>
class Begun {
 public:
  Begun(Loop& loop, Task<T> task) : ended_(loop), running_(run(std::move(task))) { running_.start(); }
  Begun(const Begun&) = delete;
  Begun& operator=(const Begun&) = delete;

  [[nodiscard]] Completion<bool>& ended() noexcept { return ended_; }
  /// Once, after ended(): the value, or rethrows what escaped.
  T take() {
    if (crash_) std::rethrow_exception(crash_);
    return *std::move(value_);
  }

 private:
  Task<void> run(Task<T> task) {
    try {
      value_.emplace(co_await std::move(task));
    } catch (...) {
      crash_ = std::current_exception();
    }
    ended_.set(true);
  }

  Completion<bool> ended_;
  std::optional<T> value_;
  std::exception_ptr crash_;
  Task<void> running_;
};

}  // namespace agw
