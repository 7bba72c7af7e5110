// Header and body filter: what the backend answered, judged before the agent sees it.
#include "agw/gateway/origin.h"
#include "agw/mcp/event_stream.h"

#include "answer.h"
#include "context.h"
#include "hooks.h"

namespace agw::nginx {
namespace {

ngx_http_output_header_filter_pt next_header_filter;
ngx_http_output_body_filter_pt next_body_filter;

/// The context of a call that was forwarded and whose response is the backend's or nginx's own.
RequestContext* forwarded(ngx_http_request_t* r) noexcept {
  if (r != r->main || worker() == nullptr) return nullptr;
  RequestContext* const context = RequestContext::find(r);
  if (context == nullptr || context->answered || !context->decided() || !context->outcome()) return nullptr;
  return context;
}

bool is_event_stream(const ngx_http_request_t* r) noexcept {
  return mcp::is_event_stream(view(r->headers_out.content_type));
}

gateway::BackendHead head_of(const ngx_http_request_t* r) noexcept {
  gateway::BackendHead head;
  if (r->upstream == nullptr) return head;
  head.status = static_cast<int>(r->upstream->headers_in.status_n);
  head.accel_redirect = r->upstream->headers_in.x_accel_redirect != nullptr;
  return head;
}

gateway::AnswerHead answer_head_of(const ngx_http_request_t* r) noexcept {
  const ngx_table_elt_t* const encoding = r->headers_out.content_encoding;
  const bool encoded = encoding != nullptr && encoding->hash != 0 && view(encoding->value) != "identity";
  return {static_cast<int>(r->headers_out.status), view(r->headers_out.content_type), encoded};
}

/// How the answer's body goes on, or what is sent in its place.
std::optional<gateway::Answer> begin_rewriting(ngx_http_request_t* r, RequestContext& context) {
  gateway::Gateway& gateway = worker()->gateway();
  auto course = gateway.respond(context.call(), answer_head_of(r));
  if (!course) {
    // It was carried out, whatever became of the answer.
    if (context.call().claim != nullptr) context.call().claim->keep_nothing();
    return gateway.refuse_response(context.call(), context.headers(), course.error());
  }
  if (*course != nullptr)
    context.rewriting.emplace(context, *std::move(course), Rewriting::Next{next_header_filter, next_body_filter});
  return std::nullopt;
}

bool replace(ngx_http_request_t* r, RequestContext& context, gateway::Answer answer) {
  if (!replace_head(r, answer)) return false;
  context.replacement = std::move(answer.body);
  return true;
}

/// The agent gets the sealed form of the id that the backend gave its session, and never the id itself.
bool seal_session(ngx_http_request_t* r, RequestContext& context) {
  std::string sealed;
  bool given = false;
  each_field(r, "Mcp-Session-Id", [&](ngx_table_elt_t& field) {
    given = true;
    if (sealed.empty()) sealed = worker()->gateway().session_field(context.call(), view(field.value));
    field.hash = 0;
  });
  if (!given && context.call().location->makes_sessions)
    sealed = worker()->gateway().made_session(context.call(), static_cast<int>(r->headers_out.status));
  return sealed.empty() || add_field(r, "Mcp-Session-Id", sealed);
}

bool dress(ngx_http_request_t* r, RequestContext& context) {
  const gateway::Location& location = *context.call().location;
  // The id under which audit has the call, whoever answered.
  drop_fields(r, "X-Request-Id");
  if (!add_field(r, "X-Request-Id", context.id())) return false;
  if (gateway::stands_between(context.call())) {
    // A backend speaks to the gateway: its challenges and cookies mean nothing to the agent.
    drop_fields(r, "WWW-Authenticate");
    drop_fields(r, "Set-Cookie");
    r->headers_out.www_authenticate = nullptr;
    if (gateway::binds(location) && !seal_session(r, context)) return false;
    const auto cors = gateway::cors_headers(location, context.headers());
    if (!cors.empty()) {
      drop_fields(r, "Access-Control-Allow-Origin");
      drop_fields(r, "Access-Control-Expose-Headers");
    }
    for (const auto& [name, value] : cors)
      if (!add_field(r, name, value)) return false;
    if (context.call().usage != nullptr || !context.call().fresh_nonce.empty()) {
      for (const auto& [name, value] : worker()->gateway().response_fields(context.call()))
        if (!add_field(r, name, value)) return false;
    }
  }
  // nginx looks at this flag after the header filters: events go out as they come.
  if (r->upstream != nullptr && is_event_stream(r)) {
    r->upstream->buffering = 0;
    if (location.kind == gateway::Kind::mcp) context.watch_stream();
  }
  return true;
}

ngx_int_t header_filter(ngx_http_request_t* r) noexcept try {
  RequestContext* const context = forwarded(r);
  if (context == nullptr) return next_header_filter(r);
  if (!context->replacement) {
    auto answer = worker()->gateway().judge_response(context->call(), context->headers(), head_of(r));
    if (!answer) answer = begin_rewriting(r, *context);
    const bool done = answer ? replace(r, *context, *std::move(answer)) : dress(r, *context);
    if (!done) return NGX_ERROR;
    if (context->call().claim != nullptr && !context->replacement) Capture::begin(r, *context);
    if (context->rewriting) return context->rewriting->begin(r);
  }
  return next_header_filter(r);
} catch (...) {
  return NGX_ERROR;
}

/// The backend's own bytes are consumed, so that its connection can go on; ours go out once.
ngx_int_t send_replacement(ngx_http_request_t* r, RequestContext& context, ngx_chain_t* in) {
  for (ngx_chain_t* link = in; link != nullptr; link = link->next) {
    link->buf->pos = link->buf->last;
    link->buf->file_pos = link->buf->file_last;
  }
  if (context.replacement_sent) return NGX_OK;
  context.replacement_sent = true;
  ngx_buf_t* buffer = ngx_create_temp_buf(r->pool, context.replacement->size());
  if (buffer == nullptr) return NGX_ERROR;
  buffer->last = ngx_cpymem(buffer->last, context.replacement->data(), context.replacement->size());
  buffer->last_buf = 1;
  buffer->last_in_chain = 1;
  ngx_chain_t out{};
  out.buf = buffer;
  return next_body_filter(r, &out);
}

// Every call comes by here, few have limits.
[[gnu::always_inline]] inline ngx_int_t pass_on(ngx_http_request_t* r, RequestContext& context, ngx_chain_t* in) {
  if (context.rewriting) return context.rewriting->take(r, in);
  if (!context.replacement || in == nullptr) return next_body_filter(r, in);
  return send_replacement(r, context, in);
}

bool has_last(const ngx_chain_t* in) noexcept {
  for (const ngx_chain_t* link = in; link != nullptr; link = link->next)
    if (link->buf->last_buf != 0) return true;
  return false;
}

/// What a call holds among calls at once it holds until its answer has gone out, not until its client has closed.
[[gnu::noinline]] ngx_int_t pass_on_and_end(ngx_http_request_t* r, RequestContext& context, ngx_chain_t* in) {
  context.last_passed = context.last_passed || has_last(in);
  const ngx_int_t result = pass_on(r, context, in);
  if (result == NGX_OK && context.last_passed && r->out == nullptr) context.call().usage->end();
  return result;
}

ngx_int_t body_filter(ngx_http_request_t* r, ngx_chain_t* in) noexcept try {
  RequestContext* const context = forwarded(r);
  if (context == nullptr) return next_body_filter(r, in);
  if (context->capture) context->capture->take(in);
  if (context->call().usage != nullptr) return pass_on_and_end(r, *context, in);
  return pass_on(r, *context, in);
} catch (...) {
  return NGX_ERROR;
}

}  // namespace

void install_filters() noexcept {
  next_header_filter = ngx_http_top_header_filter;
  ngx_http_top_header_filter = header_filter;
  next_body_filter = ngx_http_top_body_filter;
  ngx_http_top_body_filter = body_filter;
}

}  // namespace agw::nginx
