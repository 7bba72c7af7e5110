#include "agw/base/secret.h"

#include <openssl/crypto.h>

namespace agw {

void wipe(char* data, std::size_t size) noexcept {
  if (size > 0) OPENSSL_cleanse(data, size);
}

}  // namespace agw
