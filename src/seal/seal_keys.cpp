#include "agw/seal/seal_keys.h"

#include <memory>
#include <stdexcept>

#include <openssl/err.h>
#include <openssl/evp.h>

#include "agw/base/digest.h"

namespace agw {
namespace {

constexpr std::size_t nonce_bytes = 12;
constexpr std::size_t tag_bytes = 16;

struct FreeContext {
  void operator()(EVP_CIPHER_CTX* context) const noexcept { EVP_CIPHER_CTX_free(context); }
};
using Context = std::unique_ptr<EVP_CIPHER_CTX, FreeContext>;

const unsigned char* bytes(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }
unsigned char* bytes(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }

}  // namespace

std::string derived_key(const Secret& file, std::string_view use) {
  const Sha256 digest = hmac_sha256(file.reveal(), use);
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

SealKeys::SealKeys(const std::vector<Secret>& files, std::string_view use) {
  keys_.reserve(files.size());
  for (const Secret& file : files)
    keys_.push_back({derived_key(file, std::string(use) + " id").substr(0, id_bytes),
                     Secret(derived_key(file, std::string(use) + " seal"))});
}

std::string SealKeys::seal(std::string_view plain, std::string_view bound, Random& random) const {
  const Key& key = keys_.front();
  std::string out = key.id;
  out.resize(id_bytes + nonce_bytes + plain.size() + tag_bytes);
  unsigned char* const nonce = bytes(out) + id_bytes;
  unsigned char* const text = nonce + nonce_bytes;
  random.fill(nonce, nonce_bytes);
  const Context context(EVP_CIPHER_CTX_new());
  int size = 0;
  const bool sealed =
      context != nullptr &&
      EVP_EncryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, bytes(key.sealing.reveal()), nonce) == 1 &&
      EVP_EncryptUpdate(context.get(), nullptr, &size, bytes(bound), static_cast<int>(bound.size())) == 1 &&
      EVP_EncryptUpdate(context.get(), text, &size, bytes(plain), static_cast<int>(plain.size())) == 1 &&
      EVP_EncryptFinal_ex(context.get(), text + plain.size(), &size) == 1 &&
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, tag_bytes, text + plain.size()) == 1;
  if (sealed) return out;
  ERR_clear_error();
  throw std::runtime_error("OpenSSL can't seal");
}

std::optional<std::string> SealKeys::open(std::string_view sealed, std::string_view bound) const {
  if (sealed.size() < id_bytes + nonce_bytes + tag_bytes) return std::nullopt;
  const std::string_view id = sealed.substr(0, id_bytes);
  const std::string_view nonce = sealed.substr(id_bytes, nonce_bytes);
  const std::string_view text =
      sealed.substr(id_bytes + nonce_bytes, sealed.size() - id_bytes - nonce_bytes - tag_bytes);
  std::string tag(sealed.substr(sealed.size() - tag_bytes));
  for (const Key& key : keys_) {
    if (key.id != id) continue;
    std::string plain(text.size(), '\0');
    const Context context(EVP_CIPHER_CTX_new());
    int size = 0;
    const bool opened =
        context != nullptr &&
        EVP_DecryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, bytes(key.sealing.reveal()), bytes(nonce)) == 1 &&
        EVP_DecryptUpdate(context.get(), nullptr, &size, bytes(bound), static_cast<int>(bound.size())) == 1 &&
        EVP_DecryptUpdate(context.get(), bytes(plain), &size, bytes(text), static_cast<int>(text.size())) == 1 &&
        EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_TAG, tag_bytes, bytes(tag)) == 1 &&
        EVP_DecryptFinal_ex(context.get(), bytes(plain) + plain.size(), &size) == 1;
    ERR_clear_error();
    if (!opened) return std::nullopt;
    return plain;
  }
  return std::nullopt;
}

}  // namespace agw
