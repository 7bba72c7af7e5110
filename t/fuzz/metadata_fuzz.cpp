// What an authorization server answers: metadata, and the result of an exchange.
#include <cstdint>
#include <string_view>

#include "agw/oauth/server_metadata.h"
#include "agw/oauth/token_exchange.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto metadata = agw::oauth::parse_server_metadata(text, "https://as.example");
  if (metadata) {
    if (metadata->issuer != "https://as.example") __builtin_trap();
    // An endpoint that isn't named is none; one that is has the scheme of its issuer.
    for (const std::string_view endpoint :
         {std::string_view(metadata->jwks_uri), std::string_view(metadata->token_endpoint),
          std::string_view(metadata->introspection_endpoint)})
      if (!endpoint.empty() && !endpoint.starts_with("https://")) __builtin_trap();
  }
  static_cast<void>(agw::oauth::parse_exchange_answer(text));
  for (char c : agw::oauth::parse_error_code(text))
    if (!((c >= 'a' && c <= 'z') || c == '_')) __builtin_trap();
  return 0;
}
