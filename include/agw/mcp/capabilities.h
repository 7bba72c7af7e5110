// What a client said in initialize that it can do.
#pragma once

#include <cstdint>
#include <optional>

#include "agw/json/document.h"

namespace agw::mcp {

/// Flags, as sealed sessions carry them: a value never changes its meaning.
enum ClientCapability : std::uint16_t {
  roots = 1,
  sampling = 2,
  sampling_with_tools = 4,
  elicitation_by_form = 8,
  elicitation_by_url = 16,
  tasks = 32,
};
using ClientCapabilities = std::uint16_t;

/// Of `params.capabilities`; none where that is no object. An `elicitation` that names no mode means a form
/// (MCP 2025-11-25, "Elicitation").
[[nodiscard]] ClientCapabilities client_capabilities(const std::optional<json::Value>& params) noexcept;

}  // namespace agw::mcp
