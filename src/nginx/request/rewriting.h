// A backend's answer whose bytes may change on their way: nginx's buffers around the course of a response.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "agw/gateway/response_course.h"

#include "../nginx.h"

namespace agw::nginx {

class RequestContext;

/// Lives in the request's context. What came is copied and consumed, or goes on as it is; nothing waits here but for
/// bytes, and what the client doesn't take yet is left with whoever reads from the backend.
class Rewriting {
 public:
  /// The filters that follow.
  struct Next {
    ngx_http_output_header_filter_pt header;
    ngx_http_output_body_filter_pt body;
  };
  Rewriting(RequestContext& owner, std::unique_ptr<gateway::ResponseCourse> course, Next next) noexcept
      : owner_(owner), course_(std::move(course)), next_(next) {}

  /// The head has come. Of an answer that is read whole it is sent with the body's exact length, or a refusal's in its
  /// place.
  ngx_int_t begin(ngx_http_request_t* r);
  /// Buffers of the body; null: the client may take more.
  ngx_int_t take(ngx_http_request_t* r, ngx_chain_t* in);
  /// Events of the gateway's own, between two of the backend's.
  void inject(ngx_http_request_t* r, std::string_view events);

 private:
  [[nodiscard]] bool is_left_alone(const ngx_http_request_t* r, const ngx_chain_t* in) const noexcept;
  ngx_int_t take_whole(ngx_http_request_t* r, ngx_chain_t* in);
  ngx_int_t take_events(ngx_http_request_t* r, ngx_chain_t* in);
  ngx_int_t send_whole(ngx_http_request_t* r, std::string_view body);
  ngx_int_t send_refusal(ngx_http_request_t* r);
  /// What goes on of the buffers that wait; false: without memory.
  bool move(ngx_http_request_t* r, ngx_chain_t*** last);
  bool append_text(ngx_http_request_t* r, ngx_chain_t*** last);
  ngx_buf_t* append_own(ngx_http_request_t* r, ngx_chain_t*** last, std::size_t room);
  ngx_int_t send(ngx_http_request_t* r, ngx_chain_t* out);

  RequestContext& owner_;
  std::unique_ptr<gateway::ResponseCourse> course_;
  Next next_;
  std::string text_;  ///< what the course has written
  ngx_chain_t* queue_ = nullptr;  ///< buffers that wait for the client
  ngx_chain_t* free_ = nullptr;
  ngx_chain_t* busy_ = nullptr;  ///< on their way to the client
  bool begun_ = false;  ///< of a whole answer: its first bytes have come
  bool passes_ = false;  ///< nothing in it changes: it isn't held
  bool over_ = false;  ///< the whole answer is on its way, or its refusal
  bool refused_ = false;  ///< of a stream: nothing of the backend's follows
};

}  // namespace agw::nginx
