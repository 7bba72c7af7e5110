// A thread for what would block a worker.
#pragma once

#include <condition_variable>
#include <exception>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <stop_token>
#include <thread>

#include "agw/io/background.h"

#include "../nginx.h"
#include "loop.h"

namespace agw::nginx {

/// One thread per worker, started after the fork; jobs run one after the other. Ended jobs come
/// back through an eventfd that nginx watches; the job's object dies on the worker's thread.
class ThreadBackground final : public Background {
 public:
  explicit ThreadBackground(NginxLoop& loop);
  ThreadBackground(const ThreadBackground&) = delete;
  ThreadBackground& operator=(const ThreadBackground&) = delete;
  /// Waits for the jobs that were given to it.
  ~ThreadBackground() override;

  /// What the job throws is thrown to the waiter.
  [[nodiscard]] Task<void> run(std::function<void()> job) override;

 private:
  struct Job {
    std::function<void()> work;
    std::exception_ptr error;
    Completion<bool>* waiter = nullptr;  // touched by the worker's thread only
  };
  using JobPtr = std::shared_ptr<Job>;

  void work(const std::stop_token& stop) noexcept;
  void collect() noexcept;
  static void on_event(ngx_event_t* event) noexcept;

  NginxLoop& loop_;
  int wakeup_;
  ngx_connection_t* connection_ = nullptr;
  std::mutex mutex_;
  std::condition_variable_any given_;
  std::list<JobPtr> waiting_;  // a job's entry moves to the other list as it is: nothing can fail then
  std::list<JobPtr> ended_;
  std::jthread thread_;
};

}  // namespace agw::nginx
