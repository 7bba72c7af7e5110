// agent_key, as repeats use it: names that say nothing, and sealed answers.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agw/base/digest.h"
#include "agw/base/secret.h"
#include "agw/io/random.h"
#include "agw/seal/seal_keys.h"

namespace agw::idempotency {

/// The call that a client's key stands for: tenant, user and agent (with their issuer), operation, key. Two different
/// calls never have one text.
[[nodiscard]] std::string subject_of(std::string_view tenant, std::string_view user, std::string_view agent,
                                     std::string_view operation, std::string_view key);

/// One per worker. The first key seals, all open; every key gives a call a name of its own, so that nodes with one key
/// in common know each other's calls.
class Keys {
 public:
  /// The files' contents, in the order written; at least one.
  explicit Keys(const std::vector<Secret>& files);

  [[nodiscard]] std::size_t size() const noexcept { return naming_.size(); }
  /// Without the key nobody can tell from either what was called: base64url of an HMAC-SHA-256.
  [[nodiscard]] std::string name(std::size_t key, std::string_view subject) const;
  [[nodiscard]] std::string arguments(std::size_t key, std::string_view subject, const Sha256& digest) const;

  [[nodiscard]] std::string seal(std::string_view plain, std::string_view bound, Random& random) const {
    return seals_.seal(plain, bound, random);
  }
  [[nodiscard]] std::optional<std::string> open(std::string_view sealed, std::string_view bound) const {
    return seals_.open(sealed, bound);
  }

 private:
  SealKeys seals_;
  std::vector<Secret> naming_;
};

}  // namespace agw::idempotency
