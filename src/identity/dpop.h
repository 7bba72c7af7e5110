// A DPoP proof (RFC 9449 sections 4.2 and 4.3), by itself: pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "agw/base/result.h"
#include "agw/base/time.h"
#include "agw/identity/authenticator.h"

namespace agw::identity {

/// What the request says that a proof has to say too.
struct ProofTarget {
  std::string_view method;
  std::string_view uri;           ///< absolute; query and fragment don't count
  std::string_view access_token;
  std::string_view key;           ///< the token's `cnf.jkt`
};

struct Proof {
  std::string id;     ///< `jti`
  std::string key;    ///< RFC 7638 thumbprint
  std::string nonce;  ///< may be empty
  WallTime issued_at{};
};

/// Checks 2 to 9 and 12 of section 4.3: everything that needs no clock and no memory. `jwt` is the field's value.
[[nodiscard]] Result<Proof, TokenRefusal> read_proof(std::string_view jwt, const ProofTarget& target);

/// A URI in the one form in which RFC 3986 sections 6.2.2 and 6.2.3 compare it, without query and fragment; nothing if
/// it isn't an absolute http or https URI.
[[nodiscard]] std::optional<std::string> normalised_uri(std::string_view uri);

}  // namespace agw::identity
