#include "agw/identity/client_access.h"

#include <algorithm>
#include <utility>

#include "agw/jose/private_key.h"

namespace agw::identity {
namespace {

constexpr std::size_t max_secret_bytes = 64U * 1024;

/// Editors end files with a newline; a secret has none.
std::string_view without_newline(std::string_view text) {
  while (text.ends_with('\n') || text.ends_with('\r')) text.remove_suffix(1);
  return text;
}

std::string_view host_of(std::string_view url) noexcept {
  const std::size_t at = url.find("://");
  if (at == std::string_view::npos) return {};
  url.remove_prefix(at + 3);
  return url.substr(0, url.find_first_of("/?#"));
}

}  // namespace

ClientAccess::ClientAccess(const IssuerConfig& config, Log& log)
    : config_(config),
      file_(config.client->key_file.empty() ? config.client->secret_file : config.client->key_file, max_secret_bytes),
      log_(log) {}

void ClientAccess::complain(std::string_view what) {
  log_.write(LogLevel::error, "agent_issuer " + config_.alias + ": " + file_.path() + std::string(what));
}

std::optional<oauth::ClientCredentials> ClientAccess::credentials(const std::vector<std::string>& methods) {
  const ClientConfig& config = *config_.client;
  const auto content = file_.read();
  if (!content || without_newline((*content)->reveal()).empty()) {
    complain(" can't be read or is empty");
    return std::nullopt;
  }
  using Method = oauth::ClientCredentials::Method;
  oauth::ClientCredentials out;
  out.client_id = config.id;
  out.audience = config_.issuer;
  if (config.key_file.empty()) {
    out.secret = Secret(std::string(without_newline((*content)->reveal())));
    const auto offered = [&](std::string_view method) { return std::ranges::find(methods, method) != methods.end(); };
    // RFC 8414 section 2: client_secret_basic is what holds if nothing is said.
    const bool post_only = offered("client_secret_post") && !offered("client_secret_basic");
    out.method = post_only ? Method::secret_post : Method::secret_basic;
    return out;
  }
  const auto algorithm = config.algorithm ? config.algorithm : jose::algorithm_of_private_key((*content)->reveal());
  if (!algorithm) {
    complain(" holds no private key that can sign");
    return std::nullopt;
  }
  out.method = Method::private_key_jwt;
  out.secret = (*content)->clone();
  out.algorithm = *algorithm;
  out.key_id = config.key_id;
  return out;
}

AddressRule addresses_for(std::string_view url, const IssuerConfig& issuer) noexcept {
  return host_of(url) == host_of(issuer.issuer) ? AddressRule::configured : AddressRule::discovered;
}

}  // namespace agw::identity
