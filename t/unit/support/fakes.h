// The core's world in memory: time stands still until told, the network is a script.
#pragma once

#include <algorithm>
#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "agw/base/encoding.h"
#include "agw/io/background.h"
#include "agw/io/clock.h"
#include "agw/io/file_watch.h"
#include "agw/io/headers.h"
#include "agw/io/http.h"
#include "agw/io/log.h"
#include "agw/io/loop.h"
#include "agw/io/random.h"
#include "agw/io/redis.h"
#include "agw/io/zone.h"

#include "support/allocations.h"

namespace agw::test {

class FakeClock final : public Clock {
 public:
  [[nodiscard]] WallTime now() const noexcept override { return wall_; }
  [[nodiscard]] SteadyTime steady() const noexcept override { return steady_; }
  void advance(Milliseconds by) {
    wall_ += by;
    steady_ += by;
  }
  void set(WallTime wall) { wall_ = wall; }

 private:
  WallTime wall_ = from_unix(1'800'000'000);
  SteadyTime steady_{Milliseconds(1'000'000)};
};

/// A loop that turns only when told.
class FakeLoop final : public Loop {
 public:
  explicit FakeLoop(FakeClock& clock) : clock_(clock) {}
  ~FakeLoop() override { cancel_spawned(); }

  /// Turns until nothing is left to do at this instant.
  void settle() {
    if (restart_at_ <= clock_.steady()) {
      restart_at_ = SteadyTime::max();
      restart();
    }
    for (int turns = 0; scheduled_ && turns < 10'000; ++turns) {
      scheduled_ = false;
      drain();
    }
  }
  /// Lets time pass; timers fire in order.
  void advance(Milliseconds by) {
    const SteadyTime end = clock_.steady() + by;
    settle();
    while (!timers_.empty() && timers_.begin()->first <= end) {
      auto [due, sleeper] = *timers_.begin();
      timers_.erase(timers_.begin());
      if (due > clock_.steady()) clock_.advance(due - clock_.steady());
      sleeper->entry = timers_.end();
      sleeper->done.set(true);
      settle();
    }
    if (end > clock_.steady()) clock_.advance(end - clock_.steady());
    settle();
  }
  [[nodiscard]] Task<void> sleep(Milliseconds delay) override {
    Sleeper sleeper(*this, clock_.steady() + delay);
    co_await sleeper.done;
  }
  /// Runs a task to its end without letting time pass; nothing if it still waits.
  template <class T>
  std::optional<T> run(Task<T>& task) {
    if (!has_started(&task)) task.start();
    settle();
    if (!task.done()) return std::nullopt;
    started_.erase(&task);
    return task.take();
  }
  /// The same for a step's answer.
  template <class T>
  std::optional<T> run(ValueTask<T> step) {
    if (step.ready()) return step.take();
    auto task = await_step(std::move(step));
    auto value = run(task);
    return value;
  }
  template <class T>
  static Task<T> await_step(ValueTask<T> step) {
    co_return co_await std::move(step);
  }
  [[nodiscard]] std::size_t timers() const { return timers_.size(); }
  int reported = 0;

 private:
  struct Sleeper;
  using Timers = std::multimap<SteadyTime, Sleeper*>;
  struct Sleeper {
    Sleeper(FakeLoop& owner, SteadyTime due) : loop(owner), done(owner), entry(owner.timer(due, *this)) {}
    Sleeper(const Sleeper&) = delete;
    Sleeper& operator=(const Sleeper&) = delete;
    ~Sleeper() {
      if (entry != loop.timers_.end()) loop.timers_.erase(entry);
    }
    FakeLoop& loop;
    Completion<bool> done;
    Timers::iterator entry;
  };
  void schedule() noexcept override { scheduled_ = true; }
  void report(std::exception_ptr) noexcept override { ++reported; }
  void schedule_restart() noexcept override { restart_at_ = clock_.steady() + restart_pause; }
  Timers::iterator timer(SteadyTime due, Sleeper& sleeper) {
    const WorkingAllocations ours;
    return timers_.emplace(due, &sleeper);
  }
  /// Whether it had been started before.
  bool has_started(const void* task) {
    const WorkingAllocations ours;
    return !started_.insert(task).second;
  }

