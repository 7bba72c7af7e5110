#include "loop.h"

#include "agw/base/exception.h"

namespace agw::nginx {
namespace {

// Far away; it only has to be there. When it comes it is set again.
constexpr Milliseconds hold_interval = std::chrono::hours(1);

/// One sleep; destroyed with the frame that sleeps.
class Sleep {
 public:
  Sleep(NginxLoop& loop, Milliseconds delay) : over(loop), alarm_(this, rang, loop.log()) { alarm_.set(delay); }

  Completion<bool> over;

 private:
  static void rang(void* self) noexcept { static_cast<Sleep*>(self)->over.set(true); }
  Alarm alarm_;
};

}  // namespace

NginxLoop::NginxLoop(ngx_log_t* log) noexcept
    : log_(log), holding_(this, hold_on, log, Alarm::AtExit::waited_for), restarting_(this, on_restart, log) {
  identity_.object = this;
  event_.data = &identity_;
  event_.log = log;
  event_.handler = turn;
}

NginxLoop::~NginxLoop() {
  // Frames that are cancelled may hold and post: everything they use is still whole here.
  cancel_spawned();
  delete_posted_event(&event_);
}

Task<void> NginxLoop::sleep(Milliseconds delay) {
  Sleep sleep(*this, delay);
  co_await sleep.over;
}

void NginxLoop::schedule() noexcept { post_event(&event_, next_turn_ ? &ngx_posted_next_events : &ngx_posted_events); }

void NginxLoop::turn(ngx_event_t* event) noexcept {
  auto& self = *static_cast<NginxLoop*>(static_cast<EventIdentity*>(event->data)->object);
  self.next_turn_ = true;
  self.drain();
  self.next_turn_ = false;
}

void NginxLoop::report(std::exception_ptr error) noexcept {
  ngx_log_error(NGX_LOG_ALERT, log_, 0, "agent gateway: an exception ended a task: %s", text_of(error));
}

void NginxLoop::schedule_restart() noexcept { restarting_.set(restart_pause); }

void NginxLoop::on_restart(void* self) noexcept { static_cast<NginxLoop*>(self)->restart(); }

void NginxLoop::hold() noexcept {
  if (holds_++ == 0) holding_.set(hold_interval);
}

void NginxLoop::release() noexcept {
  if (--holds_ == 0) holding_.cancel();
}

void NginxLoop::hold_on(void* self) noexcept { static_cast<NginxLoop*>(self)->holding_.set(hold_interval); }

}  // namespace agw::nginx
