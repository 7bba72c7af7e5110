// Fields `Mcp-Param-…` whose names nginx doesn't like: it drops them while it reads the head of an HTTP/1.x request,
// and MCP 2026-07-28 wants them forwarded.
#pragma once

#include <vector>

#include "agw/gateway/location.h"

#include "../nginx.h"

namespace agw::nginx {

/// Where a request's head ends in memory; noted before anything of the body is read.
struct HeadEnd {
  const ngx_buf_t* buffer = nullptr;  ///< null: not known, or not HTTP/1.x
  const u_char* at = nullptr;
};
[[nodiscard]] HeadEnd head_end_of(const ngx_http_request_t* r) noexcept;

/// Adds those that nginx has dropped to the request's fields. One whose name a server that reads `_` and other odd
/// characters as `-` would take for another field's, or for one of `checked` (which may be absent), stays dropped.
/// False without memory.
[[nodiscard]] bool recover_parameter_fields(ngx_http_request_t* r, const HeadEnd& end,
                                            const std::vector<gateway::ParameterHeader>& checked) noexcept;

}  // namespace agw::nginx
