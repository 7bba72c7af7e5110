#include "agw/jose/private_key.h"

#include <memory>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "evp.h"

namespace agw::jose {
namespace {

struct BioDeleter {
  void operator()(BIO* bio) const noexcept { BIO_free(bio); }
};

/// An encrypted key must not make OpenSSL ask at a terminal.
int no_password(char*, int, int, void*) { return -1; }

}  // namespace

KeyPtr read_private_key(std::string_view pem) {
  const std::unique_ptr<BIO, BioDeleter> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  KeyPtr key(bio ? PEM_read_bio_PrivateKey(bio.get(), nullptr, no_password, nullptr) : nullptr);
  ERR_clear_error();
  return key;
}

std::optional<Algorithm> algorithm_of_private_key(std::string_view pem) {
  const KeyPtr key = read_private_key(pem);
  if (!key) return std::nullopt;
  switch (EVP_PKEY_get_base_id(key.get())) {
    case EVP_PKEY_RSA: return Algorithm::rs256;
    case EVP_PKEY_ED25519: return Algorithm::ed25519;
    case EVP_PKEY_EC: break;
    default: return std::nullopt;
  }
  switch (EVP_PKEY_get_bits(key.get())) {
    case 256: return Algorithm::es256;
    case 384: return Algorithm::es384;
    case 521: return Algorithm::es512;
    default: return std::nullopt;
  }
}

}  // namespace agw::jose
