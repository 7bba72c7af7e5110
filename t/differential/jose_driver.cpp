// What jose makes of tokens. The first line is a key set; each further line a token in hex. Lines out: `+` and the
// payload in hex, or `-` and why not.
#include <iostream>
#include <string>
#include <string_view>

#include "agw/base/encoding.h"
#include "agw/jose/jwt.h"
#include "agw/jose/key_set.h"

namespace {

using namespace agw;
using enum jose::Algorithm;

constexpr jose::Algorithm every[] = {rs256, rs384, rs512, ps256, ps384, ps512, es256, es384, es512, ed25519};

std::string_view word(jose::JwtError error) {
  switch (error) {
    case jose::JwtError::malformed: return "malformed";
    case jose::JwtError::too_large: return "too_large";
    case jose::JwtError::header_refused: return "header_refused";
    case jose::JwtError::algorithm_unknown: return "algorithm_unknown";
  }
  return "?";
}

std::string_view word(jose::VerifyError error) {
  switch (error) {
    case jose::VerifyError::key_unknown: return "key_unknown";
    case jose::VerifyError::algorithm_refused: return "algorithm_refused";
    case jose::VerifyError::signature_invalid: return "signature_invalid";
  }
  return "?";
}

std::string judged(const jose::KeySet& keys, std::string_view token) {
  const auto jwt = jose::parse_jwt(token, 1U << 16);
  if (!jwt) return "-" + std::string(word(jwt.error()));
  const auto key = keys.verify(*jwt, every);
  if (!key) return "-" + std::string(word(key.error()));
  return "+" + hex_encode(jwt->payload);
}

std::string unhex(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2)
    out += static_cast<char>(std::stoi(std::string(text.substr(i, 2)), nullptr, 16));
  return out;
}

}  // namespace

int main() {
  std::ios::sync_with_stdio(false);
  std::string line;
  std::getline(std::cin, line);
  const auto keys = jose::KeySet::parse(line);
  if (!keys) {
    std::cerr << "not a key set\n";
    return 1;
  }
  while (std::getline(std::cin, line)) std::cout << judged(**keys, unhex(line)) << "\n";
  return 0;
}
