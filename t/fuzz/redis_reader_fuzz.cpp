// Whatever a Redis (or what stands in its place) sends: no crash, no unbounded memory, no endless loop.
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "agw/io/redis_protocol.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::size_t step = data[0] + 1U;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  agw::RedisReader reader(1U << 16U);
  for (std::size_t at = 0; at < bytes.size(); at += step) {
    if (!reader.feed(bytes.substr(at, step))) return 0;
    while (true) {
      const auto reply = reader.next();
      if (!reply) return 0;
      if (!*reply) break;
    }
  }
  return 0;
}
