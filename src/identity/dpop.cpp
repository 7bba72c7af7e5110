#include "dpop.h"

#include <algorithm>
#include <array>
#include <cstdlib>

#include "agw/base/digest.h"
#include "agw/base/encoding.h"
#include "agw/identity/possession.h"
#include "agw/jose/key_set.h"
#include "agw/json/tree.h"

namespace agw::identity {
namespace {

using jose::Algorithm;

constexpr std::size_t most_bytes = 8192;  // a 4096-bit RSA key and its signature take 2 KB
constexpr std::size_t longest_id = 256;
/// Of a modulus of 4096 bits, and of an exponent of four bytes, in base64url: nobody makes us calculate with more.
constexpr std::size_t longest_modulus = 683;
constexpr std::size_t longest_exponent = 6;
constexpr std::array accepted{Algorithm::es256, Algorithm::es384, Algorithm::es512, Algorithm::ed25519,
                              Algorithm::ps256, Algorithm::ps384, Algorithm::ps512, Algorithm::rs256,
                              Algorithm::rs384, Algorithm::rs512};

TokenRefusal malformed(std::string detail) { return {Reason::proof_malformed, std::move(detail)}; }
TokenRefusal mismatch(std::string_view claim) {
  return {Reason::proof_mismatch, "claim " + std::string(claim) + " of the proof"};
}

/// The key in the proof's own header, as a set of this one key without a name: its signature says nothing but that who
/// made the proof has the private half.
std::optional<std::string> key_set_of(std::string_view jwt) {
  const auto header = base64url_decode(jwt.substr(0, jwt.find('.')));
  const json::Tree object = header ? json::read_tree(*header) : nullptr;
  const json_t* jwk = json_object_get(object.get(), "jwk");
  if (!json_is_object(jwk)) return std::nullopt;
  // RFC 9449 section 4.3, check 7: private halves of all kinds of keys, symmetric ones among them.
  for (const char* secret : {"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
    if (json_object_get(jwk, secret) != nullptr) return std::nullopt;
  if (json_string_length(json_object_get(jwk, "n")) > longest_modulus ||
      json_string_length(json_object_get(jwk, "e")) > longest_exponent)
    return std::nullopt;
  const json::Tree copy(json_copy(const_cast<json_t*>(jwk)));
  if (!copy) return std::nullopt;
  json_object_del(copy.get(), "kid");
  char* const text = json_dumps(copy.get(), JSON_COMPACT);
  if (text == nullptr) return std::nullopt;
  std::string out = R"({"keys":[)" + std::string(text) + "]}";
  std::free(text);
  return out;
}

std::optional<std::string> string_claim(const json_t* claims, const char* name) {
  const json_t* value = json_object_get(claims, name);
  if (!json_is_string(value)) return std::nullopt;
  return std::string(json_string_value(value), json_string_length(value));
}

std::optional<WallTime> issued_at(const json_t* claims) {
  constexpr double furthest = 253'402'300'799;  // the end of 9999
  const json_t* value = json_object_get(claims, "iat");
  if (!json_is_number(value)) return std::nullopt;
  const double seconds = json_number_value(value);
  if (!(seconds >= 0 && seconds <= furthest)) return std::nullopt;
  return WallTime(Milliseconds(static_cast<std::int64_t>(seconds * 1000)));
}

std::string token_hash(std::string_view token) {
  const Sha256 digest = sha256(token);
  return base64url_encode({reinterpret_cast<const char*>(digest.data()), digest.size()});
}

bool is_unreserved(unsigned char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
         c == '_' || c == '~';
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// RFC 3986 section 6.2.2.2: unreserved characters stand for themselves, other escapes are upper-case.
std::optional<std::string> normalised_escapes(std::string_view path) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string out;
  for (std::size_t i = 0; i < path.size(); ++i) {
    const char c = path[i];
    if (c != '%') {
      if (static_cast<unsigned char>(c) <= 0x20 || static_cast<unsigned char>(c) >= 0x7F) return std::nullopt;
      out += c;
      continue;
    }
    if (i + 2 >= path.size()) return std::nullopt;
    const int high = hex_value(path[i + 1]);
    const int low = hex_value(path[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    i += 2;
    const auto byte = static_cast<unsigned char>(high * 16 + low);
    if (is_unreserved(byte)) {
      out += static_cast<char>(byte);
    } else {
      out += {'%', digits[static_cast<std::size_t>(high)], digits[static_cast<std::size_t>(low)]};
    }
  }
  return out;
}

/// A host, and a port that isn't the scheme's own (RFC 3986 section 6.2.3).
std::optional<std::string> normalised_authority(std::string_view authority, std::string_view usual_port) {
  const std::size_t bracket = authority.starts_with('[') ? authority.find(']') : 0;
  if (bracket == std::string_view::npos) return std::nullopt;
  const std::size_t colon = std::min(authority.find(':', bracket), authority.size());
  const std::string_view host = authority.substr(0, colon);
  std::string_view port = authority.substr(colon);
  if (!port.empty()) port.remove_prefix(1);
  const bool plain = std::ranges::all_of(host, [](char c) { return c > 0x20 && c < 0x7F && c != '@' && c != '%'; });
  if (host.empty() || !plain || port.find_first_not_of("0123456789") != std::string_view::npos) return std::nullopt;
  std::string out(host);
  if (!port.empty() && port != usual_port) (out += ':') += port;
  return out;
}

/// RFC 3986 section 5.2.4, of a path that begins with a slash.
std::string without_dots(std::string_view path) {
  std::string out;
  while (!path.empty()) {
    const std::size_t end = std::min(path.find('/', 1), path.size());
    const std::string_view segment = path.substr(0, end);
    const bool last = end == path.size();
    path.remove_prefix(end);
    if (segment == "/..") out.resize(std::min(out.rfind('/'), out.size()));
    if (segment != "/.." && segment != "/.") {
      out += segment;
    } else if (last) {
      out += '/';
    }
  }
  return out.empty() ? "/" : out;
}

}  // namespace

std::optional<std::string> normalised_uri(std::string_view uri) {
  const std::size_t colon = uri.find("://");
  if (colon == std::string_view::npos) return std::nullopt;
  const auto lower = [](std::string_view text) {
    std::string out(text);
    std::ranges::transform(out, out.begin(),
                           [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; });
    return out;
  };
  const std::string scheme = lower(uri.substr(0, colon));
  if (scheme != "https" && scheme != "http") return std::nullopt;
  std::string_view rest = uri.substr(colon + 3);
  rest = rest.substr(0, rest.find_first_of("?#"));
  const std::size_t slash = std::min(rest.find('/'), rest.size());
  const auto authority = normalised_authority(lower(rest.substr(0, slash)), scheme == "https" ? "443" : "80");
  const auto path = normalised_escapes(rest.substr(slash));
  if (!authority || !path) return std::nullopt;
  return scheme + "://" + *authority + without_dots(*path);
}

std::string_view proof_algorithms() noexcept {
  return "ES256 ES384 ES512 Ed25519 EdDSA PS256 PS384 PS512 RS256 RS384 RS512";
}

Result<Proof, TokenRefusal> read_proof(std::string_view jwt, const ProofTarget& target) {
  auto parsed = jose::parse_jwt(jwt, most_bytes);
  if (!parsed && parsed.error() == jose::JwtError::algorithm_unknown)
    return fail(TokenRefusal{Reason::proof_algorithm_refused, ""});
  if (!parsed) return fail(malformed("the proof is no signed JWT"));
  if (parsed->type != "dpop+jwt") return fail(malformed("typ of the proof is not dpop+jwt"));
  const auto set = key_set_of(jwt);
  if (!set) return fail(malformed("the proof's jwk is no public key"));
  const auto keys = jose::KeySet::parse(*set);
  if (!keys) return fail(malformed("the proof's jwk is no public key"));
  parsed->key_id.clear();
  auto key = (*keys)->verify(*parsed, accepted);
  if (!key && key.error() == jose::VerifyError::signature_invalid)
    return fail(TokenRefusal{Reason::proof_signature_invalid, ""});
  if (!key) return fail(TokenRefusal{Reason::proof_algorithm_refused, "the proof's alg doesn't fit its key"});

  const json::Tree claims = json::read_tree(parsed->payload);
  if (!json_is_object(claims.get())) return fail(malformed("the proof's payload is no object"));
  Proof out;
  out.key = *std::move(key);
  const auto id = string_claim(claims.get(), "jti");
  if (!id || id->empty() || id->size() > longest_id) return fail(malformed("claim jti of the proof"));
  out.id = *id;
  const auto issued = issued_at(claims.get());
  if (!issued) return fail(malformed("claim iat of the proof"));
  out.issued_at = *issued;
  const auto method = string_claim(claims.get(), "htm");
  const auto uri = string_claim(claims.get(), "htu");
  if (!method || !uri) return fail(malformed("claims htm and htu of the proof"));
  if (json_object_get(claims.get(), "nonce") != nullptr) {
    const auto nonce = string_claim(claims.get(), "nonce");
    if (!nonce) return fail(malformed("claim nonce of the proof"));
    out.nonce = *nonce;
  }
  if (*method != target.method) return fail(mismatch("htm"));
  const auto wanted = normalised_uri(target.uri);
  const auto said = normalised_uri(*uri);
  if (!wanted || !said || *wanted != *said) return fail(mismatch("htu"));
  if (string_claim(claims.get(), "ath") != token_hash(target.access_token)) return fail(mismatch("ath"));
  if (out.key != target.key) return fail(TokenRefusal{Reason::proof_mismatch, "the proof is of another key"});
  return out;
}

}  // namespace agw::identity
