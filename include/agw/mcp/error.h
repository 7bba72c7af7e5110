// JSON-RPC errors that a model can read.
#pragma once

#include <string>
#include <string_view>

#include "agw/mcp/message.h"

namespace agw::mcp {

/// `{"jsonrpc":"2.0","id":…,"error":{"code":…,"message":…,"data":…}}`. `id` is raw JSON, null if
/// empty; `data` is a raw JSON object or empty (left out).
[[nodiscard]] std::string error_body(std::string_view id, int code, std::string_view message, std::string_view data);

}  // namespace agw::mcp
