// What an endpoint answers about a token, on its way to a principal. The first byte picks what is asked: `s`, what a
// signed answer's payload says (RFC 9701), `n`, of a verified JWT; anything else, of an opaque token.
#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <jansson.h>

#include "agw/oauth/introspection.h"

#include "identity/answer.h"
#include "support/claims.h"

namespace {

using namespace agw;
using fuzz::expect;

const std::string resource = "https://gw.example/mcp";
constexpr WallTime now = from_unix(1'800'000'000);

const identity::IssuerConfig& config() {
  static const identity::IssuerConfig made = [] {
    identity::IssuerConfig out;
    out.alias = "company";
    out.issuer = "https://as.example";
    out.scope_implies = {{"admin", {"write", "read"}}};
    return out;
  }();
  return made;
}

Principal verified() {
  Principal out;
  out.subject = "mira";
  out.user = "company|mira";
  out.agent = "company|docs";
  out.scopes = {"admin", "write"};
  out.implied_scopes = {"admin", "read", "write"};
  out.expires_at = from_unix(1'800'000'300);
  return out;
}

bool within(const std::vector<std::string>& some, const std::vector<std::string>& all) {
  return std::ranges::all_of(some, [&](const auto& one) { return std::ranges::find(all, one) != all.end(); });
}

/// Whoever is active was said to be, in so many words.
void check_active(const oauth::IntrospectionAnswer& answer) {
  json_error_t error;
  json_t* const root = json_loadb(answer.claims.data(), answer.claims.size(), JSON_REJECT_DUPLICATES, &error);
  expect(json_is_object(root), "the claims of an active token are an object");
  expect(json_is_true(json_object_get(root, "active")), "active is true");
  json_decref(root);
}

void narrow(const std::string& claims, const identity::ClaimRules& rules) {
  const Principal before = verified();
  Principal after = before;
  if (identity::narrow(after, claims, rules)) return;
  expect(within(after.scopes, before.scopes) && within(after.implied_scopes, before.implied_scopes),
         "an answer adds no scope");
  expect(after.expires_at <= before.expires_at, "an answer makes no token live longer");
  expect(after.user == before.user && after.agent == before.agent, "an answer changes nobody");
}

void read(const std::string& claims, const identity::ClaimRules& rules) {
  const auto principal = identity::principal_of_answer(claims, rules);
  if (!principal) return;
  const Principal& who = **principal;
  expect(std::ranges::find(who.audience, resource) != who.audience.end(), "it is for this resource");
  expect(now < who.expires_at + config().clock_skew, "it hasn't ended");
  expect(who.agent.starts_with("company|") && who.issuer == "company", "it is this issuer's");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view input(reinterpret_cast<const char*>(data), size);
  if (input.empty()) return 0;
  const char kind = input.front();
  input.remove_prefix(1);
  const auto answer = kind == 's' ? oauth::parse_signed_answer(input, {config().issuer, "gateway", now,
                                                                       config().clock_skew, Milliseconds(5'000)})
                                  : oauth::parse_introspection_answer(input);
  if (!answer) return 0;
  if (!answer->active) {
    expect(answer->claims.empty(), "who isn't active has no claims");
    return 0;
  }
  check_active(*answer);
  const identity::ClaimRules rules{config(), resource, now};
  if (kind == 'n')
    narrow(answer->claims, rules);
  else
    read(answer->claims, rules);
  return 0;
}
