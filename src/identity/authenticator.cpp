#include "agw/identity/authenticator.h"

#include <algorithm>

#include "agw/base/encoding.h"

#include "claims.h"
#include "issuer_keys.h"
#include "svid.h"
#include "token_memory.h"

namespace agw::identity {
namespace {

constexpr std::size_t longest_shown_key_id = 64;

TokenRefusal refusal(Reason reason, std::string detail = {}) { return {reason, std::move(detail)}; }

/// A key id is the client's to choose: shown escaped and cut.
std::string shown(std::string_view key_id) { return encode_part(key_id.substr(0, longest_shown_key_id)); }

Reason reason_of(jose::JwtError error) {
  switch (error) {
    case jose::JwtError::algorithm_unknown: return Reason::token_algorithm_refused;
    default: return Reason::token_malformed;
  }
}

Reason reason_of(jose::VerifyError error) {
  switch (error) {
    case jose::VerifyError::key_unknown: return Reason::token_key_unknown;
    case jose::VerifyError::algorithm_refused: return Reason::token_algorithm_refused;
    case jose::VerifyError::signature_invalid: return Reason::token_signature_invalid;
  }
  return Reason::token_signature_invalid;
}

bool accepts_type(TokenType wanted, std::string_view type) {
  switch (wanted) {
    case TokenType::at_jwt: return type == "at+jwt";
    case TokenType::jwt: return type == "jwt" || type.empty();
    // Anything but what is known to be another kind of token (RFC 8725 section 3.11).
    case TokenType::any: return type != "logout+jwt" && type != "secevent+jwt" && type != "dpop+jwt";
  }
  return false;
}

}  // namespace

struct Authenticator::State {
  State(Host given, const std::vector<const IssuerConfig*>& configs, std::size_t max)
      : host(given),
        memory(KeyedHash(given.random.next(), given.random.next()), max),
        remembered(given.metrics.cell(R"(agent_tokens_total{result="remembered"})")),
        verified(given.metrics.cell(R"(agent_tokens_total{result="verified"})")),
        refused(given.metrics.cell(R"(agent_tokens_total{result="refused"})")) {
    for (const IssuerConfig* config : configs) issuers.push_back(std::make_unique<IssuerKeys>(given, *config));
  }

  using Answer = Result<PrincipalPtr, TokenRefusal>;

  [[nodiscard]] std::size_t index_of(const IssuerConfig* config) const {
    const auto it =
        std::find_if(issuers.begin(), issuers.end(), [&](const auto& issuer) { return &issuer->config() == config; });
    return static_cast<std::size_t>(it - issuers.begin());
  }

  /// Null unless it was verified here, with these keys, for this trust, and is still alive.
  [[nodiscard]] PrincipalPtr recall(std::string_view token, const TrustProfile& trust) {
    const auto hit = memory.find(token, &trust);
    if (hit.principal == nullptr) return nullptr;
    IssuerKeys& issuer = *issuers[hit.issuer];
    const bool keys_hold = issuer.current() != nullptr && issuer.generation() == hit.keys;
    const bool alive = host.clock.now() < (*hit.principal)->expires_at + issuer.config().clock_skew;
    if (keys_hold && alive) return *hit.principal;
    memory.forget(token, &trust);
    return nullptr;
  }

  [[nodiscard]] Task<Answer> verify(std::string_view token, const TrustProfile& trust);
  [[nodiscard]] Task<Result<jose::UnverifiedJwt, TokenRefusal>> check_signature(std::string_view token,
                                                                                IssuerKeys& issuer, bool any_type);

