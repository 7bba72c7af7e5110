// nginx's event loop as the core's.
#pragma once

#include "agw/io/loop.h"

#include "../nginx.h"
#include "alarm.h"

namespace agw::nginx {

class NginxLoop final : public Loop {
 public:
  explicit NginxLoop(ngx_log_t* log) noexcept;
  ~NginxLoop() override;

  /// Doesn't keep a worker from exiting: what merely sleeps is dropped then.
  [[nodiscard]] Task<void> sleep(Milliseconds delay) override;

  /// While one exists a worker that is being replaced lives on. A worker exits as soon as only
  /// cancelable timers are left, whatever its requests are waiting for; who waits holds one.
  /// Whoever holds it bounds the wait.
  class [[nodiscard]] Hold {
   public:
    explicit Hold(NginxLoop& loop) noexcept : loop_(loop) { loop_.hold(); }
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;
    ~Hold() { loop_.release(); }

   private:
    NginxLoop& loop_;
  };

  [[nodiscard]] ngx_log_t* log() const noexcept { return log_; }

 protected:
  void schedule() noexcept override;
  void report(std::exception_ptr error) noexcept override;
  void schedule_restart() noexcept override;

 private:
  void hold() noexcept;
  void release() noexcept;
  static void turn(ngx_event_t* event) noexcept;
  static void hold_on(void* self) noexcept;
  static void on_restart(void* self) noexcept;

  ngx_log_t* log_;
  EventIdentity identity_;
  ngx_event_t event_{};
  Alarm holding_;
  Alarm restarting_;
  std::size_t holds_ = 0;
  // Before the first turn (in init_process) and while draining, a post goes to the next turn.
  bool next_turn_ = true;
};

}  // namespace agw::nginx
