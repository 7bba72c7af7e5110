// The log phase: what became of a call.
#include "context.h"
#include "hooks.h"

namespace agw::nginx {
namespace {

void add_upstream(const ngx_http_request_t* r, audit::Completion& completion) {
  if (r->upstream_states == nullptr || r->upstream_states->nelts == 0) return;
  const auto* states = static_cast<const ngx_http_upstream_state_t*>(r->upstream_states->elts);
  const ngx_http_upstream_state_t& last = states[r->upstream_states->nelts - 1];
  if (last.peer != nullptr) completion.upstream_address = view(*last.peer);
  completion.upstream_status = static_cast<int>(last.status);
  if (last.response_time != static_cast<ngx_msec_t>(-1))
    completion.upstream_ms = static_cast<double>(last.response_time);
}

}  // namespace

ngx_int_t log_handler(ngx_http_request_t* r) noexcept try {
  if (r != r->main || worker() == nullptr) return NGX_OK;
  RequestContext* const context = RequestContext::find(r);
  if (context == nullptr) return NGX_OK;
  audit::Completion completion;
  completion.status = static_cast<int>(r->err_status != 0 ? r->err_status : r->headers_out.status);
  const off_t body_sent = r->connection->sent - static_cast<off_t>(r->header_size);
  completion.response_bytes = body_sent > 0 ? static_cast<std::int64_t>(body_sent) : 0;
  add_upstream(r, completion);
  const bool left =
      r->headers_out.status == NGX_HTTP_CLIENT_CLOSED_REQUEST || r->connection->error || r->connection->timedout;
  // Where the gateway itself ends an answer that has begun, the connection ends with it.
  if (left && !context->answered && !context->call().failure) completion.outcome = audit::Outcome::aborted;
  if (context->call().claim != nullptr) Capture::end(r, *context);
  context->finish(completion);
  return NGX_OK;
} catch (...) {
  return NGX_ERROR;
}

}  // namespace agw::nginx
