#include "agw/identity/possession.h"

#include <utility>

#include "agw/base/encoding.h"

#include "dpop.h"

namespace agw::identity {
namespace {

constexpr std::string_view bound = "dpop nonce 1";
constexpr std::size_t time_bytes = 8;
/// How far the clock of a client, or of another nginx, may be ahead.
constexpr Milliseconds ahead{10'000};

Holding refused(Reason reason, std::string detail = {}) { return {TokenRefusal{reason, std::move(detail)}, {}}; }

bool is_held_as(const Principal& principal, Holder holder) {
  switch (holder) {
    case Holder::anybody: return true;
    case Holder::of_key: return !principal.bound_key.empty();
    case Holder::of_certificate: return !principal.bound_certificate.empty();
    case Holder::of_either: return principal.is_bound();
  }
  return false;
}

/// RFC 8705 section 3.
std::optional<Reason> check_certificate(const Principal& principal, const ClientCertificate* certificate) {
  if (principal.bound_certificate.empty()) return std::nullopt;
  if (certificate == nullptr) return Reason::certificate_missing;
  if (certificate->thumbprint != principal.bound_certificate) return Reason::certificate_mismatch;
  return std::nullopt;
}

/// One key's `jti` is its own: what another key calls so is another proof.
Sha256 id_of(const Proof& proof) { return sha256(proof.key + ' ' + proof.id); }

}  // namespace

std::string Possession::make_nonce() const {
  const auto now = static_cast<std::uint64_t>(host_.clock.now().time_since_epoch().count());
  std::string plain;
  for (std::size_t i = 0; i < time_bytes; ++i) plain += static_cast<char>((now >> (56 - 8 * i)) & 0xffU);
  return base64url_encode(host_.nonces.seal(plain, bound, host_.random));
}

std::optional<WallTime> Possession::read_nonce(std::string_view nonce) const {
  const auto bytes = base64url_decode(nonce);
  const auto plain = bytes ? host_.nonces.open(*bytes, bound) : std::nullopt;
  if (!plain || plain->size() != time_bytes) return std::nullopt;
  std::uint64_t made = 0;
  for (const char c : *plain) made = (made << 8U) | static_cast<unsigned char>(c);
  return WallTime(Milliseconds(static_cast<std::int64_t>(made)));
}

Task<Holding> Possession::check(const Principal& principal, const SenderRules& rules, Presented presented) {
  if (!is_held_as(principal, rules.holder)) co_return refused(Reason::token_unbound);
  if (const auto fault = check_certificate(principal, presented.certificate)) co_return refused(*fault);
  if (principal.bound_key.empty()) {
    // RFC 9449 section 7.1: the scheme is for tokens that are bound by it.
    if (presented.scheme == TokenScheme::dpop) co_return refused(Reason::token_unbound);
    co_return Holding{};
  }
  // Section 7.2: a token that is bound to a key is no bearer token.
  if (presented.scheme != TokenScheme::dpop || presented.proof.count == 0) co_return refused(Reason::proof_missing);
  if (presented.proof.count > 1) co_return refused(Reason::proof_malformed, "more than one DPoP field");
  const auto proof =
      read_proof(presented.proof.value, {presented.method, presented.uri, presented.token, principal.bound_key});
  if (!proof) co_return Holding{proof.error(), {}};

  // Section 4.3, checks 10 and 11: it was made just now, by our clock where a nonce of ours says when.
  const WallTime now = host_.clock.now();
  const auto nonce = proof->nonce.empty() ? std::nullopt : read_nonce(proof->nonce);
  const bool timed = nonce && *nonce <= now + ahead && now < *nonce + rules.proofs.nonce_lifetime;
  if (!timed && rules.proofs.nonce) co_return Holding{TokenRefusal{Reason::proof_nonce_needed, ""}, make_nonce()};
  Proven proven;
  proven.tenant = principal.tenant;
  proven.id = id_of(*proof);
  proven.made = timed ? *nonce : proof->issued_at;
  proven.good_until = proven.made + (timed ? rules.proofs.nonce_lifetime : rules.proofs.window);
  if (proven.made > now + ahead || proven.good_until <= now) co_return refused(Reason::proof_expired);

  auto spending = host_.spent.spend(std::move(proven));
  switch (co_await std::move(spending)) {
    case Spending::fresh: break;
    case Spending::spent: co_return refused(Reason::proof_replayed);
    // With a nonce the client can show that its proof is younger than what is remembered.
    case Spending::too_old: co_return Holding{TokenRefusal{Reason::proof_nonce_needed, ""}, make_nonce()};
    case Spending::no_room: co_return refused(Reason::proof_room_full);
    case Spending::unavailable: co_return refused(Reason::proof_unavailable);
  }
  Holding out;
  // Section 8.2: the next nonce comes before the client needs it.
  if (timed && now >= *nonce + rules.proofs.nonce_lifetime / 2) out.nonce = make_nonce();
  co_return out;
}

}  // namespace agw::identity
