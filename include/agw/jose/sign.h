// Signs the gateway's own assertions (RFC 7523).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "agw/jose/jwt.h"

namespace agw::jose {

struct SigningKey {
  std::string_view pem;     ///< a private key, not encrypted
  Algorithm algorithm{};
  std::string_view key_id;  ///< `kid`; empty: none
};

/// The compact JWS of a JSON payload; nothing if the key can't be read or doesn't fit the algorithm.
[[nodiscard]] std::optional<std::string> sign_jwt(const SigningKey& key, std::string_view payload);

}  // namespace agw::jose
