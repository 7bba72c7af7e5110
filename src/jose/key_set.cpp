#include "agw/jose/key_set.h"

#include <algorithm>
#include <array>

#include <cjose/cjose.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include "agw/base/digest.h"
#include "agw/base/encoding.h"
#include "agw/json/tree.h"

#include "evp.h"

namespace agw::jose {
namespace {

constexpr std::size_t max_key_set_bytes = 1U << 20;
constexpr std::size_t max_keys = 256;
constexpr std::size_t least_rsa_bytes = 256;
constexpr std::size_t most_exponent_bytes = 8;

struct CjoseKeyDeleter {
  void operator()(cjose_jwk_t* key) const noexcept { cjose_jwk_release(key); }
};
struct CjoseJwsDeleter {
  void operator()(cjose_jws_t* jws) const noexcept { cjose_jws_release(jws); }
};

std::string_view text_of(const json_t* object, const char* key) {
  const json_t* value = json_object_get(object, key);
  return json_is_string(value) ? std::string_view(json_string_value(value), json_string_length(value))
                               : std::string_view{};
}

enum class Family : std::uint8_t { rsa, p256, p384, p521, ed25519 };

bool fits(Family family, Algorithm algorithm) {
  switch (algorithm) {
    case Algorithm::es256: return family == Family::p256;
    case Algorithm::es384: return family == Family::p384;
    case Algorithm::es512: return family == Family::p521;
    case Algorithm::ed25519: return family == Family::ed25519;
    default: return family == Family::rsa;
  }
}

std::optional<Family> family_of(const json_t* jwk) {
  const std::string_view type = text_of(jwk, "kty");
  const std::string_view curve = text_of(jwk, "crv");
  if (type == "RSA") return Family::rsa;
  if (type == "OKP" && curve == "Ed25519") return Family::ed25519;
  if (type != "EC") return std::nullopt;
  if (curve == "P-256") return Family::p256;
  if (curve == "P-384") return Family::p384;
  if (curve == "P-521") return Family::p521;
  return std::nullopt;
}

/// RFC 7638: the members that make the key, in lexicographic order.
std::string thumbprint(const json_t* jwk, Family family) {
  std::string text;
  if (family == Family::rsa) {
    text = R"({"e":)" + json_quoted(text_of(jwk, "e")) + R"(,"kty":"RSA","n":)" + json_quoted(text_of(jwk, "n")) + "}";
  } else {
    text = R"({"crv":)" + json_quoted(text_of(jwk, "crv")) + R"(,"kty":)" + json_quoted(text_of(jwk, "kty")) +
           R"(,"x":)" + json_quoted(text_of(jwk, "x"));
    if (family != Family::ed25519) text += R"(,"y":)" + json_quoted(text_of(jwk, "y"));
    text += "}";
  }
  const Sha256 digest = sha256(text);
  return base64url_encode({reinterpret_cast<const char*>(digest.data()), digest.size()});
}

bool is_for_signatures(const json_t* jwk) {
  // A bundle of a SPIFFE trust domain says of each key what it is for (Trust Domain and Bundle, section 4.2.2).
  const std::string_view use = text_of(jwk, "use");
  if (!use.empty() && use != "sig" && use != "jwt-svid") return false;
  const json_t* operations = json_object_get(jwk, "key_ops");
  if (operations == nullptr) return true;
  for (std::size_t i = 0; i < json_array_size(operations); ++i) {
    const json_t* item = json_array_get(operations, i);
    if (json_is_string(item) && std::string_view(json_string_value(item)) == "verify") return true;
  }
  return false;
}

/// A set that holds a secret was published by mistake: such a key is nobody's proof.
bool is_private(const json_t* jwk) {
  return json_object_get(jwk, "d") != nullptr || json_object_get(jwk, "k") != nullptr;
}

/// The bytes of a big-endian number without its leading zeros; none if it isn't base64url.
std::optional<std::string> number_in(const json_t* jwk, const char* member) {
  auto bytes = base64url_decode(text_of(jwk, member));
  if (bytes) bytes->erase(0, std::min(bytes->find_first_not_of('\0'), bytes->size()));
  return bytes;
}

/// RFC 7518 section 3.3: 2048 bits at least. An exponent of 1 verifies whatever looks like its own
/// plaintext, an even one nothing, and one as long as the modulus costs milliseconds at each token.
bool is_sound_rsa(const json_t* jwk) {
  const auto modulus = number_in(jwk, "n");
  const auto exponent = number_in(jwk, "e");
  return modulus && modulus->size() >= least_rsa_bytes && exponent && !exponent->empty() &&
         exponent->size() <= most_exponent_bytes && (exponent->back() & 1) != 0 && *exponent != "\1";
}

/// RFC 7518 section 6.2.1.2: both coordinates have the octets of their field, leading zeros and all.
bool is_sound_point(const json_t* jwk, Family family) {
  const std::size_t size = family == Family::p256 ? 32 : family == Family::p384 ? 48 : 66;
  const auto x = base64url_decode(text_of(jwk, "x"));
  const auto y = base64url_decode(text_of(jwk, "y"));
  return x && y && x->size() == size && y->size() == size;
}

/// Only what a public key is made of reaches cjose, and only after it was found sound: cjose ends
/// the process by an assertion on base64 of an impossible length. None: not a key to trust.
std::unique_ptr<cjose_jwk_t, CjoseKeyDeleter> cjose_key(const json_t* jwk, Family family) {
  const bool rsa = family == Family::rsa;
  if (!(rsa ? is_sound_rsa(jwk) : is_sound_point(jwk, family))) return nullptr;
  const std::string text =
      rsa ? R"({"kty":"RSA","e":)" + json_quoted(text_of(jwk, "e")) + R"(,"n":)" + json_quoted(text_of(jwk, "n")) + "}"
          : R"({"kty":"EC","crv":)" + json_quoted(text_of(jwk, "crv")) + R"(,"x":)" + json_quoted(text_of(jwk, "x")) +
                R"(,"y":)" + json_quoted(text_of(jwk, "y")) + "}";
  cjose_err error{};
  return std::unique_ptr<cjose_jwk_t, CjoseKeyDeleter>(cjose_jwk_import(text.data(), text.size(), &error));
}

KeyPtr ed25519_key(const json_t* jwk) {
  const auto bytes = base64url_decode(text_of(jwk, "x"));
  if (!bytes || bytes->size() != 32) return nullptr;
  return KeyPtr(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr,
                                            reinterpret_cast<const unsigned char*>(bytes->data()), bytes->size()));
}

/// RFC 7518 section 3.4, RFC 8037 section 3.1: one length, no other. (An RSA signature has its
/// key's, which OpenSSL sees to; cjose ignores what a longer ECDSA one has at its end.)
std::optional<std::size_t> fixed_signature_bytes(Algorithm algorithm) {
  switch (algorithm) {
    case Algorithm::es256:
    case Algorithm::ed25519: return 64;
    case Algorithm::es384: return 96;
    case Algorithm::es512: return 132;
    default: return std::nullopt;
  }
}

}  // namespace

