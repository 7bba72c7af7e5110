// Tokens that this worker has verified.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>

#include "agw/base/digest.h"
#include "agw/model/principal.h"

namespace agw::identity {

/// What a remembered verification holds for: another location, issuer configuration or key set
/// is another question.
struct TokenContext {
  const void* trust = nullptr;       ///< the location's profile
  std::uint64_t keys = 0;            ///< the generation of the issuer's key set
};

/// Bounded; the least recently used token goes first. The bytes themselves are compared, so that
/// a collision of the hash is never another's principal.
class TokenMemory {
 public:
  TokenMemory(KeyedHash hash, std::size_t max) : hash_(hash), max_(max) {}

  struct Hit {
    const PrincipalPtr* principal = nullptr;
    std::uint64_t keys = 0;
    std::size_t issuer = 0;  ///< index of the issuer whose keys it was verified with
  };
  /// The caller compares `keys` with the issuer's present generation. Null principal: not known.
  [[nodiscard]] Hit find(std::string_view token, const void* trust);
  void remember(std::string_view token, const void* trust, std::size_t issuer, std::uint64_t keys,
                PrincipalPtr principal);
  void forget(std::string_view token, const void* trust);
  [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }

 private:
  struct Entry {
    std::uint64_t slot;
    std::string token;
    const void* trust;
    std::uint64_t keys;
    std::size_t issuer;
    PrincipalPtr principal;
  };
  using Entries = std::list<Entry>;

  [[nodiscard]] std::uint64_t slot_of(std::string_view token, const void* trust) const noexcept;

  KeyedHash hash_;
  std::size_t max_;
  Entries entries_;
  std::unordered_map<std::uint64_t, Entries::iterator> index_;
};

}  // namespace agw::identity
