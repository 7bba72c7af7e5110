#include "names.h"

#include <algorithm>
#include <cstring>
#include <memory>

#include <arpa/inet.h>
#include <netdb.h>

namespace agw::nginx {
namespace {

constexpr std::size_t max_addresses = 16;

void add_address(std::vector<IpAddress>& addresses, const sockaddr* address) {
  IpAddress ip;
  if (address->sa_family == AF_INET) {
    ip =
        IpAddress::v4(reinterpret_cast<const unsigned char*>(&reinterpret_cast<const sockaddr_in*>(address)->sin_addr));
  } else if (address->sa_family == AF_INET6) {
    ip.v6 = true;
    std::memcpy(ip.bytes.data(), &reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr, 16);
  } else {
    return;
  }
  if (addresses.size() < max_addresses && std::ranges::find(addresses, ip) == addresses.end()) addresses.push_back(ip);
}

/// One question to nginx's resolver; its destructor withdraws it.
class Lookup {
 public:
  using Answer = Result<std::vector<IpAddress>, NameError>;

  Lookup(NginxLoop& loop, std::string host) : answer(loop), host_(std::move(host)) {}
  Lookup(const Lookup&) = delete;
  Lookup& operator=(const Lookup&) = delete;
  ~Lookup() {
    if (context_ != nullptr) ngx_resolve_name_done(context_);
  }

  /// False if there is nobody to ask.
  bool ask(ngx_resolver_t* resolver, Milliseconds timeout) noexcept {
    ngx_resolver_ctx_t* context = ngx_resolve_start(resolver, nullptr);
    if (context == nullptr || context == NGX_NO_RESOLVER) return false;
    context->name.data = reinterpret_cast<u_char*>(host_.data());
    context->name.len = host_.size();
    context->handler = [](ngx_resolver_ctx_t* ctx) noexcept { static_cast<Lookup*>(ctx->data)->answered(ctx); };
    context->data = this;
    context->timeout = static_cast<ngx_msec_t>(std::max<std::int64_t>(timeout.count(), 1));
    context_ = context;
    // The handler may be called before this returns; on an error nginx has freed the context.
    if (ngx_resolve_name(context) == NGX_OK) return true;
    context_ = nullptr;
    return false;
  }

  Completion<Answer> answer;

 private:
  void answered(ngx_resolver_ctx_t* context) noexcept {
    Answer found = fail(context->state == NGX_RESOLVE_TIMEDOUT ? NameError::timeout : NameError::unknown);
    if (context->state == NGX_OK) {
      try {
        std::vector<IpAddress> addresses;
        for (ngx_uint_t i = 0; i < context->naddrs; ++i) add_address(addresses, context->addrs[i].sockaddr);
        if (!addresses.empty()) found = std::move(addresses);
      } catch (...) {
        found = fail(NameError::unknown);
      }
    }
    context_ = nullptr;
    ngx_resolve_name_done(context);
    answer.set(std::move(found));
  }

  std::string host_;
  ngx_resolver_ctx_t* context_ = nullptr;
};

}  // namespace

bool HostPins::add(const std::string& host) {
  if (IpAddress::parse(host)) return true;
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host.c_str(), nullptr, &hints, &found) != 0) return false;
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, ::freeaddrinfo);
  std::vector<IpAddress> addresses;
  for (const addrinfo* entry = found; entry != nullptr; entry = entry->ai_next) add_address(addresses, entry->ai_addr);
  if (addresses.empty()) return false;
  addresses_[host] = std::move(addresses);
  return true;
}

const std::vector<IpAddress>* HostPins::find(const std::string& host) const {
  const auto entry = addresses_.find(host);
  return entry == addresses_.end() ? nullptr : &entry->second;
}

Names::Names(NginxLoop& loop, ngx_resolver_t* resolver, const HostPins& pins) noexcept
    : loop_(loop), resolver_(resolver), pins_(pins) {}

Task<Result<std::vector<IpAddress>, NameError>> Names::find(std::string host, Milliseconds timeout) {
  if (const auto literal = IpAddress::parse(host)) co_return std::vector<IpAddress>{*literal};
  const std::vector<IpAddress>* pinned = pins_.find(host);
  const bool local = host == "localhost" || host.ends_with(".localhost");
  NameError error = NameError::unknown;
  if (resolver_ != nullptr && !local) {
    Lookup lookup(loop_, host);
    // With something to fall back on, a silent name server may not use up all of the time.
    if (lookup.ask(resolver_, pinned != nullptr ? timeout / 2 : timeout)) {
      auto answer = co_await lookup.answer;
      if (answer) co_return answer;
      error = answer.error();
    }
  }
  if (pinned == nullptr) co_return fail(error);
  co_return *pinned;
}

ngx_resolver_t* http_resolver(ngx_cycle_t* cycle) noexcept {
  auto* http = reinterpret_cast<ngx_http_conf_ctx_t*>(ngx_get_conf(cycle->conf_ctx, ngx_http_module));
  if (http == nullptr) return nullptr;
  auto* core = static_cast<ngx_http_core_loc_conf_t*>(http->loc_conf[ngx_http_core_module.ctx_index]);
  return core->resolver;
}

}  // namespace agw::nginx
