// What a client brings back that a backend gave it.
#pragma once

#include <optional>
#include <string_view>

#include "agw/gateway/call.h"
#include "agw/gateway/location.h"
#include "agw/gateway/request.h"
#include "agw/json/document.h"
#include "agw/mcp/message.h"

namespace agw::gateway {

/// Notes the state that the message brings back, with what a state for it must be bound to; params_invalid where it is
/// none. A message without one costs a look at its parameters.
[[nodiscard]] std::optional<Reason> note_state(const mcp::Message& message, std::string_view body, Call& call);

/// What a state that answers this request is bound to, read from the request as it was sent; nothing where that can't
/// be read any more.
[[nodiscard]] std::optional<Sha256> asked_of(const Location& location, Request& request);

}  // namespace agw::gateway
