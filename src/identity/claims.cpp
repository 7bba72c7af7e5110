#include "claims.h"

#include <algorithm>
#include <memory>
#include <set>

#include "agw/base/encoding.h"
#include "agw/json/tree.h"

#include "callers.h"
#include "claim_values.h"
#include "confirmation.h"
#include "svid.h"

namespace agw::identity {
namespace {

struct Times {
  WallTime expires_at;
  WallTime issued_at{};
};

Result<Times, TokenRefusal> read_times(const json_t* claims, const IssuerConfig& issuer, WallTime now) {
  const auto expires = claim_time(claims, "exp");
  if (!expires) return fail(expires.error());
  if (!*expires) return fail(invalid_claim("exp", "is missing"));
  if (now >= **expires + issuer.clock_skew) return fail(TokenRefusal{Reason::token_expired, ""});
  const auto not_before = claim_time(claims, "nbf");
  if (!not_before) return fail(not_before.error());
  if (*not_before && now + issuer.clock_skew < **not_before) return fail(TokenRefusal{Reason::token_not_yet_valid, ""});
  const auto issued = claim_time(claims, "iat");
  if (!issued) return fail(issued.error());
  if (*issued && now + issuer.clock_skew < **issued)
    return fail(TokenRefusal{Reason::token_not_yet_valid, "claim iat lies in the future"});
  return Times{**expires, issued->value_or(WallTime{})};
}

void sort_unique(std::vector<std::string>& list) {
  std::sort(list.begin(), list.end());
  list.erase(std::unique(list.begin(), list.end()), list.end());
}

/// The allow-list is the operator's: without one the issuer speaks for the one tenant "default",
/// whatever its tokens say.
Claimed<std::string> tenant_of(const json_t* claims, const IssuerConfig& issuer) {
  if (issuer.tenants.empty()) return std::string("default");
  const auto claim = optional_claim(claims, issuer.claims.tenant);
  if (!claim) return fail(claim.error());
  if (claim->empty() && issuer.tenants.size() == 1) return issuer.tenants.front();
  if (claim->empty()) return fail(TokenRefusal{Reason::tenant_refused, "the token names no tenant"});
  std::string tenant = encode_part(*claim);
  if (std::find(issuer.tenants.begin(), issuer.tenants.end(), tenant) == issuer.tenants.end())
    return fail(TokenRefusal{Reason::tenant_refused, "the tenant is not among those of issuer " + issuer.alias});
  return tenant;
}

/// RFC 8725 section 3.9: exactly, and whatever else the token is for.
bool is_meant_for(const std::vector<std::string>& audience, const ClaimRules& rules) {
  const auto named = [&](const std::string& wanted) {
    return std::find(audience.begin(), audience.end(), wanted) != audience.end();
  };
  const auto& own = rules.issuer.audiences;
  return own.empty() ? named(rules.resource) : std::any_of(own.begin(), own.end(), named);
}

class PrincipalReader {
 public:
  PrincipalReader(const json_t* claims, const ClaimRules& rules)
      : claims_(claims), rules_(rules), issuer_(rules.issuer), out_(std::make_shared<Principal>()) {}

  Claimed<std::shared_ptr<Principal>> read() {
    out_->issuer = issuer_.alias;
    out_->issuer_url = issuer_.issuer;
    if (auto fault = read_callers(claims_, rules_, *out_)) return fail(*std::move(fault));
    if (auto fault = read_required()) return fail(*std::move(fault));
    if (auto fault = read_lists()) return fail(*std::move(fault));
    if (auto fault = read_rest()) return fail(*std::move(fault));
    return out_;
  }

 private:
  using Fault = std::optional<TokenRefusal>;

  [[nodiscard]] std::string id(std::string_view part) const { return issuer_.alias + "|" + encode_part(part); }

  [[nodiscard]] Fault read_required() const {
    for (const auto& path : issuer_.required) {
      const auto value = find_claim(claims_, path);
      if (!value) return value.error();
      if (*value == nullptr || json_is_null(*value)) return invalid_claim(path, "is missing");
    }
    return std::nullopt;
  }

  Fault read_lists() {
    const auto groups = claim_strings(claims_, issuer_.claims.groups, Words::kept);
    if (!groups) return groups.error();
    // A group without a name is none: nothing could be said of it but that it has none. A machine's are nobody's:
    // what people of a group may do is no machine's to do.
    for (const auto& group : *groups)
      if (!group.empty() && !out_->machine) out_->groups.push_back(id(group));
    sort_unique(out_->groups);
    auto scopes = claim_strings(claims_, issuer_.claims.scope, Words::split);
    if (!scopes) return scopes.error();
    sort_unique(*scopes);
    out_->scopes = *std::move(scopes);
    out_->implied_scopes = with_implied(out_->scopes, issuer_);
    auto audience = claim_strings(claims_, "aud", Words::kept);
    if (!audience) return audience.error();
    out_->audience = *std::move(audience);
    return std::nullopt;
  }

