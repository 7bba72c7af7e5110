#include "refusal.h"

#include <algorithm>
#include <vector>

#include "agw/base/encoding.h"
#include "agw/gateway/origin.h"
#include "agw/identity/possession.h"
#include "agw/mcp/error.h"

#include "consumption.h"
#include "words.h"

namespace agw::gateway {
namespace {

constexpr int denied_code = 4030;
constexpr int conflict_code = 4090;
constexpr int unprocessable_code = 4220;
constexpr int limited_code = 4290;
constexpr int backend_code = 5020;
constexpr int unavailable_code = 5030;
constexpr int invalid_params = -32602;
constexpr int resource_not_found = -32002;  // before 2026-07-28

/// The token's own scopes as far as this resource knows them, and all that the operation needs:
/// clients replace what they have by what they are told (MCP authorization, scope challenges).
std::vector<std::string> step_up_scopes(const Location& location, const Call& call, const Decision& decision) {
  std::vector<std::string> scopes = decision.needed_scopes;
  if (call.principal)
    for (const auto& scope : call.principal->scopes)
      if (location.knows_scope(scope)) scopes.push_back(scope);
  std::sort(scopes.begin(), scopes.end());
  scopes.erase(std::unique(scopes.begin(), scopes.end()), scopes.end());
  return scopes;
}

/// Who tried it with DPoP, or has to, is told in its own words (RFC 9449 section 7.1).
bool speaks_of_proofs(const Location& location, const Call& call, Reason reason) {
  return call.scheme == identity::TokenScheme::dpop || location.sender.holder == identity::Holder::of_key ||
         reason == Reason::proof_missing;
}

std::string_view error_of(const ReasonRow& why) {
  switch (why.reason) {
    case Reason::proof_nonce_needed: return "use_dpop_nonce";
    case Reason::proof_malformed:
    case Reason::proof_algorithm_refused:
    case Reason::proof_signature_invalid:
    case Reason::proof_mismatch:
    case Reason::proof_expired:
    case Reason::proof_replayed: return "invalid_dpop_proof";
    default: return why.disposition == Disposition::scope ? "insufficient_scope" : "invalid_token";
  }
}

/// RFC 6750 section 3, RFC 9728 section 5.1.
std::string challenge(const Location& location, const Call& call, const Decision& decision) {
  const ReasonRow& why = row(decision.reason);
  const bool proofs = speaks_of_proofs(location, call, why.reason);
  std::string out = proofs ? "DPoP " : "Bearer ";
  std::vector<std::string> scopes = location.challenge_scopes;
  if (why.disposition == Disposition::scope) scopes = step_up_scopes(location, call, decision);
  if (proofs) out += "algs=\"" + std::string(identity::proof_algorithms()) + "\", ";
  if (why.reason != Reason::token_missing) {
    out += "error=\"" + std::string(error_of(why)) + "\", error_description=\"";
    out += quoted_string_body(why.sentence);
    out += "\", ";
  }
  out += "resource_metadata=\"" + quoted_string_body(location.resource.metadata_url) + "\"";
  if (!scopes.empty()) out += ", scope=\"" + quoted_string_body(joined(scopes)) + "\"";
  return out;
}

bool is_hidden(const Location& location, const Decision& decision) {
  return location.disclosure == Disclosure::hide && !decision.visible;
}

/// What was refused of a call that asks for more than one thing; null: its own subject.
const FurtherSubject* refused_further(const Call& call) {
  return call.further != nullptr ? call.further->refused : nullptr;
}

/// It is refused because of a task, whose tool it doesn't name itself.
bool asks_of_task(const Call& call) {
  const FurtherSubject* const further = refused_further(call);
  return call.made != nullptr || (further != nullptr && further->task != nullptr);
}

/// What the caller may know: where it must not learn that something exists, the reason is that of
/// something that doesn't.
Reason told_reason(const Location& location, const Call& call, const Decision& decision) {
  const ReasonRow& why = row(decision.reason);
  if (asks_of_task(call) && is_hidden(location, decision) &&
      (why.disposition == Disposition::denied || why.reason == Reason::operation_unknown))
    return Reason::task_unknown;
  if (why.disposition == Disposition::denied && is_hidden(location, decision)) return Reason::operation_unknown;
  // Nor who it is that something was given to, or what for.
  switch (decision.reason) {
    case Reason::session_foreign: return Reason::session_unknown;
    case Reason::task_foreign: return Reason::task_unknown;
    case Reason::state_foreign:
    case Reason::state_mismatch:
    case Reason::state_expired: return Reason::state_unknown;
    default: break;
  }
  return decision.reason;
}

std::string public_sentence(const Call& call, const Decision& decision, Reason reason) {
  std::string out;
  Decision told = decision;
  told.reason = reason;
  SentenceParts parts;
  parts.agent = "This agent";
  parts.operation = call.operation.empty() ? call.mcp_method : call.operation;
  if (const FurtherSubject* further = refused_further(call)) parts.operation = further->operation;
  append_sentence(out, parts, told);
  return out;
}

/// When to come again, and which limit it was.
void append_limit(std::string& out, const Call& call, const Decision& decision, Reason reason) {
  if (decision.retry_after > 0) out += R"(,"retry_after":)" + std::to_string(decision.retry_after);
  if (row(reason).disposition != Disposition::limited || call.usage == nullptr) return;
  out += R"(,"retry_after":)" + std::to_string(limits::retry_after(*call.usage));
  if (const Limit* limit = call.usage->refused_by()) out += R"(,"limit":)" + json_quoted(limit->name);
}

std::string data_object(const Call& call, const Decision& decision, Reason reason) {
  std::string out = R"({"decision":")";
  out += to_string(decision.kind);
  out += R"(","reason":")";
  out += to_string(reason);
  out += R"(","request_id":)" + json_quoted(call.request_id);
  append_limit(out, call, decision, reason);
  out += '}';
  return out;
}

