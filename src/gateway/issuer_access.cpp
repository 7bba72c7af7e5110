#include "agw/gateway/issuer_access.h"

#include <utility>

namespace agw::gateway {

IssuerAccess::IssuerAccess(identity::Authenticator& authenticator,
                           const std::vector<const identity::IssuerConfig*>& issuers, Log& log)
    : authenticator_(authenticator) {
  for (const identity::IssuerConfig* config : issuers) {
    Issuer& issuer = issuers_[config->alias];
    issuer.config = config;
    if (config->client) issuer.client = std::make_unique<identity::ClientAccess>(*config, log);
  }
}

IssuerAccess::~IssuerAccess() = default;

Task<Result<outbound::IssuerAccess::Endpoint, Reason>> IssuerAccess::endpoint(const std::string& alias) {
  const auto found = issuers_.find(alias);
  if (found == issuers_.end() || !found->second.client) co_return fail(Reason::exchange_unavailable);
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
    out.addresses = identity::addresses_for(out.token_endpoint, config);
  }
  if (out.token_endpoint.empty()) co_return fail(Reason::exchange_unavailable);
  auto client = issuer.client->credentials(metadata.token_endpoint_auth_methods);
  if (!client) co_return fail(Reason::exchange_unavailable);
  out.client = *std::move(client);
  out.ca_file = config.ca_file;
  out.proxy = config.proxy;
  out.timeout = config.timeout;
  out.clock_skew = config.clock_skew;
  co_return out;
}

Task<Result<std::string, Reason>> IssuerAccess::verify(const std::string& alias, std::string token) {
  const auto found = issuers_.find(alias);
  if (found == issuers_.end()) co_return fail(Reason::token_issuer_unknown);
  auto payload = co_await authenticator_.verify_result(std::move(token), *found->second.config);
  if (!payload) co_return fail(payload.error().reason);
  co_return *std::move(payload);
}

}  // namespace agw::gateway
