#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agw/base/encoding.h"
#include "agw/jose/jwt.h"
#include "agw/outbound/exchanger.h"

#include "support/fakes.h"
#include "support/signer.h"

namespace agw::outbound {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;

constexpr std::int64_t now = 1'800'000'000;  // where FakeClock begins
const std::string token_url = "https://as.example/token";
const std::string kind = R"("issued_token_type":"urn:ietf:params:oauth:token-type:access_token","token_type":"Bearer")";

class FakeIssuers final : public IssuerAccess {
 public:
  Task<Result<Endpoint, Reason>> endpoint(const std::string&) override {
    if (absent) co_return fail(*absent);
    Endpoint out;
    out.token_endpoint = token_url;
    out.client.client_id = "gateway";
    out.client.method = method;
    out.client.secret = Secret(secret);
    out.client.algorithm = jose::Algorithm::ed25519;
    out.client.audience = "https://as.example";
    co_return out;
  }
  Task<Result<std::string, Reason>> verify(const std::string&, std::string token) override {
    if (refused) co_return fail(*refused);
    const auto jwt = jose::parse_jwt(token, 16384);
    if (!jwt) co_return fail(Reason::token_malformed);
    co_return jwt->payload;
  }
  oauth::ClientCredentials::Method method = oauth::ClientCredentials::Method::secret_basic;
  std::string secret = "s3cret";
  std::optional<Reason> absent;
  std::optional<Reason> refused;
};

class ExchangerTest : public testing::Test {
 protected:
  ExchangerTest() {
    who->issuer = "company";
    who->user = "company|mira";
    who->subject = "mira";
    who->token_digest = std::string(64, 'a');
    who->expires_at = from_unix(now + 300);
    spec.audience = "tickets-api";
    spec.scopes = {"tickets:read"};
    spec.key = "tickets-api tickets:read";
    give(claims());
  }
  ~ExchangerTest() override { loop.cancel_spawned(); }

  [[nodiscard]] static std::string claims(const std::string& changed = {}) {
    std::string all = R"("sub":"mira","aud":"tickets-api","scope":"tickets:read","exp":1800000600)";
    return "{" + (changed.empty() ? all : changed) + "}";
  }
  void give(const std::string& payload, const std::string& around = R"("expires_in":600)") {
    http.on(token_url, 200, R"({"access_token":")" + signer.sign(payload) + "\"," + kind + "," + around + "}");
  }
  Result<BackendTokenPtr, ExchangeFailure> ask() {
    auto task = test::FakeLoop::await_step(exchanger.token(who, "subject-token", spec));
    for (int i = 0; i < 100; ++i) {
      if (auto answer = loop.run(task)) return *std::move(answer);
      loop.advance(seconds(1));
    }
    return fail(ExchangeFailure{Reason::internal_error, "no answer"});
  }
  std::string outcome() {
    const auto answer = ask();
    return std::string(to_string(answer ? Reason::allowed : answer.error().reason));
  }

  std::shared_ptr<Principal> who = std::make_shared<Principal>();
  ExchangeSpec spec;
  test::Signer signer;
  test::FakeClock clock;
  test::FakeLoop loop{clock};
  test::ScriptedHttp http{loop};
  test::MemoryMetrics metrics;
  test::FakeLog log;
  test::FakeRandom random;
  FakeIssuers issuers;
  Exchanger exchanger{{loop, clock, http, metrics, log, random, issuers}, 2};
};

TEST_F(ExchangerTest, asks_as_rfc_8693_wants) {
  ASSERT_TRUE(ask());
  const auto& seen = http.seen.back();
  EXPECT_EQ(seen.method, "POST");
  EXPECT_EQ(seen.authorization, "Basic " + base64_encode("gateway:s3cret"));
  for (const char* field :
       {"grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange", "subject_token=subject-token",
        "subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token", "audience=tickets-api",
        "scope=tickets%3Aread"})
    EXPECT_THAT(seen.body, HasSubstr(field));
  EXPECT_THAT(seen.body, testing::Not(HasSubstr("s3cret")));
}

