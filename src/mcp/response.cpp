#include "agw/mcp/response.h"

#include <algorithm>

#include "agw/json/scalar.h"

namespace agw::mcp {
namespace {

/// Takes the next line (WHATWG: ended by CR LF, LF or CR) off the front.
std::string_view next_line(std::string_view& text) {
  const std::size_t end = text.find_first_of("\r\n");
  const std::string_view line = text.substr(0, end);
  if (end == std::string_view::npos) {
    text = {};
  } else {
    const bool two = text[end] == '\r' && end + 1 < text.size() && text[end + 1] == '\n';
    text.remove_prefix(end + (two ? 2 : 1));
  }
  return line;
}

/// Calls visit(data) for each event that was ended by an empty line; false from it ends the reading.
template <class Visit>
bool each_event(std::string_view stream, Visit&& visit) {
  constexpr std::string_view mark = "\xEF\xBB\xBF";
  if (stream.starts_with(mark)) stream.remove_prefix(mark.size());
  std::string data;
  bool any = false;
  while (!stream.empty()) {
    const std::string_view line = next_line(stream);
    if (line.empty()) {
      if (any && !visit(std::string_view(data))) return false;
      data.clear();
      any = false;
      continue;
    }
    const std::string_view name = line.substr(0, line.find(':'));
    if (name != "data") continue;
    std::string_view value = line.substr(std::min(name.size() + 1, line.size()));
    if (value.starts_with(' ')) value.remove_prefix(1);
    if (any) data += '\n';
    data += value;
    any = true;
  }
  return true;
}

bool is_event_stream(std::string_view content_type) {
  constexpr std::string_view type = "text/event-stream";
  const std::string_view essence = content_type.substr(0, content_type.find_first_of("; \t"));
  return std::ranges::equal(essence, type, [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a + 32 : a) == b; });
}

enum class Message { response, other, broken };

Message read(json::Document& document, std::string_view text, const json::Limits& limits, SoleResponse& out) {
  const auto root = document.read(text, limits);
  if (!root || !root->is(json::Kind::object)) return Message::broken;
  const auto id = root->member("id");
  if (root->member("method")) return Message::other;
  if (!id || (!root->member("result") && !root->member("error"))) return Message::broken;
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
