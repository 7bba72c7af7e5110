// Client authentication (RFC 6749 section 2.3, RFC 7523).
#pragma once

#include <cstdint>
#include <string>

#include "agw/base/secret.h"
#include "agw/base/time.h"
#include "agw/io/http.h"
#include "agw/io/random.h"
#include "agw/jose/jwt.h"

namespace agw::oauth {

/// How the gateway proves itself to an endpoint of an authorization server.
struct ClientCredentials {
  enum class Method : std::uint8_t { secret_basic, secret_post, private_key_jwt };
  std::string client_id;
  Method method = Method::secret_basic;
  Secret secret;  ///< client secret, or PEM of the private key
  jose::Algorithm algorithm{};
  std::string key_id;
  std::string audience;  ///< `aud` of the assertion: the issuer
};

/// A POST of a form; `form` so far, to which the client adds what it proves itself by. False where its key can't be
/// used. The host's limits (CA, proxy, timeout, address rule) and Accept are set by the caller.
[[nodiscard]] bool fill_form_request(HttpRequest& request, std::string form, const ClientCredentials& client,
                                     Random& random, WallTime now);

}  // namespace agw::oauth
