#include "handed_back.h"

#include <memory>
#include <string>

#include "agw/gateway/states.h"
#include "agw/json/canonical.h"
#include "agw/response/splices.h"

namespace agw::gateway {
namespace {

constexpr std::string_view state_name = "requestState";

/// The requests that a backend may answer with "come back" (MCP 2026-07-28, multi round-trip requests).
bool may_come_back(const mcp::Message& message) {
  return message.category == mcp::Category::tool || message.category == mcp::Category::prompt ||
         message.category == mcp::Category::resource;
}

Sha256 asked_by(const mcp::Message& message) {
  std::string arguments;
  if (message.arguments) json::append_canonical(arguments, *message.arguments);
  return asked_digest(message.method, message.name, arguments);
}

}  // namespace

std::optional<Reason> note_state(const mcp::Message& message, std::string_view body, Call& call) {
  if (!message.params || !may_come_back(message)) return std::nullopt;
  const auto state = message.params->member(state_name);
  if (!state) return std::nullopt;
  if (!state->is(json::Kind::string)) return Reason::params_invalid;
  auto sent = std::make_unique<SentState>();
  sent->sealed = state->text();
  sent->at = response::place_of(*state, body);
  sent->size = state->raw().size();
  sent->asked = asked_by(message);
  call.state = std::move(sent);
  return std::nullopt;
}

std::optional<Sha256> asked_of(const Location& location, Request& request) {
  auto reading = request.body(location.max_body);
  if (!reading.ready()) return std::nullopt;
  const auto body = reading.take();
  if (!body) return std::nullopt;
  // The worker's own document holds the answer that this is about.
  json::Document document;
  mcp::ReadLimits limits;
  limits.json.max_bytes = location.max_body;
  const auto message = mcp::read_message(document, *body, request.headers(), limits);
  if (!message) return std::nullopt;
  return asked_by(*message);
}

}  // namespace agw::gateway
