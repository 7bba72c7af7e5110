// A signed payload on its way to a principal: whatever an issuer signs. The first line picks the issuer's
// configuration.
#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <string_view>

#include <jansson.h>

#include "agw/base/encoding.h"
#include "agw/model/pattern.h"

#include "identity/claims.h"
#include "support/claims.h"

namespace {

using namespace agw;
using fuzz::expect;

const std::string resource = "https://gw.example/mcp";
constexpr WallTime now = from_unix(1'800'000'000);

identity::IssuerConfig make_config(std::uint8_t choice) {
  identity::IssuerConfig out;
  out.alias = "company";
  out.issuer = "https://as.example";
  if ((choice & 1U) != 0) out.claims.agent = "azp";
  if ((choice & 2U) != 0) out.claims.groups = "realm_access/roles";
  if ((choice & 4U) != 0) {
    out.claims.tenant = "tenant";
    out.tenants = {"acme", "beta%2F1"};
  }
  if ((choice & 8U) != 0) out.scope_implies = {{"admin", {"write", "read"}}, {"write", {"read"}}, {"read", {"read"}}};
  if ((choice & 16U) != 0) out.claims.user = "email";
  if ((choice & 32U) != 0) out.claims.provider = "provider", out.claims.model = "model/name";
  if ((choice & 64U) != 0) {
    out.actors = {.accepted = true, .least = (choice & 1U) != 0 ? 1U : 0U, .most = (choice & 2U) != 0 ? 8U : 4U};
    out.machine.by = identity::MachineRule::By::subject;
  }
  if ((choice & 128U) != 0) {
    out.machine = {identity::MachineRule::By::claim, "realm/kind", "service-account-<client>"};
    out.required = {"model/name"};
  }
  return out;
}

const identity::IssuerConfig& partner() {
  static const identity::IssuerConfig out = [] {
    identity::IssuerConfig made;
    made.alias = "partner";
    made.issuer = "https://partner.example";
    return made;
  }();
  return out;
}

/// RFC 8693: whoever is named is known by an id of an issuer that is trusted, each once, and nobody is left out.
void check_callers(const Principal& principal, const identity::IssuerConfig& config, const json_t* claims) {
  const auto is_agent = [](const std::string& id) {
    return is_principal_id(id) && (id.starts_with("company|") || id.starts_with("partner|")) && id.size() > 8;
  };
  std::set<std::string> agents{principal.agent};
  for (const auto& agent : principal.chain) expect(agents.insert(agent).second, "each agent stands there once");
  expect(std::all_of(agents.begin(), agents.end(), is_agent), "an agent has an id of an issuer that is trusted");
  expect(!agents.contains(principal.user), "no agent is its own user");
  expect(principal.actors.size() <= config.actors.most, "a chain of actors is bounded");
  expect(principal.actors.size() >= config.actors.least, "as many actors as there have to be");
  expect(agents.size() <= principal.actors.size() + 2, "nobody is made up but the client and a subject");
  const json_t* act = json_object_get(claims, "act");
  for (const Actor& actor : principal.actors) {
    const json_t* name = json_object_get(act, "sub");
    expect(json_is_string(name) && actor.subject == std::string_view(json_string_value(name), json_string_length(name)),
           "actors are those of the token, in its order");
    const std::string alias = actor.issuer == partner().issuer ? "partner" : "company";
    expect(agents.contains(alias + "|" + encode_part(actor.subject)), "each actor counts");
    act = json_object_get(act, "act");
  }
  expect(act == nullptr, "no actor is passed over");
  if (principal.machine) expect(principal.user.empty() && principal.groups.empty(), "a machine is nobody");
}

using Json = std::unique_ptr<json_t, decltype(&json_decref)>;

bool names(const json_t* value, std::string_view wanted) {
  if (json_is_string(value)) return std::string_view(json_string_value(value), json_string_length(value)) == wanted;
  for (std::size_t i = 0; i < json_array_size(value); ++i)
    if (names(json_array_get(value, i), wanted)) return true;
  return false;
}

void check(const Principal& principal, const identity::IssuerConfig& config, std::string_view payload) {
  const Json json(json_loadb(payload.data(), payload.size(), JSON_REJECT_DUPLICATES, nullptr), json_decref);
  expect(json_is_object(json.get()), "a principal comes of an object");
  expect(names(json_object_get(json.get(), "aud"), resource), "the token is for this resource");
  const json_t* expiry = json_object_get(json.get(), "exp");
  expect(json_is_integer(expiry) && json_integer_value(expiry) + 30 > 1'800'000'000, "the token has not expired");
  expect((json_object_get(json.get(), "cnf") != nullptr) == principal.is_bound(), "a bound token is no bearer token");
  expect(names(json_object_get(json.get(), "sub"), principal.subject) && !principal.subject.empty(), "sub is a string");
  check_callers(principal, config, json.get());
  expect(principal.user.empty() || (is_principal_id(principal.user) && principal.user.starts_with("company|")),
         "a user has an id of its issuer's");
  for (const auto& group : principal.groups)
    expect(is_principal_id(group) && group.starts_with("company|"), "a group is its issuer's");
  if (config.tenants.empty())
    expect(principal.tenant == "default", "an issuer without tenants speaks for one");
  else
    expect(std::find(config.tenants.begin(), config.tenants.end(), principal.tenant) != config.tenants.end(),
           "a tenant is one of the issuer's");
  expect(std::is_sorted(principal.implied_scopes.begin(), principal.implied_scopes.end()), "scopes are sorted");
  std::set<std::string> allowed(principal.scopes.begin(), principal.scopes.end());
  for (const auto& [scope, implied] : config.scope_implies)
    if (allowed.contains(scope)) allowed.insert(implied.begin(), implied.end());
  for (const auto& scope : principal.implied_scopes)
    expect(allowed.contains(scope), "no scope that wasn't granted or implied");
  for (const auto& scope : principal.scopes) {
    expect(principal.has_scope(scope), "what was granted is had");
    if (json_is_string(json_object_get(json.get(), "scope")))
      expect(scope.find_first_of(" \t\n") == std::string::npos && !scope.empty(), "a scope is one word");
  }
  expect(is_encoded_part(principal.jti) && is_encoded_part(principal.sid), "ids of tokens and sessions are encoded");
  expect(!identity::check_times(payload, config, now), "times are checked alike");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const identity::IssuerConfig config = make_config(static_cast<std::uint8_t>(*data - '0'));
  const std::string_view payload(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto issuer = identity::unverified_issuer(payload);
  const std::array<const identity::IssuerConfig*, 2> trusted{&config, &partner()};
  const auto principal = identity::read_claims(payload, {config, resource, now, trusted});
  if (!principal) {
    const Check check = row(principal.error().reason).check;
    expect(check == Check::token || check == Check::user, "a refused token is told as one");
    return 0;
  }
  expect(issuer.has_value(), "a payload that is read has been looked at for its issuer");
  check(**principal, config, payload);
  return 0;
}
