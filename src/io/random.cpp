#include "agw/io/random.h"

#include <string_view>

namespace agw {

std::uint64_t Random::next() {
  std::uint64_t value = 0;
  fill(reinterpret_cast<unsigned char*>(&value), sizeof value);
  return value;
}

std::string Random::hex(std::size_t bytes) {
  std::string out(bytes * 2, '0');
  hex(std::span<char>(out));
  return out;
}

void Random::hex(std::span<char> out) {
  constexpr std::string_view digits = "0123456789abcdef";
  // The digits' upper half holds the bytes until they are spelt out from the front.
  const std::size_t bytes = out.size() / 2;
  auto* const raw = reinterpret_cast<unsigned char*>(out.data() + bytes);
  fill(raw, bytes);
  for (std::size_t i = 0; i < bytes; ++i) {
    const unsigned char byte = raw[i];
    out[2 * i] = digits[byte >> 4U];
    out[2 * i + 1] = digits[byte & 15U];
  }
}

}  // namespace agw
