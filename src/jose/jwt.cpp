#include "agw/jose/jwt.h"

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include "agw/base/encoding.h"
#include "agw/json/tree.h"

namespace agw::jose {
namespace {

constexpr std::array<std::pair<std::string_view, Algorithm>, 11> names{{{"RS256", Algorithm::rs256},
                                                                        {"RS384", Algorithm::rs384},
                                                                        {"RS512", Algorithm::rs512},
                                                                        {"PS256", Algorithm::ps256},
                                                                        {"PS384", Algorithm::ps384},
                                                                        {"PS512", Algorithm::ps512},
                                                                        {"ES256", Algorithm::es256},
                                                                        {"ES384", Algorithm::es384},
                                                                        {"ES512", Algorithm::es512},
                                                                        {"Ed25519", Algorithm::ed25519},
                                                                        {"EdDSA", Algorithm::ed25519}}};

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return out;
}

/// An absent member is empty; one that is no string makes the header malformed.
bool read_text(const json_t* object, const char* key, std::string& out) {
  const json_t* value = json_object_get(object, key);
  if (value == nullptr) return true;
  if (!json_is_string(value)) return false;
  out.assign(json_string_value(value), json_string_length(value));
  return true;
}

}  // namespace

std::string_view to_string(Algorithm algorithm) noexcept {
  for (const auto& [name, value] : names)
    if (value == algorithm) return name;
  return "none";
}

std::optional<Algorithm> algorithm_from(std::string_view name) noexcept {
  for (const auto& [known, value] : names)
    if (known == name) return value;
  return std::nullopt;
}

Result<UnverifiedJwt, JwtError> parse_jwt(std::string_view token, std::size_t max_bytes) {
  if (token.size() > max_bytes) return fail(JwtError::too_large);
  const std::size_t first = token.find('.');
  const std::size_t second = first == std::string_view::npos ? first : token.find('.', first + 1);
  if (second == std::string_view::npos || token.find('.', second + 1) != std::string_view::npos)
    return fail(JwtError::malformed);
  const auto header = base64url_decode(token.substr(0, first));
  auto payload = base64url_decode(token.substr(first + 1, second - first - 1));
  auto signature = base64url_decode(token.substr(second + 1));
  if (!header || !payload || !signature || !is_utf8(*header) || !is_utf8(*payload)) return fail(JwtError::malformed);
  // jansson reads past a raw NUL in places; another reader would stop there.
  if (header->find('\0') != std::string::npos || payload->find('\0') != std::string::npos)
    return fail(JwtError::malformed);
  const json::Tree object = json::read_tree(*header);
  if (!json_is_object(object.get())) return fail(JwtError::malformed);
  UnverifiedJwt out;
  std::string algorithm;
  std::string type;
  if (!read_text(object.get(), "alg", algorithm) || !read_text(object.get(), "kid", out.key_id) ||
      !read_text(object.get(), "typ", type))
    return fail(JwtError::malformed);
  // RFC 7515 section 4.1.11: what must be understood isn't. RFC 7797: an unencoded payload.
  if (json_object_get(object.get(), "crit") != nullptr || json_object_get(object.get(), "b64") != nullptr)
    return fail(JwtError::header_refused);
  const auto known = algorithm_from(algorithm);
  if (!known) return fail(JwtError::algorithm_unknown);
  out.algorithm = *known;
  // RFC 7515 section 4.1.9: "application/" may be left out; media types compare without case.
  out.type = lower(type);
  if (out.type.starts_with("application/")) out.type.erase(0, 12);
  out.payload = *std::move(payload);
  out.signature = *std::move(signature);
  out.signing_input = token.substr(0, second);
  out.token = token;
  return out;
}

}  // namespace agw::jose
