#include "compose.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "cursor.h"

namespace agw::audit {
namespace {

/// More than all literals, numbers, the time and the checks of one event take.
constexpr std::size_t fixed_bytes = 940;
constexpr std::size_t actor_bytes = 24;
constexpr std::size_t slack = 16;

/// Calls add(size) for every string that compose() writes.
template <class Add>
void each_size(const Event& event, Add add) noexcept {
  add(event.id.size());
  add(event.type.size());
  add(event.agent_name.size());
  add(event.user_name.size());
  add(event.tier.size());
  add(event.operation.size());
  add(event.resource.size());
  add(event.classification.size());
  add(event.audience.size());
  add(event.method.size());
  add(event.path.size());
  add(event.mcp_version.size());
  add(event.mcp_method.size());
  add(event.mcp_id.size());
  add(event.mcp_tool.size());
  add(event.mcp_prompt.size());
  add(event.mcp_uri.size());
  add(event.inner_operation.size());
  add(event.inner_resource.size());
  add(event.client_ip.size());
  add(event.user_agent.size());
  add(event.trace_id.size());
  add(event.span_id.size());
  add(event.text.size());
  add(event.detail.size());
  if (event.change != nullptr) {
    const Change& change = *event.change;
    for (const auto part : {change.tenant, change.version, change.by, change.reason, change.ticket, change.what})
      add(part.size());
  }
  if (event.principal == nullptr) return;
  const Principal& principal = *event.principal;
  add(principal.user.size());
  add(principal.agent.size());
  add(principal.tenant.size());
  for (const Actor& actor : principal.actors) {
    add(actor.issuer.size());
    add(actor.subject.size() + actor_bytes);
  }
}

/// Composes, and knows where its strings are.
class Composition {
 public:
  Composition(char* begin, std::size_t spare) noexcept : out(begin, spare), begin_(begin) {}

  [[nodiscard]] std::uint32_t here() const noexcept { return static_cast<std::uint32_t>(out.at() - begin_); }
  Piece text(std::string_view value) noexcept {
    const std::uint32_t at = here();
    out.text(value);
    return {at, here() - at};
  }
  /// A member, left out when it is empty.
  template <std::size_t N>
  Piece member(const char (&key)[N], std::string_view value) noexcept {
    if (value.empty()) return {};
    out.literal(key);
    const Piece piece = text(value);
    out.literal("\"");
    return piece;
  }

  Cursor out;

