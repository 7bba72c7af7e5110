// What stands between a governed location and its content: an allow of the request's own.
#include "answer.h"
#include "context.h"
#include "hooks.h"

namespace agw::nginx {
namespace {

using Send = ngx_int_t (*)(ngx_http_request_t*, const gateway::Answer&);

/// NGX_DECLINED lets it go on.
ngx_int_t judge(ngx_http_request_t* r, Send send) {
  const LocConf& conf = loc_conf(r);
  if (conf.location == nullptr || !conf.enforced) return NGX_DECLINED;
  // A subrequest (SSI, mirror, auth_request, slice) never had an access phase.
  if (r != r->main) return NGX_HTTP_FORBIDDEN;
  RequestContext* const context = RequestContext::obtain(r);
  Worker* const here = worker();
  if (context == nullptr || here == nullptr) return NGX_HTTP_SERVICE_UNAVAILABLE;
  if (context->allowed_here()) return NGX_DECLINED;
  context->answered = true;
  const auto answer = context->refuse_here(*here, *conf.location);
  return send(r, answer);
}

ngx_int_t guarded_content(ngx_http_request_t* r) noexcept try {
  const ngx_int_t verdict = judge(r, write_answer);
  if (verdict != NGX_DECLINED) return verdict;
  const ngx_http_handler_pt original = loc_conf(r).content_handler;
  return original != nullptr ? original(r) : NGX_HTTP_SERVICE_UNAVAILABLE;
} catch (...) {
  return NGX_HTTP_SERVICE_UNAVAILABLE;
}

}  // namespace

ngx_int_t guard_before_content(ngx_http_request_t* r) noexcept try { return judge(r, send_answer); } catch (...) {
  return NGX_HTTP_SERVICE_UNAVAILABLE;
}

ngx_int_t guard_content(ngx_http_request_t* r) noexcept try { return judge(r, write_answer); } catch (...) {
  return NGX_HTTP_SERVICE_UNAVAILABLE;
}

void guard_content_handler(ngx_http_core_loc_conf_t* location, LocConf& conf) noexcept {
  if (location->handler == nullptr || location->handler == guarded_content) return;
  conf.content_handler = location->handler;
  location->handler = guarded_content;
}

}  // namespace agw::nginx
