#include "compose.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>

#include "agw/base/encoding.h"

#include "cursor.h"

namespace agw::audit {
namespace {

/// More than all literals, numbers, the time and the checks of one event take.
constexpr std::size_t fixed_bytes = 900;
constexpr std::size_t actor_bytes = 24;
constexpr std::size_t slack = 16;

/// The name for people, else the id.
std::string_view shown(std::string_view name, std::string_view id) noexcept {
  if (!name.empty()) return name;
  const std::size_t bar = id.find('|');
  return bar == std::string_view::npos ? id : id.substr(bar + 1);
}

/// What the sentence calls the operation.
std::string_view subject_of(const Event& event) noexcept {
  return event.operation.empty() ? event.mcp_method : event.operation;
}

/// Calls add(size) for every string that compose() writes, as often as it does.
template <class Add>
void each_size(const Event& event, Add add) noexcept {
  for (const std::string_view text :
       {event.id,         event.type,       event.agent_name,  event.agent_name, event.user_name,      event.user_name,
        event.tier,       event.operation,  event.resource,    event.resource,   event.classification, event.audience,
        event.method,     event.path,       event.mcp_version, event.mcp_method, event.mcp_id,         event.mcp_tool,
        event.client_ip,  event.user_agent, event.trace_id,    event.span_id,    event.text,           event.detail,
        subject_of(event)})
    add(text.size());
  if (event.principal == nullptr) return;
  const Principal& principal = *event.principal;
  add(principal.user.size());
  add(principal.user.size());
  add(principal.agent.size());
  add(principal.agent.size());
  add(principal.tenant.size());
  for (const Actor& actor : principal.actors) {
    add(actor.issuer.size());
    add(actor.subject.size() + actor_bytes);
  }
}

void append_people(Cursor& out, const Event& event) noexcept {
  const Principal& principal = *event.principal;
  out.literal(R"(,"user":{"id":")");
  out.text(principal.user);
  if (!event.user_name.empty()) {
    out.literal(R"(","name":")");
    out.text(event.user_name);
  }
  out.literal(R"("},"agent":{"id":")");
  out.text(principal.agent);
  if (!event.agent_name.empty()) {
    out.literal(R"(","name":")");
    out.text(event.agent_name);
  }
  if (!event.tier.empty()) {
    out.literal(R"(","tier":")");
    out.text(event.tier);
  }
  out.literal(R"("})");
  if (!principal.actors.empty()) {
    out.literal(R"(,"actors":[)");
    bool first = true;
    for (const Actor& actor : principal.actors) {
      if (!first) out.literal(",");
      first = false;
      out.literal("{");
      if (!actor.issuer.empty()) {
        out.literal(R"("iss":")");
        out.text(actor.issuer);
        out.literal(R"(",)");
      }
      out.literal(R"("sub":")");
      out.text(actor.subject);
      out.literal(R"("})");
    }
    out.literal("]");
  }
  out.literal(R"(,"tenant":")");
  out.text(principal.tenant);
  out.literal("\"");
}

void append_mcp(Cursor& out, const Event& event) noexcept {
  out.literal(R"(,"mcp":{)");
  const char* const begin = out.at();
  const auto comma = [&] {
    if (out.at() != begin) out.literal(",");
  };
  if (!event.mcp_version.empty()) {
    out.literal(R"("version":")");
    out.text(event.mcp_version);
    out.literal("\"");
  }
  if (!event.mcp_method.empty()) {
    comma();
    out.literal(R"("method":")");
    out.text(event.mcp_method);
    out.literal("\"");
  }
  if (!event.mcp_id.empty()) {
    // As a string, so that 7 and "7" stay two things: the raw JSON is what was sent.
    comma();
    out.literal(R"("id":")");
    out.text(event.mcp_id);
    out.literal("\"");
  }
  if (!event.mcp_tool.empty()) {
    comma();
    out.literal(R"("tool":")");
    out.text(event.mcp_tool);
    out.literal("\"");
  }
  out.literal("}");
}

/// model's append_sentence() up to its reason, which may still change.
void append_sentence(Cursor& out, const Event& event) noexcept {
  std::string_view agent;
  std::string_view user;
  if (event.principal != nullptr) {
    agent = shown(event.agent_name, event.principal->agent);
    user = shown(event.user_name, event.principal->user);
  }
  if (agent.empty()) {
    out.literal("An unidentified caller");
  } else {
    out.text(agent);
    if (!user.empty()) {
      out.literal(", acting for ");
      out.text(user);
      out.literal(",");
    }
  }
  switch (event.decision) {
    case DecisionKind::allow: out.literal(" was allowed "); break;
    case DecisionKind::deny: out.literal(" was denied "); break;
    case DecisionKind::approval_required: out.literal(" needs an approval for "); break;
    case DecisionKind::rate_limited: out.literal(" was slowed down on "); break;
  }
  const std::string_view operation = subject_of(event);
  if (operation.empty()) {
    out.literal("the call");
  } else {
    out.text(operation);
  }
  if (!event.resource.empty()) {
    out.literal(" on ");
    out.text(event.resource);
  }
  out.literal(": ");
}

