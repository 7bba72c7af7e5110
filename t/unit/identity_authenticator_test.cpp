#include <string>

#include <gtest/gtest.h>

#include "agw/identity/authenticator.h"

#include "support/fakes.h"
#include "support/signer.h"

namespace agw::identity {
namespace {

using std::chrono::seconds;

constexpr std::int64_t now = 1'800'000'000;  // where FakeClock begins
const std::string metadata_url = "https://as.example/.well-known/oauth-authorization-server";
const std::string openid_url = "https://as.example/.well-known/openid-configuration";
const std::string keys_url = "https://as.example/keys";

using Key = test::Signer;

/// What every token here has; `more` replaces nothing, it follows.
std::string payload(const std::string& more = {}, std::int64_t expires = now + 300) {
  return R"({"iss":"https://as.example","sub":"mira","azp":"docs","aud":["https://gw.example/mcp"],"exp":)" +
         std::to_string(expires) + more + "}";
}

std::string signed_by(const Key& key, const std::string& claims) { return key.sign(claims); }

IssuerConfig company() {
  IssuerConfig config;
  config.alias = "company";
  config.issuer = "https://as.example";
  config.algorithms = {jose::Algorithm::ed25519};
  config.type = TokenType::jwt;
  config.scope_implies = {{"admin", {"write"}}, {"write", {"read"}}};
  return config;
}

class Identity : public testing::Test {
 protected:
  ~Identity() override { loop.cancel_spawned(); }