  FakeClock& clock_;
  Timers timers_;
  std::set<const void*> started_;
  bool scheduled_ = false;
  SteadyTime restart_at_ = SteadyTime::max();
};

class FakeLog final : public Log {
 public:
  void write(LogLevel level, std::string_view line) noexcept override {
    const WorkingAllocations ours;
    lines.emplace_back(level, std::string(line));
  }
  [[nodiscard]] bool contains(std::string_view text) const {
    return std::any_of(lines.begin(), lines.end(),
                       [&](const auto& line) { return line.second.find(text) != std::string::npos; });
  }
  std::vector<std::pair<LogLevel, std::string>> lines;
};

/// Repeatable "randomness".
class FakeRandom final : public Random {
 public:
  void fill(unsigned char* out, std::size_t size) override {
    for (std::size_t i = 0; i < size; ++i) {
      state_ = state_ * 6364136223846793005ULL + 1442695040888963407ULL;
      out[i] = static_cast<unsigned char>(state_ >> 56U);
    }
  }

 private:
  std::uint64_t state_ = 42;
};

/// Answers by URL; an answer may take time, and a URL without one is a refused connection.
class ScriptedHttp final : public HttpClient {
 public:
  explicit ScriptedHttp(Loop& loop) : loop_(loop) {}
  struct Seen {
    std::string method;
    std::string url;
    std::vector<std::pair<std::string, std::string>> headers;
    std::string authorization;
    std::string body;
    AddressRule addresses{};
  };
  using Answer = std::function<Result<HttpResponse, HttpError>(const Seen&)>;
  void on(std::string url, Answer answer, Milliseconds delay = Milliseconds(0)) {
    answers_[std::move(url)] = {std::move(answer), delay};
  }
  void on(std::string url, int status, std::string body, Milliseconds delay = Milliseconds(0)) {
    on(
        std::move(url),
        [status, body = std::move(body)](const Seen&) -> Result<HttpResponse, HttpError> {
          HttpResponse response;
          response.status = status;
          response.body = body;
          return response;
        },
        delay);
  }
  void drop(const std::string& url) { answers_.erase(url); }
  [[nodiscard]] std::size_t count(std::string_view url) const {
    return static_cast<std::size_t>(
        std::count_if(seen.begin(), seen.end(), [&](const Seen& s) { return s.url == url; }));
  }
  [[nodiscard]] Task<Result<HttpResponse, HttpError>> fetch(HttpRequest request) override {
    Seen now{request.method,
             request.url,
             request.headers,
             std::string(request.authorization.reveal()),
             std::string(request.body.reveal()),
             request.addresses};
    seen.push_back(now);
    auto found = answers_.find(request.url);
    if (found == answers_.end()) co_return fail(HttpError::connect);
    auto [answer, delay] = found->second;
    if (delay >= request.timeout) {
      co_await loop_.sleep(request.timeout);
      co_return fail(HttpError::timeout);
    }
    if (delay.count() > 0) co_await loop_.sleep(delay);
    co_return answer(now);
  }
  std::vector<Seen> seen;

 private:
  Loop& loop_;
  std::map<std::string, std::pair<Answer, Milliseconds>> answers_;
};

class MemoryZone final : public Zone {
 public:
  explicit MemoryZone(Clock& clock) : clock_(clock) {}
  [[nodiscard]] std::uint64_t generation(std::string_view name) const noexcept override {
    const auto* cell = generation_cell(name);
    return cell == nullptr ? 0 : cell->load();
  }
  [[nodiscard]] const std::atomic<std::uint64_t>* generation_cell(std::string_view name) const noexcept override {
    const WorkingAllocations ours;
    auto it = cells_.find(std::string(name));
    return it == cells_.end() ? nullptr : &it->second;
  }
  [[nodiscard]] std::optional<SharedBlob> read(std::string_view name) const override {
    auto it = blobs_.find(std::string(name));
    if (it == blobs_.end()) return std::nullopt;
    return it->second;
  }
  bool write(std::string_view name, std::string_view bytes, WallTime now) override {
    if (full) return false;
    const WorkingAllocations ours;
    auto& blob = blobs_[std::string(name)];
    blob.bytes = bytes;
    blob.generation = ++generations_;
    cells_[std::string(name)] = blob.generation;
    blob.written = now;
    return true;
  }
  [[nodiscard]] bool try_lease(std::string_view name, Milliseconds hold) noexcept override {
    const WorkingAllocations ours;
    SteadyTime& until = leases_[std::string(name)];
    if (until > clock_.steady()) return false;
    until = clock_.steady() + hold;
    return true;
  }
  void release(std::string_view name) noexcept override {
    const WorkingAllocations ours;
    if (auto it = leases_.find(std::string(name)); it != leases_.end()) it->second = {};
  }
  [[nodiscard]] bool advance(std::string_view name, const Progress& seen) noexcept override {
    const WorkingAllocations ours;
    const auto [mark, first] = marks_.try_emplace(std::string(name), seen);
    if (!first && !seen.follows(mark->second)) return false;
    mark->second = seen;
    return true;
  }
  bool full = false;