 private:
  char* begin_;
};

void append_actors(Cursor& out, const std::vector<Actor>& actors) noexcept {
  out.literal(R"(,"actors":[)");
  bool first = true;
  for (const Actor& actor : actors) {
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

void append_people(Composition& to, const Event& event, Holes& holes) noexcept {
  const Principal& principal = *event.principal;
  to.out.literal(R"(,"user":{"id":")");
  holes.user = to.text(principal.user);
  to.out.literal("\"");
  if (!event.user_name.empty()) holes.user = to.member(R"(,"name":")", event.user_name);
  to.out.literal(R"(},"agent":{"id":")");
  holes.agent = to.text(principal.agent);
  to.out.literal("\"");
  if (!event.agent_name.empty()) holes.agent = to.member(R"(,"name":")", event.agent_name);
  to.member(R"(,"tier":")", event.tier);
  to.out.literal("}");
  if (!principal.actors.empty()) append_actors(to.out, principal.actors);
  to.out.literal(R"(,"tenant":")");
  to.out.text(principal.tenant);
  to.out.literal("\"");
}

void append_change(Composition& to, const Change& change) noexcept {
  to.member(R"(,"tenant":")", change.tenant);
  to.out.literal(R"(,"change":{"version":")");
  to.text(change.version);
  to.out.literal("\"");
  to.member(R"(,"by":")", change.by);
  to.member(R"(,"reason":")", change.reason);
  to.member(R"(,"ticket":")", change.ticket);
  to.member(R"(,"what":")", change.what);
  to.out.literal("}");
}

void append_inner(Composition& to, const Event& event) noexcept {
  to.member(R"(,"inner":{"operation":")", event.inner_operation);
  to.member(R"(,"resource":")", event.inner_resource);
  to.out.literal("}");
}

void append_mcp(Composition& to, const Event& event, Holes& holes) noexcept {
  Cursor& out = to.out;
  out.literal(R"(,"mcp":{)");
  const char* const begin = out.at();
  const auto comma = [&] {
    if (out.at() != begin) out.literal(",");
  };
  if (!event.mcp_version.empty()) to.member(R"("version":")", event.mcp_version);
  if (!event.mcp_method.empty()) {
    comma();
    const Piece method = to.member(R"("method":")", event.mcp_method);
    if (event.operation.empty()) holes.operation = method;
  }
  if (!event.mcp_id.empty()) {
    // As a string, so that 7 and "7" stay two things: the raw JSON is what was sent.
    comma();
    to.member(R"("id":")", event.mcp_id);
  }
  if (!event.mcp_tool.empty()) {
    comma();
    to.member(R"("tool":")", event.mcp_tool);
  }
  if (!event.mcp_prompt.empty()) {
    comma();
    to.member(R"("prompt":")", event.mcp_prompt);
  }
  if (!event.mcp_uri.empty()) {
    comma();
    to.member(R"("uri":")", event.mcp_uri);
  }
  out.literal("}");
}

/// An id without its issuer.
std::string_view without_issuer(std::string_view id) noexcept {
  const std::size_t bar = id.find('|');
  return bar == std::string_view::npos ? id : id.substr(bar + 1);
}

/// model's append_sentence(), of pieces that are escaped already.
void append_sentence(Cursor& out, std::string_view composed, const Holes& holes, std::string_view why) noexcept {
  const auto text_of = [composed](const Piece& piece) { return composed.substr(piece.at, piece.size); };
  const std::string_view agent = holes.agent_is_id != 0 ? without_issuer(text_of(holes.agent)) : text_of(holes.agent);
  const std::string_view user = holes.user_is_id != 0 ? without_issuer(text_of(holes.user)) : text_of(holes.user);
  if (agent.empty()) {
    out.literal("An unidentified caller");
  } else {
    out.raw(agent);
    if (!user.empty()) {
      out.literal(", acting for ");
      out.raw(user);
      out.literal(",");
    }
  }
  switch (static_cast<DecisionKind>(holes.decision)) {
    case DecisionKind::allow: out.literal(" was allowed "); break;
    case DecisionKind::approval_required: out.literal(" needs an approval for "); break;
    case DecisionKind::rate_limited: out.literal(" was slowed down on "); break;
    default: out.literal(" was denied ");
  }
  if (holes.operation.size == 0) {
    out.literal("the call");
  } else {
    out.raw(text_of(holes.operation));
  }
  if (holes.resource.size != 0) {
    out.literal(" on ");
    out.raw(text_of(holes.resource));
  }
  out.literal(": ");
  out.raw(why);
  out.literal(".\"");
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
  time_text_ = rfc3339(time);
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

  Composition to(begin, capacity - needed);
  Cursor& out = to.out;
  holes = Holes{};
  holes.decision = static_cast<std::uint8_t>(event.decision);
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
  holes.outcome = to.here();
  out.literal(R"(,"checks":)");
  out.raw({checks_text_.data(), checks_size_});
  if (event.principal != nullptr) append_people(to, event, holes);
  holes.agent_is_id = event.agent_name.empty() ? 1 : 0;
  holes.user_is_id = event.user_name.empty() ? 1 : 0;
  if (event.change != nullptr) [[unlikely]]
    append_change(to, *event.change);
  holes.operation = to.member(R"(,"operation":")", event.operation);
  holes.resource = to.member(R"(,"resource":")", event.resource);
  if (!event.inner_operation.empty()) [[unlikely]]
    append_inner(to, event);
  to.member(R"(,"class":")", event.classification);
  to.member(R"(,"audience":")", event.audience);
  if (!event.method.empty()) {
    out.literal(R"(,"http":{"method":")");
    out.text(event.method);
    out.literal(R"(","path":")");
    out.text(event.path);
    out.literal("\"");
    holes.status = to.here();
    out.literal("}");
  }
  if (!event.mcp_version.empty() || !event.mcp_method.empty()) append_mcp(to, event, holes);
  holes.upstream = to.here();
  to.member(R"(,"trace_id":")", event.trace_id);
  to.member(R"(,"span_id":")", event.span_id);
  to.member(R"(,"client_ip":")", event.client_ip);
  to.member(R"(,"user_agent":")", event.user_agent);
  if (event.replay) [[unlikely]]
    out.literal(R"(,"replay":true)");
  if (event.break_glass) [[unlikely]]
    out.literal(R"(,"break_glass":true)");
  if (event.grace) [[unlikely]]
    out.literal(R"(,"grace":true)");
  to.member(R"(,"detail":")", event.detail);
  to.member(R"(,"text":")", event.text);
  holes.sentence = event.text.empty() ? 1 : 0;
  return out.overflowed() ? 0 : static_cast<std::size_t>(out.at() - begin);
}

bool whole(const Holes& holes, std::size_t size) noexcept {
  if (holes.outcome > holes.upstream || holes.upstream > size) return false;
  if (holes.status != 0 && (holes.status < holes.outcome || holes.status > holes.upstream)) return false;
  for (const Piece& piece : {holes.agent, holes.user, holes.operation, holes.resource})
    if (piece.size > max_string + cut_mark || piece.at > size || piece.size > size - piece.at) return false;
  return true;
}

namespace {

/// To memory that has room for all of it; where it ends.
char* write_joined(char* const begin, std::string_view composed, const Holes& holes, const Outcomes& outcomes,
                   std::string_view upstream, const ReasonRow& why) noexcept {
  Cursor out(begin, upstream.size() * 6);
  out.raw(composed.substr(0, holes.outcome));
  out.literal(R"(,"reason":")");
  out.raw(why.code);
  out.literal(R"(","outcome":")");
  out.raw(to_string(static_cast<Outcome>(outcomes.outcome)));
  out.literal("\"");
  std::size_t at = holes.outcome;
  if (holes.status != 0) {
    out.raw(composed.substr(at, holes.status - at));
    out.literal(R"(,"status":)");
    out.number(outcomes.status);
    at = holes.status;
  }
  out.raw(composed.substr(at, holes.upstream - at));
  if (!upstream.empty()) {
    out.literal(R"(,"upstream":{"address":")");
    out.text(upstream);
    out.literal(R"(","status":)");
    out.number(outcomes.upstream_status);
    out.literal(R"(,"ms":)");
    out.number(outcomes.upstream_tenths / 10);
    out.literal(".");
    out.number(outcomes.upstream_tenths % 10);
    out.literal("}");
  }
  if ((outcomes.items_shown | outcomes.items_hidden) != 0) {
    out.literal(R"(,"items":{"shown":)");
    out.number(outcomes.items_shown);
    out.literal(R"(,"hidden":)");
    out.number(outcomes.items_hidden);
    out.literal("}");
  }
  out.literal(R"(,"overhead_us":)");
  out.number(outcomes.overhead_us);
  out.raw(composed.substr(holes.upstream));
  if (holes.sentence != 0) {
    out.literal(R"(,"text":")");
    append_sentence(out, composed, holes, why.sentence);
  }
  return out.at();
}

}  // namespace

void append_joined(std::string& to, std::string_view composed, const Holes& holes, const Outcomes& outcomes,
                   std::string_view upstream) {
  const ReasonRow& why = row(static_cast<Reason>(outcomes.reason));
  const std::size_t begin = to.size();
  const std::size_t most = begin + composed.size() + upstream.size() * 7 + holes.agent.size + holes.user.size +
                           holes.operation.size + holes.resource.size + why.sentence.size() + fixed_bytes;
  to.resize_and_overwrite(most, [&](char* text, std::size_t) noexcept {
    return write_joined(text + begin, composed, holes, outcomes, upstream, why) - text;
  });
}

}  // namespace agw::audit
