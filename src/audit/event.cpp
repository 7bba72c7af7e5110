#include "agw/audit/event.h"

#include <array>
#include <cstdio>
#include <utility>

#include "agw/base/encoding.h"

namespace agw::audit {
namespace {

constexpr std::size_t max_string = 4096;

/// Writes members of one object in order; the first one has no comma before it.
class Members {
 public:
  explicit Members(std::string& out) : out_(out) { out_ += '{'; }
  Members(const Members&) = delete;
  Members& operator=(const Members&) = delete;
  ~Members() { out_ += '}'; }

  void text(std::string_view key, std::string_view value) {
    begin(key);
    out_ += '"';
    append_json_escaped(out_, value.substr(0, max_string));
    if (value.size() > max_string) out_ += "\xE2\x80\xA6";
    out_ += '"';
  }
  /// Left out when empty.
  void text_if(std::string_view key, std::string_view value) {
    if (!value.empty()) text(key, value);
  }
  void number(std::string_view key, std::int64_t value) {
    begin(key);
    out_ += std::to_string(value);
  }
  void raw(std::string_view key, std::string_view json) {
    begin(key);
    out_ += json;
  }
  [[nodiscard]] std::string& open(std::string_view key) {
    begin(key);
    return out_;
  }

 private:
  void begin(std::string_view key) {
    if (!std::exchange(first_, false)) out_ += ',';
    out_ += '"';
    out_ += key;
    out_ += "\":";
  }
  std::string& out_;
  bool first_ = true;
};

void append_checks(std::string& out, const Checks& checks) {
  Members members(out);
  for (std::size_t i = 0; i < check_count; ++i) {
    const auto check = static_cast<Check>(i);
    members.text(to_string(check), to_string(checks[check]));
  }
}

void append_people(Members& members, const Event& event) {
  if (!event.principal) return;
  const Principal& principal = *event.principal;
  {
    Members user(members.open("user"));
    user.text("id", principal.user);
    user.text_if("name", event.user_name);
  }
  {
    Members agent(members.open("agent"));
    agent.text("id", principal.agent);
    agent.text_if("name", event.agent_name);
    agent.text_if("tier", event.tier);
  }
  if (!principal.actors.empty()) {
    std::string& out = members.open("actors");
    out += '[';
    bool first = true;
    for (const Actor& actor : principal.actors) {
      if (!std::exchange(first, false)) out += ',';
      Members entry(out);
      entry.text_if("iss", actor.issuer);
      entry.text("sub", actor.subject);
    }
    out += ']';
  }
  members.text("tenant", principal.tenant);
}

std::string milliseconds(double value) {
  std::array<char, 32> text{};
  const int size = std::snprintf(text.data(), text.size(), "%.1f", value);
  return {text.data(), static_cast<std::size_t>(size)};
}

/// The name for people, else the id.
std::string_view shown(std::string_view name, std::string_view id) {
  if (!name.empty()) return name;
  const std::size_t bar = id.find('|');
  return bar == std::string_view::npos ? id : id.substr(bar + 1);
}

}  // namespace

std::string_view to_string(Outcome outcome) noexcept {
  switch (outcome) {
    case Outcome::ok: return "ok";
    case Outcome::error: return "error";
    case Outcome::aborted: return "aborted";
    case Outcome::refused: return "refused";
    case Outcome::unknown: return "unknown";
  }
  return "unknown";
}

std::string sentence(const Event& event, Reason reason) {
  if (!event.text.empty()) return event.text;
  std::string text;
  SentenceParts parts;
  if (event.principal) {
    parts.agent = shown(event.agent_name, event.principal->agent);
    parts.user = shown(event.user_name, event.principal->user);
  }
  parts.operation = event.operation.empty() ? std::string_view(event.mcp_method) : event.operation;
  parts.resource = event.resource;
  Decision told = event.decision;
  told.reason = reason;
  append_sentence(text, parts, told);
  return text;
}

void append_line(std::string& out, const Event& event, const Completion& completion) {
  const Reason reason = completion.failure.value_or(event.decision.reason);
  {
    Members line(out);
    line.number("v", 1);
    line.text("id", event.id);
    std::string time;
    append_rfc3339(time, event.time);
    line.text("time", time);
    line.text("type", event.type);
    line.text("decision", to_string(event.decision.kind));
    line.raw("enforced", event.enforced ? "true" : "false");
    line.text("reason", to_string(reason));
    line.text("outcome", to_string(completion.outcome));
    append_checks(line.open("checks"), event.decision.checks);
    append_people(line, event);
    line.text_if("operation", event.operation);
    line.text_if("resource", event.resource);
    line.text_if("class", event.classification);
    line.text_if("audience", event.audience);
    if (!event.method.empty()) {
      Members http(line.open("http"));
      http.text("method", event.method);
      http.text("path", event.path);
      http.number("status", completion.status);
    }
    if (!event.mcp_version.empty() || !event.mcp_method.empty()) {
      Members mcp(line.open("mcp"));
      mcp.text_if("version", event.mcp_version);
      mcp.text_if("method", event.mcp_method);
      // As a string, so that 7 and "7" stay two things: the raw JSON is what was sent.
      mcp.text_if("id", event.mcp_id);
      mcp.text_if("tool", event.mcp_tool);
    }
    if (!completion.upstream_address.empty()) {
      Members upstream(line.open("upstream"));
      upstream.text("address", completion.upstream_address);
      upstream.number("status", completion.upstream_status);
      upstream.raw("ms", milliseconds(completion.upstream_ms));
    }
    line.number("overhead_us", completion.overhead_us);
    line.text_if("trace_id", event.trace_id);
    line.text_if("span_id", event.span_id);
    line.text_if("client_ip", event.client_ip);
    line.text_if("user_agent", event.user_agent);
    line.text_if("detail", event.detail);
    line.text("text", sentence(event, reason));
  }
  out += '\n';
}

}  // namespace agw::audit