/// A hidden operation and one that doesn't exist get this very body: what the specification says of something unknown
/// (MCP 2025-11-25 and 2026-07-28, "Tools", "Prompts" and "Resources", each under "Error Handling").
std::string unknown_body(const Location& location, const Call& call, const Decision& decision) {
  std::string what = "Unknown tool: ";
  int code = invalid_params;
  const FurtherSubject* const further = refused_further(call);
  const mcp::SubjectKind kind = further != nullptr ? further->kind : call.subject;
  if (kind == mcp::SubjectKind::prompt) what = "Unknown prompt: ";
  if (kind == mcp::SubjectKind::resource || kind == mcp::SubjectKind::resource_template) {
    what = "Resource not found: ";
    // Completion has a code of its own for what it can't find, in all versions.
    if (call.era == mcp::Era::legacy && call.category != mcp::Category::completion) code = resource_not_found;
  }
  const std::string_view own = call.mcp_tool.empty() ? std::string_view(call.subject_name) : call.mcp_tool;
  const std::string_view name = further != nullptr ? std::string_view(further->name) : own;
  what += name;
  std::string data = "{";
  if (kind == mcp::SubjectKind::resource) data += R"("uri":)" + json_quoted(name) + ",";
  data += R"("request_id":)" + json_quoted(call.request_id) + "}";
  if (location.disclosure == Disclosure::explain) data = data_object(call, decision, decision.reason);
  return mcp::error_body(call.rpc_id, code, what, data);
}

int rpc_code(const ReasonRow& why) {
  if (why.rpc != 0) return why.rpc;
  switch (why.disposition) {
    case Disposition::unavailable: return unavailable_code;
    case Disposition::backend: return backend_code;
    case Disposition::limited: return limited_code;
    case Disposition::conflict: return conflict_code;
    case Disposition::unprocessable: return unprocessable_code;
    default: return denied_code;
  }
}

/// What a model should read, and can do something about: clients take other statuses for failures of the transport.
bool is_readable(Disposition disposition) {
  return disposition == Disposition::denied || disposition == Disposition::conflict ||
         disposition == Disposition::unprocessable;
}

