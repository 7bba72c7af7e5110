// What a private key in a PEM file is good for.
#pragma once

#include <optional>
#include <string_view>

#include "agw/jose/jwt.h"

namespace agw::jose {

/// The algorithm that fits the key where the operator names none: RS256, ES256/384/512 by curve,
/// Ed25519. Nothing for a file that is no private key, is encrypted, or is of another kind.
[[nodiscard]] std::optional<Algorithm> algorithm_of_private_key(std::string_view pem);

}  // namespace agw::jose
