#include "http_transfer.h"

#include <algorithm>
#include <cstring>
#include <new>

#include <sys/socket.h>

#include "agw/base/secret.h"

namespace agw::nginx {
namespace {

constexpr std::size_t max_header_bytes = 64UL << 10U;
// How long curl may keep a name's addresses or the parsed trust anchors; both are given anew with
// every request, but files change.
constexpr long kept_seconds = 300;

struct FreeText {
  void operator()(char* text) const noexcept { curl_free(text); }
};
using Text = std::unique_ptr<char, FreeText>;

std::optional<std::string> part(CURLU* url, CURLUPart what, unsigned flags = 0) {
  char* text = nullptr;
  if (curl_url_get(url, what, &text, flags) != CURLUE_OK) return std::nullopt;
  return std::string(Text(text).get());
}

bool is_host_char(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == ':';
}

bool is_token(std::string_view text) noexcept {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && std::strchr("!#$%&'*+-.^_`|~", c) != nullptr);
  });
}

bool is_value(std::string_view text) noexcept {
  return std::ranges::all_of(text, [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte == '\t' || (byte >= 0x20 && byte != 0x7f);
  });
}

std::string_view trimmed(std::string_view text) noexcept {
  const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

}  // namespace

std::optional<HttpUrl> HttpUrl::parse(const std::string& text) {
  if (text.empty() || text.size() > 8192 || !std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7f; })) {
    return std::nullopt;
  }
  HttpUrl url(curl_url());
  if (!url.handle_) throw std::bad_alloc();
  CURLU* handle = url.handle();
  if (curl_url_set(handle, CURLUPART_URL, text.c_str(), CURLU_DISALLOW_USER) != CURLUE_OK) return std::nullopt;
  auto scheme = part(handle, CURLUPART_SCHEME);
  auto host = part(handle, CURLUPART_HOST);
  auto port = part(handle, CURLUPART_PORT, CURLU_DEFAULT_PORT);
  if (!scheme || !host || !port || part(handle, CURLUPART_ZONEID)) return std::nullopt;
  if (*scheme != "http" && *scheme != "https") return std::nullopt;
  if (host->starts_with('[') && host->ends_with(']')) *host = host->substr(1, host->size() - 2);
  std::ranges::transform(*host, host->begin(), [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; });
  // A trailing dot names the same host by other bytes than those that were judged and pinned.
  if (host->empty() || host->ends_with('.') || !std::ranges::all_of(*host, is_host_char)) return std::nullopt;
  url.scheme_ = std::move(*scheme);
  url.host_ = std::move(*host);
  url.port_ = std::move(*port);
  return url;
}

void HttpTransfer::FreeList::operator()(curl_slist* list) const noexcept {
  for (curl_slist* entry = list; entry != nullptr; entry = entry->next) wipe(entry->data, std::strlen(entry->data));
  curl_slist_free_all(list);
}

HttpTransfer::HttpTransfer(Loop& loop, CurlPool& pool, HttpRequest request, Target target, Milliseconds timeout)
    : answer(loop),
      pool_(pool),
      request_(std::move(request)),
      target_(std::move(target)),
      timeout_(timeout),
      easy_(curl_easy_init()) {
  if (easy_ == nullptr) throw std::bad_alloc();
}

HttpTransfer::~HttpTransfer() {
  pool_.remove(*this);
  curl_easy_cleanup(easy_);
  ERR_clear_error();
}

void HttpTransfer::add_header(const std::string& line) {
  curl_slist* longer = curl_slist_append(headers_.get(), line.c_str());
  if (longer == nullptr) throw std::bad_alloc();
  if (!headers_) headers_.reset(longer);  // further lines hang on the first
}

