// How a refusal is told: CONTRACT's table of errors.
#pragma once

#include <string>

#include "agw/gateway/answer.h"
#include "agw/gateway/call.h"
#include "agw/gateway/location.h"
#include "agw/gateway/request.h"

namespace agw::gateway {

/// The answer for a denial of this call. Every one carries the request id,
/// and nothing of the configuration or the store beyond the reason's code and sentence.
[[nodiscard]] Answer answer_for(const Location& location, const Headers& headers, const Call& call,
                                const Decision& decision);

/// The JSON-RPC error for a denial of this call, where there is no head to go with it.
[[nodiscard]] std::string error_message(const Call& call, const Decision& decision);

}  // namespace agw::gateway
