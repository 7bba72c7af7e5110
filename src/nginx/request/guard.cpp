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

/// The context of a call that is carried out once for its key.
RequestContext* keyed(ngx_http_request_t* r) noexcept {
  RequestContext* const context = r == r->main ? RequestContext::find(r) : nullptr;
  return context != nullptr && context->upstream_conf != nullptr && context->allowed_here() ? context : nullptr;
}

/// The proxy has begun: from here on it goes by settings of this call's own. As proxy_ignore_client_abort, the call
/// goes on when its client leaves, so that a repeat finds the answer; nginx watches the client by these two handlers
/// until the backend answers. And what may have reached one server never goes to the next.
void send_once(ngx_http_request_t* r, RequestContext& context) noexcept {
  ngx_http_upstream_t* const upstream = r->upstream;
  if (upstream == nullptr) return;
  ngx_http_upstream_conf_t& own = *context.upstream_conf;
  own = *upstream->conf;
  own.ignore_client_abort = 1;
  // With these methods nginx tries the next server only as long as nothing was sent, with others also afterwards.
  const bool until_sent = (r->method & (NGX_HTTP_POST | NGX_HTTP_LOCK | NGX_HTTP_PATCH)) != 0;
  own.next_upstream = until_sent ? own.next_upstream & ~ngx_uint_t{NGX_HTTP_UPSTREAM_FT_NON_IDEMPOTENT} : 0;
  upstream->conf = &own;
  // Where the backend has answered already, or nothing is under way, the handlers are others by now.
  const bool resolving = upstream->resolved != nullptr && upstream->resolved->ctx != nullptr;
  if (upstream->header_sent || r->header_sent || (!resolving && upstream->peer.connection == nullptr)) return;
  r->read_event_handler = ngx_http_block_reading;
  r->write_event_handler = ngx_http_request_empty_handler;
}

ngx_int_t guarded_content(ngx_http_request_t* r) noexcept try {
  const ngx_int_t verdict = judge(r, write_answer);
  if (verdict != NGX_DECLINED) return verdict;
  const ngx_http_handler_pt original = loc_conf(r).content_handler;
  if (original == nullptr) return NGX_HTTP_SERVICE_UNAVAILABLE;
  RequestContext* const context = keyed(r);
  const ngx_int_t status = original(r);
  if (status == NGX_DONE && context != nullptr) send_once(r, *context);
  return status;
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
