#include "thread_background.h"

#include <csignal>
#include <stdexcept>
#include <utility>

#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "agw/base/exception.h"

namespace agw::nginx {
namespace {

/// nginx's signals are for its own thread: a thread started meanwhile inherits that all are blocked.
class SignalsBlocked {
 public:
  SignalsBlocked() noexcept {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_{};
};

}  // namespace

ThreadBackground::ThreadBackground(NginxLoop& loop) : loop_(loop), wakeup_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  if (wakeup_ < 0) throw std::runtime_error("eventfd() failed");
  connection_ = adopt_descriptor(wakeup_, this, on_event, loop_.log());
  if (connection_ == nullptr) {
    ::close(wakeup_);
    throw std::runtime_error("no free worker_connections");
  }
  if (ngx_add_event(connection_->read, NGX_READ_EVENT, NGX_LEVEL_EVENT) != NGX_OK) {
    ngx_close_connection(connection_);
    throw std::runtime_error("an eventfd can't be watched");
  }
  try {
    const SignalsBlocked blocked;
    thread_ = std::jthread([this](const std::stop_token& stop) noexcept { work(stop); });
  } catch (...) {
    ngx_close_connection(connection_);
    throw;
  }
}

ThreadBackground::~ThreadBackground() {
  thread_.request_stop();
  thread_.join();
  ngx_close_connection(connection_);  // closes the eventfd
}

Task<void> ThreadBackground::run(std::function<void()> job) {
  /// In the waiting frame; tells the job when nobody waits any more.
  struct Wait {
    Wait(NginxLoop& loop, JobPtr made) : ended(loop), job(std::move(made)), hold(loop) { job->waiter = &ended; }
    Wait(const Wait&) = delete;
    Wait& operator=(const Wait&) = delete;
    ~Wait() { job->waiter = nullptr; }
    Completion<bool> ended;
    JobPtr job;
    NginxLoop::Hold hold;
  };
  auto made = std::make_shared<Job>();
  made->work = std::move(job);
  Wait wait(loop_, std::move(made));
  {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(wait.job);
  }
  given_.notify_one();
  co_await wait.ended;
  if (wait.job->error) std::rethrow_exception(wait.job->error);
}

void ThreadBackground::work(const std::stop_token& stop) noexcept {
  prepare_for_exceptions();
  std::unique_lock lock(mutex_);
  while (given_.wait(lock, stop, [this] { return !waiting_.empty(); })) {
    Job& job = *waiting_.front();
    lock.unlock();
    try {
      job.work();
    } catch (...) {
      job.error = std::current_exception();
    }
    lock.lock();
    // Moving between the queues keeps the worker's reference alive: the job dies over there.
    ended_.splice(ended_.end(), waiting_, waiting_.begin());
    const std::uint64_t one = 1;
    // It can only fail when the counter is full, and then the loop has been woken already.
    [[maybe_unused]] const ssize_t written = ::write(wakeup_, &one, sizeof one);
  }
}

void ThreadBackground::on_event(ngx_event_t* event) noexcept {
  static_cast<ThreadBackground*>(static_cast<ngx_connection_t*>(event->data)->data)->collect();
}

void ThreadBackground::collect() noexcept {
  std::uint64_t count = 0;
  [[maybe_unused]] const ssize_t got = ::read(wakeup_, &count, sizeof count);
  std::list<JobPtr> ended;
  {
    const std::lock_guard lock(mutex_);
    ended.swap(ended_);
  }
  for (const JobPtr& job : ended) {
    if (job->waiter != nullptr) job->waiter->set(true);
  }
}

}  // namespace agw::nginx
