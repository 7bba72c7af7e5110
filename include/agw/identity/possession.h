// Whether a token is in the hands of who it was issued to.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "agw/base/task.h"
#include "agw/identity/authenticator.h"
#include "agw/identity/client_certificate.h"
#include "agw/identity/proofs.h"
#include "agw/identity/sender.h"
#include "agw/io/clock.h"
#include "agw/io/headers.h"
#include "agw/io/random.h"
#include "agw/model/principal.h"
#include "agw/seal/seal_keys.h"

namespace agw::identity {

/// Signatures of DPoP proofs that are accepted, as metadata and challenges name them.
[[nodiscard]] std::string_view proof_algorithms() noexcept;

/// What came with a token. Views live as long as the check.
struct Presented {
  TokenScheme scheme = TokenScheme::bearer;
  std::string_view token;
  Headers::Found proof;       ///< the DPoP field
  std::string_view method;    ///< as sent
  std::string uri;            ///< what was called, by configuration and path: never by Host
  const ClientCertificate* certificate = nullptr;
};

struct Holding {
  std::optional<TokenRefusal> refusal;
  std::string nonce;  ///< what the client's next proofs are to carry; empty: go on as before
};

/// One per worker. Nonces are sealed, not kept: every nginx with the same agent_key knows them.
class Possession {
 public:
  struct Host {
    const Clock& clock;
    Random& random;
    SpentProofs& spent;
    const SealKeys& nonces;
  };
  explicit Possession(Host host) noexcept : host_(host) {}

  /// Whether the caller may hold the principal's token. A proof that is good is used up, whatever becomes of the call.
  /// `principal` and `rules` outlive the task.
  [[nodiscard]] Task<Holding> check(const Principal& principal, const SenderRules& rules, Presented presented);

  [[nodiscard]] std::string make_nonce() const;
  /// When it was made; nothing if it wasn't made here.
  [[nodiscard]] std::optional<WallTime> read_nonce(std::string_view nonce) const;

 private:
  Host host_;
};

}  // namespace agw::identity
