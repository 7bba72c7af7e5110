// An issuer's Ed25519 key made in the test, and what it signs.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "agw/base/encoding.h"
#include "agw/jose/sign.h"

namespace agw::test {

struct Signer {
  explicit Signer(std::string key_id = "k") : id(std::move(key_id)) {
    const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"),
                                                                  EVP_PKEY_free);
    const std::unique_ptr<BIO, decltype(&BIO_free)> bio(BIO_new(BIO_s_mem()), BIO_free);
    PEM_write_bio_PrivateKey(bio.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
    char* text = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &text);
    pem.assign(text, static_cast<std::size_t>(size));
    std::string raw(32, '\0');
    std::size_t length = raw.size();
    EVP_PKEY_get_raw_public_key(key.get(), reinterpret_cast<unsigned char*>(raw.data()), &length);
    jwk = R"({"kty":"OKP","crv":"Ed25519","kid":")" + id + R"(","x":")" + base64url_encode(raw) + "\"}";
  }
  /// Reading the key costs more than most of what is tested: what was signed once is remembered.
  [[nodiscard]] std::string sign(const std::string& claims) const {
    if (signed_->size() > 4096) signed_->clear();
    auto [entry, fresh] = signed_->try_emplace(claims);
    if (fresh) entry->second = jose::sign_jwt({pem, jose::Algorithm::ed25519, id}, claims).value_or("");
    return entry->second;
  }
  std::string id;
  std::string pem;
  std::string jwk;

 private:
  std::shared_ptr<std::unordered_map<std::string, std::string>> signed_ =
      std::make_shared<std::unordered_map<std::string, std::string>>();
};

}  // namespace agw::test
