// What issuers say of tokens: who is asked, how often, and what becomes of the answer.
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agw/identity/authenticator.h"

#include "support/fakes.h"
#include "support/signer.h"

namespace agw::identity {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr std::int64_t now = 1'800'000'000;  // where FakeClock begins
const std::string endpoint = "https://as.example/introspect";
const std::string opaque = "opaque-token-1";

std::string claims(const std::string& more = {}, std::int64_t expires = now + 300) {
  return R"({"active":true,"sub":"mira","client_id":"docs","scope":"read","aud":["https://gw.example/mcp"],"exp":)" +
         std::to_string(expires) + more + "}";
}

/// A JWS whose header says what it says.
std::string signed_as(const std::string& header, const std::string& payload, const test::Signer& by) {
  const std::string input = base64url_encode(header) + "." + base64url_encode(payload);
  const std::unique_ptr<BIO, decltype(&BIO_free)> bio(BIO_new_mem_buf(by.pem.data(), static_cast<int>(by.pem.size())),
                                                      BIO_free);
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(
      PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr), EVP_PKEY_free);
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  std::string signature(64, '\0');
  std::size_t size = signature.size();
  EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key.get());
  EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size,
                 reinterpret_cast<const unsigned char*>(input.data()), input.size());
  return input + "." + base64url_encode(signature);
}

IssuerConfig company() {
  IssuerConfig config;
  config.alias = "company";
  config.issuer = "https://as.example";
  config.algorithms = {jose::Algorithm::ed25519};
  config.type = TokenType::jwt;
  config.opaque_prefix = "";
  config.client = ClientConfig{};
  config.client->id = "gateway";
  config.client->secret_file = "/proc/self/comm";
  config.scope_implies = {{"write", {"read"}}};
  return config;
}

class Introspecting : public testing::Test {
 protected:
  Introspecting() {
    trust.introspection.emplace();
    http.on("https://as.example/.well-known/oauth-authorization-server", 200,
            R"({"issuer":"https://as.example","jwks_uri":"https://as.example/keys","introspection_endpoint":")" +
                endpoint + "\"}");
    http.on("https://as.example/keys", 200, R"({"keys":[)" + key.jwk + "]}");
    say(claims());
  }
  ~Introspecting() override { loop.cancel_spawned(); }

  void say(const std::string& body, int status = 200, std::string type = "application/json",
           Milliseconds delay = Milliseconds(0)) {
    http.on(
        endpoint,
        [=](const test::ScriptedHttp::Seen&) -> Result<HttpResponse, HttpError> {
          HttpResponse response;
          response.status = status;
          response.headers = {{"content-type", type}};
          response.body = body;
          return response;
        },
        delay);
  }
  Result<PrincipalPtr, TokenRefusal> ask(const std::string& token = opaque, Inquiry inquiry = {}) {
    auto task = test::FakeLoop::await_step(one().authenticate(token, trust, inquiry));
    for (int i = 0; i < 2000; ++i) {
      if (auto answer = loop.run(task)) return *std::move(answer);
      loop.advance(Milliseconds(10));
    }
    return fail(TokenRefusal{Reason::internal_error, "no answer"});
  }
  Reason refused(const std::string& token = opaque, Inquiry inquiry = {}) {
    const auto answer = ask(token, inquiry);
    return answer ? Reason::allowed : answer.error().reason;
  }
  std::string jwt(const std::string& more = {}) {
    return key.sign(R"({"iss":"https://as.example","sub":"mira","azp":"docs","scope":"read write",)"
                    R"("aud":["https://gw.example/mcp"],"exp":1800000300)" +
                    more + "}");
  }
  Authenticator& one() {
    if (!authenticator)
      authenticator =
          std::make_unique<Authenticator>(Authenticator::Host{loop, clock, http, zone, metrics, log, random},
                                          std::vector<const IssuerConfig*>{&config, &partner}, 100);
    return *authenticator;
  }
  std::size_t asked() const { return http.count(endpoint); }

