#include "certificate.h"

#include <memory>
#include <optional>
#include <string>

#include "../config/client_certificates.h"

namespace agw::nginx {

#if (NGX_HTTP_SSL)
namespace {

using Kept = std::optional<identity::ClientCertificate>;

void forget(void*, void* kept, CRYPTO_EX_DATA*, int, long, void*) noexcept { delete static_cast<Kept*>(kept); }

/// Where a connection keeps what was read. Drawn in a worker, at the first certificate: the master, which may unload
/// this module, never knows `forget`.
int slot() noexcept {
  static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, forget);
  return index;
}

Kept read(SSL* ssl, ClientCertificates asked) {
  struct Free {
    void operator()(X509* certificate) const noexcept { X509_free(certificate); }
    void operator()(unsigned char* bytes) const noexcept { OPENSSL_free(bytes); }
  };
  const std::unique_ptr<X509, Free> certificate(SSL_get1_peer_certificate(ssl));
  if (!certificate) return std::nullopt;
  unsigned char* bytes = nullptr;
  const int size = i2d_X509(certificate.get(), &bytes);
  const std::unique_ptr<unsigned char, Free> owner(bytes);
  if (size <= 0) return std::nullopt;
  auto out = identity::read_certificate({reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size)});
  if (!out) return std::nullopt;
  // nginx has refused the request already where it asks for a checked one and this isn't.
  out->verified = SSL_get_verify_result(ssl) == X509_V_OK &&
                  (asked == ClientCertificates::required || asked == ClientCertificates::optional);
  return out;
}

}  // namespace

const identity::ClientCertificate* certificate_of(ngx_http_request_t* r) {
  if (r->connection->ssl == nullptr) return nullptr;
  const auto* const server =
      static_cast<const ngx_http_core_srv_conf_t*>(ngx_http_get_module_srv_conf(r, ngx_http_core_module));
  const auto* const settings =
      static_cast<const ngx_http_ssl_srv_conf_t*>(ngx_http_get_module_srv_conf(r, ngx_http_ssl_module));
  const ClientCertificates asked = client_certificates(*server);
  SSL* const ssl = r->connection->ssl->connection;
  // A client without SNI may ask another server than the one whose authorities have checked it.
  if (asked == ClientCertificates::none || SSL_get_SSL_CTX(ssl) != settings->ssl.ctx) return nullptr;
  if (slot() < 0) return nullptr;
  auto* kept = static_cast<Kept*>(SSL_get_ex_data(ssl, slot()));
  if (kept == nullptr) {
    auto made = std::make_unique<Kept>(read(ssl, asked));
    if (SSL_set_ex_data(ssl, slot(), made.get()) != 1) return nullptr;
    kept = made.release();
  }
  return kept->has_value() ? &**kept : nullptr;
}
#else
const identity::ClientCertificate* certificate_of(ngx_http_request_t*) { return nullptr; }
#endif

}  // namespace agw::nginx
