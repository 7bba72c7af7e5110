#include "http_client.h"

#include <algorithm>
#include <stdexcept>

#include "http_transfer.h"

namespace agw::nginx {
namespace {

// Longer than this nobody waits, whatever the caller says: pinned addresses are kept for longer.
constexpr Milliseconds max_timeout = std::chrono::minutes(2);

}  // namespace

CurlHttpClient::Curl::Curl() {
  const CURLcode code = curl_global_init(CURL_GLOBAL_DEFAULT);
  ERR_clear_error();
  if (code != CURLE_OK) throw std::runtime_error("libcurl can't start");
}

CurlHttpClient::Curl::~Curl() {
  curl_global_cleanup();
  ERR_clear_error();
}

CurlHttpClient::CurlHttpClient(NginxLoop& loop, Names& names, Clock& clock, Log& log)
    : loop_(loop), names_(names), clock_(clock), log_(log), configured_(loop), discovered_(loop) {}

CurlHttpClient::~CurlHttpClient() = default;

Task<Result<HttpResponse, HttpError>> CurlHttpClient::fetch(HttpRequest request) {
  const NginxLoop::Hold hold(loop_);
  const SteadyTime deadline = clock_.steady() + std::min(request.timeout, max_timeout);
  auto url = HttpUrl::parse(request.url);
  if (!url) co_return fail(HttpError::bad_url);
  std::optional<HttpUrl> proxy;
  if (!request.proxy.empty()) {
    proxy = HttpUrl::parse(request.proxy);
    if (!proxy || proxy->scheme() != "http") co_return fail(HttpError::bad_url);
    const auto literal = IpAddress::parse(url->host());
    if (literal && !address_allowed(request.addresses, *literal)) co_return fail(HttpError::address_refused);
  }
  const std::string origin = url->scheme() + "://" + url->host() + ":" + url->port();
  const AddressRule rule = proxy ? AddressRule::configured : request.addresses;

  auto lookup = names_.find(proxy ? proxy->host() : url->host(), deadline - clock_.steady());
  auto addresses = co_await std::move(lookup);
  if (!addresses) {
    log_.write(LogLevel::warn, "HTTP to " + origin + ": the name has no address that can be found");
    co_return fail(addresses.error() == NameError::timeout ? HttpError::timeout : HttpError::resolve);
  }
  std::erase_if(*addresses, [rule](const IpAddress& address) { return !address_allowed(rule, address); });
  if (addresses->empty()) {
    log_.write(LogLevel::warn, "HTTP to " + origin + ": refused, its address is not one that may be called");
    co_return fail(HttpError::address_refused);
  }

  CurlPool& pool = request.addresses == AddressRule::configured ? configured_ : discovered_;
  HttpTransfer::Target target{std::move(*url), proxy ? &*proxy : nullptr, std::move(*addresses), rule};
  HttpTransfer transfer(loop_, pool, std::move(request), std::move(target), deadline - clock_.steady());
  if (!transfer.start()) {
    log_.write(LogLevel::warn, "HTTP to " + origin + ": the request can't be sent");
    co_return fail(HttpError::bad_url);
  }
  auto answer = co_await transfer.answer;
  if (!answer) {
    std::string line = "HTTP to " + origin + ": " + std::string(to_string(answer.error()));
    if (*transfer.words() != '\0') line += std::string(" (") + transfer.words() + ")";
    log_.write(LogLevel::warn, line);
  }
  co_return answer;
}

}  // namespace agw::nginx
