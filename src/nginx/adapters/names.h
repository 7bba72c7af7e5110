// The addresses that a host's name stands for, found without blocking.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "agw/base/result.h"
#include "agw/base/task.h"
#include "agw/io/address.h"

#include "../nginx.h"
#include "loop.h"

namespace agw::nginx {

/// Addresses of the hosts that the configuration names, looked up while it is loaded, as nginx
/// does for proxy_pass. The workers inherit them by fork.
class HostPins {
 public:
  /// Blocks: while loading only. False if the system finds no address now.
  bool add(const std::string& host);
  /// Null if the host was never added or had no address.
  [[nodiscard]] const std::vector<IpAddress>* find(const std::string& host) const;

 private:
  std::map<std::string, std::vector<IpAddress>> addresses_;
};

enum class NameError { unknown, timeout };

/// An address stands for itself, `localhost` for what the system said at load (it is never asked
/// of a name server); everything else is asked of nginx's `resolver`. Where that is missing or has
/// no answer, what was found at load still holds.
class Names {
 public:
  /// `resolver` may be null or nginx's placeholder without servers. `pins` outlives this object.
  Names(NginxLoop& loop, ngx_resolver_t* resolver, const HostPins& pins) noexcept;

  /// At least one address, at most 16.
  [[nodiscard]] Task<Result<std::vector<IpAddress>, NameError>> find(std::string host, Milliseconds timeout);

 private:
  NginxLoop& loop_;
  ngx_resolver_t* resolver_;
  const HostPins& pins_;
};

/// The `resolver` of the http block; null without an http block.
[[nodiscard]] ngx_resolver_t* http_resolver(ngx_cycle_t* cycle) noexcept;

}  // namespace agw::nginx
