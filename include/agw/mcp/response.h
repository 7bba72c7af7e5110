// What a server answered to one call, as plain JSON or as a stream of events.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "agw/json/document.h"

namespace agw::mcp {

/// A JSON-RPC response and where its id stands in it.
struct SoleResponse {
  std::string message;
  std::size_t id_at = 0;
  std::size_t id_size = 0;
  /// It asks for input before the call can be carried out (MCP 2026-07-28, "Multi Round-Trip Requests").
  bool input_required = false;
};

/// The one response in the answer to a POST: the whole of an application/json body, or the data of one event among
/// those of a text/event-stream (what else its events hold, progress and the like, was for whoever listened). Nothing
/// where there is none, or more than one, or what isn't strict JSON.
[[nodiscard]] std::optional<SoleResponse> sole_response(json::Document& document, std::string_view content_type,
                                                        std::string_view body, const json::Limits& limits);

}  // namespace agw::mcp
