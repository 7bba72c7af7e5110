// The access token of a request.
#pragma once

#include <string_view>

#include "agw/base/result.h"
#include "agw/io/headers.h"
#include "agw/model/reason.h"

namespace agw::gateway {

/// The token of `Authorization: Bearer` (RFC 6750 section 2.1), the one way that is taken: never
/// from a form or a query. Two Authorization headers are token_malformed; a DPoP scheme is
/// token_binding_unsupported; another scheme, or none, is token_missing.
[[nodiscard]] Result<std::string_view, Reason> bearer_token(const Headers& headers);

/// The trace id of a W3C `traceparent`, or empty.
[[nodiscard]] std::string_view trace_id(const Headers& headers);

}  // namespace agw::gateway
