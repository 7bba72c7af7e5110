#include "support/handed_out.h"

#include <algorithm>
#include <utility>

#include "agw/gateway/sessions.h"
#include "agw/gateway/states.h"

#include "support/claims.h"

namespace agw::fuzz {
namespace {

constexpr std::size_t most = 32;

bool may_come_back(const std::string& method) {
  return method == "tools/call" || method == "prompts/get" || method == "resources/read";
}

/// Two messages ask for the same, however they are written.
bool ask_alike(const json_t* one, const json_t* other) {
  const auto params = [](const json_t* root) { return json_object_get(root, "params"); };
  const auto same = [&](const char* member) {
    const json_t* left = json_object_get(params(one), member);
    const json_t* right = json_object_get(params(other), member);
    return left == nullptr || right == nullptr ? left == right : json_equal(left, right) == 1;
  };
  return json_equal(json_object_get(one, "method"), json_object_get(other, "method")) == 1 && same("name") &&
         same("uri") && same("arguments");
}

/// Perhaps with one of the string's own quotes at either end.
bool is_in_string(std::string_view part) {
  if (part.starts_with('"')) part.remove_prefix(1);
  if (part.ends_with('"')) part.remove_suffix(1);
  for (std::size_t i = 0; i < part.size(); ++i) {
    if (part[i] == '"') return false;
    if (part[i] == '\\') ++i;
  }
  return true;
}

}  // namespace

HandedOut::Owner HandedOut::owner_of(const gateway::Call& call) {
  return {call.principal->user, call.principal->agent, call.principal->tenant};
}

std::vector<std::string> HandedOut::open_session(const gateway::Gateway& gateway, const gateway::Call& call) {
  if (sessions_.size() == most) return {};
  std::string own = "bk-session-of-the-backend-" + std::to_string(sessions_.size());
  std::string sealed = gateway.session_field(call, own);
  expect(sealed.empty() == (call.era == mcp::Era::modern), "a session of an earlier version gets an id");
  if (sealed.empty()) return {};
  expect(sealed.find(own) == std::string::npos, "and not the backend's own");
  sessions_.push_back({owner_of(call), own, sealed});
  return {std::move(own), std::move(sealed)};
}

void HandedOut::give_state(const gateway::Call& call, const gateway::Request& request, std::string raw,
                           std::string sealed, WallTime now) {
  expect(sealed != raw, "no backend's own state is handed out");
  if (states_.size() == most) return;
  auto reading = const_cast<gateway::Request&>(request).body(static_cast<std::size_t>(-1));
  states_.push_back({owner_of(call), std::string(*reading.take()), std::move(raw), std::move(sealed), now});
}

std::string HandedOut::session(unsigned which) const {
  return sessions_.empty() ? std::string() : sessions_[which % sessions_.size()].sealed;
}

std::string HandedOut::state(unsigned which) const {
  return states_.empty() ? std::string() : states_[which % states_.size()].sealed;
}

void HandedOut::judge_session(const gateway::Call& call, const Expected& expected, const gateway::Request& request,
                              const gateway::Forward& forward) const {
  expect(forward.binds_session, "sessions are bound");
  if (forward.session.empty()) {
    expect(!expected.needs_session, "what means nothing without a session has one");
    expect(expected.modern || request.headers().get("mcp-session-id").empty(), "a session that is sent is opened");
    return;
  }
  expect(!expected.modern, "the stateless protocol has no session");
  const auto [count, sent] = request.headers().find("mcp-session-id");
  const auto given = std::ranges::find_if(sessions_, [&](const auto& one) { return one.sealed == sent; });
  expect(count == 1 && given != sessions_.end(), "a session is one that was given");
  expect(given->owner == owner_of(call), "to this caller");
  expect(given->backend_id == forward.session, "and the backend gets its own id");
}

void HandedOut::judge_body(const gateway::Call& call, const Expected& expected, std::string_view sent,
                           const gateway::Forward& forward, WallTime now) const {
  const Json before = read_json(sent);
  const json_t* params = json_object_get(before.get(), "params");
  const json_t* state = may_come_back(expected.method) ? json_object_get(params, "requestState") : nullptr;
  if (state == nullptr) return expect(forward.body.empty(), "what was judged goes on as it is");

  const auto given = std::ranges::find_if(states_, [&](const auto& one) { return one.sealed == text_of(state); });
  expect(given != states_.end(), "a state is one that was given");
  expect(given->owner == owner_of(call), "to this caller");
  expect(now - given->given < gateway::States::lifetime, "not too long ago");
  const Json asked = read_json(given->message);
  expect(ask_alike(asked.get(), before.get()), "for what is asked now");

  // It alone is another, in its own place: what differs lies within one string.
  const std::string_view body = forward.body;
  const Json after = read_json(body);
  expect(text_of(json_object_get(json_object_get(after.get(), "params"), "requestState")) == given->raw,
         "the backend gets its own state");
  std::string_view old = sent;
  std::string_view fresh = body;
  for (; !old.empty() && !fresh.empty() && old.front() == fresh.front(); old.remove_prefix(1)) fresh.remove_prefix(1);
  for (; !old.empty() && !fresh.empty() && old.back() == fresh.back(); old.remove_suffix(1)) fresh.remove_suffix(1);
  expect(is_in_string(old) && is_in_string(fresh), "no byte outside it changes");
  json_object_del(json_object_get(after.get(), "params"), "requestState");
  json_object_del(json_object_get(before.get(), "params"), "requestState");
  expect(json_equal(after.get(), before.get()) == 1, "nor anything else");
}

}  // namespace agw::fuzz
