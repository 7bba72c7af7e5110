// How a caller shows that the token that it sends is its own (RFC 9449, RFC 8705).
#pragma once

#include <cstdint>

#include "agw/base/time.h"

namespace agw::identity {

/// The scheme of the Authorization field.
enum class TokenScheme : std::uint8_t { bearer, dpop };

/// What a token has to be bound to: nothing, a key by DPoP, a client certificate, or one of the two.
enum class Holder : std::uint8_t { anybody, of_key, of_certificate, of_either };

/// How old DPoP proofs may be.
struct ProofRules {
  bool nonce = false;               ///< each proof needs one of the gateway's
  Milliseconds nonce_lifetime{300'000};
  Milliseconds window{60'000};      ///< since `iat`
};

/// What a location asks of who sends a token; of a plain bearer token nothing.
struct SenderRules {
  Holder holder = Holder::anybody;
  ProofRules proofs;
};

}  // namespace agw::identity
