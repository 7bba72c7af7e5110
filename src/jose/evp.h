// OpenSSL's keys and contexts with an owner.
#pragma once

#include <memory>
#include <string_view>

#include <openssl/evp.h>

namespace agw::jose {

struct KeyDeleter {
  void operator()(EVP_PKEY* key) const noexcept { EVP_PKEY_free(key); }
};
using KeyPtr = std::unique_ptr<EVP_PKEY, KeyDeleter>;

struct ContextDeleter {
  void operator()(EVP_MD_CTX* context) const noexcept { EVP_MD_CTX_free(context); }
};
using ContextPtr = std::unique_ptr<EVP_MD_CTX, ContextDeleter>;

/// From PEM; null if it is no private key, or an encrypted one: nobody is asked for a password.
[[nodiscard]] KeyPtr read_private_key(std::string_view pem);

}  // namespace agw::jose
