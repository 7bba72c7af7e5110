// What is asked: an MCP message or a REST request becomes an operation on a resource.
#pragma once

#include <optional>
#include <string>
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
/// What a call asks, in a form that is the same however it is written: what a repeat has in common with it.
struct AskedForm {
  std::string whole;      ///< operation's name and arguments
  std::string arguments;  ///< of MCP the object (of a resource its `uri`) in RFC 8785's form; of REST method, path,
                          ///< query and a body in JSON, as one
};
/// Of a request that understand() has taken for one that can be judged; reads its body once more.
[[nodiscard]] AskedForm asked_form(const Location& location, const Request& request, std::string_view body,
                                   json::Document& document);

}  // namespace agw::gateway
