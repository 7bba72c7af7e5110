#include "claims.h"

#include <algorithm>
#include <memory>
#include <set>
#include <sstream>

#include "agw/base/encoding.h"
#include "agw/json/tree.h"

namespace agw::identity {
namespace {

constexpr std::size_t max_actors = 8;
constexpr std::size_t max_list = 1024;  // groups, scopes, audiences

json::Tree parse(std::string_view json) { return json::read_tree(json); }

std::string text_of(const json_t* value) { return {json_string_value(value), json_string_length(value)}; }

/// A claim by its path (`realm_access/roles`); a claim whose own name has the slashes wins.
const json_t* find(const json_t* claims, const std::string& path) {
  if (path.empty()) return nullptr;
  if (const json_t* whole = json_object_get(claims, path.c_str())) return whole;
  const json_t* here = claims;
  std::istringstream parts(path);
  for (std::string part; std::getline(parts, part, '/');) here = json_object_get(here, part.c_str());
  return here;
}

TokenRefusal invalid(std::string_view claim, std::string_view what) {
  return {Reason::token_claim_invalid, "claim " + std::string(claim) + " " + std::string(what)};
}

/// Strings of a claim that is one string, a list of strings, or absent.
Result<std::vector<std::string>, TokenRefusal> strings(const json_t* value, std::string_view claim, bool split) {
  std::vector<std::string> out;
  if (value == nullptr) return out;
  if (json_is_string(value)) {
    if (!split) return std::vector<std::string>{text_of(value)};
    std::istringstream words(text_of(value));
    for (std::string word; words >> word;) out.push_back(word);
    return out;
  }
  if (!json_is_array(value) || json_array_size(value) > max_list)
    return fail(invalid(claim, "is neither a string nor a list of strings"));
  for (std::size_t i = 0; i < json_array_size(value); ++i) {
    const json_t* item = json_array_get(value, i);
    if (!json_is_string(item)) return fail(invalid(claim, "is not a list of strings"));
    out.push_back(text_of(item));
  }
  return out;
}

/// NumericDate, whole or with a fraction; bounded so that arithmetic on it can't overflow.
Result<std::optional<WallTime>, TokenRefusal> time(const json_t* claims, const char* name) {
  constexpr double furthest = 253'402'300'799;  // the end of 9999
  const json_t* value = json_object_get(claims, name);
  if (value == nullptr) return std::optional<WallTime>();
  if (!json_is_number(value)) return fail(invalid(name, "is not a number"));
  const double seconds = json_number_value(value);
  if (!(seconds >= 0 && seconds <= furthest)) return fail(invalid(name, "is out of range"));
  return std::optional<WallTime>(WallTime(Milliseconds(static_cast<std::int64_t>(seconds * 1000))));
}

struct Times {
  WallTime expires_at;
  WallTime issued_at{};
};

Result<Times, TokenRefusal> read_times(const json_t* claims, const IssuerConfig& issuer, WallTime now) {
  const auto expires = time(claims, "exp");
  if (!expires) return fail(expires.error());
  if (!*expires) return fail(invalid("exp", "is missing"));
  if (now >= **expires + issuer.clock_skew) return fail(TokenRefusal{Reason::token_expired, ""});
  const auto not_before = time(claims, "nbf");
  if (!not_before) return fail(not_before.error());
  if (*not_before && now + issuer.clock_skew < **not_before) return fail(TokenRefusal{Reason::token_not_yet_valid, ""});
  const auto issued = time(claims, "iat");
  if (!issued) return fail(issued.error());
  if (*issued && now + issuer.clock_skew < **issued)
    return fail(TokenRefusal{Reason::token_not_yet_valid, "claim iat lies in the future"});
  return Times{**expires, issued->value_or(WallTime{})};
}

void sort_unique(std::vector<std::string>& list) {
  std::sort(list.begin(), list.end());
  list.erase(std::unique(list.begin(), list.end()), list.end());
}

/// What the scopes imply, and what those imply.
std::vector<std::string> closed(const std::vector<std::string>& scopes, const IssuerConfig& issuer) {
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

/// A string claim that must be there and not be empty.
Result<std::string, TokenRefusal> needed(const json_t* claims, const std::string& name) {
  const json_t* value = find(claims, name);
  if (value == nullptr) return fail(invalid(name, "is missing"));
  if (!json_is_string(value) || json_string_length(value) == 0) return fail(invalid(name, "is not a string"));
  return text_of(value);
}

/// A string claim that may be absent.
Result<std::string, TokenRefusal> optional(const json_t* claims, const std::string& name) {
  const json_t* value = find(claims, name);
  if (value == nullptr) return std::string();
  if (!json_is_string(value)) return fail(invalid(name, "is not a string"));
  return text_of(value);
}

Result<std::string, TokenRefusal> agent_of(const json_t* claims, const IssuerConfig& issuer) {
  if (!issuer.claims.agent.empty()) return needed(claims, issuer.claims.agent);
  // RFC 9068 section 2.2 has client_id; OpenID providers say azp.
  return json_object_get(claims, "client_id") != nullptr ? needed(claims, "client_id") : needed(claims, "azp");
}

/// The allow-list is the operator's: without one the issuer speaks for the one tenant "default",
/// whatever its tokens say.
Result<std::string, TokenRefusal> tenant_of(const json_t* claims, const IssuerConfig& issuer) {
  if (issuer.tenants.empty()) return std::string("default");
  const auto claim = optional(claims, issuer.claims.tenant);
  if (!claim) return fail(claim.error());
  if (claim->empty() && issuer.tenants.size() == 1) return issuer.tenants.front();
  if (claim->empty()) return fail(TokenRefusal{Reason::tenant_refused, "the token names no tenant"});
  std::string tenant = encode_part(*claim);
  if (std::find(issuer.tenants.begin(), issuer.tenants.end(), tenant) == issuer.tenants.end())
    return fail(TokenRefusal{Reason::tenant_refused, "the tenant is not among those of issuer " + issuer.alias});
  return tenant;
}

/// RFC 8693 section 4.1: nested, the outermost actor is the current one.
Result<std::vector<Actor>, TokenRefusal> actors_of(const json_t* claims) {
  std::vector<Actor> out;
  for (const json_t* act = json_object_get(claims, "act"); act != nullptr; act = json_object_get(act, "act")) {
    if (!json_is_object(act) || out.size() == max_actors)
      return fail(invalid("act", "is not a chain of at most 8 actors"));
    const json_t* subject = json_object_get(act, "sub");
    const json_t* issuer = json_object_get(act, "iss");
    if (!json_is_string(subject) || (issuer != nullptr && !json_is_string(issuer)))
      return fail(invalid("act", "names no actor"));
    out.push_back({issuer == nullptr ? std::string() : text_of(issuer), text_of(subject)});
  }
  return out;
}

class PrincipalReader {
 public:
  PrincipalReader(const json_t* claims, const IssuerConfig& issuer)
      : claims_(claims), issuer_(issuer), out_(std::make_shared<Principal>()) {}

  Result<std::shared_ptr<Principal>, TokenRefusal> read() {
    out_->issuer = issuer_.alias;
    out_->issuer_url = issuer_.issuer;
    if (auto fault = read_people()) return fail(*std::move(fault));
    if (auto fault = read_lists()) return fail(*std::move(fault));
    if (auto fault = read_rest()) return fail(*std::move(fault));
    return out_;
  }

 private:
  using Fault = std::optional<TokenRefusal>;

  [[nodiscard]] std::string id(std::string_view part) const { return issuer_.alias + "|" + encode_part(part); }

  Fault read_people() {
    const auto subject = needed(claims_, "sub");
    if (!subject) return subject.error();
    out_->subject = *subject;
    const auto user = needed(claims_, issuer_.claims.user);
    if (!user) return user.error();
    const auto agent = agent_of(claims_, issuer_);
    if (!agent) return agent.error();
    out_->agent = id(*agent);
    // A machine's token names itself as subject: no person stands behind it, and none is made up.
    if (*user != *agent && *subject != *agent) out_->user = id(*user);
    const auto name = optional(claims_, issuer_.claims.user_name);
    if (name) out_->user_name = *name;
    return std::nullopt;
  }

  Fault read_lists() {
    const auto groups = strings(find(claims_, issuer_.claims.groups), issuer_.claims.groups, false);
    if (!groups) return groups.error();
    // A group without a name is none: nothing could be said of it but that it has none.
    for (const auto& group : *groups)
      if (!group.empty()) out_->groups.push_back(id(group));
    sort_unique(out_->groups);
    auto scopes = strings(find(claims_, issuer_.claims.scope), issuer_.claims.scope, true);
    if (!scopes) return scopes.error();
    sort_unique(*scopes);
    out_->scopes = *std::move(scopes);
    out_->implied_scopes = closed(out_->scopes, issuer_);
    auto audience = strings(json_object_get(claims_, "aud"), "aud", false);
    if (!audience) return audience.error();
    out_->audience = *std::move(audience);
    auto actors = actors_of(claims_);
    if (!actors) return actors.error();
    out_->actors = *std::move(actors);
    return std::nullopt;
  }

  Fault read_rest() {
    auto tenant = tenant_of(claims_, issuer_);
    if (!tenant) return tenant.error();
    out_->tenant = *std::move(tenant);
    const auto take = [&](const std::string& name, std::string& into, bool encoded) -> Fault {
      const auto value = optional(claims_, name);
      if (!value) return value.error();
      into = encoded ? encode_part(*value) : *value;
      return std::nullopt;
    };
    if (auto fault = take(issuer_.claims.provider, out_->provider, false)) return fault;
    if (auto fault = take(issuer_.claims.model, out_->model, false)) return fault;
    if (auto fault = take("jti", out_->jti, true)) return fault;
    return take("sid", out_->sid, true);
  }

  const json_t* claims_;
  const IssuerConfig& issuer_;
  std::shared_ptr<Principal> out_;
};

}  // namespace

std::optional<std::string> unverified_issuer(std::string_view payload) {
  const json::Tree claims = parse(payload);
  if (!json_is_object(claims.get())) return std::nullopt;
  const json_t* issuer = json_object_get(claims.get(), "iss");
  return json_is_string(issuer) ? text_of(issuer) : std::string();
}

Result<std::shared_ptr<Principal>, TokenRefusal> read_claims(std::string_view payload, const ClaimRules& rules) {
  const json::Tree claims = parse(payload);
  if (!json_is_object(claims.get())) return fail(TokenRefusal{Reason::token_malformed, "the payload is not an object"});
  const auto times = read_times(claims.get(), rules.issuer, rules.now);
  if (!times) return fail(times.error());
  auto principal = PrincipalReader(claims.get(), rules.issuer).read();
  if (!principal) return principal;
  const auto& audience = (*principal)->audience;
  if (std::find(audience.begin(), audience.end(), rules.resource) == audience.end())
    return fail(TokenRefusal{Reason::token_audience_mismatch, ""});
  // RFC 7800: a token that is bound to a key is no bearer token, and its proof can't be checked yet.
  if (json_object_get(claims.get(), "cnf") != nullptr)
    return fail(TokenRefusal{Reason::token_binding_unsupported, "claim cnf"});
  // What only conditions ask for harms nobody who asks for nothing: of another type it is absent.
  if (const auto authenticated = time(claims.get(), "auth_time")) (*principal)->authenticated_at = *authenticated;
  if (const json_t* acr = json_object_get(claims.get(), "acr"); json_is_string(acr)) (*principal)->acr = text_of(acr);
  (*principal)->expires_at = times->expires_at;
  (*principal)->issued_at = times->issued_at;
  return principal;
}

std::optional<TokenRefusal> check_times(std::string_view payload, const IssuerConfig& issuer, WallTime now) {
  const json::Tree claims = parse(payload);
  if (!json_is_object(claims.get())) return TokenRefusal{Reason::token_malformed, "the payload is not an object"};
  const auto times = read_times(claims.get(), issuer, now);
  if (!times) return times.error();
  return std::nullopt;
}

}  // namespace agw::identity
