// Tells whether a compiler destroys what a co_await expression holds exactly once. Exit status 0: it does.
//
// The gateway's courses are coroutines that hold tokens, tickets to cancel and closures across suspensions.
// A compiler that destroys one of them twice, or never, turns that into memory corruption in a running nginx,
// so the build runs this program before it compiles anything else.
#include <coroutine>
#include <cstdio>
#include <exception>
#include <functional>
#include <utility>

namespace {

int made = 0;
int destroyed = 0;

// Counts itself; holds no memory, so that a double destruction is counted instead of crashing.
struct Tracked {
  Tracked() { ++made; }
  Tracked(const Tracked&) { ++made; }
  Tracked(Tracked&&) noexcept { ++made; }
  Tracked& operator=(const Tracked&) = default;
  Tracked& operator=(Tracked&&) noexcept = default;
  ~Tracked() { ++destroyed; }
};

struct Task {
  struct promise_type {
    int value = 0;
    std::coroutine_handle<> waiting;
    std::exception_ptr failure;

    Task get_return_object() { return Task{std::coroutine_handle<promise_type>::from_promise(*this)}; }
    std::suspend_always initial_suspend() noexcept { return {}; }
    void return_value(int result) { value = result; }
    void unhandled_exception() { failure = std::current_exception(); }

    struct Final {
      bool await_ready() noexcept { return false; }
      std::coroutine_handle<> await_suspend(std::coroutine_handle<promise_type> self) noexcept {
        auto next = self.promise().waiting;
        return next ? next : std::noop_coroutine();
      }
      void await_resume() noexcept {}
    };
    Final final_suspend() noexcept { return {}; }
  };

  std::coroutine_handle<promise_type> frame;

  explicit Task(std::coroutine_handle<promise_type> handle) : frame(handle) {}
  Task(Task&& other) noexcept : frame(std::exchange(other.frame, nullptr)) {}
  Task& operator=(Task&&) = delete;
  ~Task() {
    if (frame) frame.destroy();
  }

  bool await_ready() const noexcept { return false; }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> waiting) noexcept {
    frame.promise().waiting = waiting;
    return frame;
  }
  int await_resume() {
    if (frame.promise().failure) std::rethrow_exception(frame.promise().failure);
    return frame.promise().value;
  }
};

std::coroutine_handle<> parked;

struct Park {
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> handle) noexcept { parked = handle; }
  void await_resume() const noexcept {}
};

struct Request {
  Tracked token;
  int number = 1;
};

struct AggregateAwaiter {
  Tracked held;
  bool ready;
  bool await_ready() const noexcept { return ready; }
  void await_suspend(std::coroutine_handle<> handle) noexcept { parked = handle; }
  int await_resume() const noexcept { return 1; }
};

template <class F>
Task call(F function) {
  co_await Park{};
  co_return function();
}
template <class F>
Task borrow(const F& function) {
  co_await Park{};
  co_return function();
}
Task call_erased(std::function<int()> function) {
  co_await Park{};
  co_return function();
}
Task send(Request request) {
  co_await Park{};
  co_return request.number;
}
Task lend(const Request& request) {
  co_await Park{};
  co_return request.number;
}
Task refuse(Request request) {
  co_await Park{};
  if (request.number == 1) throw 1;
  co_return 0;
}
Task immediately(Request request) { co_return request.number; }

// Each case is a coroutine that returns 1.
Task closure_by_value() {
  co_return co_await call([held = Tracked{}] { return 1; });
}
Task closure_by_reference() {
  co_return co_await borrow([held = Tracked{}] { return 1; });
}
Task closure_of_a_local() {
  Tracked local;
  co_return co_await call([local] { return 1; });
}
Task function_from_closure() {
  co_return co_await call_erased([held = Tracked{}] { return 1; });
}
Task function_made_in_place() {
  co_return co_await call_erased(std::function<int()>{[held = Tracked{}] { return 1; }});
}
Task aggregate() { co_return co_await send(Request{Tracked{}, 1}); }
Task aggregate_designated() { co_return co_await send({.token = {}, .number = 1}); }
Task aggregate_by_reference() { co_return co_await lend(Request{Tracked{}, 1}); }
Task aggregate_without_suspension() { co_return co_await immediately(Request{Tracked{}, 1}); }
Task aggregate_awaiter_that_waits() { co_return co_await AggregateAwaiter{Tracked{}, false}; }
Task aggregate_awaiter_that_is_ready() { co_return co_await AggregateAwaiter{Tracked{}, true}; }
Task nested() { co_return co_await send(Request{Tracked{}, co_await send(Request{Tracked{}, 1})}); }
Task in_a_condition() {
  if (co_await call([held = Tracked{}] { return 1; }) == 1) co_return 1;
  co_return 0;
}
Task aggregate_when_it_throws() {
  try {
    co_return co_await refuse(Request{Tracked{}, 1});
  } catch (int) {
    co_return 1;
  }
}

struct Case {
  const char* name;
  Task (*start)();
};

constexpr Case cases[] = {
    {"a closure passed by value", closure_by_value},
    {"a closure passed by reference", closure_by_reference},
    {"a closure that copies a local", closure_of_a_local},
    {"a std::function made from a closure", function_from_closure},
    {"a std::function made in place", function_made_in_place},
    {"an aggregate", aggregate},
    {"an aggregate with designators", aggregate_designated},
    {"an aggregate passed by reference", aggregate_by_reference},
    {"an aggregate for a task that doesn't suspend", aggregate_without_suspension},
    {"an aggregate awaiter that waits", aggregate_awaiter_that_waits},
    {"an aggregate awaiter that is ready", aggregate_awaiter_that_is_ready},
    {"an aggregate inside another's await", nested},
    {"a closure in a condition", in_a_condition},
    {"an aggregate when the task throws", aggregate_when_it_throws},
};

// Lives through every suspension and is destroyed at the end, or at its first suspension: both must balance.
bool balanced(const Case& one, bool cancel) {
  made = destroyed = 0;
  parked = nullptr;
  int result = 1;
  {
    Task task = one.start();
    task.frame.resume();
    if (!cancel) {
      while (parked) std::exchange(parked, nullptr).resume();
      result = task.frame.promise().value;
    }
  }
  if (made == destroyed && result == 1) return true;
  std::printf("%s%s: made %d, destroyed %d\n", one.name, cancel ? ", cancelled" : "", made, destroyed);
  return false;
}

// One task completes a long row of others without waiting: the stack must not grow with them.
Task one() { co_return 1; }
Task many() {
  int sum = 0;
  for (int i = 0; i < 1'000'000; ++i) sum += co_await one();
  co_return sum == 1'000'000 ? 1 : 0;
}

}  // namespace

int main() {
  // A miscompiled case may crash: what was printed before it should still be read.
  std::setvbuf(stdout, nullptr, _IONBF, 0);
  int wrong = 0;
  for (const Case& one : cases) {
    wrong += !balanced(one, false);
    wrong += !balanced(one, true);
  }
  if (wrong == 0) wrong += !balanced({"a million completions without waiting", many}, false);
  return wrong == 0 ? 0 : 1;
}
