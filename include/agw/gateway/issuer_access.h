// What the exchanger asks of identity: an issuer's endpoint, and whether a token is its own.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agw/identity/authenticator.h"
#include "agw/identity/client_access.h"
#include "agw/io/clock.h"
#include "agw/outbound/exchanger.h"

namespace agw::gateway {

/// identity and outbound stand on one floor and don't know each other; the gateway joins them.
/// Secrets are read again when their files change, without a reload.
class IssuerAccess final : public outbound::IssuerAccess {
 public:
  /// `issuers` and the authenticator outlive it.
  IssuerAccess(identity::Authenticator& authenticator, const std::vector<const identity::IssuerConfig*>& issuers,
               Log& log);
  ~IssuerAccess() override;

  [[nodiscard]] Task<Result<Endpoint, Reason>> endpoint(const std::string& alias) override;
  [[nodiscard]] Task<Result<std::string, Reason>> verify(const std::string& alias, std::string token) override;

 private:
  struct Issuer {
    const identity::IssuerConfig* config = nullptr;
    std::unique_ptr<identity::ClientAccess> client;
  };

  identity::Authenticator& authenticator_;
  std::map<std::string, Issuer> issuers_;
};

}  // namespace agw::gateway
