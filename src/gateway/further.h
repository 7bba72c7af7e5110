// What a call asks besides its own operation.
#pragma once

#include <optional>

#include "agw/base/result.h"
#include "agw/gateway/call.h"
#include "agw/gateway/location.h"
#include "agw/json/document.h"
#include "agw/policy/resource_template.h"

namespace agw::gateway {

/// The tool inside a call of `route`, which has an InnerRule; its resource isn't made yet. Or why nobody can say which
/// it is.
[[nodiscard]] Result<FurtherSubject, Reason> inner_of(const Location& location, const OperationRoute& route,
                                                      std::optional<json::Value> arguments);

/// The inner tool's arguments; nothing where it has none, or they are no object.
[[nodiscard]] std::optional<json::Value> inner_arguments(const OperationRoute& route,
                                                         std::optional<json::Value> arguments);

/// The tool inside becomes what the call asks further; else `failure` says why nobody can say which it is.
void add_inner(const Location& location, std::optional<json::Value> arguments, Call& call,
               std::optional<Reason>& failure);

/// The resource of what a call asks besides its own operation, or why there is none.
void expand_further(const policy::Arguments& arguments, FurtherSubject& one);

/// Whether one of them is enforced, wherever the rest is only observed.
[[nodiscard]] bool enforces_any(const Location& location, const Further& further);

/// Whether one backend token can be for all of them.
[[nodiscard]] bool agree_on_exchange(const Location& location, const Further& further);

/// The backend's token has to be for what is carried out: an exchange of the inner tool's, or of the resources', takes
/// the place of the call's own.
void take_exchange(Call& call);

}  // namespace agw::gateway
