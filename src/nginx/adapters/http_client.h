// The core's HTTP client: libcurl driven by nginx's loop.
#pragma once

#include "agw/io/clock.h"
#include "agw/io/http.h"
#include "agw/io/log.h"

#include "curl_pool.h"
#include "loop.h"
#include "names.h"

namespace agw::nginx {

/// Failures are logged with the host and curl's words, without the path and without secrets.
/// A request with a proxy leaves the target's name to the proxy: the address rule then holds for
/// literal addresses only, and the proxy decides about names.
class CurlHttpClient final : public HttpClient {
 public:
  /// Between init_process and exit_process: curl is started for the process with the first one.
  CurlHttpClient(NginxLoop& loop, Names& names, Clock& clock, Log& log);
  ~CurlHttpClient() override;

  [[nodiscard]] Task<Result<HttpResponse, HttpError>> fetch(HttpRequest request) override;

 private:
  struct Curl {
    Curl();
    ~Curl();
    Curl(const Curl&) = delete;
    Curl& operator=(const Curl&) = delete;
  };

  NginxLoop& loop_;
  Names& names_;
  Clock& clock_;
  Log& log_;
  Curl curl_;
  // A connection that one rule allowed must not be reused under the other.
  CurlPool configured_;
  CurlPool discovered_;
};

}  // namespace agw::nginx