  Fault read_rest() {
    auto tenant = tenant_of(claims_, issuer_);
    if (!tenant) return tenant.error();
    out_->tenant = *std::move(tenant);
    const auto take = [&](const std::string& name, std::string& into, bool encoded) -> Fault {
      const auto value = optional_claim(claims_, name);
      if (!value) return value.error();
      into = encoded ? encode_part(*value) : *value;
      return std::nullopt;
    };
    if (auto fault = take(issuer_.claims.user_name, out_->user_name, false)) return fault;
    if (auto fault = take(issuer_.claims.provider, out_->provider, false)) return fault;
    if (auto fault = take(issuer_.claims.model, out_->model, false)) return fault;
    if (auto fault = take("jti", out_->jti, true)) return fault;
    return take("sid", out_->sid, true);
  }

  const json_t* claims_;
  const ClaimRules& rules_;
  const IssuerConfig& issuer_;
  std::shared_ptr<Principal> out_;
};

}  // namespace

std::optional<std::string> unverified_issuer(std::string_view payload) {
  const json::Tree claims = json::read_tree(payload);
  if (!json_is_object(claims.get())) return std::nullopt;
  const json_t* issuer = json_object_get(claims.get(), "iss");
  return json_is_string(issuer) ? std::string(json_string_value(issuer), json_string_length(issuer)) : std::string();
}

Result<std::shared_ptr<Principal>, TokenRefusal> read_claims(std::string_view payload, const ClaimRules& rules) {
  const json::Tree claims = json::read_tree(payload);
  if (!json_is_object(claims.get())) return fail(TokenRefusal{Reason::token_malformed, "the payload is not an object"});
  const auto times = read_times(claims.get(), rules.issuer, rules.now);
  if (!times) return fail(times.error());
  auto principal = PrincipalReader(claims.get(), rules).read();
  if (!principal) return principal;
  if (!is_meant_for((*principal)->audience, rules)) return fail(TokenRefusal{Reason::token_audience_mismatch, ""});
  if (!rules.issuer.workloads.trust_domain.empty())
    if (auto fault = take_workload(**principal, rules.issuer)) return fail(*std::move(fault));
  if (auto fault = read_confirmation(claims.get(), **principal)) return fail(*std::move(fault));
  // What only conditions ask for harms nobody who asks for nothing: of another type it is absent.
  if (const auto authenticated = claim_time(claims.get(), "auth_time")) (*principal)->authenticated_at = *authenticated;
  if (const json_t* acr = json_object_get(claims.get(), "acr"); json_is_string(acr))
    (*principal)->acr = {json_string_value(acr), json_string_length(acr)};
  const auto once = single_use_of(claims.get(), rules.issuer);
  if (!once) return fail(once.error());
  (*principal)->single_use = *once;
  (*principal)->expires_at = times->expires_at;
  (*principal)->issued_at = times->issued_at;
  return principal;
}

/// What the scopes imply, and what those imply.
std::vector<std::string> with_implied(const std::vector<std::string>& scopes, const IssuerConfig& issuer) {
  std::set<std::string> out(scopes.begin(), scopes.end());
  for (bool grown = true; grown;) {
    grown = false;
    for (const auto& [scope, implied] : issuer.scope_implies) {
      if (!out.contains(scope)) continue;
      for (const auto& other : implied) grown = out.insert(other).second || grown;
    }
  }
  return {out.begin(), out.end()};
}

Result<bool, TokenRefusal> single_use_of(const json_t* claims, const IssuerConfig& issuer) {
  const auto value = find_claim(claims, issuer.single_use_claim);
  if (!value) return fail(value.error());
  if (*value != nullptr && !json_is_boolean(*value))
    return fail(invalid_claim(issuer.single_use_claim, "is not a boolean"));
  return issuer.single_use || json_is_true(*value);
}

std::optional<TokenRefusal> check_times(std::string_view payload, const IssuerConfig& issuer, WallTime now) {
  const json::Tree claims = json::read_tree(payload);
  if (!json_is_object(claims.get())) return TokenRefusal{Reason::token_malformed, "the payload is not an object"};
  const auto times = read_times(claims.get(), issuer, now);
  if (!times) return times.error();
  return std::nullopt;
}

}  // namespace agw::identity
