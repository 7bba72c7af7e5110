// The backend's answer, copied as it passes, for the repeats of a call.
#pragma once

#include <cstddef>
#include <string>

#include "agw/gateway/answer.h"

#include "../nginx.h"

namespace agw::nginx {

class RequestContext;

/// Bounded: what is longer isn't kept. Nothing of the client's answer waits for it.
class Capture {
 public:
  /// In the header filter of a call that holds a claim: begins one if the answer is the backend's own.
  static void begin(ngx_http_request_t* r, RequestContext& context);
  /// In the log phase: what became of a call whose claim nobody has settled by then.
  static void end(ngx_http_request_t* r, RequestContext& context) noexcept;

  Capture(RequestContext& owner, gateway::BackendAnswer head, std::size_t most_bytes) noexcept;
  /// Buffers that pass; the last one completes the answer.
  void take(const ngx_chain_t* in);
  /// It is ended here, and what is sent as its end is none: what became of the call isn't known.
  void break_off() noexcept { complete_ = true; }

 private:
  void complete() noexcept;

  RequestContext& owner_;
  gateway::BackendAnswer answer_;
  std::size_t most_bytes_;
  bool kept_ = true;
  bool complete_ = false;
};

}  // namespace agw::nginx
