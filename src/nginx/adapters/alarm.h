// One event of nginx's loop, owned by a C++ object: a timer, or a call on the loop's next turn.
#pragma once

#include "agw/base/time.h"

#include "../nginx.h"

namespace agw::nginx {

/// What nginx expects behind ngx_event_t::data: debug builds read a descriptor there, where a
/// connection has it.
struct EventIdentity {
  void* object = nullptr;
  void* unused[2] = {};
  ngx_socket_t fd = -1;
};
static_assert(offsetof(EventIdentity, fd) == offsetof(ngx_connection_t, fd));

/// Calls its owner once after a delay; setting it again replaces the delay, destroying it takes it
/// back. It doesn't keep a worker from exiting (NginxLoop::Hold does).
class Alarm {
 public:
  using Handler = void (*)(void* owner) noexcept;
  enum class AtExit { ignored, waited_for };

  Alarm(void* owner, Handler handler, ngx_log_t* log, AtExit at_exit = AtExit::ignored) noexcept
      : owner_(owner), handler_(handler) {
    identity_.object = this;
    event_.data = &identity_;
    event_.log = log;
    event_.handler = [](ngx_event_t* event) noexcept { fired(event); };
    event_.cancelable = at_exit == AtExit::ignored;
  }
  Alarm(const Alarm&) = delete;
  Alarm& operator=(const Alarm&) = delete;
  ~Alarm() { cancel(); }

  /// After `delay`; on the next turn if it isn't positive.
  void set(Milliseconds delay) noexcept {
    cancel();
    if (delay.count() <= 0) {
      // Not this turn's queue: the handler could set it again for ever, and before the loop runs
      // (in init_process) nobody would look there until something else happens.
      post_event(&event_, &ngx_posted_next_events);
    } else {
      ngx_add_timer(&event_, static_cast<ngx_msec_t>(delay.count()));
    }
  }
  [[nodiscard]] bool is_set() const noexcept { return event_.posted || event_.timer_set; }
  void cancel() noexcept {
    delete_posted_event(&event_);
    if (event_.timer_set) ngx_del_timer(&event_);
  }

 private:
  static void fired(ngx_event_t* event) noexcept {
    auto* self = static_cast<Alarm*>(static_cast<EventIdentity*>(event->data)->object);
    self->handler_(self->owner_);
  }

  EventIdentity identity_;
  void* owner_;
  Handler handler_;
  ngx_event_t event_{};
};

}  // namespace agw::nginx
