// Tasks that messages name.
#pragma once

#include <optional>
#include <string_view>

#include "agw/gateway/call.h"
#include "agw/gateway/location.h"
#include "agw/gateway/request.h"
#include "agw/mcp/message.h"

namespace agw::gateway {

/// Notes the tasks that the message names, and whether it may be answered with one; why it can't be: params_invalid, or
/// tasks_undeclared. A message that has to do with none costs a look at its `_meta`.
[[nodiscard]] std::optional<Reason> note_tasks(const mcp::Message& message, std::string_view body, Call& call);

/// A task that answers this call, read from the request as it was sent; nothing where that can't be read any more.
[[nodiscard]] std::optional<MadeTask> made_by(const Call& call, std::string_view backend_id);

}  // namespace agw::gateway