  IssuerConfig config = company();
  IssuerConfig partner = [] {
    IssuerConfig out = company();
    out.alias = "partner";
    out.issuer = "https://partner.example";
    out.introspection_endpoint = "https://partner.example/introspect";
    out.opaque_prefix.reset();
    return out;
  }();
  TrustProfile trust{"https://gw.example/mcp", {&config, &partner}, {}};
  test::FakeClock clock;
  test::FakeLoop loop{clock};
  test::ScriptedHttp http{loop};
  test::MemoryZone zone{clock};
  test::MemoryMetrics metrics;
  test::FakeLog log;
  test::FakeRandom random;
  test::Signer key{"a"};
  std::unique_ptr<Authenticator> authenticator;
};

TEST_F(Introspecting, an_active_opaque_token_becomes_a_principal) {
  const auto answer = ask();
  ASSERT_TRUE(answer) << answer.error().detail;
  EXPECT_EQ((*answer)->user, "company|mira");
  EXPECT_EQ((*answer)->agent, "company|docs");
  EXPECT_EQ((*answer)->scopes, std::vector<std::string>{"read"});
  EXPECT_EQ((*answer)->token_digest, sha256_hex(opaque));
  EXPECT_FALSE((*answer)->single_use);
  EXPECT_THAT(http.seen.back().body, HasSubstr("token=" + opaque));
  EXPECT_THAT(http.seen.back().authorization, HasSubstr("Basic "));
}

TEST_F(Introspecting, without_the_directive_nobody_is_asked) {
  trust.introspection.reset();
  EXPECT_EQ(refused(), Reason::token_malformed);
  EXPECT_EQ(asked(), 0U);
}