 private:
  Clock& clock_;
  std::map<std::string, SharedBlob> blobs_;
  std::map<std::string, std::atomic<std::uint64_t>> cells_;
  std::map<std::string, SteadyTime> leases_;  ///< until when
  std::map<std::string, Progress> marks_;
  std::uint64_t generations_ = 0;
};

class MemoryMetrics final : public Metrics {
 public:
  [[nodiscard]] Cell& cell(std::string_view series) override { return cells[std::string(series)]; }
  [[nodiscard]] std::uint64_t value(const std::string& series) { return cells[series].load(); }
  std::map<std::string, Cell> cells;
};

/// Redis as a function from command to reply.
class ScriptedRedis final : public Redis {
 public:
  std::function<RedisReply(const RedisCommand&)> answer = [](const RedisCommand&) { return RedisReply{}; };
  std::optional<RedisError> broken;
  std::vector<std::vector<RedisCommand>> trips;
  [[nodiscard]] Task<Result<std::vector<RedisReply>, RedisError>> pipeline(
      std::vector<RedisCommand> commands) override {
    trips.push_back(commands);
    if (broken) co_return fail(*broken);
    std::vector<RedisReply> replies;
    for (const auto& command : commands) replies.push_back(answer(command));
    co_return replies;
  }
};

class FakeWatch final : public FileWatch {
 public:
  explicit FakeWatch(std::string path) : path_(std::move(path)) {}
  [[nodiscard]] bool changed() noexcept override { return std::exchange(edited, false); }
  void on_announcement(std::function<void()> hear) override { announce = std::move(hear); }
  [[nodiscard]] const std::string& path() const noexcept override { return path_; }
  bool edited = false;
  std::function<void()> announce;

 private:
  std::string path_;
};

/// A "thread" that takes as long as told.
class FakeBackground final : public Background {
 public:
  explicit FakeBackground(Loop& loop) : loop_(loop) {}
  [[nodiscard]] Task<void> run(std::function<void()> job) override {
    job();
    ++jobs;
    if (delay.count() > 0) co_await loop_.sleep(delay);
  }
  Milliseconds delay{0};
  int jobs = 0;

 private:
  Loop& loop_;
};

class FakeHeaders final : public Headers {
 public:
  FakeHeaders() = default;
  FakeHeaders(std::initializer_list<std::pair<std::string, std::string>> fields) : fields_(fields) {}
  void add(std::string name, std::string value) { fields_.emplace_back(std::move(name), std::move(value)); }
  [[nodiscard]] Found find(std::string_view name) const noexcept override {
    Found found;
    for (const auto& [key, text] : fields_)
      if (same(key, name)) found.value = ++found.count == 1 ? std::string_view(text) : std::string_view();
    return found;
  }
  void each(Visit visit, void* context) const override {
    for (const auto& [key, value] : fields_) visit(context, key, value);
  }

 private:
  static bool same(std::string_view a, std::string_view b) {
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
    return a.size() == b.size() &&
           std::equal(a.begin(), a.end(), b.begin(), [&](char x, char y) { return lower(x) == lower(y); });
  }
  std::vector<std::pair<std::string, std::string>> fields_;
};

}  // namespace agw::test
