#include "agw/mcp/event_stream.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace agw::mcp {
namespace {

constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";

/// Takes the next line (ended by CR LF, LF or CR) off the front; `ending` is what ended it.
std::string_view take_line(std::string_view& text, std::string_view& ending) {
  const std::size_t end = std::min(text.find_first_of("\r\n"), text.size());
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end);
  const std::size_t size = text.starts_with("\r\n") ? 2 : std::min<std::size_t>(text.size(), 1);
  ending = text.substr(0, size);
  text.remove_prefix(size);
  return line;
}

std::string_view name_of(std::string_view line) { return line.substr(0, line.find(':')); }

bool is_data(std::string_view line) { return name_of(line) == "data"; }

/// Of a line whose name is `data`.
std::string_view value_of(std::string_view line) {
  std::string_view value = line.substr(std::min(name_of(line).size() + 1, line.size()));
  if (value.starts_with(' ')) value.remove_prefix(1);
  return value;
}

std::string_view without_mark(std::string_view block) {
  if (block.starts_with(byte_order_mark)) block.remove_prefix(byte_order_mark.size());
  return block;
}

}  // namespace

bool is_event_stream(std::string_view content_type) noexcept {
  constexpr std::string_view type = "text/event-stream";
  // Each answer is asked; most are shorter, or differ in the first letter.
  if (content_type.size() < type.size()) return false;
  if (content_type.size() > type.size() &&
      std::string_view("; \t").find(content_type[type.size()]) == std::string_view::npos)
    return false;
  return std::ranges::equal(content_type.substr(0, type.size()), type,
                            [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a + 32 : a) == b; });
}

void EventSplitter::begin_block() noexcept {
  line_empty_ = true;
  comment_ = false;
  fields_ = false;
}

/// How many bytes belong to the block that is being looked for, with its last one among them; 0: it goes on.
std::size_t EventSplitter::find_end(std::string_view bytes) noexcept {
  std::size_t at = 0;
  while (at < bytes.size()) {
    const char c = bytes[at];
    if (c == '\n' && after_cr_) {
      after_cr_ = false;
      ++at;
      // Of a line that was given out when its carriage return came.
      if (at == 1 && held_.empty() && line_empty_ && !fields_) return at;
      continue;
    }
    if (c != '\n' && c != '\r') {
      if (line_empty_) {
        line_empty_ = false;
        comment_ = c == ':';
        fields_ = fields_ || !comment_;
      }
      after_cr_ = false;
      const char* const from = bytes.data() + at;
      const auto* line_feed = static_cast<const char*>(std::memchr(from, '\n', bytes.size() - at));
      const std::size_t until = line_feed != nullptr ? static_cast<std::size_t>(line_feed - from) : bytes.size() - at;
      const auto* carriage = static_cast<const char*>(std::memchr(from, '\r', until));
      at += carriage != nullptr ? static_cast<std::size_t>(carriage - from) : until;
      continue;
    }
    ++at;
    after_cr_ = c == '\r';
    const bool ends = line_empty_ || (comment_ && !fields_);
    line_empty_ = true;
    comment_ = false;
    if (!ends) continue;
    if (after_cr_ && at < bytes.size() && bytes[at] == '\n') {
      ++at;
      after_cr_ = false;
    }
    return at;
  }
  return 0;
}

std::optional<std::string_view> EventSplitter::next(std::string_view& bytes) {
  if (overflowed_) return std::nullopt;
  if (given_) held_.clear();
  given_ = false;
  // What a large event took isn't kept for the small ones that follow.
  constexpr std::size_t usual = 64U << 10;
  if (held_.empty() && held_.capacity() > usual) held_ = std::string();
  if (bytes.empty()) return std::nullopt;
  const std::size_t size = find_end(bytes);
  const std::string_view taken = bytes.substr(0, size == 0 ? bytes.size() : size);
  if (taken.size() > most_ - std::min(most_, held_.size())) {
    overflowed_ = true;
    held_ = std::string();
    return std::nullopt;
  }
  bytes.remove_prefix(taken.size());
  if (size == 0) {
    held_ += taken;
    return std::nullopt;
  }
  begin_block();
  if (held_.empty()) return taken;
  held_ += taken;
  given_ = true;
  return std::string_view(held_);
}

std::size_t whole_blocks(std::string_view bytes) noexcept {
  while (true) {
    const std::size_t line_feed = bytes.rfind('\n');
    if (line_feed == std::string_view::npos) return 0;
    bytes = bytes.substr(0, line_feed + 1);
    if (bytes.ends_with("\n\n") || bytes.ends_with("\r\n\r\n")) return bytes.size();
    bytes.remove_suffix(1);
  }
}

Event read_event(std::string_view block, std::string& joined) {
  Event event;
  block = without_mark(block);
  std::string_view ending;
  while (!block.empty()) {
    const std::string_view line = take_line(block, ending);
    if (!is_data(line)) continue;
    if (event.lines == 0) {
      event.data = value_of(line);
    } else {
      if (event.lines == 1) joined = event.data;
      joined += '\n';
      joined += value_of(line);
    }
    ++event.lines;
  }
  event.has_data = event.lines > 0;
  if (event.lines > 1) event.data = joined;
  return event;
}

std::string with_data(std::string_view block, std::string_view data) {
  std::string out;
  out.reserve(block.size() + data.size());
  if (block.starts_with(byte_order_mark)) out += byte_order_mark;
  block = without_mark(block);
  bool written = false;
  while (!block.empty()) {
    std::string_view ending;
    const std::string_view line = take_line(block, ending);
    if (!is_data(line)) {
      out += line;
      out += ending;
      continue;
    }
    if (std::exchange(written, true) || data.empty()) continue;
    while (true) {
      const std::size_t end = std::min(data.find('\n'), data.size());
      out += "data: ";
      out += data.substr(0, end);
      out += ending.empty() ? std::string_view("\n") : ending;
      if (end == data.size()) break;
      data.remove_prefix(end + 1);
    }
  }
  return out;
}

}  // namespace agw::mcp
