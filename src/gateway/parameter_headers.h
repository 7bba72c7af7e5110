// Header fields that repeat arguments of a tool (MCP 2026-07-28, `x-mcp-header`).
#pragma once

#include <vector>

#include "agw/gateway/location.h"
#include "agw/io/headers.h"
#include "agw/mcp/message.h"

namespace agw::gateway {

/// The first field that doesn't say what its argument says: absent where the argument is there (in the modern era),
/// there where it is absent or null, sent twice, or beside one that could be taken for it, another value. Null if all
/// do.
[[nodiscard]] const ParameterHeader* mismatched(const std::vector<ParameterHeader>& rules, const Headers& headers,
                                                const mcp::Message& message);

}  // namespace agw::gateway
