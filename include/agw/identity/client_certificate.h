// The certificate that a client showed in the TLS handshake (RFC 5280).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agw/base/time.h"

namespace agw::identity {

struct ClientCertificate {
  std::string thumbprint;          ///< base64url(SHA-256(DER)): RFC 8705 section 3.1
  std::string subject;             ///< RFC 2253, as nginx's $ssl_client_s_dn
  std::vector<std::string> uris;   ///< of the subject's alternative names, as they stand there
  bool authority = false;          ///< it may sign other certificates or revocation lists
  bool signs = false;              ///< its key usage says digitalSignature
  WallTime from{};
  WallTime until{};
  /// The host has checked it against authorities that the operator named. One that isn't may hold a token, but names
  /// nobody.
  bool verified = false;
};

/// Reads what stands in it and checks no signature: that is the host's. Nothing if it isn't one X.509 certificate in
/// DER, or has a field that can't be told without doubt.
[[nodiscard]] std::optional<ClientCertificate> read_certificate(std::string_view der);

}  // namespace agw::identity
