// Streams that are open, and calls that the backend works on where the operator wants it: each goes on only as long as
// its caller may.
#include <utility>

#include "agw/gateway/notice.h"

#include "answer.h"
#include "context.h"

namespace agw::nginx {

Task<std::optional<Reason>> RequestContext::await_look(ValueTask<std::optional<Reason>> step) {
  co_return co_await std::move(step);
}

/// Nothing where it may go on, or where somebody has to be asked first: then the next look takes the answer.
std::optional<Reason> RequestContext::judge_anew(Worker& worker) {
  if (!look_) {
    auto step = worker.gateway().look_again(*call_.location, *this, call_);
    if (step.ready()) return step.take();
    look_ = await_look(std::move(step));
    look_.start();
  }
  if (!look_.done()) return std::nullopt;
  auto ended = std::exchange(look_, Task<std::optional<Reason>>(nullptr));
  return ended.take();
}

void RequestContext::look(Worker& worker, std::size_t& budget) noexcept {
  std::optional<Reason> reason;
  try {
    reason = judge_anew(worker);
    // Before the stream has begun there is nobody to be told: then it is told when it has.
    if (!reason && rewriting && r_->header_sent != 0) {
      const gateway::ListKinds changed = worker.gateway().changed_lists(call_, budget);
      if (changed != 0) rewriting->inject(r_, gateway::list_notices(call_, changed));
    }
  } catch (...) {
    look_.reset();
    reason = Reason::internal_error;
  }
  if (reason) end_running(worker, *reason);
}

/// The backend's connection is closed, and what the agent has got so far is closed as a whole answer is. Where no byte
/// has come from the backend yet, the agent is told what a new call would be told.
void RequestContext::end_running(Worker& worker, Reason reason) noexcept {
  ngx_http_request_t* const r = r_;
  ngx_connection_t* const c = r->connection;
  // The backend isn't asked yet; or its answer has come whole, and nginx is only sending what is left of it.
  if (r->upstream == nullptr || r->upstream->cleanup == nullptr || *r->upstream->cleanup == nullptr) return;
  cut_ = watched_ == Watched::call;
  watched_ = Watched::no;
  // nginx's own cleanup of the proxying, as if the client had left, with a reference that keeps the request.
  ++r->main->count;
  const ngx_http_cleanup_pt end_upstream = *r->upstream->cleanup;
  end_upstream(r);
  if (r->header_sent) {
    // Known before the end is sent: then nothing more of the backend's goes out.
    call_.failure = reason;
    if (capture) capture->break_off();
    // An answer of a known length can't be closed as a whole one: its connection is.
    ngx_http_finalize_request(r, cut_ ? NGX_ERROR : ngx_http_send_special(r, NGX_HTTP_LAST));
  } else {
    try {
      answered = true;
      const auto answer = worker.gateway().refuse(*call_.location, *this, call_, reason);
      send_answer(r, answer);
    } catch (...) {
      ngx_http_finalize_request(r, NGX_HTTP_SERVICE_UNAVAILABLE);
    }
  }
  ngx_http_run_posted_requests(c);
}

void look_at_streams() noexcept {
  Worker* const here = worker();
  if (here == nullptr) return;
  std::size_t budget = gateway::Gateway::evaluations_a_turn;
  for (RequestContext* one = RequestContext::first_open(); one != nullptr;) {
    RequestContext* const next = one->next_open_;
    if (one->is_watched()) one->look(*here, budget);
    one = next;
  }
}

}  // namespace agw::nginx
