// The certificate of a request's client.
#pragma once

#include "agw/identity/client_certificate.h"

#include "../nginx.h"

namespace agw::nginx {

/// As nginx's own TLS has it, for the server that answers the request; null: it has none, or that server doesn't ask.
/// Read once for a connection, and valid as long as that.
[[nodiscard]] const identity::ClientCertificate* certificate_of(ngx_http_request_t* r);

}  // namespace agw::nginx
