// Key sets as an issuer, or whoever stands in for it, may send them.
#include <cstdint>
#include <string_view>

#include "agw/jose/key_set.h"
#include "agw/jose/private_key.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto keys = agw::jose::KeySet::parse(text);
  if (keys && (*keys)->size() == 0) __builtin_trap();
  static_cast<void>(agw::jose::algorithm_of_private_key(text));
  return 0;
}
