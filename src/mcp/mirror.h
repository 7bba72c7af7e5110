// Headers that repeat what the body says (MCP 2026-07-28, "Standard Headers").
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "agw/mcp/message.h"

namespace agw::mcp {

/// Mcp-Method and Mcp-Name: required and equal in the modern era; in a legacy one they may be
/// absent, but what is there must agree all the same.
struct MirrorCheck {
  const Headers& headers;
  Era era;
  std::string_view method;
  std::string_view name;  ///< empty if the method has none

  /// What disagrees, or nothing.
  [[nodiscard]] std::optional<std::string> fault() const;
};

}  // namespace agw::mcp
