#include "capture.h"

#include "context.h"

namespace agw::nginx {
namespace {

/// Whether the response that is about to be sent came from behind: nginx makes answers of its own where a backend
/// doesn't answer, and in place of those that it takes for broken.
bool is_backends(const ngx_http_request_t* r) noexcept {
  if (r->err_status != 0) return false;
  return r->upstream == nullptr || r->upstream->headers_in.status_n == r->headers_out.status;
}

/// Whether no byte of the request has left for a backend. Without nginx's upstream nobody can tell.
bool was_never_sent(const ngx_http_request_t* r) noexcept {
  if (r->upstream == nullptr) return false;
  if (r->upstream->peer.connection != nullptr && r->upstream->peer.connection->sent != 0) return false;
  if (r->upstream_states == nullptr) return true;
  const auto* states = static_cast<const ngx_http_upstream_state_t*>(r->upstream_states->elts);
  for (ngx_uint_t i = 0; i < r->upstream_states->nelts; ++i)
    if (states[i].bytes_sent != 0) return false;
  return true;
}

std::string location_of(const ngx_http_request_t* r) {
  constexpr std::string_view name = "location";
  for (const ngx_list_part_t* part = &r->headers_out.headers.part; part != nullptr; part = part->next) {
    const auto* const fields = static_cast<const ngx_table_elt_t*>(part->elts);
    for (ngx_uint_t i = 0; i < part->nelts; ++i)
      if (fields[i].hash != 0 && fields[i].key.len == name.size() &&
          ngx_strncasecmp(fields[i].key.data, reinterpret_cast<u_char*>(const_cast<char*>(name.data())), name.size()) ==
              0)
        return std::string(view(fields[i].value));
  }
  return {};
}

}  // namespace

void Capture::begin(ngx_http_request_t* r, RequestContext& context) {
  if (context.capture || !is_backends(r)) return;
  gateway::BackendAnswer head;
  head.status = static_cast<int>(r->headers_out.status);
  head.content_type = view(r->headers_out.content_type);
  head.location = location_of(r);
  context.capture.emplace(context, std::move(head), context.call().claim->most_bytes());
  const bool encoded = r->headers_out.content_encoding != nullptr && r->headers_out.content_encoding->hash != 0;
  const bool large = r->headers_out.content_length_n > static_cast<off_t>(context.capture->most_bytes_);
  context.capture->kept_ = !encoded && !large;
  if (context.capture->kept_) r->filter_need_in_memory = 1;
}

void Capture::end(ngx_http_request_t* r, RequestContext& context) noexcept {
  if (context.capture) {
    // A body that isn't sent at all has no last buffer.
    if (r->header_only || !context.capture->kept_) context.capture->complete();
  } else if (was_never_sent(r)) {
    context.call().claim->not_carried_out();
  }
}

Capture::Capture(RequestContext& owner, gateway::BackendAnswer head, std::size_t most_bytes) noexcept
    : owner_(owner), answer_(std::move(head)), most_bytes_(most_bytes) {}

void Capture::take(const ngx_chain_t* in) {
  if (complete_) return;
  bool last = false;
  for (const ngx_chain_t* link = in; link != nullptr; link = link->next) {
    const ngx_buf_t* const buffer = link->buf;
    last = last || buffer->last_buf;
    if (!kept_ || ngx_buf_special(buffer)) continue;
    const auto size = static_cast<std::size_t>(buffer->last - buffer->pos);
    if (!ngx_buf_in_memory(buffer) || size > most_bytes_ - answer_.body.size()) {
      kept_ = false;
      answer_.body = std::string();
      continue;
    }
    answer_.body.append(reinterpret_cast<const char*>(buffer->pos), size);
  }
  if (last) complete();
}

void Capture::complete() noexcept {
  if (std::exchange(complete_, true) || owner_.call().claim == nullptr) return;
  if (kept_)
    worker()->gateway().keep(owner_.call(), std::move(answer_));
  else
    owner_.call().claim->keep_nothing();
}

}  // namespace agw::nginx
