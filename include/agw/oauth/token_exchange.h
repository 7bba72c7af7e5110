// Token exchange (RFC 8693).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "agw/base/result.h"
#include "agw/base/secret.h"
#include "agw/base/time.h"
#include "agw/io/http.h"
#include "agw/io/random.h"
#include "agw/oauth/client_authentication.h"

namespace agw::oauth {

struct ExchangeQuestion {
  std::string token_endpoint;
  std::string_view subject_token;
  std::string audience;
  std::vector<std::string> scopes;
};

enum class ExchangeError : std::uint8_t { key_unusable, malformed_answer };

/// The request to send; the host's limits (CA, proxy, timeout, address rule) are set by the caller.
[[nodiscard]] Result<HttpRequest, ExchangeError> exchange_request(const ExchangeQuestion& question,
                                                                  const ClientCredentials& client, Random& random,
                                                                  WallTime now);

struct ExchangeAnswer {
  Secret token;
  std::string issued_token_type;
  std::string token_type;
  std::vector<std::string> scopes;  ///< of the answer; empty if it named none
  bool scope_named = false;
  std::int64_t expires_in = 0;      ///< seconds; 0 if not named
};

/// Parses a 200. Strict: access_token, issued_token_type and token_type must be strings.
[[nodiscard]] Result<ExchangeAnswer, ExchangeError> parse_exchange_answer(std::string_view json);
/// The `error` code of a 4xx (RFC 6749 5.2), only [a-z_]; empty if there is none.
[[nodiscard]] std::string parse_error_code(std::string_view json);

}  // namespace agw::oauth
