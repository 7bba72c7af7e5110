// Who a client certificate stands for.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "agw/base/result.h"
#include "agw/identity/authenticator.h"
#include "agw/identity/client_certificate.h"
#include "agw/io/clock.h"

namespace agw::identity {

/// What a certificate says of its owner.
struct NamedWorkload {
  const IssuerConfig* issuer = nullptr;
  std::string name;   ///< SPIFFE ID, or `subject:` and the subject
  std::string agent;  ///< `alias|part`
};

/// By the trust domains of `trust`: nothing where the certificate names no workload at all, which is no fault of it.
/// One that claims to and mustn't (X.509-SVID, sections 2 to 5) is workload_invalid, of another trust domain
/// workload_unknown.
[[nodiscard]] Result<std::optional<NamedWorkload>, TokenRefusal> name_workload(const ClientCertificate& certificate,
                                                                               const TrustProfile& trust);

/// The agent that a SPIFFE ID, or `subject:…`, stands for.
[[nodiscard]] std::string agent_of_workload(const IssuerConfig& issuer, std::string_view name);

/// One per worker: principals of certificates, so that calls of one connection share theirs.
class Workloads {
 public:
  explicit Workloads(const Clock& clock) noexcept : clock_(clock) {}

  /// The machine that the certificate names: without a user. Null where it names none.
  [[nodiscard]] Result<PrincipalPtr, TokenRefusal> principal(const ClientCertificate& certificate,
                                                             const TrustProfile& trust);

 private:
  struct Known {
    const TrustProfile* trust;
    PrincipalPtr principal;
  };
  const Clock& clock_;
  std::unordered_map<std::string, Known> known_;  ///< by thumbprint
};

}  // namespace agw::identity
