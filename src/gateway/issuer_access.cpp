#include "agw/gateway/issuer_access.h"

#include <algorithm>

#include "agw/jose/private_key.h"

namespace agw::gateway {
namespace {

constexpr std::size_t max_secret_bytes = 64U * 1024;

std::string_view host_of(std::string_view url) {
  const std::size_t at = url.find("://");
  if (at == std::string_view::npos) return {};
  url.remove_prefix(at + 3);
  return url.substr(0, url.find_first_of("/?#"));
}

/// Editors end files with a newline; a secret has none.
std::string_view without_newline(std::string_view text) {
  while (text.ends_with('\n') || text.ends_with('\r')) text.remove_suffix(1);
  return text;
}

bool offers(const oauth::ServerMetadata& metadata, std::string_view method) {
  const auto& methods = metadata.token_endpoint_auth_methods;
  return std::find(methods.begin(), methods.end(), method) != methods.end();
}

}  // namespace

IssuerAccess::IssuerAccess(identity::Authenticator& authenticator,
                           const std::vector<const identity::IssuerConfig*>& issuers, Log& log)
    : authenticator_(authenticator), log_(log) {
  for (const identity::IssuerConfig* config : issuers) {
    Issuer& issuer = issuers_[config->alias];
    issuer.config = config;
    if (!config->client) continue;
    const std::string& path = config->client->key_file.empty() ? config->client->secret_file : config->client->key_file;
    issuer.secret = std::make_unique<WatchedFile>(path, max_secret_bytes);
  }
}

IssuerAccess::~IssuerAccess() = default;

Task<Result<outbound::IssuerAccess::Endpoint, Reason>> IssuerAccess::endpoint(const std::string& alias) {
  const auto found = issuers_.find(alias);
  if (found == issuers_.end() || !found->second.secret) co_return fail(Reason::exchange_unavailable);
  Issuer& issuer = found->second;
  const identity::IssuerConfig& config = *issuer.config;

  oauth::ServerMetadata metadata;
  Endpoint out;
  out.token_endpoint = config.token_endpoint;
  if (out.token_endpoint.empty()) {
    auto discovered = co_await authenticator_.metadata(config);
    if (!discovered) co_return fail(Reason::issuer_unavailable);
    metadata = *std::move(discovered);
    out.token_endpoint = metadata.token_endpoint;
    // A document may not send the gateway's secret to an address that nobody configured.
    if (host_of(out.token_endpoint) != host_of(config.issuer)) out.addresses = AddressRule::discovered;
  }
  if (out.token_endpoint.empty()) co_return fail(Reason::exchange_unavailable);
  auto client = credentials(issuer, metadata);
  if (!client) co_return fail(client.error());
  out.client = *std::move(client);
  out.ca_file = config.ca_file;
  out.proxy = config.proxy;
  out.timeout = config.timeout;
  out.clock_skew = config.clock_skew;
  co_return out;
}

Result<oauth::ClientCredentials, Reason> IssuerAccess::credentials(Issuer& issuer,
                                                                   const oauth::ServerMetadata& metadata) {
  const identity::ClientConfig& config = *issuer.config->client;
  const auto file = issuer.secret->read();
  if (!file || without_newline((*file)->reveal()).empty()) {
    log_.write(LogLevel::error,
               "agent_issuer " + issuer.config->alias + ": " + issuer.secret->path() + " can't be read or is empty");
    return fail(Reason::exchange_unavailable);
  }
  using Method = oauth::ClientCredentials::Method;
  oauth::ClientCredentials out;
  out.client_id = config.id;
  out.audience = issuer.config->issuer;
  if (config.key_file.empty()) {
    out.secret = Secret(std::string(without_newline((*file)->reveal())));
    // RFC 8414 section 2: client_secret_basic is what holds if nothing is said.
    const bool post_only = offers(metadata, "client_secret_post") && !offers(metadata, "client_secret_basic");
    out.method = post_only ? Method::secret_post : Method::secret_basic;
    return out;
  }
  const auto algorithm = config.algorithm ? config.algorithm : jose::algorithm_of_private_key((*file)->reveal());
  if (!algorithm) {
    log_.write(LogLevel::error, "agent_issuer " + issuer.config->alias + ": " + issuer.secret->path() +
                                    " holds no private key that can sign");
    return fail(Reason::exchange_unavailable);
  }
  out.method = Method::private_key_jwt;
  out.secret = (*file)->clone();
  out.algorithm = *algorithm;
  out.key_id = config.key_id;
  return out;
}

Task<Result<std::string, Reason>> IssuerAccess::verify(const std::string& alias, std::string token) {
  const auto found = issuers_.find(alias);
  if (found == issuers_.end()) co_return fail(Reason::token_issuer_unknown);
  auto payload = co_await authenticator_.verify_result(std::move(token), *found->second.config);
  if (!payload) co_return fail(payload.error().reason);
  co_return *std::move(payload);
}

}  // namespace agw::gateway
