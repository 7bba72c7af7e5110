// What agent_key seals: bytes that are handed out, and believed when they come back.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agw/base/secret.h"
#include "agw/io/random.h"

namespace agw {

/// Keys of one use, derived from files' bytes and never these themselves: what one use has sealed no other opens. The
/// first key seals, all open.
class SealKeys {
 public:
  /// `files`: contents, in the order written; at least one. `use`: a literal.
  SealKeys(const std::vector<Secret>& files, std::string_view use);

  /// AES-256-GCM: key's id (8 bytes) ‖ nonce (12) ‖ ciphertext ‖ tag (16), bound to `bound`. Throws where OpenSSL
  /// can't.
  [[nodiscard]] std::string seal(std::string_view plain, std::string_view bound, Random& random) const;
  /// Nothing if it is of a key that isn't here, bound to something else, or not as it was sealed.
  [[nodiscard]] std::optional<std::string> open(std::string_view sealed, std::string_view bound) const;

 private:
  static constexpr std::size_t id_bytes = 8;
  struct Key {
    std::string id;
    Secret sealing;
  };
  std::vector<Key> keys_;
};

/// A key of its own for that use: HMAC-SHA-256 of its name under the file's bytes.
[[nodiscard]] std::string derived_key(const Secret& file, std::string_view use);

}  // namespace agw
