// A compact JWS taken apart, strictly (RFC 7515, 7519, 8725).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "agw/base/result.h"

namespace agw::jose {

/// The signature algorithms that are known at all. `EdDSA` in a header means ed25519 (RFC 9864).
enum class Algorithm : std::uint8_t { rs256, rs384, rs512, ps256, ps384, ps512, es256, es384, es512, ed25519 };
[[nodiscard]] std::string_view to_string(Algorithm algorithm) noexcept;
/// `RS256` … `Ed25519`, `EdDSA`; nothing for `none`, HMAC and everything else.
[[nodiscard]] std::optional<Algorithm> algorithm_from(std::string_view name) noexcept;

enum class JwtError : std::uint8_t { malformed, too_large, header_refused, algorithm_unknown };

/// Header and payload of a token whose signature has NOT been checked yet.
struct UnverifiedJwt {
  Algorithm algorithm{};
  std::string key_id;         ///< may be empty
  std::string type;           ///< `typ`, lower case, without a leading `application/`
  std::string payload;        ///< decoded JSON text
  std::string signature;      ///< decoded bytes
  std::string_view signing_input;  ///< into the token
  std::string_view token;
};

/// Three canonical base64url parts, header a strict JSON object with known `alg`; `crit`, `b64`
/// refused; `jku`, `x5u`, `jwk`, `x5c` ignored. At most `max_bytes`.
[[nodiscard]] Result<UnverifiedJwt, JwtError> parse_jwt(std::string_view token, std::size_t max_bytes);

}  // namespace agw::jose
