// The gateway as an issuer's client.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agw/identity/issuer_config.h"
#include "agw/io/files.h"
#include "agw/io/log.h"
#include "agw/oauth/client_authentication.h"

namespace agw::identity {

/// The secret, or the private key, is read again when its file changes, without a reload.
class ClientAccess {
 public:
  /// `config` has a client, and outlives this.
  ClientAccess(const IssuerConfig& config, Log& log);

  /// For an endpoint that offers these methods (RFC 8414 section 2; empty: it says nothing). Nothing where the file
  /// can't be read, or isn't what it must be: the log says so.
  [[nodiscard]] std::optional<oauth::ClientCredentials> credentials(const std::vector<std::string>& methods);

 private:
  void complain(std::string_view what);

  const IssuerConfig& config_;
  WatchedFile file_;
  Log& log_;
};

/// Where a request to `url` may go: a document may not send the gateway's secret to an address that nobody configured.
[[nodiscard]] AddressRule addresses_for(std::string_view url, const IssuerConfig& issuer) noexcept;

}  // namespace agw::identity
