#include "agw/identity/authenticator.h"

#include <algorithm>
#include <utility>

#include "agw/base/encoding.h"

#include "claims.h"
#include "introspector.h"
#include "issuer_keys.h"
#include "signature.h"
#include "svid.h"
#include "token_memory.h"

namespace agw::identity {
namespace {

using Answer = Result<PrincipalPtr, TokenRefusal>;

TokenRefusal refusal(Reason reason, std::string detail = {}) { return {reason, std::move(detail)}; }

/// RFC 6750 section 2.1.
bool is_bearer_token(std::string_view token) {
  const std::size_t end = token.find_last_not_of('=') + 1;
  return end > 0 && std::ranges::all_of(token.substr(0, end), [](char c) {
           return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                  std::string_view("-._~+/").find(c) != std::string_view::npos;
         });
}

Task<Answer> counted(Task<Answer> verification, Metrics::Cell& verified, Metrics::Cell& refused) {
  auto answer = co_await std::move(verification);
  (answer ? verified : refused).fetch_add(1, std::memory_order_relaxed);
  co_return answer;
}

/// Who was verified has yet to be asked about.
Task<Answer> unless_refused(ValueTask<Answer> verification) {
  auto answer = co_await std::move(verification);
  if (answer) co_return PrincipalPtr();
  co_return answer;
}

}  // namespace

const IssuerConfig* issuer_of_opaque(std::string_view token, const TrustProfile& trust) noexcept {
  if (!trust.introspection) return nullptr;
  // Three parts are a JWS (RFC 7515 section 7.1), which names its issuer itself.
  const bool jws = std::ranges::count(token, '.') == 2;
  for (const IssuerConfig* issuer : trust.issuers) {
    if (!issuer->opaque_prefix || (jws && issuer->opaque_prefix->empty())) continue;
    if (token.starts_with(*issuer->opaque_prefix)) return issuer;
  }
  return nullptr;
}

struct Authenticator::State {
  State(Host given, const std::vector<const IssuerConfig*>& configs, std::size_t max)
      : host(given),
        memory(KeyedHash(given.random.next(), given.random.next()), max),
        remembered(given.metrics.cell(R"(agent_tokens_total{result="remembered"})")),
        verified(given.metrics.cell(R"(agent_tokens_total{result="verified"})")),
        refused(given.metrics.cell(R"(agent_tokens_total{result="refused"})")),
        introspector(given, max) {
    for (const IssuerConfig* config : configs) {
      issuers.push_back(std::make_unique<IssuerKeys>(given, *config));
      introspector.add(*issuers.back());
    }
  }

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

  [[nodiscard]] ValueTask<Answer> verify_or_recall(std::string_view token, const TrustProfile& trust) {
    if (auto known = recall(token, trust)) {
      remembered.fetch_add(1, std::memory_order_relaxed);
      return Answer(std::move(known));
    }
    return counted(verify(token, trust), verified, refused);
  }

  [[nodiscard]] Task<Answer> verify(std::string_view token, const TrustProfile& trust);
  [[nodiscard, gnu::noinline]] ValueTask<Answer> ask(std::string_view token, const TrustProfile& trust,
                                                     const Inquiry& inquiry);
  [[nodiscard]] Task<Answer> verify_and_ask(std::string_view token, const TrustProfile& trust, Inquiry inquiry);

  Host host;
  std::vector<std::unique_ptr<IssuerKeys>> issuers;
  TokenMemory memory;
  Metrics::Cell& remembered;
  Metrics::Cell& verified;
  Metrics::Cell& refused;
  Introspector introspector;
};

Task<Answer> Authenticator::State::verify(std::string_view token, const TrustProfile& trust) {
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

  const auto jwt = co_await check_signature(token, issuer, Expected::access_token);
  if (!jwt) co_return fail(jwt.error());
  auto principal = read_claims(jwt->payload, {**found, trust.resource, host.clock.now(), trust.issuers});
  if (!principal) co_return fail(principal.error());
  (*principal)->token_digest = sha256_hex(token);
  (*principal)->key_id = encode_part(jwt->key_id);
  PrincipalPtr done = *std::move(principal);
  memory.remember(token, &trust, index, issuer.generation(), done);
  co_return done;
}

/// What its issuer says of a token now: of an opaque one everything, of a JWT whether it still counts.
ValueTask<Answer> Authenticator::State::ask(std::string_view token, const TrustProfile& trust, const Inquiry& inquiry) {
  if (const IssuerConfig* issuer = issuer_of_opaque(token, trust)) {
    if (token.size() > issuer->max_token_bytes || !is_bearer_token(token))
      return Answer(fail(refusal(Reason::token_malformed)));
    return introspector.ask({token, trust, index_of(issuer), nullptr}, inquiry);
  }
  if (!trust.introspection->jwts) return verify_or_recall(token, trust);
  return verify_and_ask(token, trust, inquiry);
}

Task<Answer> Authenticator::State::verify_and_ask(std::string_view token, const TrustProfile& trust, Inquiry inquiry) {
  auto verifying = verify_or_recall(token, trust);
  auto known = co_await std::move(verifying);
  if (!known) co_return known;
  const auto issuer = std::ranges::find(trust.issuers, (*known)->issuer, &IssuerConfig::alias);
  auto asking = introspector.ask({token, trust, index_of(*issuer), *known}, inquiry);
  co_return co_await std::move(asking);
}

Authenticator::Authenticator(Host host, const std::vector<const IssuerConfig*>& issuers, std::size_t max_remembered)
    : state_(std::make_unique<State>(host, issuers, max_remembered)) {}

Authenticator::~Authenticator() = default;

void Authenticator::start() {
  for (const auto& issuer : state_->issuers) state_->host.loop.keep([&keys = *issuer] { return keys.keep_fresh(); });
}

ValueTask<Answer> Authenticator::authenticate(std::string_view token, const TrustProfile& trust,
                                              const Inquiry& inquiry) {
  if (trust.introspection) [[unlikely]]
    return state_->ask(token, trust, inquiry);
  // As verify_or_recall does, without a call more on the way that nearly all take.
  if (auto known = state_->recall(token, trust)) {
    state_->remembered.fetch_add(1, std::memory_order_relaxed);
    return Answer(std::move(known));
  }
  return counted(state_->verify(token, trust), state_->verified, state_->refused);
}

ValueTask<Answer> Authenticator::before_asking(std::string_view token, const TrustProfile& trust) {
  if (issuer_of_opaque(token, trust) != nullptr) return Answer(PrincipalPtr());
  auto verifying = state_->verify_or_recall(token, trust);
  if (!trust.introspection || !trust.introspection->jwts) return verifying;
  return unless_refused(std::move(verifying));
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
  auto jwt = co_await check_signature(token, *state_->issuers[index], Expected::exchange_result);
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
