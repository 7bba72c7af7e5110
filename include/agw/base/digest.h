// Hashes: SHA-256, and a keyed 64-bit hash for worker-local tables.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace agw {

using Sha256 = std::array<unsigned char, 32>;

[[nodiscard]] Sha256 sha256(std::string_view bytes) noexcept;
/// The digest as lower-case hex, 64 characters.
[[nodiscard]] std::string sha256_hex(std::string_view bytes);
[[nodiscard]] Sha256 hmac_sha256(std::string_view key, std::string_view bytes) noexcept;

/// SipHash-2-4 with a key drawn at start: a client can't aim for collisions in a table that is
/// keyed by bytes it sends. Equality is always decided by comparing the bytes.
class KeyedHash {
 public:
  KeyedHash(std::uint64_t k0, std::uint64_t k1) noexcept : k0_(k0), k1_(k1) {}
  [[nodiscard]] std::uint64_t operator()(std::string_view bytes) const noexcept;

 private:
  std::uint64_t k0_;
  std::uint64_t k1_;
};

/// For heterogeneous look-up in std::unordered_map<std::string, …>.
struct StringHash {
  using is_transparent = void;
  [[nodiscard]] std::size_t operator()(std::string_view text) const noexcept {
    return std::hash<std::string_view>{}(text);
  }
};

}  // namespace agw
