// What the core asks of its host's HTTP client.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agw/base/result.h"
#include "agw/base/secret.h"
#include "agw/base/task.h"
#include "agw/base/time.h"

namespace agw {

/// Which addresses a name may resolve to (server-side request forgery). Link-local, unspecified,
/// multicast and metadata addresses are refused in every case.
enum class AddressRule {
  configured,  ///< the operator wrote this URL: loopback and private addresses are fine
  discovered   ///< the URL came from a document: public addresses only
};

struct HttpRequest {
  std::string method = "GET";
  std::string url;  ///< absolute, http or https
  std::vector<std::pair<std::string, std::string>> headers;
  Secret authorization;  ///< value of the Authorization header; empty = none
  Secret body;           ///< sent with the Content-Type among `headers`
  std::string ca_file;   ///< trust anchors; empty = the system's
  std::string proxy;     ///< http://host:port of an outbound proxy; empty = none
  AddressRule addresses = AddressRule::configured;
  Milliseconds timeout{5000};       ///< for the whole exchange
  std::size_t max_body = 1U << 20;  ///< bytes; a longer answer is an error
};

struct HttpResponse {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers;  ///< names in lower case
  std::string body;

  /// The first header of that (lower-case) name, or empty.
  [[nodiscard]] std::string_view header(std::string_view name) const noexcept;
};

/// Why there is no answer. Redirects are never followed: a 3xx is an answer.
enum class HttpError { bad_url, resolve, address_refused, connect, tls, timeout, too_large, protocol, closed };
[[nodiscard]] std::string_view to_string(HttpError error) noexcept;

class HttpClient {
 public:
  virtual ~HttpClient() = default;
  /// Never blocks; destroying the task aborts the transfer.
  [[nodiscard]] virtual Task<Result<HttpResponse, HttpError>> fetch(HttpRequest request) = 0;
};

}  // namespace agw