TEST_F(Introspecting, the_answers_claims_are_read_by_the_rules_of_tokens) {
  const std::string head = R"({"active":true,"sub":"mira","client_id":"docs",)";
  const std::string aud = R"("aud":"https://gw.example/mcp",)";
  struct Case {
    const char* name;
    std::string body;
    Reason reason;
  };
  const Case cases[] = {
      {"good", claims(), Reason::allowed},
      {"of this issuer", claims(R"(,"iss":"https://as.example")"), Reason::allowed},
      {"of another issuer", claims(R"(,"iss":"https://evil.example")"), Reason::token_issuer_unknown},
      {"an issuer that is a number", claims(R"(,"iss":7)"), Reason::token_claim_invalid},
      {"inactive", R"({"active":false})", Reason::token_inactive},
      {"for another resource", head + R"("aud":"https://other.example","exp":1800000300})",
       Reason::token_audience_mismatch},
      {"for nobody", head + R"("exp":1800000300})", Reason::token_audience_mismatch},
      {"without an end", head + aud + R"("scope":"read"})", Reason::token_claim_invalid},
      {"ended", claims("", now - 31), Reason::token_expired},
      {"not yet", claims(R"(,"nbf":1800000031)"), Reason::token_not_yet_valid},
      {"without an agent", R"({"active":true,"sub":"mira",)" + aud + R"("exp":1800000300})",
       Reason::token_claim_invalid},
      {"without a user", R"({"active":true,"client_id":"docs",)" + aud + R"("exp":1800000300})",
       Reason::token_claim_invalid},
      {"a scope of numbers", head + aud + R"("exp":1800000300,"scope":[1]})", Reason::token_claim_invalid},
      {"bound to no key that there could be", claims(R"(,"cnf":{"jkt":"x"})"), Reason::token_claim_invalid},
      {"bound in another way", claims(R"(,"cnf":{"kid":"x"})"), Reason::token_binding_unsupported},
      {"once, in words", claims(R"(,"jit_single_use":"true")"), Reason::token_claim_invalid},
      {"active twice", claims(R"(,"active":true)"), Reason::introspection_unavailable},
      {"active in words", R"({"active":"true"})", Reason::introspection_unavailable},
      {"garbage", "{\"active\":tru", Reason::introspection_unavailable},
      {"empty", "", Reason::introspection_unavailable},
  };
  for (const Case& c : cases) {
    say(c.body);
    EXPECT_EQ(refused(), c.reason) << c.name;
  }
  for (const auto& [level, line] : log.lines) EXPECT_EQ(line.find(opaque), std::string::npos) << line;
}

TEST_F(Introspecting, what_the_endpoint_does_has_a_reason_each) {
  struct Case {
    const char* name;
    int status;
    std::string body;
    std::string type;
    Reason reason;
  };
  const Case cases[] = {
      {"wrong secret", 401, R"({"error":"invalid_client"})", "application/json", Reason::introspection_refused},
      {"not allowed", 403, "", "text/plain", Reason::introspection_refused},
      {"a client that isn't known", 400, R"({"error":"invalid_client"})", "application/json",
       Reason::introspection_refused},
      {"a question that isn't understood", 400, R"({"error":"invalid_request"})", "application/json",
       Reason::introspection_unavailable},
      {"broken", 500, "", "text/plain", Reason::introspection_unavailable},
      {"moved", 302, "", "text/plain", Reason::introspection_unavailable},
      {"a page", 200, claims(), "text/html", Reason::introspection_unavailable},
      {"signed, unasked", 200, claims(), "application/token-introspection+jwt", Reason::introspection_unavailable},
      {"good", 200, claims(), "application/json; charset=utf-8", Reason::allowed},
  };
  for (const Case& c : cases) {
    say(c.body, c.status, c.type);
    EXPECT_EQ(refused(), c.reason) << c.name;
  }
  say(claims(), 200, "application/json", Milliseconds(60'000));
  const auto began = clock.steady();
  EXPECT_EQ(refused(), Reason::introspection_unavailable);
  EXPECT_LE(clock.steady() - began, config.timeout + Milliseconds(20));
  http.drop(endpoint);
  EXPECT_EQ(refused(), Reason::introspection_unavailable);
  config.client->secret_file = "/nowhere";
  authenticator.reset();
  EXPECT_EQ(refused(), Reason::introspection_unavailable);
}

TEST_F(Introspecting, always_means_every_call) {
  ASSERT_TRUE(ask());
  ASSERT_TRUE(ask());
  EXPECT_EQ(asked(), 2U);
  say(R"({"active":false})");
  EXPECT_EQ(refused(), Reason::token_inactive);
  say(claims());
  EXPECT_EQ(refused(), Reason::allowed);
}

TEST_F(Introspecting, the_same_words_are_the_same_principal) {
  const auto first = ask();
  EXPECT_EQ(*first, *ask());
  say(claims(R"(,"groups":["new"])"));
  const auto other = ask();
  ASSERT_TRUE(other);
  EXPECT_NE(*first, *other);
  EXPECT_EQ((*other)->groups, std::vector<std::string>{"company|new"});
}

TEST_F(Introspecting, max_age_counts_from_the_question_on) {
  trust.introspection->max_age = Milliseconds(5'000);
  ASSERT_TRUE(ask());
  say(R"({"active":false})");
  loop.advance(Milliseconds(4'900));
  EXPECT_TRUE(one().authenticate(opaque, trust).ready());
  EXPECT_EQ(refused(), Reason::allowed);
  loop.advance(Milliseconds(200));
  EXPECT_EQ(refused(), Reason::token_inactive);
  EXPECT_EQ(asked(), 2U);
  // What isn't active is remembered as well: strangers can't make the gateway hammer its issuer.
  say(claims());
  EXPECT_EQ(refused(), Reason::token_inactive);
  EXPECT_EQ(asked(), 2U);
  loop.advance(Milliseconds(5'100));
  EXPECT_EQ(refused(), Reason::allowed);
}

TEST_F(Introspecting, a_remembered_answer_ends_with_the_token) {
  trust.introspection->max_age = Milliseconds(600'000);
  ASSERT_TRUE(ask());
  loop.advance(Seconds(331));
  EXPECT_FALSE(one().authenticate(opaque, trust).ready());
  EXPECT_EQ(refused(), Reason::token_expired);
}

TEST_F(Introspecting, that_nobody_answered_is_not_remembered) {
  trust.introspection->max_age = Milliseconds(5'000);
  say("", 500);
  EXPECT_EQ(refused(), Reason::introspection_unavailable);
  say(claims());
  EXPECT_EQ(refused(), Reason::allowed);
}

TEST_F(Introspecting, who_asks_together_shares_a_question_under_max_age_alone) {
  for (const bool always : {false, true}) {
    trust.introspection->max_age = always ? Milliseconds(0) : Milliseconds(5'000);
    authenticator.reset();
    ASSERT_TRUE(ask());  // metadata is known from here on
    loop.advance(Milliseconds(6'000));
    const std::size_t before = asked();
    say(claims(), 200, "application/json", Milliseconds(50));
    auto first = test::FakeLoop::await_step(one().authenticate(opaque, trust));
    auto second = test::FakeLoop::await_step(one().authenticate(opaque, trust));
    static_cast<void>(loop.run(first));
    static_cast<void>(loop.run(second));
    loop.advance(Milliseconds(100));
    EXPECT_TRUE(loop.run(first) && loop.run(second));
    EXPECT_EQ(asked() - before, always ? 2U : 1U);
    say(claims());
  }
}

TEST_F(Introspecting, a_question_that_was_under_way_for_too_long_is_asked_again) {
  trust.introspection->max_age = Milliseconds(100);
  ASSERT_TRUE(ask());
  loop.advance(Milliseconds(200));
  say(claims(), 200, "application/json", Milliseconds(1'000));
  auto first = test::FakeLoop::await_step(one().authenticate(opaque, trust));
  static_cast<void>(loop.run(first));
  loop.advance(Milliseconds(900));
  // The token is revoked now: whoever calls after that must not get an answer to a question from before.
  auto second = test::FakeLoop::await_step(one().authenticate(opaque, trust));
  static_cast<void>(loop.run(second));
  loop.advance(Milliseconds(150));
  EXPECT_TRUE(loop.run(first));
  say(R"({"active":false})");
  std::optional<Result<PrincipalPtr, TokenRefusal>> answer;
  for (int i = 0; i < 300 && !answer; ++i) {
    answer = loop.run(second);
    loop.advance(Milliseconds(10));
  }
  ASSERT_TRUE(answer);
}

TEST_F(Introspecting, an_answer_counts_for_what_was_told_and_for_nothing_else) {
  trust.introspection->max_age = Milliseconds(5'000);
  const ContextFields read{{"agent_operation", "t/read"}};
  const ContextFields write{{"agent_operation", "t/write"}};
  EXPECT_EQ(refused(opaque, {.told = &read}), Reason::allowed);
  EXPECT_THAT(http.seen.back().body, HasSubstr("agent_operation=t%2Fread"));
  say(R"({"active":false})");
  EXPECT_EQ(refused(opaque, {.told = &read}), Reason::allowed);
  EXPECT_EQ(refused(opaque, {.told = &write}), Reason::token_inactive);
  EXPECT_EQ(refused(), Reason::token_inactive);
  EXPECT_THAT(http.seen.back().body, Not(HasSubstr("agent_operation")));
  EXPECT_EQ(refused(opaque, {.told = &read}), Reason::allowed);
}

TEST_F(Introspecting, what_goes_on_asks_no_more_often_than_it_says) {
  const Inquiry going_on{.told = nullptr, .going_on = Milliseconds(1'000)};
  EXPECT_EQ(refused(opaque, going_on), Reason::allowed);
  EXPECT_EQ(refused(opaque, going_on), Reason::allowed);
  EXPECT_EQ(asked(), 1U);
  EXPECT_EQ(refused(), Reason::allowed);
  EXPECT_EQ(asked(), 2U);
  say(R"({"active":false})");
  loop.advance(Milliseconds(1'010));
  EXPECT_EQ(refused(opaque, going_on), Reason::token_inactive);
}

TEST_F(Introspecting, only_the_one_issuer_whose_form_it_has_is_asked) {
  config.opaque_prefix = "co_";
  partner.opaque_prefix = "pa_";
  http.on("https://partner.example/introspect", 200, "");
  EXPECT_EQ(refused("co_1"), Reason::allowed);
  EXPECT_EQ(http.count("https://partner.example/introspect"), 0U);
  EXPECT_EQ(refused("pa_1"), Reason::introspection_unavailable);
  EXPECT_EQ(http.count("https://partner.example/introspect"), 1U);
  EXPECT_EQ(asked(), 1U);
  EXPECT_EQ(refused("other_1"), Reason::token_malformed);
  EXPECT_EQ(asked(), 1U);
}

TEST_F(Introspecting, bytes_that_no_token_has_are_not_sent) {
  for (const std::string& token : {std::string(), std::string("=="), std::string("a b"), std::string("a\nb"),
                                   std::string("\xC3\xA4"), std::string("a=b"), std::string(20'000, 'a')})
    EXPECT_EQ(refused(token), Reason::token_malformed) << token.substr(0, 20);
  EXPECT_EQ(asked(), 0U);
  EXPECT_EQ(refused("a-._~+/Z9=="), Reason::allowed);
}

TEST_F(Introspecting, a_jwt_is_asked_about_where_the_operator_wants_both) {
  EXPECT_EQ(refused(jwt()), Reason::allowed);
  EXPECT_EQ(asked(), 0U);
  trust.introspection->jwts = true;
  say(R"({"active":true})");
  EXPECT_EQ(refused(jwt()), Reason::allowed);
  EXPECT_EQ(asked(), 1U);
  say(R"({"active":false})");
  EXPECT_EQ(refused(jwt()), Reason::token_inactive);
  // What doesn't verify isn't asked about.
  std::string forged = jwt();
  forged[forged.size() - 20] = forged[forged.size() - 20] == 'A' ? 'B' : 'A';
  EXPECT_EQ(refused(forged), Reason::token_signature_invalid);
  EXPECT_EQ(asked(), 2U);
}

TEST_F(Introspecting, of_a_jwt_the_issuer_may_take_and_adds_nothing) {
  trust.introspection->jwts = true;
  struct Case {
    const char* name;
    std::string said;
    Reason reason;
    std::vector<std::string> scopes;
    std::vector<std::string> implied;
  };
  const Case cases[] = {
      {"nothing more", R"({"active":true})", Reason::allowed, {"read", "write"}, {"read", "write"}},
      {"fewer scopes", R"({"active":true,"scope":"read admin"})", Reason::allowed, {"read"}, {"read"}},
      {"implied ones stay", R"({"active":true,"scope":"write"})", Reason::allowed, {"write"}, {"read", "write"}},
      {"none", R"({"active":true,"scope":""})", Reason::allowed, {}, {}},
      {"a list", R"({"active":true,"scope":["read"]})", Reason::token_claim_invalid, {}, {}},
      {"another subject", R"({"active":true,"sub":"omar"})", Reason::token_claim_invalid, {}, {}},
      {"ended", R"({"active":true,"exp":1799999969})", Reason::token_expired, {}, {}},
      {"an end in words", R"({"active":true,"exp":"soon"})", Reason::token_claim_invalid, {}, {}},
      {"another issuer", R"({"active":true,"iss":"https://evil.example"})", Reason::token_issuer_unknown, {}, {}},
  };
  for (const Case& c : cases) {
    say(c.said);
    const auto answer = ask(jwt());
    EXPECT_EQ(answer ? Reason::allowed : answer.error().reason, c.reason) << c.name;
    if (!answer || c.reason != Reason::allowed) continue;
    EXPECT_EQ((*answer)->scopes, c.scopes) << c.name;
    EXPECT_EQ((*answer)->implied_scopes, c.implied) << c.name;
    EXPECT_EQ((*answer)->user, "company|mira") << c.name;
  }
  say(R"({"active":true,"exp":1800000100,"jit_single_use":true})");
  const auto shorter = ask(jwt());
  ASSERT_TRUE(shorter);
  EXPECT_EQ((*shorter)->expires_at, from_unix(now + 100));
  EXPECT_TRUE((*shorter)->single_use);
}

TEST_F(Introspecting, before_it_is_asked_only_what_needs_no_question_is_known) {
  trust.introspection->context = AskedContext::digest;
  const auto before = [&](const std::string& token) {
    auto task = test::FakeLoop::await_step(one().before_asking(token, trust));
    for (int i = 0; i < 200; ++i) {
      if (auto answer = loop.run(task)) return *std::move(answer);
      loop.advance(Milliseconds(10));
    }
    return Result<PrincipalPtr, TokenRefusal>(fail(TokenRefusal{Reason::internal_error, ""}));
  };
  EXPECT_EQ(before(opaque).value(), nullptr);
  EXPECT_NE(before(jwt()).value(), nullptr);
  EXPECT_EQ(before("a.b.c").error().reason, Reason::token_malformed);
  trust.introspection->jwts = true;
  EXPECT_EQ(before(jwt()).value(), nullptr);
  EXPECT_EQ(asked(), 0U);
}

TEST_F(Introspecting, single_use_is_a_claim_or_the_issuers) {
  say(claims(R"(,"jit_single_use":true)"));
  EXPECT_TRUE((*ask())->single_use);
  say(claims(R"(,"jit_single_use":false)"));
  EXPECT_FALSE((*ask())->single_use);
  config.single_use_claim = "once";
  say(claims(R"(,"once":true)"));
  EXPECT_TRUE((*ask())->single_use);
  config.single_use = true;
  say(claims());
  EXPECT_TRUE((*ask())->single_use);
  EXPECT_TRUE((*ask(jwt()))->single_use);
}

TEST_F(Introspecting, signed_answers_are_verified_and_for_this_client) {
  config.signed_introspection = true;
  const auto sign = [&](const std::string& typ, const std::string& aud, const test::Signer& by) {
    return signed_as(R"({"alg":"Ed25519","kid":"a","typ":")" + typ + "\"}",
                     R"({"iss":"https://as.example","aud":")" + aud + R"(","iat":1800000000,"token_introspection":)" +
                         claims() + "}",
                     by);
  };
  const std::string type = "application/token-introspection+jwt";
  const std::string typ = "token-introspection+jwt";
  const test::Signer stranger("a");
  say(sign(typ, "gateway", key), 200, type);
  EXPECT_EQ(refused(), Reason::allowed);
  const auto asked_at = std::ranges::find(http.seen, endpoint, &test::ScriptedHttp::Seen::url);
  EXPECT_THAT(asked_at->headers, testing::Contains(testing::Pair("Accept", type)));
  say(claims());
  EXPECT_EQ(refused(), Reason::introspection_unavailable) << "plain JSON";
  say(sign(typ, "gateway", stranger), 200, type);
  EXPECT_EQ(refused(), Reason::introspection_unavailable) << "another's signature";
  say(sign("at+jwt", "gateway", key), 200, type);
  EXPECT_EQ(refused(), Reason::introspection_unavailable) << "another type";
  say(sign(typ, "tickets-api", key), 200, type);
  EXPECT_EQ(refused(), Reason::introspection_unavailable) << "for another client";
  // The answer is no access token, whatever types are accepted.
  config.type = TokenType::any;
  EXPECT_EQ(refused(sign(typ, "https://gw.example/mcp", key)), Reason::token_type_refused);
}

TEST_F(Introspecting, an_issuer_of_opaque_tokens_alone_needs_no_keys) {
  config.algorithms.clear();
  http.on("https://as.example/.well-known/oauth-authorization-server", 200,
          R"({"issuer":"https://as.example","introspection_endpoint":")" + endpoint + "\"}");
  one().start();
  EXPECT_EQ(refused(), Reason::allowed);
  EXPECT_EQ(refused(jwt()), Reason::token_algorithm_refused);
  EXPECT_EQ(http.count("https://as.example/keys"), 0U);
  EXPECT_TRUE(one().health().front().usable);
}

TEST_F(Introspecting, where_metadata_names_no_endpoint_nobody_is_asked) {
  http.on("https://as.example/.well-known/oauth-authorization-server", 200,
          R"({"issuer":"https://as.example","jwks_uri":"https://as.example/keys"})");
  EXPECT_EQ(refused(), Reason::introspection_unavailable);
  config.introspection_endpoint = endpoint;
  authenticator.reset();
  EXPECT_EQ(refused(), Reason::allowed);
}

}  // namespace
}  // namespace agw::identity
