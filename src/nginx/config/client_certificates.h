// Whether a server asks its clients for certificates (ssl_verify_client).
#pragma once

#include "../nginx.h"

namespace agw::nginx {

/// unchecked: any certificate is taken (optional_no_ca): good to hold a token, but it names nobody.
enum class ClientCertificates : std::uint8_t { none, required, optional, unchecked };

[[nodiscard]] inline ClientCertificates client_certificates(const ngx_http_core_srv_conf_t& server) noexcept {
#if (NGX_HTTP_SSL)
  const auto* const ssl =
      static_cast<const ngx_http_ssl_srv_conf_t*>(server.ctx->srv_conf[ngx_http_ssl_module.ctx_index]);
  switch (ssl->verify) {
    case 1: return ClientCertificates::required;
    case 2: return ClientCertificates::optional;
    case 3: return ClientCertificates::unchecked;
    default: break;
  }
#else
  static_cast<void>(server);
#endif
  return ClientCertificates::none;
}

}  // namespace agw::nginx
