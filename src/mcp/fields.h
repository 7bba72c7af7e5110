// The header fields by which a message is judged.
#pragma once

#include <string_view>

#include "agw/io/headers.h"

namespace agw::mcp {

/// One field: how often it was sent, and its value without the white space around it if that was
/// once.
struct Field {
  std::string_view value;
  unsigned count = 0;

  [[nodiscard]] bool sent() const noexcept { return count > 0; }
  [[nodiscard]] bool repeated() const noexcept { return count > 1; }
};

/// Collected in one pass over the request's fields.
struct Fields {
  explicit Fields(const Headers& headers);

  Field content_type;
  Field content_encoding;
  Field version;  ///< MCP-Protocol-Version
  Field method;   ///< Mcp-Method
  Field name;     ///< Mcp-Name
  Field session;  ///< Mcp-Session-Id
};

/// Without the spaces and tabs around it.
[[nodiscard]] std::string_view trimmed(std::string_view text);

}  // namespace agw::mcp
