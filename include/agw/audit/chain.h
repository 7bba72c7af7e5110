// What ties one line to the next: numbers, keys that are forgotten as they are used, MACs.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "agw/base/digest.h"

namespace agw::audit {

/// A chain's key at one step. The key of the next step is a hash of it: who learns one can't go
/// back to those that made earlier lines.
using ChainKey = std::array<unsigned char, 32>;

/// What lines call the key (`k3fa9c1d2`): derived from its bytes, tells nothing of them.
[[nodiscard]] std::string key_id(std::string_view root) noexcept;
/// The chain's key at step 0, from the key that only master and verifiers have.
[[nodiscard]] ChainKey first_key(std::string_view root, std::string_view chain);
[[nodiscard]] ChainKey next_key(const ChainKey& key) noexcept;

/// HMAC-SHA-256 over many lines with one key.
class LineMac {
 public:
  LineMac();
  ~LineMac();
  LineMac(const LineMac&) = delete;
  LineMac& operator=(const LineMac&) = delete;

  /// Throws if OpenSSL fails.
  void set_key(const ChainKey& key);
  /// Of the previous line's MAC and the line's bytes before `,"mac"`.
  [[nodiscard]] Sha256 of(const Sha256& previous, std::string_view bytes);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// The end of a line: `,"chain":"…","seq":1042}` or `…,"key":"k3fa9c1d2.17","mac":"…"}`.
struct LineTail {
  std::string_view chain;
  std::uint64_t seq = 0;
  std::string_view key;    ///< empty: without MAC
  std::uint64_t step = 0;  ///< of the key
  Sha256 mac{};
  std::size_t signed_size = 0;  ///< bytes of the line before `,"mac"`
};
/// `line` without its newline. Nothing if it doesn't end so.
[[nodiscard]] std::optional<LineTail> parse_tail(std::string_view line);

/// Appends `,"chain":"…","seq":N` and, with a key, `,"key":"ID.STEP"`: the last bytes under the MAC.
void append_tail(std::string& out, std::string_view chain, std::uint64_t seq, std::string_view key, std::uint64_t step);
/// Appends `,"mac":"…"`.
void append_mac(std::string& out, const Sha256& mac);

}  // namespace agw::audit