TEST_F(ExchangerTest, proves_itself_with_its_key) {
  issuers.method = oauth::ClientCredentials::Method::private_key_jwt;
  issuers.secret = signer.pem;
  ASSERT_TRUE(ask());
  const std::string& body = http.seen.back().body;
  EXPECT_TRUE(http.seen.back().authorization.empty());
  EXPECT_THAT(body,
              HasSubstr("client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer"));
  const std::size_t at = body.find("client_assertion=") + 17;
  const auto assertion = jose::parse_jwt(body.substr(at, body.find('&', at) - at), 16384);
  ASSERT_TRUE(assertion);
  for (const char* claim : {R"("iss":"gateway")", R"("sub":"gateway")", R"("aud":"https://as.example")", R"("jti":)"})
    EXPECT_THAT(assertion->payload, HasSubstr(claim));
  issuers.secret = "no key";
  exchanger.drop(*who, spec);
  EXPECT_EQ(outcome(), "exchange_unavailable");
}

TEST_F(ExchangerTest, takes_only_what_was_asked_for) {
  struct Case {
    const char* name;
    std::string payload;
    const char* outcome;
  };
  for (const Case& c : {
           Case{"as asked", claims(), "allowed"},
           Case{"a list with the one audience",
                claims(R"("sub":"mira","aud":["tickets-api"],"scope":"tickets:read","exp":1800000600)"), "allowed"},
           Case{"fewer scopes", claims(R"("sub":"mira","aud":"tickets-api","scope":"","exp":1800000600)"), "allowed"},
           Case{"another user", claims(R"("sub":"omar","aud":"tickets-api","scope":"tickets:read","exp":1800000600)"),
                "exchange_invalid"},
           Case{"nobody", claims(R"("aud":"tickets-api","scope":"tickets:read","exp":1800000600)"), "exchange_invalid"},
           Case{"another audience", claims(R"("sub":"mira","aud":"docs-api","scope":"tickets:read","exp":1800000600)"),
                "exchange_invalid"},
           Case{"one audience more",
                claims(R"("sub":"mira","aud":["tickets-api","docs-api"],"scope":"tickets:read","exp":1800000600)"),
                "exchange_invalid"},
           Case{"no audience", claims(R"("sub":"mira","scope":"tickets:read","exp":1800000600)"), "exchange_invalid"},
           Case{"wider",
                claims(R"("sub":"mira","aud":"tickets-api","scope":"tickets:read tickets:write","exp":1800000600)"),
                "exchange_invalid"},
           Case{"an ID token",
                claims(R"("sub":"mira","aud":"tickets-api","typ":"ID","scope":"tickets:read","exp":1800000600)"),
                "exchange_invalid"},
           Case{"a refresh token",
                claims(R"("sub":"mira","aud":"tickets-api","typ":"Refresh","scope":"tickets:read","exp":1800000600)"),
                "exchange_invalid"},
       }) {
    exchanger.drop(*who, spec);
    give(c.payload);
    EXPECT_EQ(outcome(), c.outcome) << c.name;
  }
}

TEST_F(ExchangerTest, each_fault_has_its_reason) {
  struct Case {
    const char* name;
    int status;
    std::string body;
    const char* outcome;
  };
  const std::string token = R"("access_token":"opaque")";
  for (const Case& c : {
           Case{"opaque", 200, "{" + token + "," + kind + "}", "allowed"},
           Case{"refused", 400, R"({"error":"invalid_target"})", "exchange_refused"},
           Case{"the client is", 401, R"({"error":"invalid_client"})", "exchange_refused"},
           Case{"too many", 429, "{}", "exchange_unavailable"},
           Case{"down", 500, "{}", "exchange_unavailable"},
           Case{"a redirect", 302, "", "exchange_unavailable"},
           Case{"empty", 200, "", "exchange_invalid"},
           Case{"a page", 200, "<html>", "exchange_invalid"},
           Case{"no token", 200, "{" + kind + "}", "exchange_invalid"},
           Case{"a token that is a number", 200, R"({"access_token":7,)" + kind + "}", "exchange_invalid"},
           Case{"a token twice", 200, "{" + token + "," + token + "," + kind + "}", "exchange_invalid"},
           Case{"no kind", 200, "{" + token + R"(,"token_type":"Bearer"})", "exchange_invalid"},
           Case{"another kind", 200,
                "{" + token +
                    R"(,"token_type":"Bearer","issued_token_type":"urn:ietf:params:oauth:token-type:refresh_token"})",
                "exchange_invalid"},
           Case{"bound to a key", 200,
                "{" + token +
                    R"(,"token_type":"DPoP","issued_token_type":"urn:ietf:params:oauth:token-type:access_token"})",
                "exchange_invalid"},
           Case{"wider by its own word", 200, "{" + token + "," + kind + R"(,"scope":"tickets:read admin"})",
                "exchange_invalid"},
           Case{"a line break in the token", 200, R"({"access_token":"a\r\nX-Evil: 1",)" + kind + "}",
                "exchange_invalid"},
       }) {
    exchanger.drop(*who, spec);
    http.on(token_url, c.status, c.body);
    EXPECT_EQ(outcome(), c.outcome) << c.name;
  }
  exchanger.drop(*who, spec);
  http.drop(token_url);
  EXPECT_EQ(outcome(), "exchange_unavailable") << "nobody listens";
  give(claims());
  issuers.refused = Reason::token_signature_invalid;
  EXPECT_EQ(outcome(), "exchange_invalid") << "another's signature";
  issuers.refused = Reason::issuer_unavailable;
  EXPECT_EQ(outcome(), "issuer_unavailable") << "keys that can't be fetched";
  issuers.refused.reset();
  issuers.absent = Reason::issuer_unavailable;
  EXPECT_EQ(outcome(), "issuer_unavailable") << "no token endpoint";
  for (const auto& [level, line] : log.lines) {
    EXPECT_THAT(line, testing::Not(HasSubstr("s3cret")));
    EXPECT_THAT(line, testing::Not(HasSubstr("subject-token")));
    EXPECT_THAT(line, testing::Not(HasSubstr("opaque")));
  }
}

TEST_F(ExchangerTest, is_remembered_for_this_very_question) {
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(ask());
  EXPECT_EQ(http.seen.size(), 1U);
  EXPECT_EQ((*ask())->authorization.substr(0, 7), "Bearer ");
  // Another token of the same person, another scope, another issuer: another question.
  const auto first = who;
  who = std::make_shared<Principal>(*first);
  who->token_digest = std::string(64, 'b');
  EXPECT_TRUE(ask());
  EXPECT_EQ(http.seen.size(), 2U);
  spec.key = "tickets-api tickets:read tickets:write";
  EXPECT_TRUE(ask());
  EXPECT_EQ(http.seen.size(), 3U);
  // Two are kept: the first one, unused for longest, is gone.
  spec.key = "tickets-api tickets:read";
  EXPECT_TRUE(ask());
  EXPECT_EQ(http.seen.size(), 3U);
  who = first;
  EXPECT_TRUE(ask());
  EXPECT_EQ(http.seen.size(), 4U);
}

TEST_F(ExchangerTest, a_refusal_is_not_remembered_and_a_drop_forgets) {
  http.on(token_url, 400, R"({"error":"invalid_target"})");
  EXPECT_FALSE(ask());
  give(claims());
  EXPECT_TRUE(ask());
  EXPECT_EQ(http.seen.size(), 2U);
  exchanger.drop(*who, spec);
  EXPECT_TRUE(ask());
  EXPECT_EQ(http.seen.size(), 3U);
}

TEST_F(ExchangerTest, does_not_outlive_the_callers_token) {
  give(claims(), R"("expires_in":86400)");
  who->expires_at = from_unix(now + 60);
  const auto answer = ask();
  ASSERT_TRUE(answer);
  EXPECT_EQ((*answer)->expires_at, from_unix(now + 60));
  loop.advance(seconds(56));  // less than the time that is kept for the way
  give(claims());
  who->expires_at = from_unix(now + 300);
  ASSERT_TRUE(ask());
  EXPECT_EQ(http.seen.size(), 2U);
}

TEST_F(ExchangerTest, many_ask_and_one_goes) {
  http.on(
      token_url,
      [&](const auto&) -> Result<HttpResponse, HttpError> {
        HttpResponse response;
        response.status = 200;
        response.body = R"({"access_token":"opaque",)" + kind + "}";
        return response;
      },
      seconds(1));
  auto first = test::FakeLoop::await_step(exchanger.token(who, "subject-token", spec));
  auto second = test::FakeLoop::await_step(exchanger.token(who, "subject-token", spec));
  EXPECT_FALSE(loop.run(first));
  EXPECT_FALSE(loop.run(second));
  first.reset();  // its client left
  loop.advance(seconds(2));
  const auto answer = loop.run(second);
  ASSERT_TRUE(answer);
  EXPECT_TRUE(answer->has_value());
  EXPECT_EQ(http.seen.size(), 1U);
}

}  // namespace
}  // namespace agw::outbound