struct KeySet::Key {
  std::string id;          // kid, may be empty
  std::string thumbprint;
  Family family{};
  std::optional<Algorithm> algorithm;
  std::unique_ptr<cjose_jwk_t, CjoseKeyDeleter> cjose;     // RSA and EC
  KeyPtr ed25519;

  [[nodiscard]] bool accepts(Algorithm wanted) const {
    return fits(family, wanted) && (!algorithm || *algorithm == wanted);
  }

  [[nodiscard]] bool verify(const UnverifiedJwt& jwt) const {
    const auto size = fixed_signature_bytes(jwt.algorithm);
    if (size && jwt.signature.size() != *size) return false;
    const bool good = ed25519 ? verify_ed25519(jwt) : verify_cjose(jwt);
    ERR_clear_error();
    return good;
  }

 private:
  [[nodiscard]] bool verify_ed25519(const UnverifiedJwt& jwt) const {
    const ContextPtr context(EVP_MD_CTX_new());
    if (!context || EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, ed25519.get()) != 1) return false;
    return EVP_DigestVerify(context.get(), reinterpret_cast<const unsigned char*>(jwt.signature.data()),
                            jwt.signature.size(), reinterpret_cast<const unsigned char*>(jwt.signing_input.data()),
                            jwt.signing_input.size()) == 1;
  }
  [[nodiscard]] bool verify_cjose(const UnverifiedJwt& jwt) const {
    cjose_err error{};
    const std::unique_ptr<cjose_jws_t, CjoseJwsDeleter> jws(
        cjose_jws_import(jwt.token.data(), jwt.token.size(), &error));
    return jws && cjose_jws_verify(jws.get(), cjose.get(), &error);
  }
};

