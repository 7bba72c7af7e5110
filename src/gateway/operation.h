// What is asked: an MCP message or a REST request becomes an operation on a resource.
#pragma once

#include <optional>
#include <string_view>

#include "agw/gateway/call.h"
#include "agw/gateway/location.h"
#include "agw/gateway/request.h"
#include "agw/json/document.h"

#include "subject.h"

namespace agw::gateway {

/// Whether the request can be judged only with its body.
[[nodiscard]] bool body_is_judged(const Location& location, const Request& request);

/// What the whole call needs of its arguments, and why it can't be had.
struct Understanding {
  std::optional<Reason> refusal;           ///< the request isn't one that can be judged
  std::optional<Reason> resource_failure;  ///< the operation is known, its resource can't be made
};

/// Reads the request into `call`: type, route, operation, resource, what a refusal must echo.
/// Runs to its end at once; afterwards nothing refers to `body` or `document`, which the worker's
/// next call uses again.
[[nodiscard]] Understanding understand(const Location& location, const Request& request, std::string_view body,
                                       json::Document& document, Call& call);

/// The same for what is asked about a task: judged is the call that made it, as it would be now.
[[nodiscard]] Understanding understand_made(const Location& location, const MadeTaskPtr& made, json::Document& document,
                                            Call& call);

/// A task that a listener follows becomes a further subject, judged in the same way.
void follow_made(const Location& location, const MadeTaskPtr& made, json::Document& document, Call& call);

}  // namespace agw::gateway
