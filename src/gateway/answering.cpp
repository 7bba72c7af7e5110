// What a backend answered, on its way to the agent.
#include <utility>

#include "agw/gateway/breakers.h"
#include "agw/gateway/gateway.h"

#include "consumption.h"
#include "edits.h"
#include "refusal.h"
#include "repeats.h"

namespace agw::gateway {

/// What was recorded is the backend's own answer: who repeats the call sees of it what it may see now.
Answer Gateway::replay(const Location& location, const Request& request, Call& call) {
  Answer answer = replayed(location, request.headers(), call);
  auto course = respond(call, {answer.status, answer.content_type, false});
  if (!course) return refuse_response(call, request.headers(), course.error());
  if (*course == nullptr) return answer;
  std::string rewritten;
  auto step = (*course)->feed(answer.body, rewritten);
  if (step != ResponseCourse::Step::refused) step = (*course)->end(rewritten);
  if (step == ResponseCourse::Step::refused) return refuse_response(call, request.headers(), (*course)->failure());
  answer.body = std::move(rewritten);
  return answer;
}

std::optional<Answer> Gateway::judge_response(Call& call, const Headers& headers, const BackendHead& head) {
  if (call.location == nullptr) return std::nullopt;
  if (call.watch != nullptr) services_.breakers->answered(call, head.status);
  if (!stands_between(call)) return std::nullopt;
  const bool refused = head.status == 401 || head.status == 403;
  if (!refused && !head.accel_redirect) return std::nullopt;
  // A request that was refused for its credential was not carried out (RFC 9110 sections 15.5.2 and 15.5.4).
  if (refused && call.claim != nullptr) call.claim->not_carried_out();
  // What the backend no longer believes is not offered to it again.
  if (refused && call.exchange != nullptr) services_.exchanger.drop(*call.principal, *call.exchange);
  call.failure = Reason::backend_refused;
  return answer_for(*call.location, headers, call, deny(Reason::backend_refused, Verdict::pass));
}

Result<std::unique_ptr<ResponseCourse>, Reason> Gateway::respond(Call& call, const AnswerHead& head) {
  if (call.location == nullptr || !answers_are_read(*call.location)) return nullptr;
  const auto way = way_of(call, head);
  if (!way) return fail(way.error());
  if (!*way) return nullptr;
  Edits edits;
  if (auto lists = edit_of_lists(**way, call, {services_.clock, services_.store, *sights_}))
    edits.push_back(std::move(lists));
  if (auto tools = edit_of_tool_lists(**way, call, {services_.clock, services_.store, *sights_}))
    edits.push_back(std::move(tools));
  if (auto states = edit_of_states(call, services_.states)) edits.push_back(std::move(states));
  if (auto tasks = edit_of_tasks(**way, call, services_.tasks, {services_.clock, services_.store, *sights_}))
    edits.push_back(std::move(tasks));
  if (edits.empty()) return nullptr;
  return std::make_unique<ResponseCourse>(**way, call, document_, services_.log, std::move(edits));
}

Answer Gateway::refuse_response(Call& call, const Headers& headers, Reason reason) {
  call.failure = reason;
  return answer_for(*call.location, headers, call, deny(reason, Verdict::pass));
}

void Gateway::keep(Call& call, BackendAnswer answer) noexcept try {
  const auto kept = kept_answer(call, document_, std::move(answer));
  if (kept) return call.claim->keep(*kept);
  call.claim->keep_nothing();
} catch (...) {
  call.claim->keep_nothing();
}

std::string Gateway::session_field(const Call& call, std::string_view backend_id) const {
  // The stateless protocol has no sessions (MCP 2026-07-28).
  if (call.era == mcp::Era::modern || call.principal == nullptr || services_.sessions == nullptr) return {};
  // Servers repeat it with every answer: it stays the one that the client has.
  if (call.session != nullptr && call.session->backend_id == backend_id) return std::string(call.session_id);
  return services_.sessions->seal({std::string(backend_id), call.mcp_version, call.capabilities}, *call.principal,
                                  *call.location);
}

std::string Gateway::made_session(const Call& call, int status) const {
  // Sessions begin with the answer to initialize (MCP 2025-11-25, "Session Management").
  const bool begins = call.location->makes_sessions && status == 200 && call.mcp_method == "initialize";
  if (!begins || call.principal == nullptr || services_.sessions == nullptr) return {};
  return services_.sessions->make({{}, call.mcp_version, call.capabilities}, *call.principal, *call.location);
}

std::vector<std::pair<std::string, std::string>> Gateway::response_fields(const Call& call) const {
  std::vector<std::pair<std::string, std::string>> out;
  if (call.usage != nullptr && call.enforced) out = limit_fields(*call.usage);
  if (!call.fresh_nonce.empty()) out.emplace_back("DPoP-Nonce", call.fresh_nonce);
  return out;
}

}  // namespace agw::gateway
