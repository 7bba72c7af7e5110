// Tokens from strangers: taken apart, and never accepted without a key.
#include <cstdint>
#include <string>
#include <string_view>

#include "agw/base/encoding.h"
#include "agw/jose/jwt.h"
#include "agw/jose/key_set.h"

#include "support/claims.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace agw;
  using fuzz::expect;
  static const auto keys = jose::KeySet::parse(
      R"({"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","kid":"k"},)"
      R"({"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]})");
  static constexpr jose::Algorithm allowed[] = {jose::Algorithm::es256, jose::Algorithm::ed25519,
                                                jose::Algorithm::rs256};
  constexpr std::size_t max_bytes = 16384;
  const std::string_view token(reinterpret_cast<const char*>(data), size);
  const auto jwt = jose::parse_jwt(token, max_bytes);
  if (!jwt) {
    expect((jwt.error() == jose::JwtError::too_large) == (size > max_bytes), "a long token alone is too large");
    return 0;
  }
  // One text for one token: nothing of it was skipped or taken for something else.
  const std::size_t first = token.find('.');
  expect(jwt->token == token && token.starts_with(jwt->signing_input), "what is signed is the token's beginning");
  expect(jwt->signing_input == std::string(token.substr(0, first + 1)) + base64url_encode(jwt->payload),
         "the payload has one text");
  expect(token.substr(jwt->signing_input.size()) == "." + base64url_encode(jwt->signature),
         "the signature has one text");
  expect(is_utf8(jwt->payload) && jwt->payload.find('\0') == std::string::npos, "the payload is text");
  expect(keys && !(*keys)->verify(*jwt, allowed), "no signature without the key");
  return 0;
}
