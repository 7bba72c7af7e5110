// Public keys of an issuer (RFC 7517).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agw/base/result.h"
#include "agw/jose/jwt.h"

namespace agw::jose {

enum class KeySetError : std::uint8_t { malformed, no_usable_key, too_large };

enum class VerifyError : std::uint8_t { key_unknown, algorithm_refused, signature_invalid };

/// Immutable. Keys for encryption, of unknown type, too weak (RSA < 2048) or private are skipped.
class KeySet {
 public:
  [[nodiscard]] static Result<std::shared_ptr<const KeySet>, KeySetError> parse(std::string_view json);
  KeySet();
  ~KeySet();
  KeySet(const KeySet&) = delete;
  KeySet& operator=(const KeySet&) = delete;

  /// The algorithm must be among `allowed`, fit the key's type, and equal the key's own `alg` if
  /// it has one. Without a `kid` in the token only a single fitting key is taken.
  /// On success the thumbprint-stable id of the key used (its kid, or RFC 7638 thumbprint).
  [[nodiscard]] Result<std::string, VerifyError> verify(const UnverifiedJwt& jwt,
                                                        std::span<const Algorithm> allowed) const;
  [[nodiscard]] bool has_key(std::string_view key_id) const noexcept;
  [[nodiscard]] std::size_t size() const noexcept;

 private:
  struct Key;
  std::vector<std::unique_ptr<Key>> keys_;
};

}  // namespace agw::jose
