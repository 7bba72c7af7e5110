// The access token of a request.
#pragma once

#include <string_view>

#include "agw/base/result.h"
#include "agw/identity/sender.h"
#include "agw/io/headers.h"
#include "agw/model/reason.h"

namespace agw::gateway {

struct SentToken {
  std::string_view token;
  identity::TokenScheme scheme = identity::TokenScheme::bearer;
};

/// The token of `Authorization: Bearer` (RFC 6750 section 2.1) or `Authorization: DPoP` (RFC 9449 section 7.1), the
/// two ways that are taken: never from a form or a query. Two Authorization headers are token_malformed; another
/// scheme, or none, is token_missing.
[[nodiscard]] Result<SentToken, Reason> sent_token(const Headers& headers);

/// The trace id of a W3C `traceparent`, or empty.
[[nodiscard]] std::string_view trace_id(const Headers& headers);

}  // namespace agw::gateway