KeySet::KeySet() = default;
KeySet::~KeySet() = default;

Result<std::shared_ptr<const KeySet>, KeySetError> KeySet::parse(std::string_view json) {
  if (json.size() > max_key_set_bytes) return fail(KeySetError::too_large);
  if (json.find('\0') != std::string_view::npos) return fail(KeySetError::malformed);
  const json::Tree root = json::read_tree(json);
  const json_t* list = json_object_get(root.get(), "keys");
  if (!json_is_array(list)) return fail(KeySetError::malformed);
  if (json_array_size(list) > max_keys) return fail(KeySetError::too_large);
  auto out = std::make_shared<KeySet>();
  for (std::size_t i = 0; i < json_array_size(list); ++i) {
    const json_t* jwk = json_array_get(list, i);
    if (!json_is_object(jwk)) return fail(KeySetError::malformed);
    const auto family = family_of(jwk);
    if (!family || is_private(jwk) || !is_for_signatures(jwk)) continue;
    auto key = std::make_unique<Key>();
    key->id = text_of(jwk, "kid");
    key->family = *family;
    key->thumbprint = thumbprint(jwk, *family);
    if (const std::string_view name = text_of(jwk, "alg"); !name.empty()) {
      key->algorithm = algorithm_from(name);
      if (!key->algorithm || !fits(*family, *key->algorithm)) continue;
    }
    if (*family == Family::ed25519)
      key->ed25519 = ed25519_key(jwk);
    else
      key->cjose = cjose_key(jwk, *family);
    ERR_clear_error();
    if (!key->cjose && !key->ed25519) continue;
    out->keys_.push_back(std::move(key));
  }
  if (out->keys_.empty()) return fail(KeySetError::no_usable_key);
  return std::shared_ptr<const KeySet>(std::move(out));
}

Result<std::string, VerifyError> KeySet::verify(const UnverifiedJwt& jwt, std::span<const Algorithm> allowed) const {
  if (std::find(allowed.begin(), allowed.end(), jwt.algorithm) == allowed.end())
    return fail(VerifyError::algorithm_refused);
  const Key* chosen = nullptr;
  bool kid_known = false;
  for (const auto& key : keys_) {
    if (!jwt.key_id.empty() && key->id != jwt.key_id) continue;
    kid_known = kid_known || !jwt.key_id.empty();
    if (!key->accepts(jwt.algorithm)) continue;
    // Without a kid two fitting keys are a guess, and so are two with the same.
    if (chosen != nullptr) return fail(VerifyError::key_unknown);
    chosen = key.get();
  }
  if (chosen == nullptr) return fail(kid_known ? VerifyError::algorithm_refused : VerifyError::key_unknown);
  if (!chosen->verify(jwt)) return fail(VerifyError::signature_invalid);
  return chosen->id.empty() ? chosen->thumbprint : chosen->id;
}

bool KeySet::has_key(std::string_view key_id) const noexcept {
  return std::any_of(keys_.begin(), keys_.end(), [&](const auto& key) { return key->id == key_id; });
}

std::size_t KeySet::size() const noexcept { return keys_.size(); }

}  // namespace agw::jose
