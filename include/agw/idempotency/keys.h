// agent_key, as repeats use it: names that say nothing, and sealed answers.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agw/base/digest.h"
#include "agw/base/secret.h"
#include "agw/io/random.h"

namespace agw::idempotency {

/// The call that a client's key stands for: tenant, user and agent (with their issuer), operation, key. Two different
/// calls never have one text.
[[nodiscard]] std::string subject_of(std::string_view tenant, std::string_view user, std::string_view agent,
                                     std::string_view operation, std::string_view key);

/// One per worker. The first key seals, all open; every key gives a call a name of its own, so that nodes with one key
/// in common know each other's calls. Keys for each use are derived from a file's bytes, never these themselves.
class Keys {
 public:
  /// The files' contents, in the order written; at least one.
  explicit Keys(const std::vector<Secret>& files);

  [[nodiscard]] std::size_t size() const noexcept { return keys_.size(); }
  /// Without the key nobody can tell from either what was called: base64url of an HMAC-SHA-256.
  [[nodiscard]] std::string name(std::size_t key, std::string_view subject) const;
  [[nodiscard]] std::string arguments(std::size_t key, std::string_view subject, const Sha256& digest) const;

  /// AES-256-GCM: key's id (8 bytes) ‖ nonce (12) ‖ ciphertext ‖ tag (16), bound to `bound`. Throws where OpenSSL
  /// can't.
  [[nodiscard]] std::string seal(std::string_view plain, std::string_view bound, Random& random) const;
  /// Nothing if it is of a key that isn't here, for another call, or not as it was sealed.
  [[nodiscard]] std::optional<std::string> open(std::string_view sealed, std::string_view bound) const;

 private:
  static constexpr std::size_t id_bytes = 8;
  struct Key {
    std::string id;
    Secret naming;
    Secret sealing;
  };
  std::vector<Key> keys_;
};

}  // namespace agw::idempotency
