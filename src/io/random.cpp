#include "agw/io/random.h"

#include "agw/base/encoding.h"

namespace agw {

std::uint64_t Random::next() {
  std::uint64_t value = 0;
  fill(reinterpret_cast<unsigned char*>(&value), sizeof value);
  return value;
}

std::string Random::hex(std::size_t bytes) {
  std::string raw(bytes, '\0');
  fill(reinterpret_cast<unsigned char*>(raw.data()), raw.size());
  return hex_encode(raw);
}

}  // namespace agw
