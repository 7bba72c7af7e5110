#include "agw/identity/workloads.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "agw/base/encoding.h"
#include "agw/identity/spiffe.h"
#include "agw/json/tree.h"

#include "svid.h"

namespace agw::identity {
namespace {

constexpr std::size_t most_known = 10'000;
constexpr std::string_view by_subject = "subject:";

/// A URI that begins so claims to name a workload, however it is written.
bool is_claim(std::string_view uri) {
  constexpr std::string_view scheme = "spiffe:";
  return uri.size() >= scheme.size() && std::equal(scheme.begin(), scheme.end(), uri.begin(), [](char want, char got) {
           return want == (got >= 'A' && got <= 'Z' ? static_cast<char>(got | 0x20) : got);
         });
}

TokenRefusal invalid(std::string detail) { return {Reason::workload_invalid, std::move(detail)}; }

using Named = Result<std::optional<NamedWorkload>, TokenRefusal>;

Named by_its_uri(const ClientCertificate& certificate, const TrustProfile& trust) {
  // X.509-SVID section 2: exactly one URI; section 4: a leaf signs nothing but its own messages.
  if (certificate.uris.size() != 1) return fail(invalid("the certificate has more than one URI"));
  const auto id = parse_spiffe_id(certificate.uris.front());
  if (!id || id->path.empty()) return fail(invalid("the certificate's URI names no workload"));
  if (certificate.authority) return fail(invalid("the certificate is an authority's"));
  if (!certificate.signs) return fail(invalid("the certificate's key usage lacks digitalSignature"));
  for (const IssuerConfig* issuer : trust.issuers) {
    if (issuer->workloads.trust_domain != id->trust_domain || !issuer->workloads.certificates) continue;
    return NamedWorkload{issuer, certificate.uris.front(), agent_of_workload(*issuer, certificate.uris.front())};
  }
  return fail(TokenRefusal{Reason::workload_unknown, "trust domain " + std::string(id->trust_domain)});
}

}  // namespace

std::string agent_of_workload(const IssuerConfig& issuer, std::string_view name) {
  const auto known = issuer.workloads.agents.find(name);
  return known != issuer.workloads.agents.end() ? known->second : issuer.alias + "|" + encode_part(name);
}

Named name_workload(const ClientCertificate& certificate, const TrustProfile& trust) {
  if (!certificate.verified) return std::optional<NamedWorkload>();
  if (std::ranges::any_of(certificate.uris, is_claim)) return by_its_uri(certificate, trust);
  const std::string name = std::string(by_subject) + certificate.subject;
  for (const IssuerConfig* issuer : trust.issuers) {
    const auto& agents = issuer->workloads.agents;
    if (!issuer->workloads.certificates || !agents.contains(name)) continue;
    if (certificate.authority) return fail(invalid("the certificate is an authority's"));
    return NamedWorkload{issuer, name, agents.find(name)->second};
  }
  return std::optional<NamedWorkload>();
}

void take_standing(Principal& principal, const IssuerConfig& issuer) {
  principal.machine = true;
  principal.client = principal.agent;
  principal.groups.clear();
  principal.tenant = issuer.tenants.empty() ? "default" : issuer.tenants.front();
  principal.scopes = issuer.workloads.scopes;
  std::ranges::sort(principal.scopes);
  principal.implied_scopes = principal.scopes;
}

const IssuerConfig* issuer_of_svid(std::string_view payload, const TrustProfile& trust) {
  const json::Tree claims = json::read_tree(payload);
  const json_t* const subject = json_object_get(claims.get(), "sub");
  if (!json_is_string(subject)) return nullptr;
  const auto id = parse_spiffe_id({json_string_value(subject), json_string_length(subject)});
  if (!id) return nullptr;
  for (const IssuerConfig* issuer : trust.issuers)
    if (issuer->workloads.trust_domain == id->trust_domain && !issuer->jwks_file.empty()) return issuer;
  return nullptr;
}

std::optional<TokenRefusal> take_workload(Principal& principal, const IssuerConfig& issuer) {
  const auto id = parse_spiffe_id(principal.subject);
  if (!id || id->path.empty()) return TokenRefusal{Reason::token_claim_invalid, "claim sub names no workload"};
  if (id->trust_domain != issuer.workloads.trust_domain)
    return TokenRefusal{Reason::token_issuer_unknown, "claim sub is of another trust domain"};
  principal.user.clear();
  principal.agent = agent_of_workload(issuer, principal.subject);
  take_standing(principal, issuer);
  return std::nullopt;
}

Result<PrincipalPtr, TokenRefusal> Workloads::principal(const ClientCertificate& certificate,
                                                        const TrustProfile& trust) {
  const WallTime now = clock_.now();
  if (now >= certificate.until) return fail(TokenRefusal{Reason::token_expired, "the client certificate"});
  const auto known = known_.find(certificate.thumbprint);
  if (known != known_.end() && known->second.trust == &trust && certificate.verified) return known->second.principal;
  auto named = name_workload(certificate, trust);
  if (!named) return fail(std::move(named.error()));
  if (!*named) return PrincipalPtr();
  const NamedWorkload& workload = **named;
  auto made = std::make_shared<Principal>();
  made->issuer = workload.issuer->alias;
  made->issuer_url = workload.issuer->issuer;
  made->agent = workload.agent;
  made->subject = workload.name;
  made->audience = {trust.resource};
  made->issued_at = certificate.from;
  made->expires_at = certificate.until;
  made->bound_certificate = certificate.thumbprint;
  made->token_digest = sha256_hex(certificate.thumbprint);
  take_standing(*made, *workload.issuer);
  if (known_.size() >= most_known) known_.clear();
  known_.insert_or_assign(certificate.thumbprint, Known{&trust, made});
  return PrincipalPtr(std::move(made));
}

}  // namespace agw::identity
