// A client's key, and the DPoP proofs that it makes: right ones, and wrong ones in one place.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <openssl/evp.h>

#include "agw/base/digest.h"
#include "agw/base/encoding.h"

namespace agw::test {

class ProofMaker {
 public:
  ProofMaker() : key_(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"), EVP_PKEY_free) {
    std::string raw(32, '\0');
    std::size_t size = raw.size();
    EVP_PKEY_get_raw_public_key(key_.get(), reinterpret_cast<unsigned char*>(raw.data()), &size);
    const std::string x = base64url_encode(raw);
    jwk = R"({"kty":"OKP","crv":"Ed25519","x":")" + x + "\"}";
    thumbprint = digest_of(R"({"crv":"Ed25519","kty":"OKP","x":")" + x + "\"}");
  }

  static std::string digest_of(std::string_view text) {
    const Sha256 digest = sha256(text);
    return base64url_encode({reinterpret_cast<const char*>(digest.data()), digest.size()});
  }
  [[nodiscard]] std::string header() const { return R"({"typ":"dpop+jwt","alg":"EdDSA","jwk":)" + jwk + "}"; }
  /// Of a POST of `token` to https://gw.example/mcp.
  [[nodiscard]] static std::string claims(std::string_view token, std::int64_t iat, std::string_view id = "one",
                                          const std::string& more = {}) {
    return R"({"htm":"POST","htu":"https://gw.example/mcp","jti":")" + std::string(id) + R"(","iat":)" +
           std::to_string(iat) + R"(,"ath":")" + digest_of(token) + "\"" + more + "}";
  }
  [[nodiscard]] std::string sign(const std::string& header, const std::string& payload) const {
    const std::string input = base64url_encode(header) + "." + base64url_encode(payload);
    const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
    std::string signature(64, '\0');
    std::size_t size = signature.size();
    EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key_.get());
    EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size,
                   reinterpret_cast<const unsigned char*>(input.data()), input.size());
    return input + "." + base64url_encode(signature);
  }
  [[nodiscard]] std::string proof(std::string_view token, std::int64_t iat, std::string_view id = "one",
                                  const std::string& more = {}) const {
    return sign(header(), claims(token, iat, id, more));
  }

  std::string jwk;
  std::string thumbprint;

 private:
  std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key_;
};

}  // namespace agw::test
