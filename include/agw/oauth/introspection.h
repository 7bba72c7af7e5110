// Token introspection (RFC 7662), and its signed answers (RFC 9701).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agw/base/result.h"
#include "agw/base/time.h"
#include "agw/io/http.h"
#include "agw/io/random.h"
#include "agw/oauth/client_authentication.h"

namespace agw::oauth {

/// RFC 9701 section 4.
inline constexpr std::string_view signed_answer_type = "application/token-introspection+jwt";
/// The `typ` of such an answer's header, section 5, as parse_jwt writes it.
inline constexpr std::string_view signed_answer_typ = "token-introspection+jwt";

struct IntrospectionQuestion {
  std::string endpoint;
  std::string_view token;
  bool signed_answer = false;
  /// Further form fields.
  const std::vector<std::pair<std::string, std::string>>* fields = nullptr;
};

enum class IntrospectionError : std::uint8_t { key_unusable, malformed_answer, another_recipient };

/// The request to send; the host's limits (CA, proxy, timeout, address rule) are set by the caller.
[[nodiscard]] Result<HttpRequest, IntrospectionError> introspection_request(const IntrospectionQuestion& question,
                                                                            const ClientCredentials& client,
                                                                            Random& random, WallTime now);

struct IntrospectionAnswer {
  bool active = false;
  std::string claims;  ///< one JSON object, as strict as it came; empty where the token isn't active
};

/// A 200 in plain JSON. `active` must be there and be a boolean (RFC 7662 section 2.2); no key twice.
[[nodiscard]] Result<IntrospectionAnswer, IntrospectionError> parse_introspection_answer(std::string_view json);

/// Whom a signed answer must come from and be for.
struct SignedAnswerRules {
  std::string_view issuer;
  std::string_view client_id;
  WallTime now;
  Milliseconds clock_skew{0};
  Milliseconds longest_age{0};  ///< beside the skew: how long the question took at most
};

/// The payload of a JWT whose signature and type have been checked (RFC 9701 section 5): `iss`, `aud` alone or among
/// others, `iat` of just now, and `token_introspection`, which is read as a plain answer is.
[[nodiscard]] Result<IntrospectionAnswer, IntrospectionError> parse_signed_answer(std::string_view payload,
                                                                                  const SignedAnswerRules& rules);

}  // namespace agw::oauth
