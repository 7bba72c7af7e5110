#include "token_questions.h"

#include <string>
#include <string_view>
#include <utility>

#include "agw/base/digest.h"
#include "agw/base/encoding.h"
#include "agw/gateway/gateway.h"

#include "credentials.h"
#include "operation.h"

namespace agw::gateway {
namespace {

using Authenticated = Result<PrincipalPtr, identity::TokenRefusal>;

Result<PrincipalPtr, Reason> principal_of(Authenticated answer, Call& call) {
  if (answer) return *std::move(answer);
  call.detail = answer.error().detail;
  return fail(answer.error().reason);
}

Task<Result<PrincipalPtr, Reason>> await_principal(ValueTask<Authenticated> step, Call& call) {
  co_return principal_of(co_await std::move(step), call);
}

/// Of the arguments that an issuer is told: what is larger isn't cut, since a policy would judge something else.
constexpr std::size_t most_told = 16U * 1024;

/// Everything that makes it this token. Of a JWT its signed part: of some algorithms anybody can make a second valid
/// signature of a first one (ECDSA's s has a twin), which is another text of the same token.
Sha256 identity_of(std::string_view token, const identity::TrustProfile& trust) {
  const bool opaque = identity::issuer_of_opaque(token, trust) != nullptr;
  return sha256(opaque ? token : token.substr(0, token.rfind('.')));
}

Sha256 call_digest(const Call& call, const AskedForm& asked) {
  std::string all(call.operation);
  all += '\n';
  all += asked.whole;
  return sha256(all);
}

Decision refused(Decision decision, Reason reason) {
  decision.kind = DecisionKind::deny;
  decision.reason = reason;
  decision.checks.set(row(reason).check, Verdict::fail);
  return decision;
}

}  // namespace

ValueTask<Result<PrincipalPtr, Reason>> Gateway::authenticate(const Location& location, const Request& request,
                                                              Call& call) {
  const auto sent = sent_token(request.headers());
  if (!sent) {
    // Where nobody speaks for a user, a workload's certificate may speak for itself.
    if (location.takes_workloads && sent.error() == Reason::token_missing) return workload(location, request, call);
    return Result<PrincipalPtr, Reason>(fail(sent.error()));
  }
  call.token = sent->token;
  call.scheme = sent->scheme;
  auto step = tells_issuer(location) ? services_.authenticator.before_asking(sent->token, location.trust)
                                     : services_.authenticator.authenticate(sent->token, location.trust);
  if (!step.ready()) return await_principal(std::move(step), call);
  return principal_of(step.take(), call);
}

Task<Result<PrincipalPtr, Reason>> Gateway::ask_issuer(const Location& location, const Request& request,
                                                       std::string_view body, Call& call) {
  if (!call.operation.empty()) {
    const AskedForm asked = asked_form(location, request, body, document_);
    auto told = std::make_unique<identity::ContextFields>();
    told->emplace_back("agent_operation", call.operation);
    if (!call.resource.empty()) told->emplace_back("agent_resource", call.resource);
    const Sha256 digest = sha256(asked.arguments);
    told->emplace_back("agent_arguments_sha256",
                       hex_encode({reinterpret_cast<const char*>(digest.data()), digest.size()}));
    if (location.trust.introspection->context == identity::AskedContext::arguments) {
      if (asked.arguments.size() > most_told) {
        call.detail = "arguments that an issuer is told may take 16 KB";
        co_return fail(Reason::body_too_large);
      }
      told->emplace_back("agent_arguments", asked.arguments);
    }
    call.told = std::move(told);
  }
  auto asking = services_.authenticator.authenticate(call.token, location.trust, {.told = call.told.get()});
  co_return principal_of(co_await std::move(asking), call);
}

Task<void> Gateway::use_token(const Location& location, const Request& request, std::string_view body, Call& call) {
  limits::UseOutcome outcome{Reason::token_use_unavailable, {}};
  if (call.token.empty()) {
    outcome = {Reason::token_used, "a client certificate can't be good for one call"};
  } else if (services_.token_uses != nullptr) {
    const Principal& principal = *call.principal;
    limits::TokenUse use;
    use.tenant = principal.tenant;
    use.token = identity_of(call.token, location.trust);
    use.call = call_digest(call, asked_form(location, request, body, document_));
    // What a backend asked the agent to come back with belongs to the same call: each such answer counts once.
    if (call.state != nullptr) use.leave = sha256(call.state->sealed);
    use.issued_at = principal.issued_at;
    use.forgotten_at = principal.expires_at;
    const auto issuer = std::ranges::find(location.trust.issuers, principal.issuer, &identity::IssuerConfig::alias);
    if (issuer != location.trust.issuers.end()) {
      use.clock_skew = (*issuer)->clock_skew;
      use.forgotten_at += (*issuer)->clock_skew;
    }
    use.observed = !call.enforced;
    auto committing = services_.token_uses->commit(std::move(use));
    outcome = co_await std::move(committing);
  }
  if (call.detail.empty()) call.detail = std::move(outcome.detail);
  if (outcome.refusal) call.decision = refused(std::move(call.decision), *outcome.refusal);
}

}  // namespace agw::gateway
