// The request's body, as it will be forwarded.
#include <algorithm>

#include "context.h"

namespace agw::nginx {
namespace {

/// Up to here a place in the request's pool costs nothing.
constexpr std::size_t small_body = 2048;

/// Why nginx couldn't read the body.
Reason reason_of(ngx_int_t status) noexcept {
  switch (status) {
    case NGX_HTTP_REQUEST_ENTITY_TOO_LARGE: return Reason::body_too_large;
    case NGX_HTTP_INTERNAL_SERVER_ERROR: return Reason::internal_error;  // no memory, no disk
    default: return Reason::client_aborted;
  }
}

}  // namespace

ValueTask<Result<std::string_view, Reason>> RequestContext::body(std::size_t max_bytes) {
  if (body_read_) return take_body(max_bytes);
  if (r_->headers_in.content_length_n > 0 && static_cast<std::uint64_t>(r_->headers_in.content_length_n) > max_bytes)
    return Result<std::string_view, Reason>(fail(Reason::body_too_large));
  // The whole body in one buffer if it fits: what is judged is then read where it lies.
  r_->request_body_in_single_buf = 1;
  const ngx_int_t rc = ngx_http_read_client_request_body(r_, on_body);
  if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
    // nginx has taken its reference back already.
    return Result<std::string_view, Reason>(fail(reason_of(rc)));
  }
  // The reference that reading took; the request's own one stays, so nothing is freed here.
  --r_->main->count;
  if (body_read_) return take_body(max_bytes);
  return await_body(max_bytes);
}

void RequestContext::on_body(ngx_http_request_t* r) noexcept {
  auto* self = find(r);
  if (self == nullptr) return;
  r->preserve_body = 1;
  r->read_event_handler = ngx_http_block_reading;
  r->write_event_handler = ngx_http_core_run_phases;
  self->body_read_ = true;
  if (self->body_waiter_ != nullptr) self->body_waiter_->set(true);
}

Task<Result<std::string_view, Reason>> RequestContext::await_body(std::size_t max_bytes) {
  /// The course may be destroyed while it waits.
  class Registration {
   public:
    Registration(Completion<bool>*& slot, Completion<bool>& waiter) noexcept : slot_(slot) { slot_ = &waiter; }
    Registration(const Registration&) = delete;
    Registration& operator=(const Registration&) = delete;
    ~Registration() { slot_ = nullptr; }

   private:
    Completion<bool>*& slot_;
  };
  Completion<bool> read(worker()->host().loop());
  {
    const Registration registration(body_waiter_, read);
    co_await read;
  }
  // From here on it may wait for others: an abort must be noticed again.
  r_->read_event_handler = ngx_http_test_reading;
  co_return take_body(max_bytes);
}

Result<std::string_view, Reason> RequestContext::take_body(std::size_t max_bytes) {
  const ngx_http_request_body_t* body = r_->request_body;
  if (body == nullptr || body->bufs == nullptr) return std::string_view();
  const ngx_buf_t* first = body->bufs->buf;
  if (body->bufs->next == nullptr && !first->in_file) {
    const auto size = static_cast<std::size_t>(first->last - first->pos);
    if (size > max_bytes) return fail(Reason::body_too_large);
    return std::string_view(reinterpret_cast<const char*>(first->pos), size);
  }
  return gather_body(max_bytes);
}

u_char* RequestContext::room_for_body(std::size_t size) noexcept {
  if (size <= small_body) return static_cast<u_char*>(ngx_pnalloc(r_->pool, size));
  gathered_in_ = BodyMemory::of_worker().take(size);
  return reinterpret_cast<u_char*>(gathered_in_.data());
}

/// The pieces, in memory or in nginx's temporary file, put together to be read. The pieces
/// themselves are what is forwarded, unchanged.
Result<std::string_view, Reason> RequestContext::gather_body(std::size_t max_bytes) {
  if (!gathered_body_) {
    std::size_t size = 0;
    for (const ngx_chain_t* link = r_->request_body->bufs; link != nullptr; link = link->next) {
      const auto piece = static_cast<std::size_t>(ngx_buf_size(link->buf));
      if (piece > max_bytes - size) return fail(Reason::body_too_large);
      size += piece;
    }
    auto* const whole = room_for_body(size);
    if (whole == nullptr) return fail(Reason::internal_error);
    u_char* end = whole;
    for (const ngx_chain_t* link = r_->request_body->bufs; link != nullptr; link = link->next) {
      const ngx_buf_t* piece = link->buf;
      const auto length = static_cast<std::size_t>(ngx_buf_size(piece));
      if (piece->in_file) {
        const ssize_t got = ngx_read_file(piece->file, end, length, piece->file_pos);
        if (got < 0 || static_cast<std::size_t>(got) != length) return fail(Reason::internal_error);
      } else {
        std::copy_n(piece->pos, length, end);
      }
      end += length;
    }
    gathered_body_ = std::string_view(reinterpret_cast<const char*>(whole), size);
  }
  if (gathered_body_->size() > max_bytes) return fail(Reason::body_too_large);
  return *gathered_body_;
}

}  // namespace agw::nginx
