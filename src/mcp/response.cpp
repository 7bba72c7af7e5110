#include "agw/mcp/response.h"

#include "agw/json/scalar.h"
#include "agw/mcp/event_stream.h"

namespace agw::mcp {
namespace {

/// Calls visit(data) for each event that was ended by an empty line; false from it ends the reading.
template <class Visit>
bool each_event(std::string_view stream, Visit&& visit) {
  EventSplitter splitter(stream.size());
  std::string joined;
  while (const auto block = splitter.next(stream)) {
    const Event event = read_event(*block, joined);
    if (event.has_data && !visit(event.data)) return false;
  }
  return true;
}

enum class Message { response, other, broken };

Message read(json::Document& document, std::string_view text, const json::Limits& limits, SoleResponse& out) {
  const auto root = document.read(text, limits);
  if (!root || !root->is(json::Kind::object)) return Message::broken;
  const auto id = root->member("id");
  if (root->member("method")) return Message::other;
  const auto result = root->member("result");
  if (!id || (!result && !root->member("error"))) return Message::broken;
  const auto type = result && result->is(json::Kind::object) ? result->member("resultType") : std::nullopt;
  out.input_required = type && type->is(json::Kind::string) && type->text() == "input_required";
  out.id_at = static_cast<std::size_t>(id->raw().data() - text.data());
  out.id_size = id->raw().size();
  out.message = text;
  return Message::response;
}

}  // namespace

std::optional<SoleResponse> sole_response(json::Document& document, std::string_view content_type,
                                          std::string_view body, const json::Limits& limits) {
  SoleResponse out;
  if (json::is_json_media_type(content_type)) {
    if (read(document, body, limits, out) != Message::response) return std::nullopt;
    return out;
  }
  if (!is_event_stream(content_type)) return std::nullopt;
  std::size_t responses = 0;
  const bool readable = each_event(body, [&](std::string_view data) {
    // Servers may open a stream with an event that holds nothing (MCP 2025-11-25, "Sending Messages").
    if (data.empty()) return true;
    const Message message = read(document, data, limits, out);
    if (message == Message::response) ++responses;
    return message != Message::broken && responses < 2;
  });
  if (!readable || responses != 1) return std::nullopt;
  return out;
}

}  // namespace agw::mcp