void append_number(std::string& out, std::uint64_t value) {
  std::array<char, 24> text;
  const auto [end, error] = std::to_chars(text.data(), text.data() + text.size(), value);
  out.append(text.data(), static_cast<std::size_t>(end - text.data()));
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

std::size_t Composer::bound(const Event& event) noexcept {
  std::size_t sum = fixed_bytes + slack;
  each_size(event, [&sum](std::size_t size) { sum += std::min(size * 6, max_string + cut_mark); });
  return sum;
}

void Composer::refresh_time(WallTime time) noexcept {
  const auto before = std::chrono::floor<Seconds>(time_);
  time_ = time;
  if (std::chrono::floor<Seconds>(time) == before) {
    auto millis = static_cast<unsigned>((time - before).count());
    for (std::size_t at = 22; at >= 20; --at, millis /= 10) time_text_[at] = static_cast<char>('0' + millis % 10);
    return;
  }
  std::string text;
  append_rfc3339(text, time);
  text.resize(time_text_.size());
  std::memcpy(time_text_.data(), text.data(), time_text_.size());
}

void Composer::refresh_checks(const Checks& checks) noexcept {
  static_assert(sizeof(Checks) == sizeof checks_);
  checks_ = std::bit_cast<std::uint64_t>(checks);
  Cursor out(checks_text_.data(), 0);
  for (std::size_t i = 0; i < check_count; ++i) {
    const auto check = static_cast<Check>(i);
    i == 0 ? out.literal("{\"") : out.literal(",\"");
    out.raw(to_string(check));
    out.literal("\":\"");
    out.raw(to_string(checks[check]));
    out.literal("\"");
  }
  out.literal("}");
  checks_size_ = static_cast<std::size_t>(out.at() - checks_text_.data());
}

std::size_t Composer::compose(const Event& event, char* const begin, std::size_t capacity, Holes& holes) noexcept {
  std::size_t needed = fixed_bytes + slack;
  each_size(event, [&needed](std::size_t size) { needed += size; });
  if (needed > capacity) {
    needed = fixed_bytes + slack;
    each_size(event, [&needed](std::size_t size) { needed += std::min(size, max_string + cut_mark); });
    if (needed > capacity) return 0;
  }
  if (event.time != time_) refresh_time(event.time);
  if (std::bit_cast<std::uint64_t>(event.checks) != checks_) refresh_checks(event.checks);

  Cursor out(begin, capacity - needed);
  const auto here = [&] { return static_cast<std::uint32_t>(out.at() - begin); };
  const auto member = [&out](const auto& key, std::string_view value) {
    if (value.empty()) return;
    out.literal(key);
    out.text(value);
    out.literal("\"");
  };
  out.literal(R"({"v":1,"id":")");
  out.text(event.id);
  out.literal(R"(","time":")");
  out.raw({time_text_.data(), time_text_.size()});
  out.literal(R"(","type":")");
  out.text(event.type);
  switch (event.decision) {
    case DecisionKind::allow: out.literal(R"(","decision":"allow","enforced":)"); break;
    case DecisionKind::deny: out.literal(R"(","decision":"deny","enforced":)"); break;
    case DecisionKind::approval_required: out.literal(R"(","decision":"approval_required","enforced":)"); break;
    case DecisionKind::rate_limited: out.literal(R"(","decision":"rate_limited","enforced":)"); break;
  }
  event.enforced ? out.literal("true") : out.literal("false");
  holes.outcome = here();
  out.literal(R"(,"checks":)");
  out.raw({checks_text_.data(), checks_size_});
  if (event.principal != nullptr) append_people(out, event);
  member(R"(,"operation":")", event.operation);
  member(R"(,"resource":")", event.resource);
  member(R"(,"class":")", event.classification);
  member(R"(,"audience":")", event.audience);
  holes.status = 0;
  if (!event.method.empty()) {
    out.literal(R"(,"http":{"method":")");
    out.text(event.method);
    out.literal(R"(","path":")");
    out.text(event.path);
    out.literal("\"");
    holes.status = here();
    out.literal("}");
  }
  if (!event.mcp_version.empty() || !event.mcp_method.empty()) append_mcp(out, event);
  holes.upstream = here();
  member(R"(,"trace_id":")", event.trace_id);
  member(R"(,"span_id":")", event.span_id);
  member(R"(,"client_ip":")", event.client_ip);
  member(R"(,"user_agent":")", event.user_agent);
  member(R"(,"detail":")", event.detail);
  out.literal(R"(,"text":")");
  holes.sentence = event.text.empty();
  if (holes.sentence) {
    append_sentence(out, event);
  } else {
    out.text(event.text);
    out.literal("\"");
  }
  return out.overflowed() ? 0 : static_cast<std::size_t>(out.at() - begin);
}

void append_joined(std::string& out, std::string_view composed, const Holes& holes, const Outcomes& outcomes,
                   std::string_view upstream) {
  const ReasonRow& why = row(static_cast<Reason>(outcomes.reason));
  out.append(composed.substr(0, holes.outcome));
  out += R"(,"reason":")";
  out += why.code;
  out += R"(","outcome":")";
  out += to_string(static_cast<Outcome>(outcomes.outcome));
  out += '"';
  std::size_t at = holes.outcome;
  if (holes.status != 0) {
    out.append(composed.substr(at, holes.status - at));
    out += R"(,"status":)";
    append_number(out, outcomes.status);
    at = holes.status;
  }
  out.append(composed.substr(at, holes.upstream - at));
  if (!upstream.empty()) {
    out += R"(,"upstream":{"address":")";
    append_json_escaped(out, upstream);
    out += R"(","status":)";
    append_number(out, outcomes.upstream_status);
    out += R"(,"ms":)";
    append_number(out, outcomes.upstream_tenths / 10);
    out += '.';
    append_number(out, outcomes.upstream_tenths % 10);
    out += '}';
  }
  out += R"(,"overhead_us":)";
  append_number(out, outcomes.overhead_us);
  out.append(composed.substr(holes.upstream));
  if (!holes.sentence) return;
  out += why.sentence;
  out += ".\"";
}

}  // namespace agw::audit
