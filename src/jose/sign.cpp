#include "agw/jose/sign.h"

#include <memory>

#include <openssl/bio.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "agw/base/encoding.h"

#include "evp.h"

namespace agw::jose {
namespace {

struct SignatureDeleter {
  void operator()(ECDSA_SIG* signature) const noexcept { ECDSA_SIG_free(signature); }
};

const EVP_MD* digest_of(Algorithm algorithm) {
  switch (algorithm) {
    case Algorithm::rs256:
    case Algorithm::ps256:
    case Algorithm::es256: return EVP_sha256();
    case Algorithm::rs384:
    case Algorithm::ps384:
    case Algorithm::es384: return EVP_sha384();
    case Algorithm::rs512:
    case Algorithm::ps512:
    case Algorithm::es512: return EVP_sha512();
    case Algorithm::ed25519: return nullptr;
  }
  return nullptr;
}

bool is_pss(Algorithm algorithm) {
  return algorithm == Algorithm::ps256 || algorithm == Algorithm::ps384 || algorithm == Algorithm::ps512;
}

/// Bytes of each half of an ECDSA signature (RFC 7518 section 3.4); 0 for other algorithms.
int half_size(Algorithm algorithm) {
  switch (algorithm) {
    case Algorithm::es256: return 32;
    case Algorithm::es384: return 48;
    case Algorithm::es512: return 66;
    default: return 0;
  }
}

/// OpenSSL's DER form as the two halves that JWS wants.
std::optional<std::string> raw_signature(const std::string& der, int half) {
  const auto* data = reinterpret_cast<const unsigned char*>(der.data());
  const std::unique_ptr<ECDSA_SIG, SignatureDeleter> signature(
      d2i_ECDSA_SIG(nullptr, &data, static_cast<long>(der.size())));
  if (!signature) return std::nullopt;
  std::string out(static_cast<std::size_t>(half) * 2, '\0');
  auto* bytes = reinterpret_cast<unsigned char*>(out.data());
  if (BN_bn2binpad(ECDSA_SIG_get0_r(signature.get()), bytes, half) != half) return std::nullopt;
  if (BN_bn2binpad(ECDSA_SIG_get0_s(signature.get()), bytes + half, half) != half) return std::nullopt;
  return out;
}

bool fits(EVP_PKEY* key, Algorithm algorithm) {
  const int type = EVP_PKEY_get_base_id(key);
  if (algorithm == Algorithm::ed25519) return type == EVP_PKEY_ED25519;
  const int half = half_size(algorithm);
  if (half == 0) return type == EVP_PKEY_RSA && EVP_PKEY_get_bits(key) >= 2048;
  return type == EVP_PKEY_EC && (EVP_PKEY_get_bits(key) + 7) / 8 == half;
}

std::optional<std::string> signature_of(EVP_PKEY* key, Algorithm algorithm, std::string_view input) {
  const ContextPtr context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* parameters = nullptr;
  if (!context || EVP_DigestSignInit(context.get(), &parameters, digest_of(algorithm), nullptr, key) != 1)
    return std::nullopt;
  if (is_pss(algorithm) && (EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING) != 1 ||
                            EVP_PKEY_CTX_set_rsa_pss_saltlen(parameters, RSA_PSS_SALTLEN_DIGEST) != 1))
    return std::nullopt;
  const auto* data = reinterpret_cast<const unsigned char*>(input.data());
  std::size_t size = 0;
  if (EVP_DigestSign(context.get(), nullptr, &size, data, input.size()) != 1) return std::nullopt;
  std::string out(size, '\0');
  if (EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(out.data()), &size, data, input.size()) != 1)
    return std::nullopt;
  out.resize(size);
  const int half = half_size(algorithm);
  return half == 0 ? out : raw_signature(out, half);
}

}  // namespace

std::optional<std::string> sign_jwt(const SigningKey& key, std::string_view payload) {
  const KeyPtr private_key = read_private_key(key.pem);
  std::optional<std::string> signature;
  std::string header = R"({"alg":")" + std::string(to_string(key.algorithm)) + R"(","typ":"JWT")";
  if (!key.key_id.empty()) header += R"(,"kid":)" + json_quoted(key.key_id);
  std::string token = base64url_encode(header + "}") + "." + base64url_encode(payload);
  if (private_key && fits(private_key.get(), key.algorithm))
    signature = signature_of(private_key.get(), key.algorithm, token);
  ERR_clear_error();
  if (!signature) return std::nullopt;
  return token + "." + base64url_encode(*signature);
}

}  // namespace agw::jose
