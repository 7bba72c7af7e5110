#include "rewriting.h"

#include <algorithm>
#include <utility>

#include "../config/conf.h"
#include "answer.h"
#include "context.h"

namespace agw::nginx {
namespace {

/// Of own memory of a stream, which is used again and again.
constexpr std::size_t piece_bytes = 16U << 10;

ngx_buf_tag_t tag() noexcept { return &ngx_http_agent_gateway_filter_module; }

void consume(ngx_buf_t* buffer) noexcept {
  buffer->pos = buffer->last;
  buffer->file_pos = buffer->file_last;
}

std::string_view bytes_of(const ngx_buf_t* buffer) noexcept {
  return {reinterpret_cast<const char*>(buffer->pos), static_cast<std::size_t>(buffer->last - buffer->pos)};
}

bool has_data(const ngx_buf_t* buffer) noexcept { return !ngx_buf_special(buffer) && ngx_buf_size(buffer) > 0; }

/// What was said of other bytes than those that go on.
void clear_head(ngx_http_request_t* r) noexcept {
  ngx_http_clear_content_length(r);
  ngx_http_clear_accept_ranges(r);
  ngx_http_clear_last_modified(r);
  ngx_http_clear_etag(r);
  for (const std::string_view name : {"Digest", "Content-Digest", "Repr-Digest", "Content-MD5"}) drop_fields(r, name);
}

/// nginx gives up on the backend, and says no more than that it has nothing to send for now.
bool broke_off(const ngx_http_request_t* r, const ngx_chain_t* in) noexcept {
  if (r->upstream == nullptr || r->upstream->peer.connection != nullptr) return false;
  for (; in != nullptr; in = in->next)
    if (in->buf->last_buf || has_data(in->buf)) return false;
  return true;
}

}  // namespace

ngx_int_t Rewriting::begin(ngx_http_request_t* r) {
  r->filter_need_in_memory = 1;
  if (course_->way() == gateway::ResponseCourse::Way::whole) return NGX_OK;
  clear_head(r);
  return next_.header(r);
}

ngx_int_t Rewriting::take(ngx_http_request_t* r, ngx_chain_t* in) {
  return course_->way() == gateway::ResponseCourse::Way::whole ? take_whole(r, in) : take_events(r, in);
}

void Rewriting::inject(ngx_http_request_t* r, std::string_view events) {
  if (course_->way() != gateway::ResponseCourse::Way::events || refused_) return;
  course_->inject(events);
  // Where it fails the client has left, which nginx is about to notice.
  static_cast<void>(take_events(r, nullptr));
}

/// Most answers come whole, in one buffer, and have nothing that changes: they are looked at where they lie.
bool Rewriting::is_left_alone(const ngx_http_request_t* r, const ngx_chain_t* in) const noexcept {
  const ngx_buf_t* only = nullptr;
  bool last = false;
  for (; in != nullptr; in = in->next) {
    last = last || in->buf->last_buf;
    if (!has_data(in->buf)) continue;
    if (only != nullptr || !ngx_buf_in_memory(in->buf)) return false;
    only = in->buf;
  }
  if (only == nullptr) return false;
  const std::string_view body = bytes_of(only);
  const bool whole = last || r->headers_out.content_length_n == static_cast<off_t>(body.size());
  return whole && course_->leaves(body);
}

ngx_int_t Rewriting::take_whole(ngx_http_request_t* r, ngx_chain_t* in) {
  using Step = gateway::ResponseCourse::Step;
  if (passes_) return next_.body(r, in);
  if (in != nullptr && !std::exchange(begun_, true)) {
    passes_ = is_left_alone(r, in);
    if (passes_) {
      const ngx_int_t sent = next_.header(r);
      return sent == NGX_ERROR || sent > NGX_OK || r->header_only ? sent : next_.body(r, in);
    }
    clear_head(r);
  }
  if (over_) {
    for (ngx_chain_t* link = in; link != nullptr; link = link->next) consume(link->buf);
    return next_.body(r, nullptr);
  }
  const bool broken = in != nullptr && broke_off(r, in);
  for (ngx_chain_t* link = in; link != nullptr; link = link->next) {
    ngx_buf_t* const buffer = link->buf;
    if (has_data(buffer)) {
      if (!ngx_buf_in_memory(buffer)) return NGX_ERROR;
      const Step step = course_->feed(bytes_of(buffer), text_);
      consume(buffer);
      if (step == Step::refused) {
        // The rest, which may have no end, isn't read.
        r->keepalive = 0;
        static_cast<void>(send_refusal(r));
        return NGX_ERROR;
      }
    }
    if (!buffer->last_buf) continue;
    if (course_->end(text_) == Step::refused) return send_refusal(r);
    return send_whole(r, text_);
  }
  if (!broken) return NGX_OK;
  course_->broke_off();
  return send_refusal(r);
}

ngx_int_t Rewriting::send_refusal(ngx_http_request_t* r) {
  auto answer = worker()->gateway().refuse_response(owner_.call(), owner_.headers(), course_->failure());
  if (!replace_head(r, answer)) return NGX_ERROR;
  return send_whole(r, answer.body);
}

ngx_int_t Rewriting::send_whole(ngx_http_request_t* r, std::string_view body) {
  over_ = true;
  r->headers_out.content_length_n = static_cast<off_t>(body.size());
  ngx_buf_t* const buffer = ngx_create_temp_buf(r->pool, std::max<std::size_t>(body.size(), 1));
  if (buffer == nullptr) return NGX_ERROR;
  const ngx_int_t sent = next_.header(r);
  if (sent == NGX_ERROR || sent > NGX_OK || r->header_only) return sent;
  buffer->last = ngx_cpymem(buffer->last, body.data(), body.size());
  text_ = std::string();
  buffer->last_buf = 1;
  buffer->last_in_chain = 1;
  ngx_chain_t out{};
  out.buf = buffer;
  return next_.body(r, &out);
}

ngx_int_t Rewriting::take_events(ngx_http_request_t* r, ngx_chain_t* in) {
  if (refused_) {
    for (ngx_chain_t* link = in; link != nullptr; link = link->next) consume(link->buf);
    return NGX_ERROR;
  }
  if (in != nullptr && ngx_chain_add_copy(r->pool, &queue_, in) != NGX_OK) return NGX_ERROR;
  if (busy_ != nullptr) {
    const ngx_int_t sent = send(r, nullptr);
    if (sent == NGX_ERROR || busy_ != nullptr) return sent;
  }
  ngx_chain_t* out = nullptr;
  ngx_chain_t** last = &out;
  if (!move(r, &last)) return NGX_ERROR;
  if (out == nullptr) return in == nullptr ? next_.body(r, nullptr) : NGX_OK;
  const ngx_int_t sent = send(r, out);
  // The client has its end; the backend's connection isn't worth keeping.
  return refused_ ? NGX_ERROR : sent;
}

ngx_int_t Rewriting::send(ngx_http_request_t* r, ngx_chain_t* out) {
  const ngx_int_t sent = next_.body(r, out);
  ngx_chain_update_chains(r->pool, &free_, &busy_, &out, tag());
  return sent;
}

bool Rewriting::move(ngx_http_request_t* r, ngx_chain_t*** last) {
  using Step = gateway::ResponseCourse::Step;
  bool flush = false;
  bool moved = false;
  while (queue_ != nullptr && !refused_) {
    ngx_chain_t* const link = queue_;
    ngx_buf_t* const buffer = link->buf;
    queue_ = link->next;
    link->next = nullptr;
    flush = flush || buffer->flush;
    Step step = Step::unchanged;
    if (has_data(buffer)) {
      if (!ngx_buf_in_memory(buffer)) return false;
      step = course_->feed(bytes_of(buffer), text_);
      // The end of a body may come with its last bytes.
      if (step == Step::unchanged && buffer->last_buf) {
        text_ += bytes_of(buffer);
        step = Step::rewritten;
      }
      if (step != Step::unchanged) consume(buffer);
    }
    if (buffer->last_buf && step != Step::refused) {
      const Step end = course_->end(text_);
      if (end != Step::unchanged) step = end;
    }
    refused_ = step == Step::refused;
    if (!text_.empty()) {
      if (!append_text(r, last)) return false;
      moved = true;
    }
    // What holds nothing any more goes on only for what it says.
    if (!refused_ && (has_data(buffer) || (ngx_buf_special(buffer) && (buffer->last_buf || buffer->sync)))) {
      **last = link;
      *last = &link->next;
      moved = true;
      continue;
    }
    const bool ends = buffer->last_buf && !refused_;
    ngx_free_chain(r->pool, link);
    if (!ends) continue;
    ngx_buf_t* const mark = append_own(r, last, 0);
    if (mark == nullptr) return false;
    mark->last_buf = mark->last_in_chain = 1;
    moved = true;
  }
  for (; refused_ && queue_ != nullptr; queue_ = queue_->next) consume(queue_->buf);
  if (queue_ == nullptr && course_->take_injected(text_)) {
    if (!append_text(r, last)) return false;
    moved = true;
  }
  if (!refused_ && (moved || !flush)) return true;
  ngx_buf_t* const mark = append_own(r, last, 0);
  if (mark == nullptr) return false;
  mark->flush = 1;
  if (refused_) mark->last_buf = mark->last_in_chain = 1;
  return true;
}

bool Rewriting::append_text(ngx_http_request_t* r, ngx_chain_t*** last) {
  std::string_view left = text_;
  while (!left.empty()) {
    ngx_buf_t* const buffer = append_own(r, last, piece_bytes);
    if (buffer == nullptr) return false;
    const std::size_t size = std::min(left.size(), piece_bytes);
    buffer->last = ngx_cpymem(buffer->pos, left.data(), size);
    buffer->temporary = 1;
    buffer->flush = 1;
    left.remove_prefix(size);
  }
  if (text_.capacity() > 4 * piece_bytes) text_ = std::string();
  text_.clear();
  return true;
}

/// `room` is 0 for a mark without bytes.
ngx_buf_t* Rewriting::append_own(ngx_http_request_t* r, ngx_chain_t*** last, std::size_t room) {
  ngx_chain_t* const link = ngx_chain_get_free_buf(r->pool, &free_);
  if (link == nullptr) return nullptr;
  ngx_buf_t* const buffer = link->buf;
  u_char* start = buffer->start;
  u_char* end = buffer->end;
  if (room > 0 && start == nullptr) {
    start = static_cast<u_char*>(ngx_palloc(r->pool, room));
    if (start == nullptr) return nullptr;
    end = start + room;
  }
  *buffer = ngx_buf_t{};
  buffer->start = buffer->pos = buffer->last = start;
  buffer->end = end;
  buffer->tag = tag();
  link->next = nullptr;
  **last = link;
  *last = &link->next;
  return buffer;
}

}  // namespace agw::nginx
