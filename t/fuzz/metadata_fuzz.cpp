// What an authorization server answers: metadata, and the result of an exchange.
#include <cstdint>
#include <string_view>

#include "agw/oauth/server_metadata.h"
#include "agw/oauth/token_exchange.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto metadata = agw::oauth::parse_server_metadata(text, "https://as.example");
  if (metadata && (metadata->issuer != "https://as.example" || !metadata->jwks_uri.starts_with("https://")))
    __builtin_trap();
  static_cast<void>(agw::oauth::parse_exchange_answer(text));
  for (char c : agw::oauth::parse_error_code(text))
    if (!((c >= 'a' && c <= 'z') || c == '_')) __builtin_trap();
  return 0;
}
