// One HTTP exchange, as libcurl is told about it.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include <curl/curl.h>

#include "agw/io/address.h"
#include "agw/io/http.h"
#include "agw/io/loop.h"

#include "curl_pool.h"

namespace agw::nginx {

/// A URL taken apart by libcurl itself, so that what is checked is what is used.
class HttpUrl {
 public:
  /// Absolute, http or https (`proxy`: http only), without credentials, a plain ASCII host.
  [[nodiscard]] static std::optional<HttpUrl> parse(const std::string& text);

  [[nodiscard]] CURLU* handle() const noexcept { return handle_.get(); }
  [[nodiscard]] const std::string& scheme() const noexcept { return scheme_; }
  [[nodiscard]] const std::string& host() const noexcept { return host_; }  ///< lower case, no brackets
  [[nodiscard]] const std::string& port() const noexcept { return port_; }

 private:
  struct Free {
    void operator()(CURLU* url) const noexcept { curl_url_cleanup(url); }
  };
  explicit HttpUrl(CURLU* handle) noexcept : handle_(handle) {}
  std::unique_ptr<CURLU, Free> handle_;
  std::string scheme_;
  std::string host_;
  std::string port_;
};

/// Lives in the frame that awaits it; destroying it aborts the exchange.
class HttpTransfer final : private CurlTransfer {
 public:
  struct Target {
    HttpUrl url;
    HttpUrl* dialled;                   ///< the proxy's URL, or null
    std::vector<IpAddress> addresses;   ///< of what is dialled, already judged
    AddressRule rule;                   ///< for what is dialled
  };
  using Answer = Result<HttpResponse, HttpError>;

  HttpTransfer(Loop& loop, CurlPool& pool, HttpRequest request, Target target, Milliseconds timeout);
  ~HttpTransfer() override;

  /// False if the request can't be sent as it is.
  [[nodiscard]] bool start();
  Completion<Answer> answer;
  /// What curl says of the failure; no secret is in it.
  [[nodiscard]] const char* words() const noexcept { return words_.data(); }

 private:
  struct FreeList {
    void operator()(curl_slist* list) const noexcept;
  };

  [[nodiscard]] CURL* handle() const noexcept override { return easy_; }
  void finished(CURLcode code) noexcept override;
  [[nodiscard]] HttpError reason(CURLcode code) const noexcept;
  void set_destination();
  [[nodiscard]] bool set_request();
  void add_header(const std::string& line);
  static std::size_t on_body(char* bytes, std::size_t one, std::size_t size, void* self) noexcept;
  static std::size_t on_header(char* bytes, std::size_t one, std::size_t size, void* self) noexcept;
  static curl_socket_t on_open(void* self, curlsocktype purpose, curl_sockaddr* address) noexcept;
  bool take_header(std::string_view line);

  CurlPool& pool_;
  HttpRequest request_;
  Target target_;
  Milliseconds timeout_;
  CURL* easy_;
  std::unique_ptr<curl_slist, FreeList> headers_;
  std::unique_ptr<curl_slist, FreeList> pins_;
  HttpResponse response_;
  std::size_t header_bytes_ = 0;
  bool headers_over_ = false;
  std::optional<HttpError> fault_;  // found by a callback; curl only knows that it was stopped
  std::array<char, CURL_ERROR_SIZE> words_{};
};

}  // namespace agw::nginx
