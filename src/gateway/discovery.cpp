#include "agw/gateway/discovery.h"

#include <algorithm>

#include "agw/base/encoding.h"
#include "agw/identity/possession.h"

#include "words.h"

namespace agw::gateway {
namespace {

constexpr std::string_view well_known = "/.well-known/oauth-protected-resource";
constexpr std::string_view permissions = "/.well-known/agent-permissions";

void append_strings(std::string& out, std::string_view key, const std::vector<std::string>& values) {
  out += ",\n  \"";
  out += key;
  out += "\": [";
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (i > 0) out += ", ";
    out += json_quoted(values[i]);
  }
  out += ']';
}

std::vector<std::string> words(std::string_view text) {
  std::vector<std::string> out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(' ', at), text.size());
    out.emplace_back(text.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

/// The authority's host, without port; brackets of an IPv6 literal are kept.
std::string_view host_of(std::string_view authority) {
  if (authority.starts_with('[')) return authority.substr(0, authority.find(']') + 1);
  return authority.substr(0, authority.find(':'));
}

bool is_loopback(std::string_view host) {
  const bool numeric = host.find_first_not_of("0123456789.") == std::string_view::npos;
  return host == "localhost" || host.ends_with(".localhost") || host == "[::1]" ||
         (numeric && host.starts_with("127."));
}

/// Text from configuration inside a Markdown code span.
std::string code(std::string_view text) { return "`" + std::string(text) + "`"; }

void append_resource(std::string& page, const Location& location) {
  const ProtectedResource& resource = location.resource;
  page += "## " + resource.identifier + "\n\n";
  page += location.kind == Kind::mcp ? "An MCP server (streamable HTTP). " : "A REST API. ";
  page += "Its metadata (RFC 9728): <" + resource.metadata_url + ">\n\n";
  page += "- Authorization server";
  page += resource.issuers.size() == 1 ? ": " : "s: ";
  for (std::size_t i = 0; i < resource.issuers.size(); ++i) page += (i > 0 ? ", " : "") + code(resource.issuers[i]);
  page += "\n- Ask for tokens with `resource=" + resource.identifier + "` (RFC 8707)\n";
  if (!location.challenge_scopes.empty())
    page += "- Scopes to begin with: " + code(joined(location.challenge_scopes)) + "\n";
  if (!resource.scopes_supported.empty()) page += "- All scopes: " + code(joined(resource.scopes_supported)) + "\n";
  if (resource.needs_proofs) page += "- Tokens have to be bound to a key of yours by DPoP (RFC 9449)\n";
  if (location.sender.holder == identity::Holder::of_certificate)
    page += "- Tokens have to be bound to your client certificate (RFC 8705)\n";
  if (location.sender.holder == identity::Holder::of_either)
    page +=
        "- Tokens have to be bound to a key of yours: by DPoP (RFC 9449), or to your client certificate (RFC 8705)\n";
  page += "- What you may do there: GET <" + resource.permissions_url + "> with your token\n";
  page += '\n';
}

}  // namespace

std::string protected_resource_metadata(const ProtectedResource& resource) {
  std::string out = "{\n  \"resource\": " + json_quoted(resource.identifier);
  append_strings(out, "authorization_servers", resource.issuers);
  if (!resource.scopes_supported.empty()) append_strings(out, "scopes_supported", resource.scopes_supported);
  append_strings(out, "bearer_methods_supported", {"header"});
  append_strings(out, "dpop_signing_alg_values_supported", words(identity::proof_algorithms()));
  if (resource.needs_proofs) out += ",\n  \"dpop_bound_access_tokens_required\": true";
  if (resource.takes_certificates) out += ",\n  \"tls_client_certificate_bound_access_tokens\": true";
  // A parameter of ours (RFC 9728 section 2 allows others).
  out += ",\n  \"agent_permissions\": " + json_quoted(resource.permissions_url);
  out += ",\n  \"resource_documentation\": " + json_quoted(resource.origin + "/auth.md") + "\n}\n";
  return out;
}

std::string auth_page(const std::vector<const Location*>& locations) {
  std::string page =
      "# How agents authenticate here\n\n"
      "Every call needs an OAuth 2.1 access token that was issued to *you*, the agent, for the user you act for,\n"
      "and for the one resource that you call. What you may do is decided for each call: the user must be\n"
      "entitled to it, and the agent must have a grant for it.\n\n";
  for (const Location* location : locations) append_resource(page, *location);
  page +=
      "## Discover\n\n"
      "1. Call the resource without a token. The answer is 401; its `WWW-Authenticate` header names the\n"
      "   resource's metadata (`resource_metadata`) and the scopes to ask for (`scope`).\n"
      "2. Fetch that metadata. `authorization_servers` names the issuer; `resource` must equal the URL you call.\n"
      "3. Fetch the issuer's metadata (RFC 8414: `/.well-known/oauth-authorization-server`, or OpenID Connect:\n"
      "   `/.well-known/openid-configuration`).\n\n"
      "## Choose a client identity and register\n\n"
      "In this order, by what the issuer's metadata offers: a client id that you were given; a client id metadata\n"
      "document (`client_id_metadata_document_supported`); dynamic registration (`registration_endpoint`, RFC 7591).\n"
      "Use a loopback redirect URI if you run on the user's machine.\n\n"
      "## Get a token\n\n"
      "Authorization code with PKCE (S256), `resource` and `scope` as above. The user signs in and consents in a\n"
      "browser; you never see a password.\n\n"
      "## Use it\n\n"
      "Send `Authorization: Bearer <token>` on every request, never in a URL. It stays at this gateway: systems\n"
      "behind it get another token.\n\n"
      "A token that is bound to a key (`cnf.jkt`) goes under `Authorization: DPoP <token>`, with a fresh proof in the\n"
      "`DPoP` header of each request (RFC 9449): `htm`, `htu` (the URL you call), `iat`, `jti`, `ath`. If the answer "
      "is\n"
      "401 with `error=\"use_dpop_nonce\"`, put its `DPoP-Nonce` into the proof and send again. A token that is bound "
      "to\n"
      "a client certificate (`cnf.x5t#S256`) needs that certificate in the TLS handshake (RFC 8705).\n\n"
      "## Errors\n\n"
      "| status | where | what to do |\n|---|---|---|\n"
      "| 401 | `WWW-Authenticate: Bearer` | get a token; with `error=\"invalid_token\"` get a new one |\n"
      "| 401 | `WWW-Authenticate: DPoP` | with `use_dpop_nonce` or `invalid_dpop_proof` send again with a new proof |\n"
      "| 403 | `error=\"insufficient_scope\"` | ask the user for a token with the scopes in `scope` |\n"
      "| 403 | `reason` in the body | the agent or the user is disabled or not known: a new login won't help |\n"
      "| 404, or -32602 for a tool | body | it doesn't exist for you |\n"
      "| 403, or a JSON-RPC error with `data.reason` | body | not allowed; tell the user, quote `request_id` |\n"
      "| 503 | `Retry-After` | try again later |\n\n"
      "## Revocation\n\n"
      "Users and operators can disconnect an agent at any time; the next call is refused. Revoke what you no longer\n"
      "need at the issuer's `revocation_endpoint` (RFC 7009).\n";
  return page;
}

Result<ProtectedResource, std::string> parse_resource_identifier(std::string_view identifier) {
  const bool https = identifier.starts_with("https://");
  const bool http = identifier.starts_with("http://");
  if (!https && !http) return fail(std::string("must be an absolute URL, for example https://tools.example.com/mcp"));
  for (char c : identifier)
    if (c <= 0x20 || c >= 0x7F || c == '"' || c == '\\' || c == '<' || c == '>')
      return fail(std::string("must not hold spaces, quotes, angle brackets, backslashes or non-ASCII characters"));
  if (identifier.find_first_of("?#") != std::string_view::npos)
    return fail(std::string("must have neither a query nor a fragment (RFC 9728 section 1.2)"));
  const std::size_t authority_at = https ? 8 : 7;
  const std::size_t path_at = std::min(identifier.find('/', authority_at), identifier.size());
  const std::string_view authority = identifier.substr(authority_at, path_at - authority_at);
  const std::string_view host = host_of(authority);
  if (host.empty() || authority.find('@') != std::string_view::npos)
    return fail(std::string("must name a host and no user"));
  if (http && !is_loopback(host)) return fail(std::string("must be https; http is for loopback hosts only"));
  ProtectedResource resource;
  resource.identifier = identifier;
  resource.origin = identifier.substr(0, path_at);
  resource.path = path_at == identifier.size() ? "/" : identifier.substr(path_at);
  // RFC 9728 section 3.1: the well-known part goes between host and path, a path of "/" is dropped.
  resource.metadata_path = well_known;
  if (resource.path != "/") resource.metadata_path += resource.path;
  resource.metadata_url = resource.origin + resource.metadata_path;
  resource.permissions_path = permissions;
  if (resource.path != "/") resource.permissions_path += resource.path;
  resource.permissions_url = resource.origin + resource.permissions_path;
  return resource;
}

}  // namespace agw::gateway
