#include "agw/gateway/response_course.h"

#include <algorithm>
#include <array>
#include <utility>

#include "agw/json/scalar.h"
#include "agw/response/listing.h"

#include "edits.h"
#include "refusal.h"
#include "tool_lists.h"

namespace agw::gateway {
namespace {

/// Envelope, result, list, item; or envelope, result, messages, message, content, resource; or envelope, result of a
/// look at a task, result of its call, content, block, resource. Below that it is the server's own data.
constexpr unsigned list_depth = 4;
constexpr unsigned link_depth = 6;

json::Limits limits_of(const Call& call) {
  json::Limits limits;
  limits.max_bytes = call.location->max_answer;
  limits.max_nodes = std::max<std::size_t>(limits.max_nodes, limits.max_bytes / 4);
  const bool tells_of_tasks = call.category == mcp::Category::task || opens_stream(call);
  const bool lists_only = call.category == mcp::Category::list || (call.location->resources.empty() && !tells_of_tasks);
  limits.keys_depth = lists_only ? list_depth : link_depth;
  if (call.category != mcp::Category::list)
    limits.keys_depth = std::max(limits.keys_depth, listing_depth(*call.location));
  limits.any_values = true;
  return limits;
}

const json::Names& envelope_names() {
  static constexpr std::array<std::string_view, 5> keys{"jsonrpc", "id", "method", "result", "error"};
  static const json::Names names(keys);
  return names;
}

}  // namespace

Result<std::optional<ResponseCourse::Way>, Reason> way_of(const Call& call, const AnswerHead& head) {
  using Way = ResponseCourse::Way;
  const bool lists = asks_list(call) || must_list_tools(call);
  if (head.status == 204 || head.status == 304) return std::optional<Way>();
  const bool good = head.status >= 200 && head.status < 300;
  if (head.encoded && (stands_between(call) || lists)) return fail(Reason::answer_encoded);
  if (mcp::is_event_stream(head.content_type)) return std::optional(Way::events);
  if (json::is_json_media_type(head.content_type)) return std::optional(Way::whole);
  // What else a server says of an error is for people; a list that comes as something else is read by nobody here.
  if (lists && good) return fail(Reason::answer_malformed);
  return std::optional<Way>();
}

ResponseCourse::ResponseCourse(Way way, Call& call, json::Document& document, Log& log, Edits edits)
    : way_(way),
      call_(call),
      document_(document),
      log_(log),
      edits_(std::move(edits)),
      items_(0),
      splitter_(call.location->max_answer),
      must_read_(asks_list(call) || must_list_tools(call)) {
  for (const auto& each : edits_) items_ |= each->looks_for();
}

void ResponseCourse::refuse(Reason reason, std::string_view detail) noexcept {
  if (std::exchange(refused_, true)) return;
  failure_ = reason;
  call_.failure = reason;
  body_ = std::string();
  try {
    std::string line = "agent_gateway: " + std::string(to_string(reason)) + ": ";
    line += detail;
    line += ", request ";
    line += call_.request_id;
    log_.write(LogLevel::error, line);
  } catch (...) {
    log_.write(LogLevel::error, "agent_gateway: an answer is refused");
  }
}

ResponseCourse::Step ResponseCourse::refuse_stream(Reason reason, std::string_view detail, std::string& out) {
  refuse(reason, detail);
  // Whoever waits for an answer on this very stream gets one.
  if (call_.speaks_rpc && !call_.rpc_id.empty()) {
    out += "event: message\ndata: ";
    out += error_message(call_, deny(reason, Verdict::pass));
    out += "\n\n";
  }
  return Step::refused;
}

bool ResponseCourse::concerns(std::string_view text) const noexcept {
  if (items_ != 0 && response::may_hold(items_, text)) return true;
  return std::ranges::any_of(edits_,
                             [text](const auto& each) { return each->looks_for() == 0 && each->concerns(text); });
}

bool ResponseCourse::edit(std::string_view text, std::optional<std::string>& edited) {
  edited.reset();
  if (!must_read_ && !concerns(text)) return true;
  const auto root = document_.read(text, limits_of(call_));
  if (!root) {
    refuse(Reason::answer_malformed, json::to_string(root.error()));
    return false;
  }
  if (!root->is(json::Kind::object)) {
    refuse(Reason::answer_malformed, "a message isn't an object");
    return false;
  }
  if (!root->lookalike_among(envelope_names()).empty()) {
    refuse(Reason::answer_malformed, "a message has a key that looks like a known one");
    return false;
  }
  AnswerMessage message{text, *root, root->member("result")};
  message.is_response = !root->member("method") && (message.result || root->member("error"));
  if (message.result && !message.is_response) {
    refuse(Reason::answer_malformed, "a message is a request and a response at once");
    return false;
  }
  response::Splices splices;
  for (const auto& each : edits_) {
    if (!each->concerns(text)) continue;
    const auto flaw = each->edit(message, splices);
    if (!flaw) continue;
    refuse(Reason::answer_malformed, *flaw);
    return false;
  }
  if (splices.empty()) return true;
  edited = splices.apply(text);
  if (!edited) refuse(Reason::answer_malformed, "its changes contradict each other");
  if (edited && edited->empty() && way_ == Way::whole) refuse(Reason::answer_malformed, "it answers nothing");
  return !refused_;
}

bool ResponseCourse::edit_block(std::string_view block, std::optional<std::string>& edited) {
  edited.reset();
  const mcp::Event event = mcp::read_event(block, joined_);
  // Servers open a stream with an event that holds nothing (MCP 2025-11-25, "Sending Messages").
  if (!event.has_data || event.data.empty()) return true;
  std::optional<std::string> data;
  if (!edit(event.data, data)) return false;
  if (data) edited = mcp::with_data(block, *data);
  return true;
}

ResponseCourse::Step ResponseCourse::feed(std::string_view bytes, std::string& out) {
  if (refused_) return Step::refused;
  if (way_ == Way::whole) {
    if (bytes.size() > call_.location->max_answer - std::min(call_.location->max_answer, body_.size())) {
      refuse(Reason::answer_too_large, "a body is larger than agent_answer_limit");
      return Step::refused;
    }
    body_ += bytes;
    return Step::rewritten;
  }
  const Step step = feed_events(bytes, out);
  spoken_ = spoken_ || bytes.find("data") != std::string_view::npos;
  if (step == Step::refused || injected_.empty() || !splitter_.at_boundary()) return step;
  if (step == Step::unchanged) out += bytes;
  static_cast<void>(take_injected(out));
  return Step::rewritten;
}

bool ResponseCourse::take_injected(std::string& out) {
  if (injected_.empty() || refused_ || !splitter_.at_boundary()) return false;
  if (call_.era == mcp::Era::modern && !spoken_) return false;
  out += injected_;
  injected_.clear();
  return true;
}

ResponseCourse::Step ResponseCourse::feed_events(std::string_view bytes, std::string& out) {
  // Most of what streams hold is nobody's list: whole events in which no edit finds anything go on as they came, all
  // that there are at once.
  bool skims = !must_read_;
  const auto skim = [&] {
    if (!skims || !splitter_.at_boundary()) return std::string_view();
    const std::string_view plain = bytes.substr(0, mcp::whole_blocks(bytes));
    skims = !concerns(plain);
    if (!skims) return std::string_view();
    bytes.remove_prefix(plain.size());
    return plain;
  };
  const std::string_view given = bytes;
  const std::size_t begin = out.size();
  bool changed = !splitter_.at_boundary();
  std::string_view plain = skim();
  if (plain.size() == given.size()) return Step::unchanged;
  out += plain;
  std::size_t taken = plain.size();
  std::optional<std::string> edited;
  while (const auto block = splitter_.next(bytes)) {
    if (!edit_block(*block, edited)) {
      return refuse_stream(failure_, {}, out);
    }
    changed = changed || edited.has_value();
    out += edited ? std::string_view(*edited) : *block;
    taken += block->size();
    plain = skim();
    out += plain;
    taken += plain.size();
  }
  if (splitter_.overflowed())
    return refuse_stream(Reason::answer_too_large, "an event is larger than agent_answer_limit", out);
  if (changed || taken != given.size()) return Step::rewritten;
  out.resize(begin);
  return Step::unchanged;
}

ResponseCourse::Step ResponseCourse::end(std::string& out) {
  if (refused_) return Step::refused;
  std::optional<std::string> edited;
  if (way_ == Way::events) {
    // An event that no empty line ends is none; some readers take it all the same. Who may no more gets nothing more.
    const std::string_view rest = splitter_.rest();
    if (rest.empty() || call_.failure) return Step::unchanged;
    if (!edit_block(rest, edited)) return refuse_stream(failure_, {}, out);
    out += edited ? std::string_view(*edited) : rest;
    return Step::rewritten;
  }
  if (!edit(body_, edited)) return Step::refused;
  out += edited ? std::string_view(*edited) : std::string_view(body_);
  body_ = std::string();
  return Step::rewritten;
}

}  // namespace agw::gateway