  Host host;
  std::vector<std::unique_ptr<IssuerKeys>> issuers;
  TokenMemory memory;
  Metrics::Cell& remembered;
  Metrics::Cell& verified;
  Metrics::Cell& refused;
};

Task<Result<jose::UnverifiedJwt, TokenRefusal>> Authenticator::State::check_signature(std::string_view token,
                                                                                      IssuerKeys& issuer,
                                                                                      bool any_type) {
  const IssuerConfig& config = issuer.config();
  auto jwt = jose::parse_jwt(token, config.max_token_bytes);
  if (!jwt) co_return fail(refusal(reason_of(jwt.error())));
  if (!any_type && !accepts_type(config.type, jwt->type)) co_return fail(refusal(Reason::token_type_refused));
  if (std::find(config.algorithms.begin(), config.algorithms.end(), jwt->algorithm) == config.algorithms.end())
    co_return fail(refusal(Reason::token_algorithm_refused,
                           std::string(jose::to_string(jwt->algorithm)) + " of issuer " + config.alias));
  if (issuer.current() == nullptr && !co_await issuer.await_keys())
    co_return fail(refusal(Reason::issuer_unavailable, "no keys of issuer " + config.alias));
  auto key = issuer.current()->verify(*jwt, config.algorithms);
  if (!key && key.error() == jose::VerifyError::key_unknown && co_await issuer.refresh_for_unknown_key() &&
      issuer.current() != nullptr)
    key = issuer.current()->verify(*jwt, config.algorithms);
  if (!key) co_return fail(refusal(reason_of(key.error()), "key " + shown(jwt->key_id) + " of issuer " + config.alias));
  // The key that it was, also where the token doesn't name it.
  jwt->key_id = *std::move(key);
  co_return *std::move(jwt);
}

Task<Authenticator::State::Answer> Authenticator::State::verify(std::string_view token, const TrustProfile& trust) {
  // The issuer is chosen by what the token says of itself; no other one is ever tried.
  std::size_t largest = 0;
  for (const IssuerConfig* config : trust.issuers) largest = std::max(largest, config->max_token_bytes);
  const auto unverified = jose::parse_jwt(token, largest);
  if (!unverified) co_return fail(refusal(reason_of(unverified.error())));
  const auto issuer_url = unverified_issuer(unverified->payload);
  if (!issuer_url) co_return fail(refusal(Reason::token_malformed, "the payload is not an object"));
  const auto* const svid = issuer_url->empty() ? issuer_of_svid(unverified->payload, trust) : nullptr;
  const auto found = std::find_if(trust.issuers.begin(), trust.issuers.end(), [&](const auto* config) {
    return svid != nullptr ? config == svid : config->issuer == *issuer_url && !is_keyless(*config);
  });
  if (found == trust.issuers.end()) co_return fail(refusal(Reason::token_issuer_unknown));
  const std::size_t index = index_of(*found);
  IssuerKeys& issuer = *issuers[index];

  const auto jwt = co_await check_signature(token, issuer, false);
  if (!jwt) co_return fail(jwt.error());
  auto principal = read_claims(jwt->payload, {**found, trust.resource, host.clock.now(), trust.issuers});
  if (!principal) co_return fail(principal.error());
  (*principal)->token_digest = sha256_hex(token);
  (*principal)->key_id = encode_part(jwt->key_id);
  PrincipalPtr done = *std::move(principal);
  memory.remember(token, &trust, index, issuer.generation(), done);
  co_return done;
}

Authenticator::Authenticator(Host host, const std::vector<const IssuerConfig*>& issuers, std::size_t max_remembered)
    : state_(std::make_unique<State>(host, issuers, max_remembered)) {}

Authenticator::~Authenticator() = default;

void Authenticator::start() {
  for (const auto& issuer : state_->issuers) state_->host.loop.keep([&keys = *issuer] { return keys.keep_fresh(); });
}

namespace {

Task<Result<PrincipalPtr, TokenRefusal>> counted(Task<Result<PrincipalPtr, TokenRefusal>> verification,
                                                 Metrics::Cell& verified, Metrics::Cell& refused) {
  auto answer = co_await std::move(verification);
  (answer ? verified : refused).fetch_add(1, std::memory_order_relaxed);
  co_return answer;
}

}  // namespace

ValueTask<Result<PrincipalPtr, TokenRefusal>> Authenticator::authenticate(std::string_view token,
                                                                          const TrustProfile& trust) {
  if (auto known = state_->recall(token, trust)) {
    state_->remembered.fetch_add(1, std::memory_order_relaxed);
    return Result<PrincipalPtr, TokenRefusal>(std::move(known));
  }
  return counted(state_->verify(token, trust), state_->verified, state_->refused);
}

Task<Result<oauth::ServerMetadata, TokenRefusal>> Authenticator::metadata(const IssuerConfig& issuer) {
  const std::size_t index = state_->index_of(&issuer);
  if (index == state_->issuers.size()) co_return fail(refusal(Reason::token_issuer_unknown));
  auto found = co_await state_->issuers[index]->metadata();
  if (!found) co_return fail(refusal(Reason::issuer_unavailable, "no metadata of issuer " + issuer.alias));
  co_return *std::move(found);
}

Task<Result<std::string, TokenRefusal>> Authenticator::verify_result(std::string token, const IssuerConfig& issuer) {
  const std::size_t index = state_->index_of(&issuer);
  if (index == state_->issuers.size()) co_return fail(refusal(Reason::token_issuer_unknown));
  auto jwt = co_await state_->check_signature(token, *state_->issuers[index], true);
  if (!jwt) co_return fail(jwt.error());
  if (unverified_issuer(jwt->payload) != issuer.issuer) co_return fail(refusal(Reason::token_issuer_unknown));
  if (auto fault = check_times(jwt->payload, issuer, state_->host.clock.now())) co_return fail(*std::move(fault));
  co_return std::move(jwt->payload);
}

std::vector<IssuerHealth> Authenticator::health() const {
  std::vector<IssuerHealth> out;
  for (const auto& issuer : state_->issuers) out.push_back(issuer->health());
  return out;
}

void Authenticator::tell(status::Report& report) const {
  for (const auto& issuer : state_->issuers) {
    if (report.issuers < status::most_issuers) issuer->tell(report.issuer[report.issuers]);
    ++report.issuers;
  }
}

}  // namespace agw::identity
