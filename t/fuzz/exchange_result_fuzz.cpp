// What a token endpoint answers, and the claims of the token in it: no more power than was asked for. The first line is
// the answer, the rest the payload of its token.
#include <algorithm>
#include <cstdint>
#include <sstream>
#include <string>
#include <string_view>

#include <jansson.h>

#include "agw/base/encoding.h"
#include "agw/json/tree.h"
#include "agw/oauth/token_exchange.h"

#include "identity/claims.h"
#include "outbound/exchange_result.h"
#include "support/claims.h"

namespace {

using namespace agw;
using fuzz::expect;

constexpr WallTime now = from_unix(1'800'000'000);

bool is_harmless(const std::string& scope) {
  return scope == "tickets:read" || scope == "openid" || scope == "profile" || scope == "email";
}

void check_words(std::string_view text) {
  std::istringstream words{std::string(text)};
  for (std::string word; words >> word;) expect(is_harmless(word), "no scope that wasn't asked for");
}

std::string_view text_of(const json_t* value) {
  return json_is_string(value) ? std::string_view(json_string_value(value), json_string_length(value))
                               : std::string_view();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const outbound::ExchangeSpec spec = [] {
    outbound::ExchangeSpec out;
    out.audience = "tickets-api";
    out.scopes = {"tickets:read"};
    return out;
  }();
  static const Principal principal = [] {
    Principal out;
    out.subject = "mira";
    out.implied_scopes = {"admin", "tickets:read"};
    out.expires_at = now + Seconds(300);
    return out;
  }();
  static const identity::IssuerConfig issuer;
  std::string_view payload(reinterpret_cast<const char*>(data), size);
  const std::string_view text = fuzz::take_line(payload);
  const outbound::ResultCheck check{principal, spec, now, Milliseconds(30'000)};

  WallTime expires_at = principal.expires_at;
  if (const auto answer = oauth::parse_exchange_answer(text)) {
    expect(answer->expires_in >= 0, "a life is no debt");
    expires_at = outbound::expiry_of(*answer, check);
    expect(expires_at <= principal.expires_at && expires_at > now, "no longer than the caller's own token");
    if (!outbound::check_answer(*answer, check)) {
      const std::string_view token = answer->token.reveal();
      expect(!token.empty() && std::all_of(token.begin(), token.end(), [](char c) { return c > 0x20 && c < 0x7F; }),
             "a token can stand in a header");
      for (const auto& scope : answer->scopes) expect(is_harmless(scope), "no scope that wasn't asked for");
      static_cast<void>(outbound::looks_like_jwt(token));
    }
  }
  // The claims are looked at when signature, issuer and times stand.
  if (identity::check_times(payload, issuer, now)) return 0;
  const WallTime before = expires_at;
  if (outbound::check_claims(payload, check, expires_at)) return 0;
  expect(expires_at <= before, "a token's end is only ever moved nearer");
  const json::Tree claims = json::read_tree(payload);
  expect(text_of(json_object_get(claims.get(), "sub")) == "mira", "the token is the caller's");
  const json_t* audience = json_object_get(claims.get(), "aud");
  const bool list = json_is_array(audience);
  expect(!list || json_array_size(audience) == 1, "the token is for one backend");
  expect(text_of(list ? json_array_get(audience, 0) : audience) == "tickets-api", "the token is for the backend");
  check_words(text_of(json_object_get(claims.get(), "scope")));
  return 0;
}
