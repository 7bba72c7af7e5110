#include "repeats.h"

#include <memory>
#include <utility>

#include "agw/gateway/origin.h"
#include "agw/idempotency/keys.h"
#include "agw/mcp/response.h"

namespace agw::gateway {

void note_key(const Request& request, const policy::Arguments& arguments, std::string_view judged, Call& call) {
  const idempotency::Rule& rule = *call.route->idempotency;
  auto key = rule.argument ? idempotency::key_of_argument(*rule.argument, arguments)
                           : idempotency::key_of_header(request.headers(), rule.header);
  call.keyed = std::make_unique<Keyed>(Keyed{std::move(key), sha256(judged)});
}

idempotency::Ask ask_of(const Call& call) {
  idempotency::Ask out;
  const Principal& principal = *call.principal;
  out.tenant = principal.tenant;
  out.subject =
      idempotency::subject_of(principal.tenant, principal.user, principal.agent, call.operation, *call.keyed->key);
  out.arguments = call.keyed->arguments;
  out.rule = call.route->idempotency.get();
  return out;
}

Decision within_claim(Decision decision, Reason refusal) {
  decision.kind = DecisionKind::deny;
  decision.reason = refusal;
  decision.checks.set(row(refusal).check, Verdict::fail);
  return decision;
}

Answer replayed(const Location& location, const Headers& headers, const Call& call) {
  Answer out;
  const idempotency::KeptAnswer& kept = *call.replay;
  out.status = kept.status;
  out.content_type = kept.content_type;
  out.body = idempotency::body_for(kept, call.rpc_id);
  out.headers = cors_headers(location, headers);
  out.headers.emplace_back("X-Request-Id", call.request_id);
  out.headers.emplace_back("Cache-Control", "no-store");
  out.headers.emplace_back("Idempotent-Replayed", "true");
  if (!kept.location.empty()) out.headers.emplace_back("Location", kept.location);
  return out;
}

std::optional<idempotency::KeptAnswer> kept_answer(const Call& call, json::Document& document, BackendAnswer answer) {
  idempotency::KeptAnswer out;
  out.status = answer.status;
  out.content_type = std::move(answer.content_type);
  out.location = std::move(answer.location);
  out.body = std::move(answer.body);
  if (!call.speaks_rpc) return out;
  json::Limits limits;
  limits.max_bytes = call.claim->most_bytes();
  auto found = mcp::sole_response(document, out.content_type, out.body, limits);
  // An error of the server's HTTP layer needs no JSON-RPC response, and has no id.
  if (!found && out.status >= 400) return out;
  if (!found) return std::nullopt;
  // The same call comes again, with what was asked for: only then it runs.
  if (found->input_required) {
    call.claim->not_carried_out();
    return std::nullopt;
  }
  out.content_type = "application/json";
  out.has_id = true;
  out.id_at = found->id_at;
  out.body = std::move(found->message);
  out.body.erase(found->id_at, found->id_size);
  return out;
}

}  // namespace agw::gateway