void write_rpc(const Location& location, const Call& call, const Decision& decision, Reason reason, Answer& answer) {
  const ReasonRow& why = row(reason);
  answer.content_type = "application/json";
  if (reason == Reason::operation_unknown) {
    answer.status = 200;
    answer.body = unknown_body(location, call, decision);
    return;
  }
  if (is_readable(why.disposition)) answer.status = 200;
  std::string message = public_sentence(call, decision, reason);
  std::string data = data_object(call, decision, reason);
  if (reason == Reason::method_unknown) {
    // MCP 2026-07-28 answers an unknown method with 404, earlier versions with 200.
    answer.status = call.era == mcp::Era::modern ? 404 : 200;
    message = "Method not found: " + call.subject_name;
  }
  // Neither names the operation: who may not see it learns nothing of it.
  if (reason == Reason::session_unknown) message = "Session not found";
  if (reason == Reason::state_unknown) message = "Unknown requestState";
  if (reason == Reason::task_unknown) {
    // As servers do that have no such task (MCP 2025-11-25, "Tasks"; extension Tasks, "Protocol Errors").
    answer.status = 200;
    message = "Failed to retrieve task: Task not found";
  }
  if (reason == Reason::tasks_undeclared) {
    message = "Missing required client capability";
    data = R"({"requiredCapabilities":{"extensions":{"io.modelcontextprotocol/tasks":{}}},"request_id":)" +
           json_quoted(call.request_id) + "}";
  }
  if (reason == Reason::version_unsupported) {
    // A request that names its version itself can be answered with no other than one that does so, too.
    const std::string_view supported =
        call.requested_version >= mcp::modern_version ? R"(["2026-07-28"])" : mcp::supported_versions_json();
    data = R"({"supported":)" + std::string(supported) + R"(,"requested":)" + json_quoted(call.requested_version) +
           R"(,"request_id":)" + json_quoted(call.request_id) + "}";
  }
  if (why.disposition == Disposition::malformed && !call.detail.empty()) message += " (" + call.detail + ")";
  answer.body = mcp::error_body(call.rpc_id, rpc_code(why), message, data);
}

std::string_view title_of(int status) {
  switch (status) {
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 409: return "Conflict";
    case 413: return "Content Too Large";
    case 422: return "Unprocessable Content";
    case 429: return "Too Many Requests";
    case 502: return "Bad Gateway";
    default: return "Service Unavailable";
  }
}

/// RFC 9457.
void write_problem(const Location& location, const Call& call, const Decision& decision, Reason reason,
                   Answer& answer) {
  const ReasonRow& why = row(reason);
  answer.content_type = "application/problem+json";
  std::string detail(why.sentence);
  detail += '.';
  if (!detail.empty() && detail[0] >= 'a' && detail[0] <= 'z') detail[0] = static_cast<char>(detail[0] - 32);
  if (why.disposition == Disposition::challenge) detail += " How to get one: " + location.resource.origin + "/auth.md";
  std::string& body = answer.body;
  body = R"({"type":"about:blank","title":)" + json_quoted(title_of(answer.status));
  body += R"(,"status":)" + std::to_string(answer.status);
  body += R"(,"detail":)" + json_quoted(detail);
  body += R"(,"decision":")" + std::string(to_string(decision.kind)) + R"(")";
  body += R"(,"reason":")" + std::string(to_string(reason)) + R"(")";
  body += R"(,"request_id":)" + json_quoted(call.request_id);
  append_limit(body, call, decision, reason);
  body += "}\n";
}

}  // namespace

std::string error_message(const Call& call, const Decision& decision) {
  Answer answer;
  write_rpc(*call.location, call, decision, told_reason(*call.location, call, decision), answer);
  return std::move(answer.body);
}

Answer answer_for(const Location& location, const Headers& headers, const Call& call, const Decision& decision) {
  const Reason reason = told_reason(location, call, decision);
  const ReasonRow& why = row(reason);
  Answer answer;
  answer.status = http_status(why.disposition);
  // A call without a token has no JSON-RPC conversation yet: its answer is the challenge.
  if (call.speaks_rpc && why.disposition != Disposition::challenge) {
    write_rpc(location, call, decision, reason, answer);
  } else {
    write_problem(location, call, decision, reason, answer);
  }
  answer.headers = cors_headers(location, headers);
  answer.headers.emplace_back("X-Request-Id", call.request_id);
  answer.headers.emplace_back("Cache-Control", "no-store");
  if (why.disposition == Disposition::challenge || why.disposition == Disposition::scope)
    answer.headers.emplace_back("WWW-Authenticate", challenge(location, call, decision));
  if (!call.fresh_nonce.empty()) answer.headers.emplace_back("DPoP-Nonce", call.fresh_nonce);
  if (decision.retry_after > 0)
    answer.headers.emplace_back("Retry-After", std::to_string(decision.retry_after));
  else if (why.disposition == Disposition::unavailable)
    answer.headers.emplace_back("Retry-After", "5");
  if (why.reason == Reason::idempotency_in_flight) answer.headers.emplace_back("Retry-After", "1");
  if (call.usage != nullptr)
    for (auto& field : limit_fields(*call.usage)) answer.headers.push_back(std::move(field));
  if (why.disposition == Disposition::method && location.kind == Kind::mcp)
    answer.headers.emplace_back("Allow", call.mcp_version >= mcp::modern_version ? "POST" : "GET, POST, DELETE");
  return answer;
}

}  // namespace agw::gateway
