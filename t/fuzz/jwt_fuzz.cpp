// Tokens from strangers: taken apart, and never accepted without a key.
#include <cstdint>
#include <string_view>

#include "agw/jose/jwt.h"
#include "agw/jose/key_set.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto keys = agw::jose::KeySet::parse(
      R"({"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","kid":"k"},)"
      R"({"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]})");
  static constexpr agw::jose::Algorithm allowed[] = {agw::jose::Algorithm::es256, agw::jose::Algorithm::ed25519,
                                                     agw::jose::Algorithm::rs256};
  const auto jwt = agw::jose::parse_jwt({reinterpret_cast<const char*>(data), size}, 16384);
  if (jwt && keys && (*keys)->verify(*jwt, allowed)) __builtin_trap();
  return 0;
}
