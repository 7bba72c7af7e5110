// Randomness fit for keys and ids.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace agw {

class Random {
 public:
  virtual ~Random() = default;
  /// Fills with bytes from a CSPRNG; throws if the system has none to give.
  virtual void fill(unsigned char* out, std::size_t size) = 0;

  [[nodiscard]] std::uint64_t next();
  /// `bytes` random bytes in lower-case hex (a request id: 16).
  [[nodiscard]] std::string hex(std::size_t bytes);
  /// The same into `out`: one random byte for two digits.
  void hex(std::span<char> out);
};

}  // namespace agw
