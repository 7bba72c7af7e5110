// The access phase: the course begins, waits without blocking, and ends in headers or an answer.
#include "answer.h"
#include "context.h"
#include "forward.h"
#include "hooks.h"

namespace agw::nginx {
namespace {

ngx_int_t conclude(ngx_http_request_t* r, RequestContext& context) {
  auto& outcome = context.outcome();
  if (!outcome) {
    context.answered = true;
    return send_answer(r, outcome.error());
  }
  if (!apply(r, *outcome, context.id())) return NGX_HTTP_INTERNAL_SERVER_ERROR;
  // A stream may stay without a first event for long.
  if (gateway::opens_stream(context.call())) context.watch_stream();
  if (outcome->recorded && !context.make_upstream_conf()) return NGX_HTTP_INTERNAL_SERVER_ERROR;
  return NGX_DECLINED;
}

}  // namespace

ngx_int_t access_handler(ngx_http_request_t* r) noexcept try {
  const LocConf& conf = loc_conf(r);
  // nginx skips this phase for subrequests; the guard stands there.
  if (conf.location == nullptr || r != r->main) return NGX_DECLINED;
  Worker* const here = worker();
  RequestContext* const context = here != nullptr ? RequestContext::obtain(r) : nullptr;
  if (context == nullptr) return NGX_HTTP_SERVICE_UNAVAILABLE;

  if (!context->started_here()) context->start(*here, *conf.location);
  if (!context->decided()) {
    if (!context->suspended()) context->suspend();
    return NGX_AGAIN;
  }
  return conclude(r, *context);
} catch (...) {
  return NGX_HTTP_SERVICE_UNAVAILABLE;
}

}  // namespace agw::nginx
