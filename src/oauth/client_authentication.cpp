#include "agw/oauth/client_authentication.h"

#include <optional>
#include <string_view>
#include <utility>

#include "agw/base/encoding.h"
#include "agw/jose/sign.h"

namespace agw::oauth {
namespace {

constexpr std::string_view jwt_bearer = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
constexpr std::int64_t assertion_life = 60;  // seconds

std::string form_encoded(std::string_view text) {
  std::string field;
  append_form_field(field, "", text);
  return field.substr(1);
}

/// RFC 7523 section 3: short-lived, for this server, used once.
std::optional<std::string> assertion(const ClientCredentials& client, Random& random, WallTime now) {
  const std::int64_t issued = to_unix(now);
  const std::string payload = R"({"iss":)" + json_quoted(client.client_id) + R"(,"sub":)" +
                              json_quoted(client.client_id) + R"(,"aud":)" + json_quoted(client.audience) +
                              R"(,"jti":")" + random.hex(16) + R"(","iat":)" + std::to_string(issued) + R"(,"exp":)" +
                              std::to_string(issued + assertion_life) + "}";
  return jose::sign_jwt({client.secret.reveal(), client.algorithm, client.key_id}, payload);
}

}  // namespace

bool fill_form_request(HttpRequest& request, std::string form, const ClientCredentials& client, Random& random,
                       WallTime now) {
  request.method = "POST";
  request.headers.emplace_back("Content-Type", "application/x-www-form-urlencoded");
  switch (client.method) {
    case ClientCredentials::Method::secret_basic:
      // RFC 6749 section 2.3.1: both parts are form-encoded before they are joined.
      request.authorization =
          Secret("Basic " + base64_encode(form_encoded(client.client_id) + ":" + form_encoded(client.secret.reveal())));
      break;
    case ClientCredentials::Method::secret_post:
      append_form_field(form, "client_id", client.client_id);
      append_form_field(form, "client_secret", client.secret.reveal());
      break;
    case ClientCredentials::Method::private_key_jwt: {
      const auto proof = assertion(client, random, now);
      if (!proof) return false;
      append_form_field(form, "client_id", client.client_id);
      append_form_field(form, "client_assertion_type", jwt_bearer);
      append_form_field(form, "client_assertion", *proof);
      break;
    }
  }
  request.body = Secret(std::move(form));
  return true;
}

}  // namespace agw::oauth