  Result<PrincipalPtr, TokenRefusal> ask(const std::string& token) {
    auto task = test::FakeLoop::await_step(one().authenticate(token, trust));
    for (int i = 0; i < 2000; ++i) {
      if (auto answer = loop.run(task)) return *std::move(answer);
      loop.advance(Milliseconds(10));
    }
    return fail(TokenRefusal{Reason::internal_error, "no answer"});
  }
  Reason refused(const std::string& token) {
    const auto answer = ask(token);
    return answer ? Reason::allowed : answer.error().reason;
  }
  void publish(const std::string& keys) { http.on(keys_url, 200, R"({"keys":[)" + keys + "]}"); }
  void publish_metadata() {
    http.on(metadata_url, 200, R"({"issuer":"https://as.example","jwks_uri":")" + keys_url + "\"}");
  }
  Authenticator& one() {
    if (!authenticator) authenticator = worker();
    return *authenticator;
  }
  std::unique_ptr<Authenticator> worker(std::size_t remembered = 2) {
    return std::make_unique<Authenticator>(Authenticator::Host{loop, clock, http, zone, metrics, log, random},
                                           std::vector<const IssuerConfig*>{&config}, remembered);
  }

  IssuerConfig config = company();
  TrustProfile trust{"https://gw.example/mcp", {&config}, {}};
  test::FakeClock clock;
  test::FakeLoop loop{clock};
  test::ScriptedHttp http{loop};
  test::MemoryZone zone{clock};
  test::MemoryMetrics metrics;
  test::FakeLog log;
  test::FakeRandom random;
  Key key{"a"};
  std::unique_ptr<Authenticator> authenticator;
};

TEST_F(Identity, compiles_a_principal_whose_ids_carry_the_issuer) {
  publish_metadata();
  publish(key.jwk);
  const auto answer = ask(signed_by(
      key,
      payload(R"(,"preferred_username":"Mira","groups":["b:x","a","","a"],"scope":"admin x","jti":"7:8","iat":1)")));
  ASSERT_TRUE(answer) << answer.error().detail;
  const Principal& principal = **answer;
  EXPECT_EQ(principal.user, "company|mira");
  EXPECT_EQ(principal.agent, "company|docs");
  EXPECT_EQ(principal.tenant, "default");
  EXPECT_EQ(principal.groups, (std::vector<std::string>{"company|a", "company|b%3Ax"}));
  EXPECT_EQ(principal.scopes, (std::vector<std::string>{"admin", "x"}));
  EXPECT_EQ(principal.implied_scopes, (std::vector<std::string>{"admin", "read", "write", "x"}));
  EXPECT_EQ(principal.jti, "7%3A8");
  EXPECT_EQ(principal.client, "company|docs");
  EXPECT_EQ(principal.key_id, "a");
  EXPECT_EQ(principal.expires_at, from_unix(now + 300));
  EXPECT_EQ(principal.token_digest.size(), 64U);
}

TEST_F(Identity, refuses_each_fault_for_its_reason) {
  publish_metadata();
  publish(key.jwk);
  const Key stranger("a");
  const auto base = [](const std::string& claims) { return R"({"iss":"https://as.example",)" + claims + "}"; };
  const std::string aud = R"("aud":"https://gw.example/mcp")";
  const std::string exp = R"("exp":1800000300)";
  struct Case {
    const char* name;
    std::string token;
    Reason reason;
  };
  const Case cases[] = {
      {"good", signed_by(key, payload()), Reason::allowed},
      {"garbage", "a.b", Reason::token_malformed},
      {"too long", std::string(20000, 'a'), Reason::token_malformed},
      {"another's signature", signed_by(stranger, payload()), Reason::token_signature_invalid},
      {"unknown issuer", signed_by(key, R"({"iss":"https://evil.example"})"), Reason::token_issuer_unknown},
      {"no issuer", signed_by(key, "{}"), Reason::token_issuer_unknown},
      {"duplicate claim", signed_by(key, payload(R"(,"sub":"omar")")), Reason::token_malformed},
      {"other audience", signed_by(key, base(R"("sub":"m","azp":"d","aud":"https://gw.example/mcp/",)" + exp)),
       Reason::token_audience_mismatch},
      {"no audience", signed_by(key, base(R"("sub":"m","azp":"d",)" + exp)), Reason::token_audience_mismatch},
      {"no end", signed_by(key, base(R"("sub":"m","azp":"d",)" + aud)), Reason::token_claim_invalid},
      {"an end in words", signed_by(key, base(R"("sub":"m","azp":"d","exp":"1800000300",)" + aud)),
       Reason::token_claim_invalid},
      {"an end beyond time", signed_by(key, base(R"("sub":"m","azp":"d","exp":1e300,)" + aud)),
       Reason::token_claim_invalid},
      {"ended within the skew", signed_by(key, payload("", now - 29)), Reason::allowed},
      {"ended", signed_by(key, payload("", now - 30)), Reason::token_expired},
      {"begins within the skew", signed_by(key, payload(R"(,"nbf":1800000030)")), Reason::allowed},
      {"not yet", signed_by(key, payload(R"(,"nbf":1800000031)")), Reason::token_not_yet_valid},
      {"issued in the future", signed_by(key, payload(R"(,"iat":1800000031)")), Reason::token_not_yet_valid},
      {"no user", signed_by(key, base(R"("azp":"d",)" + aud + "," + exp)), Reason::token_claim_invalid},
      {"a user who is a number", signed_by(key, base(R"("sub":7,"azp":"d",)" + aud + "," + exp)),
       Reason::token_claim_invalid},
      {"no agent", signed_by(key, base(R"("sub":"m",)" + aud + "," + exp)), Reason::token_claim_invalid},
      {"groups of numbers", signed_by(key, payload(R"(,"groups":[1])")), Reason::token_claim_invalid},
      {"bound to a thumbprint that is none", signed_by(key, payload(R"(,"cnf":{"jkt":"x"})")),
       Reason::token_claim_invalid},
      {"bound in a way of its own", signed_by(key, payload(R"(,"cnf":{"kid":"x"})")),
       Reason::token_binding_unsupported},
  };
  for (const Case& c : cases) EXPECT_EQ(refused(c.token), c.reason) << c.name;
  // No line holds what would be worth stealing.
  for (const auto& [level, line] : log.lines) EXPECT_EQ(line.find("eyJ"), std::string::npos) << line;
}

TEST_F(Identity, a_machine_has_no_user) {
  publish_metadata();
  publish(key.jwk);
  const auto answer = ask(signed_by(
      key,
      R"({"iss":"https://as.example","sub":"docs","azp":"docs","aud":"https://gw.example/mcp","exp":1800000300})"));
  ASSERT_TRUE(answer);
  EXPECT_EQ((*answer)->user, "");
  EXPECT_EQ((*answer)->agent, "company|docs");
}

TEST_F(Identity, tenants_are_the_operators) {
  config.tenants = {"acme", "beta"};
  config.claims.tenant = "org/name";
  publish_metadata();
  publish(key.jwk);
  const auto good = ask(signed_by(key, payload(R"(,"org":{"name":"beta"})")));
  ASSERT_TRUE(good);
  EXPECT_EQ((*good)->tenant, "beta");
  EXPECT_EQ(refused(signed_by(key, payload(R"(,"org":{"name":"gamma"})"))), Reason::tenant_refused);
  EXPECT_EQ(refused(signed_by(key, payload())), Reason::tenant_refused);
}

TEST_F(Identity, pins_algorithm_and_type) {
  publish_metadata();
  publish(key.jwk);
  const std::string token = signed_by(key, payload());
  config.type = TokenType::at_jwt;
  EXPECT_EQ(refused(token), Reason::token_type_refused);
  config.type = TokenType::jwt;
  config.algorithms = {jose::Algorithm::es256};
  EXPECT_EQ(refused(token), Reason::token_algorithm_refused);
}

TEST_F(Identity, a_verified_token_is_remembered_for_its_location_until_it_ends) {
  publish_metadata();
  publish(key.jwk);
  const std::string token = signed_by(key, payload());
  ASSERT_TRUE(ask(token));
  EXPECT_TRUE(one().authenticate(token, trust).ready());
  // The same bytes mean nothing at a location that trusts otherwise.
  const TrustProfile elsewhere{"https://gw.example/other", {&config}, {}};
  EXPECT_FALSE(one().authenticate(token, elsewhere).ready());
  // A changed signature is another token.
  std::string forged = token;
  forged[forged.size() - 20] = forged[forged.size() - 20] == 'A' ? 'B' : 'A';
  EXPECT_EQ(refused(forged), Reason::token_signature_invalid);
  loop.advance(seconds(331));
  EXPECT_FALSE(one().authenticate(token, trust).ready());
  EXPECT_EQ(refused(token), Reason::token_expired);
}

TEST_F(Identity, remembers_only_so_many) {
  publish_metadata();
  publish(key.jwk);
  const std::string first = signed_by(key, payload(R"(,"jti":"1")"));
  ASSERT_TRUE(ask(first));
  ASSERT_TRUE(ask(signed_by(key, payload(R"(,"jti":"2")"))));
  ASSERT_TRUE(ask(signed_by(key, payload(R"(,"jti":"3")"))));
  EXPECT_FALSE(one().authenticate(first, trust).ready());
}

TEST_F(Identity, a_key_that_goes_takes_its_tokens_along) {
  publish_metadata();
  publish(key.jwk);
  const std::string old = signed_by(key, payload("", now + 3000));
  ASSERT_TRUE(ask(old));
  const Key next("b");
  publish(next.jwk);
  ASSERT_TRUE(ask(signed_by(next, payload())));
  EXPECT_FALSE(one().authenticate(old, trust).ready());
  EXPECT_EQ(refused(old), Reason::token_key_unknown);
}

TEST_F(Identity, a_flood_of_unknown_keys_costs_the_issuer_one_fetch) {
  publish_metadata();
  publish(key.jwk);
  ASSERT_TRUE(ask(signed_by(key, payload())));
  ASSERT_EQ(http.count(keys_url), 1U);
  for (int i = 0; i < 50; ++i)
    EXPECT_EQ(refused(signed_by(Key("x" + std::to_string(i)), payload())), Reason::token_key_unknown);
  EXPECT_EQ(http.count(keys_url), 2U);
  // The floor holds for all workers.
  authenticator = worker();
  EXPECT_EQ(refused(signed_by(Key("y"), payload())), Reason::token_key_unknown);
  EXPECT_EQ(http.count(keys_url), 2U);
  loop.advance(config.keys_floor + seconds(1));
  EXPECT_EQ(refused(signed_by(Key("z"), payload())), Reason::token_key_unknown);
  EXPECT_EQ(http.count(keys_url), 3U);
}

TEST_F(Identity, workers_share_one_fetch) {
  publish_metadata();
  http.on(keys_url, 200, R"({"keys":[)" + key.jwk + "]}", Milliseconds(300));
  const auto other = worker();
  const std::string token = signed_by(key, payload());
  auto first = test::FakeLoop::await_step(one().authenticate(token, trust));
  auto second = test::FakeLoop::await_step(other->authenticate(token, trust));
  EXPECT_FALSE(loop.run(first));
  EXPECT_FALSE(loop.run(second));
  loop.advance(Milliseconds(400));
  const auto here = loop.run(first);
  const auto there = loop.run(second);
  ASSERT_TRUE(here && there);
  EXPECT_TRUE(*here && *there);
  EXPECT_EQ(http.count(keys_url), 1U);
}

TEST_F(Identity, nobody_waits_past_the_timeout_of_an_issuer_that_hangs) {
  // Every document of it: the well-known URLs share one deadline.
  http.on(metadata_url, 200, "{}", seconds(60));
  http.on(openid_url, 200, "{}", seconds(60));
  const std::string token = signed_by(key, payload());
  auto early = test::FakeLoop::await_step(one().authenticate(token, trust));
  EXPECT_FALSE(loop.run(early));
  loop.advance(seconds(3));
  auto late = test::FakeLoop::await_step(one().authenticate(token, trust));
  EXPECT_FALSE(loop.run(late)) << "it joins what is under way";
  loop.advance(seconds(2) + Milliseconds(100));
  for (auto* waiting : {&early, &late}) {
    const auto answer = loop.run(*waiting);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->error().reason, Reason::issuer_unavailable);
  }
}

TEST_F(Identity, a_well_known_url_that_hangs_is_not_asked_first_again) {
  http.on(metadata_url, 200, "{}", seconds(60));
  http.on(openid_url, 200, R"({"issuer":"https://as.example","jwks_uri":")" + keys_url + "\"}");
  publish(key.jwk);
  EXPECT_EQ(refused(signed_by(key, payload())), Reason::issuer_unavailable);
  loop.advance(seconds(2));
  EXPECT_EQ(refused(signed_by(key, payload())), Reason::allowed);
  EXPECT_EQ(http.count(metadata_url), 1U);
}

TEST_F(Identity, strangers_cannot_make_it_hammer_an_issuer_that_is_down) {
  auto other = worker();
  const std::string token = signed_by(key, payload());
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(refused(token), Reason::issuer_unavailable);
    EXPECT_EQ(loop.run(other->authenticate(token, trust))->error().reason, Reason::issuer_unavailable);
  }
  EXPECT_EQ(http.count(metadata_url), 1U) << "one attempt in the pause, whoever asks";
  for (int i = 0; i < 5; ++i) {
    loop.advance(seconds(2));
    EXPECT_EQ(refused(token), Reason::issuer_unavailable);
  }
  EXPECT_EQ(http.count(metadata_url), 6U);
  const auto told = [&](std::string_view words) {
    return std::count_if(log.lines.begin(), log.lines.end(),
                         [&](const auto& line) { return line.second.find(words) != std::string::npos; });
  };
  EXPECT_EQ(told("can't be fetched"), 1) << "a state is told once";

  publish_metadata();
  publish(key.jwk);
  loop.advance(seconds(1));
  EXPECT_EQ(refused(token), Reason::allowed);
  EXPECT_EQ(told("fetched again"), 1);
}

TEST_F(Identity, an_issuer_that_was_down_for_long_is_found_again_soon_without_calls) {
  auto other = worker();
  one().start();
  other->start();
  loop.advance(seconds(95));
  EXPECT_FALSE(one().health().front().usable);
  const auto told = [&] {
    status::Report report;
    one().tell(report);
    EXPECT_EQ(report.issuers, 1U);
    return report.issuer[0];
  };
  EXPECT_EQ(told().name.view(), "company");
  EXPECT_EQ(told().usable, 0U);
  EXPECT_EQ(told().fetched, 0);
  EXPECT_NE(told().fault.view(), "");
  EXPECT_LE(http.count(metadata_url), 100U) << "one attempt in the pause, of all workers";
  publish_metadata();
  publish(key.jwk);
  loop.advance(seconds(3));
  EXPECT_TRUE(one().health().front().usable) << "a load balancer sends no calls before it is ready";
  EXPECT_TRUE(other->health().front().usable);
  EXPECT_EQ(told().usable, 1U);
  EXPECT_EQ(told().fault.view(), "");
  EXPECT_LT(clock.now().time_since_epoch().count() - told().fetched, 3000);
}

TEST_F(Identity, an_issuer_that_fails_is_believed_until_its_keys_age) {
  publish_metadata();
  publish(key.jwk);
  one().start();
  loop.advance(seconds(1));
  EXPECT_TRUE(one().health().front().usable);
  http.on(keys_url, 200, "garbage");
  loop.advance(config.keys_max_age - seconds(100));
  EXPECT_TRUE(ask(signed_by(key, payload("", now + 90'000))));
  EXPECT_GT(metrics.value(R"(agent_keys_refresh_total{issuer="company",result="failed"})"), 0U);
  loop.advance(seconds(200));
  EXPECT_EQ(refused(signed_by(key, payload("", now + 90'000))), Reason::issuer_unavailable);
  EXPECT_FALSE(one().health().front().usable);
  publish(key.jwk);
  loop.advance(seconds(40));
  EXPECT_TRUE(ask(signed_by(key, payload("", now + 90'000))));
}

TEST_F(Identity, what_cannot_be_read_does_not_renew_the_keys) {
  publish_metadata();
  publish(key.jwk);
  const std::string token = signed_by(key, payload("", now + 90'000));
  ASSERT_TRUE(ask(token));
  loop.advance(config.keys_max_age - seconds(10));
  ASSERT_TRUE(zone.write("keys:" + config.digest(), "garbage", clock.now()));
  http.drop(metadata_url);
  ASSERT_TRUE(ask(token));
  loop.advance(seconds(20));
  EXPECT_EQ(refused(token), Reason::issuer_unavailable);
}

TEST_F(Identity, endpoints_found_elsewhere_are_not_vouched_for) {
  http.on(metadata_url, 200, R"({"issuer":"https://as.example","jwks_uri":"https://cdn.example/keys"})");
  http.on("https://cdn.example/keys", 200, R"({"keys":[)" + key.jwk + "]}");
  ASSERT_TRUE(ask(signed_by(key, payload())));
  ASSERT_EQ(http.seen.size(), 2U);
  EXPECT_EQ(http.seen[0].addresses, AddressRule::configured);
  EXPECT_EQ(http.seen[1].addresses, AddressRule::discovered);
}

TEST_F(Identity, the_result_of_an_exchange_is_verified) {
  publish_metadata();
  publish(key.jwk);
  const auto verified = [&](const std::string& token) {
    auto task = one().verify_result(token, config);
    auto answer = loop.run(task);
    return answer && *answer;
  };
  EXPECT_TRUE(verified(signed_by(key, payload())));
  EXPECT_FALSE(verified(signed_by(key, payload("", now - 60))));
  EXPECT_FALSE(verified(signed_by(key, R"({"iss":"https://evil.example","exp":1800000300})")));
  EXPECT_FALSE(verified(signed_by(Key("a"), payload())));
}

}  // namespace
}  // namespace agw::identity
