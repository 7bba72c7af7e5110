// Lazily started coroutines with one owner.
#pragma once

#include <coroutine>
#include <cstddef>
#include <exception>
#include <type_traits>
#include <utility>
#include <variant>

namespace agw {

template <class T>
class Task;

namespace task_detail {

/// When a task ends it hands the thread to whoever awaited it (symmetric transfer), so that a
/// chain of tasks that complete at once uses no stack.
struct FinalAwaiter {
  [[nodiscard]] bool await_ready() const noexcept { return false; }
  template <class Promise>
  std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> self) const noexcept {
    std::coroutine_handle<> next = self.promise().continuation;
    return next ? next : std::noop_coroutine();
  }
  void await_resume() const noexcept {}
};

struct PromiseBase {
  std::coroutine_handle<> continuation;

  [[nodiscard]] std::suspend_always initial_suspend() const noexcept { return {}; }
  [[nodiscard]] FinalAwaiter final_suspend() const noexcept { return {}; }
};

template <class T>
struct Promise : PromiseBase {
  std::variant<std::monostate, T, std::exception_ptr> outcome;

  Task<T> get_return_object() noexcept;
  template <class U>
  void return_value(U&& value) {
    outcome.template emplace<1>(std::forward<U>(value));
  }
  void unhandled_exception() noexcept { outcome.template emplace<2>(std::current_exception()); }
  T take() {
    if (auto* error = std::get_if<2>(&outcome)) std::rethrow_exception(*error);
    return std::move(std::get<1>(outcome));
  }
};

template <>
struct Promise<void> : PromiseBase {
  std::exception_ptr error;

  Task<void> get_return_object() noexcept;
  void return_void() const noexcept {}
  void unhandled_exception() noexcept { error = std::current_exception(); }
  void take() const {
    if (error) std::rethrow_exception(error);
  }
};

}  // namespace task_detail

/// A coroutine that has not begun until it is awaited or started, and that has exactly one owner.
///
/// Destroying a Task cancels it: the frame's locals are destroyed where it is suspended, and
/// their destructors take back timers, sockets and registrations. A Task is resumed only from an
/// event of its host's loop, never inside somebody else's callback.
template <class T>
class [[nodiscard]] Task {
 public:
  using promise_type = task_detail::Promise<T>;
  using value_type = T;

  /// No task; false as a condition.
  explicit Task(std::nullptr_t) noexcept {}
  explicit Task(std::coroutine_handle<promise_type> frame) noexcept : frame_(frame) {}
  Task(Task&& other) noexcept : frame_(std::exchange(other.frame_, {})) {}
  Task& operator=(Task&& other) noexcept {
    if (this != &other) {
      reset();
      frame_ = std::exchange(other.frame_, {});
    }
    return *this;
  }
  Task(const Task&) = delete;
  Task& operator=(const Task&) = delete;
  ~Task() { reset(); }

  class Awaiter {
   public:
    explicit Awaiter(std::coroutine_handle<promise_type> frame) noexcept : frame_(frame) {}
    Awaiter(const Awaiter&) = delete;
    Awaiter& operator=(const Awaiter&) = delete;
    [[nodiscard]] bool await_ready() const noexcept { return frame_.done(); }
    std::coroutine_handle<> await_suspend(std::coroutine_handle<> awaiting) const noexcept {
      frame_.promise().continuation = awaiting;
      return frame_;
    }
    T await_resume() const { return frame_.promise().take(); }

   private:
    std::coroutine_handle<promise_type> frame_;
  };

  /// Awaiting runs the task; the awaiting coroutine continues when it has ended.
  Awaiter operator co_await() && noexcept { return Awaiter(frame_); }

  /// What awaiting does, for an awaiter of another type that owns this task: remembers who waits
  /// and returns the frame to run next.
  [[nodiscard]] std::coroutine_handle<> begin(std::coroutine_handle<> awaiting) noexcept {
    frame_.promise().continuation = awaiting;
    return frame_;
  }
  /// For a root: begins the task without awaiting it. Call once.
  void start() { frame_.resume(); }
  /// For a root: whether it has ended.
  [[nodiscard]] bool done() const noexcept { return frame_ && frame_.done(); }
  /// For a root that is done(): the value, or rethrows what escaped.
  T take() { return frame_.promise().take(); }
  /// Cancels.
  void reset() noexcept {
    if (auto frame = std::exchange(frame_, {})) frame.destroy();
  }
  [[nodiscard]] explicit operator bool() const noexcept { return static_cast<bool>(frame_); }

 private:
  std::coroutine_handle<promise_type> frame_;
};

namespace task_detail {
template <class T>
Task<T> Promise<T>::get_return_object() noexcept {
  return Task<T>(std::coroutine_handle<Promise<T>>::from_promise(*this));
}
inline Task<void> Promise<void>::get_return_object() noexcept {
  return Task<void>(std::coroutine_handle<Promise<void>>::from_promise(*this));
}
}  // namespace task_detail

/// A value that is there already, or a task that will bring it. A step of the course returns one
/// of these: on a hit it is a plain call and no frame is made; only a miss enters a coroutine.
template <class T>
class [[nodiscard]] ValueTask {
 public:
  // NOLINTNEXTLINE(google-explicit-constructor): `return value;` is the point of the type.
  ValueTask(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  // NOLINTNEXTLINE(google-explicit-constructor)
  ValueTask(Task<T> task) : state_(std::in_place_index<1>, std::move(task)) {}

  [[nodiscard]] bool ready() const noexcept { return state_.index() == 0; }
  /// Valid once, and only if ready().
  T take() { return std::move(std::get<0>(state_)); }

  class Awaiter {
   public:
    explicit Awaiter(ValueTask&& owner) noexcept : owner_(std::move(owner)) {}
    Awaiter(const Awaiter&) = delete;
    Awaiter& operator=(const Awaiter&) = delete;
    [[nodiscard]] bool await_ready() const noexcept { return owner_.ready(); }
    std::coroutine_handle<> await_suspend(std::coroutine_handle<> awaiting) noexcept {
      return std::get<1>(owner_.state_).begin(awaiting);
    }
    T await_resume() { return owner_.ready() ? owner_.take() : std::get<1>(owner_.state_).take(); }

   private:
    ValueTask owner_;
  };

  Awaiter operator co_await() && noexcept { return Awaiter(std::move(*this)); }

 private:
  std::variant<T, Task<T>> state_;
};

}  // namespace agw
