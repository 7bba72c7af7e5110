// The access phase: the course begins, waits without blocking, and ends in headers or an answer.
#include "answer.h"
#include "context.h"
#include "forward.h"
#include "hooks.h"

namespace agw::nginx {
namespace {

/// Only the stateless protocol has fields `Mcp-Param-…`; who only observes changes nothing.
bool may_repeat_arguments(const gateway::Call& call) noexcept {
  return call.era == mcp::Era::modern && call.category == mcp::Category::tool && gateway::stands_between(call);
}

bool recover_parameters(ngx_http_request_t* r, RequestContext& context) {
  static const std::vector<gateway::ParameterHeader> none;
  const gateway::OperationRoute* const route = context.call().route;
  const bool checks = route != nullptr && route->tool_rules != nullptr;
  return recover_parameter_fields(r, context.head_end(), checks ? route->tool_rules->headers : none);
}

ngx_int_t conclude(ngx_http_request_t* r, RequestContext& context) {
  auto& outcome = context.outcome();
  if (!outcome) {
    context.answered = true;
    return send_answer(r, outcome.error());
  }
  if (!apply(r, *outcome, context.id())) return NGX_HTTP_INTERNAL_SERVER_ERROR;
  if (may_repeat_arguments(context.call()) && !recover_parameters(r, context)) return NGX_HTTP_INTERNAL_SERVER_ERROR;
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