void HttpTransfer::set_destination() {
  curl_easy_setopt(easy_, CURLOPT_CURLU, target_.url.handle());
  curl_easy_setopt(easy_, CURLOPT_FOLLOWLOCATION, 0L);
#if LIBCURL_VERSION_NUM >= 0x075500
  curl_easy_setopt(easy_, CURLOPT_PROTOCOLS_STR, "http,https");
#else
  curl_easy_setopt(easy_, CURLOPT_PROTOCOLS, static_cast<long>(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
  // An empty proxy also stops curl from reading the environment.
  curl_easy_setopt(easy_, CURLOPT_PROXY, request_.proxy.c_str());
  curl_easy_setopt(easy_, CURLOPT_NOPROXY, "");
  curl_easy_setopt(easy_, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);

  // The addresses are pinned: curl would look the name up in a thread and wait for it when the
  // exchange is aborted.
  const HttpUrl& dialled = target_.dialled != nullptr ? *target_.dialled : target_.url;
  if (!IpAddress::parse(dialled.host())) {
    std::string pin = "+" + dialled.host() + ":" + dialled.port() + ":";
    for (const IpAddress& address : target_.addresses) {
      if (!pin.ends_with(':')) pin += ',';
      pin += address.v6 ? "[" + address.text() + "]" : address.text();
    }
    pins_.reset(curl_slist_append(nullptr, pin.c_str()));
    if (!pins_) throw std::bad_alloc();
    curl_easy_setopt(easy_, CURLOPT_RESOLVE, pins_.get());
  }
  curl_easy_setopt(easy_, CURLOPT_DNS_CACHE_TIMEOUT, kept_seconds);
  using OnOpen = curl_socket_t (*)(void*, curlsocktype, curl_sockaddr*);
  curl_easy_setopt(easy_, CURLOPT_OPENSOCKETFUNCTION, static_cast<OnOpen>(on_open));
  curl_easy_setopt(easy_, CURLOPT_OPENSOCKETDATA, this);

  curl_easy_setopt(easy_, CURLOPT_SSL_VERIFYPEER, 1L);
  curl_easy_setopt(easy_, CURLOPT_SSL_VERIFYHOST, 2L);
  curl_easy_setopt(easy_, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  const curl_version_info_data* curl = curl_version_info(CURLVERSION_NOW);
  const bool bundled = curl->age >= CURLVERSION_SEVENTH && curl->cainfo != nullptr;
  if (!request_.ca_file.empty()) curl_easy_setopt(easy_, CURLOPT_CAINFO, request_.ca_file.c_str());
  if (!request_.ca_file.empty() || bundled) {
    // Only the file named counts; curl also keeps the parsed anchors only if there is no folder.
    curl_easy_setopt(easy_, CURLOPT_CAPATH, nullptr);
  }
#if LIBCURL_VERSION_NUM >= 0x075700
  curl_easy_setopt(easy_, CURLOPT_CA_CACHE_TIMEOUT, kept_seconds);
  curl_easy_setopt(easy_, CURLOPT_QUICK_EXIT, 1L);
#endif
}

bool HttpTransfer::set_request() {
  if (!is_token(request_.method)) return false;
  for (const auto& [name, value] : request_.headers) {
    if (!is_token(name) || !is_value(value)) return false;
    // curl's way of sending a field without a value ends in a semicolon.
    std::string line = name;
    line += value.empty() ? ";" : ": ";
    line += value;
    add_header(line);
    wipe(line.data(), line.size());
  }
  if (!request_.authorization.empty()) {
    if (!is_value(request_.authorization.reveal())) return false;
    std::string line = "Authorization: ";
    line.reserve(line.size() + request_.authorization.reveal().size());
    line += request_.authorization.reveal();
    add_header(line);
    wipe(line.data(), line.size());
  }
  add_header("Expect:");  // no waiting for 100 Continue
  const std::string_view body = request_.body.reveal();
  if (request_.method == "HEAD") {
    curl_easy_setopt(easy_, CURLOPT_NOBODY, 1L);
  } else if (!body.empty() || request_.method == "POST") {
    curl_easy_setopt(easy_, CURLOPT_POST, 1L);
    curl_easy_setopt(easy_, CURLOPT_POSTFIELDS, body.empty() ? "" : body.data());  // not copied
    curl_easy_setopt(easy_, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
  }
  if (request_.method != "GET" && request_.method != "HEAD" && request_.method != "POST") {
    curl_easy_setopt(easy_, CURLOPT_CUSTOMREQUEST, request_.method.c_str());
  } else if (request_.method == "GET" && !body.empty()) {
    return false;
  }
  curl_easy_setopt(easy_, CURLOPT_HTTPHEADER, headers_.get());
  curl_easy_setopt(easy_, CURLOPT_USERAGENT, "agent-gateway");
  return true;
}

bool HttpTransfer::start() {
  curl_easy_setopt(easy_, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy_, CURLOPT_NOPROGRESS, 1L);
  curl_easy_setopt(easy_, CURLOPT_ERRORBUFFER, words_.data());
  if (!set_request()) return false;
  set_destination();
  const long milliseconds = static_cast<long>(std::max<std::int64_t>(timeout_.count(), 1));
  curl_easy_setopt(easy_, CURLOPT_TIMEOUT_MS, milliseconds);
  curl_easy_setopt(easy_, CURLOPT_CONNECTTIMEOUT_MS, milliseconds);
  curl_easy_setopt(easy_, CURLOPT_MAXFILESIZE_LARGE, static_cast<curl_off_t>(request_.max_body));
  using OnBytes = std::size_t (*)(char*, std::size_t, std::size_t, void*);
  curl_easy_setopt(easy_, CURLOPT_WRITEFUNCTION, static_cast<OnBytes>(on_body));
  curl_easy_setopt(easy_, CURLOPT_WRITEDATA, this);
  curl_easy_setopt(easy_, CURLOPT_HEADERFUNCTION, static_cast<OnBytes>(on_header));
  curl_easy_setopt(easy_, CURLOPT_HEADERDATA, this);
  return pool_.add(*this);
}

std::size_t HttpTransfer::on_body(char* bytes, std::size_t /*one*/, std::size_t size, void* data) noexcept {
  auto& self = *static_cast<HttpTransfer*>(data);
  if (size > self.request_.max_body - self.response_.body.size()) {
    self.fault_ = HttpError::too_large;
    return 0;
  }
  try {
    self.response_.body.append(bytes, size);
    return size;
  } catch (...) {
    self.fault_ = HttpError::too_large;
    return 0;
  }
}

std::size_t HttpTransfer::on_header(char* bytes, std::size_t /*one*/, std::size_t size, void* data) noexcept {
  auto& self = *static_cast<HttpTransfer*>(data);
  self.header_bytes_ += size;
  if (self.header_bytes_ > max_header_bytes) {
    self.fault_ = HttpError::too_large;
    return 0;
  }
  try {
    if (self.take_header({bytes, size})) return size;
    self.fault_ = HttpError::protocol;
  } catch (...) {
    self.fault_ = HttpError::too_large;
  }
  return 0;
}

bool HttpTransfer::take_header(std::string_view line) {
  if (line.starts_with("HTTP/") && (!headers_over_ || response_.body.empty())) {
    // A status line: of an interim answer, of an authentication round, or of the answer itself.
    response_.headers.clear();
    headers_over_ = false;
    return true;
  }
  if (headers_over_) return true;  // a trailer is not a header
  if (trimmed(line).empty()) {
    headers_over_ = true;
    return true;
  }
  const auto colon = line.find(':');
  if (colon == std::string_view::npos || !is_token(line.substr(0, colon))) return false;
  std::string name(line.substr(0, colon));
  std::ranges::transform(name, name.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; });
  const std::string_view value = trimmed(line.substr(colon + 1));
  if (!is_value(value)) return false;
  response_.headers.emplace_back(std::move(name), value);
  return true;
}

curl_socket_t HttpTransfer::on_open(void* data, curlsocktype /*purpose*/, curl_sockaddr* address) noexcept {
  auto& self = *static_cast<HttpTransfer*>(data);
  IpAddress ip;
  if (address->family == AF_INET) {
    const auto* in = reinterpret_cast<const sockaddr_in*>(&address->addr);
    ip = IpAddress::v4(reinterpret_cast<const unsigned char*>(&in->sin_addr));
  } else if (address->family == AF_INET6) {
    ip.v6 = true;
    std::memcpy(ip.bytes.data(), &reinterpret_cast<const sockaddr_in6*>(&address->addr)->sin6_addr, 16);
  } else {
    return CURL_SOCKET_BAD;
  }
  // Judged before; asked again where nothing lies between the question and the connection.
  if (!address_allowed(self.target_.rule, ip)) {
    self.fault_ = HttpError::address_refused;
    return CURL_SOCKET_BAD;
  }
  const curl_socket_t socket = ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
  if (socket != CURL_SOCKET_BAD) self.pool_.opened(self, socket);
  return socket;
}

HttpError HttpTransfer::reason(CURLcode code) const noexcept {
  if (fault_) return *fault_;
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY: return HttpError::resolve;
    case CURLE_COULDNT_CONNECT:
#if LIBCURL_VERSION_NUM >= 0x074900
    case CURLE_PROXY:
#endif
      return HttpError::connect;
    case CURLE_OPERATION_TIMEDOUT: return HttpError::timeout;
    case CURLE_FILESIZE_EXCEEDED: return HttpError::too_large;
    case CURLE_URL_MALFORMAT: return HttpError::bad_url;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_ENGINE_INITFAILED:
    case CURLE_USE_SSL_FAILED: return HttpError::tls;
    case CURLE_GOT_NOTHING:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_PARTIAL_FILE: return HttpError::closed;
    default: return HttpError::protocol;
  }
}

void HttpTransfer::finished(CURLcode code) noexcept {
  if (code != CURLE_OK || fault_) {
    answer.set(fail(reason(code)));
    return;
  }
  long status = 0;
  curl_easy_getinfo(easy_, CURLINFO_RESPONSE_CODE, &status);
  response_.status = static_cast<int>(status);
  answer.set(std::move(response_));
}

}  // namespace agw::nginx
