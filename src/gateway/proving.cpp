// Who holds a token, and whom a certificate names.
#include "proving.h"

#include <utility>

#include "agw/gateway/gateway.h"
#include "agw/identity/client_certificate.h"
#include "agw/identity/possession.h"
#include "agw/identity/workloads.h"

namespace agw::gateway {
namespace {

/// A certificate that names a workload names the agent: a token of another one is somebody else's.
std::optional<identity::TokenRefusal> disagreement(const Location& location,
                                                   const identity::ClientCertificate* certificate,
                                                   const Principal& principal) {
  if (!location.takes_workloads || certificate == nullptr || !certificate->verified) return std::nullopt;
  const auto named = identity::name_workload(*certificate, location.trust);
  if (!named) return named.error();
  if (!*named || (*named)->agent == principal.agent) return std::nullopt;
  return identity::TokenRefusal{Reason::workload_mismatch, "the certificate names " + (*named)->agent};
}

}  // namespace

Task<Result<PrincipalPtr, Reason>> Gateway::prove(const Location& location, const Request& request, Call& call,
                                                  PrincipalPtr principal) {
  const auto refuse = [&call](identity::TokenRefusal refusal) {
    call.detail = std::move(refusal.detail);
    return fail(refusal.reason);
  };
  if (services_.possession == nullptr) co_return fail(Reason::token_binding_unsupported);
  const identity::ClientCertificate* const certificate = request.client_certificate();
  identity::Presented presented;
  presented.scheme = call.scheme;
  presented.token = call.token;
  presented.proof = request.headers().find("dpop");
  presented.method = request.method();
  presented.uri = location.resource.origin;
  presented.uri += request.raw_path();
  presented.certificate = certificate;
  auto checking = services_.possession->check(*principal, location.sender, std::move(presented));
  auto holding = co_await std::move(checking);
  call.fresh_nonce = std::move(holding.nonce);
  if (holding.refusal) co_return refuse(*std::move(holding.refusal));
  if (auto refusal = disagreement(location, certificate, *principal)) co_return refuse(*std::move(refusal));
  co_return principal;
}

Result<PrincipalPtr, Reason> Gateway::workload(const Location& location, const Request& request, Call& call) {
  const identity::ClientCertificate* const certificate = request.client_certificate();
  if (certificate == nullptr || services_.workloads == nullptr) return fail(Reason::token_missing);
  auto principal = services_.workloads->principal(*certificate, location.trust);
  if (!principal) {
    call.detail = principal.error().detail;
    return fail(principal.error().reason);
  }
  if (*principal == nullptr) return fail(Reason::token_missing);
  return *std::move(principal);
}

}  // namespace agw::gateway
