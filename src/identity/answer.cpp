#include "answer.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "agw/json/tree.h"

#include "claim_values.h"
#include "confirmation.h"

namespace agw::identity {
namespace {

std::string_view text_of(const json_t* value) { return {json_string_value(value), json_string_length(value)}; }

std::optional<TokenRefusal> check_issuer(const json_t* claims, const IssuerConfig& issuer) {
  const json_t* named = json_object_get(claims, "iss");
  if (named == nullptr) return std::nullopt;
  if (!json_is_string(named)) return invalid_claim("iss", "is not a string");
  if (text_of(named) != issuer.issuer)
    return TokenRefusal{Reason::token_issuer_unknown, "issuer " + issuer.alias + " speaks of another issuer's token"};
  return std::nullopt;
}

void keep_only(std::vector<std::string>& list, const std::vector<std::string>& allowed) {
  std::erase_if(list, [&](const std::string& one) { return std::ranges::find(allowed, one) == allowed.end(); });
}

}  // namespace

Result<std::shared_ptr<Principal>, TokenRefusal> principal_of_answer(std::string_view claims, const ClaimRules& rules) {
  const json::Tree root = json::read_tree(claims);
  if (!json_is_object(root.get())) return fail(TokenRefusal{Reason::token_malformed, "the answer is not an object"});
  if (auto fault = check_issuer(root.get(), rules.issuer)) return fail(*std::move(fault));
  return read_claims(claims, rules);
}

std::optional<TokenRefusal> narrow(Principal& principal, std::string_view claims, const ClaimRules& rules) {
  const json::Tree root = json::read_tree(claims);
  if (!json_is_object(root.get())) return TokenRefusal{Reason::token_malformed, "the answer is not an object"};
  if (auto fault = check_issuer(root.get(), rules.issuer)) return fault;
  const json_t* subject = json_object_get(root.get(), "sub");
  if (subject != nullptr && (!json_is_string(subject) || text_of(subject) != principal.subject))
    return invalid_claim("sub", "is not the token's");
  if (const json_t* scope = json_object_get(root.get(), "scope")) {
    // RFC 7662 section 2.2.
    if (!json_is_string(scope)) return invalid_claim("scope", "is not a string");
    const auto named = claim_strings(root.get(), "scope", Words::split);
    if (!named) return named.error();
    keep_only(principal.scopes, *named);
    keep_only(principal.implied_scopes, with_implied(*named, rules.issuer));
  }
  if (json_object_get(root.get(), "exp") != nullptr) {
    if (auto fault = check_times(claims, rules.issuer, rules.now)) return fault;
    const double end = json_number_value(json_object_get(root.get(), "exp"));
    principal.expires_at =
        std::min(principal.expires_at, WallTime(Milliseconds(static_cast<std::int64_t>(end * 1000))));
  }
  Principal bound;
  if (auto fault = read_confirmation(root.get(), bound)) return fault;
  if (bound.is_bound()) {
    const bool other = bound.bound_key != principal.bound_key || bound.bound_certificate != principal.bound_certificate;
    if (principal.is_bound() && other) return invalid_claim("cnf", "is not the token's");
    principal.bound_key = std::move(bound.bound_key);
    principal.bound_certificate = std::move(bound.bound_certificate);
  }
  const auto once = single_use_of(root.get(), rules.issuer);
  if (!once) return once.error();
  principal.single_use = principal.single_use || *once;
  return std::nullopt;
}

}  // namespace agw::identity
