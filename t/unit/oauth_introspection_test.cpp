// Questions about tokens and their answers (RFC 7662, RFC 9701).
#include <optional>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agw/oauth/introspection.h"

#include "support/fakes.h"
#include "support/signer.h"

namespace agw::oauth {
namespace {

using testing::HasSubstr;
using testing::Not;

const WallTime now = from_unix(1'800'000'000);

ClientCredentials by_secret() {
  ClientCredentials out;
  out.client_id = "gate way";
  out.secret = Secret("s:1");
  return out;
}

TEST(IntrospectionRequest, is_a_form_with_the_clients_secret) {
  test::FakeRandom random;
  const std::vector<std::pair<std::string, std::string>> fields{{"agent_operation", "tickets/ticket.read"}};
  const auto request = introspection_request({.endpoint = "https://as.example/i", .token = "a+b", .fields = &fields},
                                             by_secret(), random, now);
  ASSERT_TRUE(request);
  EXPECT_EQ(request->method, "POST");
  EXPECT_EQ(request->url, "https://as.example/i");
  EXPECT_EQ(request->body.reveal(), "token=a%2Bb&token_type_hint=access_token&agent_operation=tickets%2Fticket.read");
  // RFC 6749 section 2.3.1: `gate+way:s%3A1`.
  EXPECT_EQ(request->authorization.reveal(), "Basic Z2F0ZSt3YXk6cyUzQTE=");
  EXPECT_THAT(request->headers, testing::Contains(testing::Pair("Accept", "application/json")));
}

TEST(IntrospectionRequest, asks_for_a_signed_answer_and_proves_itself_by_key) {
  test::FakeRandom random;
  const test::Signer key;
  ClientCredentials client;
  client.client_id = "gateway";
  client.method = ClientCredentials::Method::private_key_jwt;
  client.secret = Secret(key.pem);
  client.algorithm = jose::Algorithm::ed25519;
  client.audience = "https://as.example";
  const auto request = introspection_request({.endpoint = "https://as.example/i", .token = "t", .signed_answer = true},
                                             client, random, now);
  ASSERT_TRUE(request);
  EXPECT_TRUE(request->authorization.empty());
  EXPECT_THAT(std::string(request->body.reveal()), HasSubstr("client_assertion=ey"));
  EXPECT_THAT(request->headers, testing::Contains(testing::Pair("Accept", "application/token-introspection+jwt")));
  client.secret = Secret("no key");
  EXPECT_FALSE(introspection_request({.endpoint = "https://as.example/i", .token = "t"}, client, random, now));
}

TEST(IntrospectionAnswer, is_active_only_where_it_says_true) {
  struct Case {
    const char* name;
    std::string json;
    std::optional<bool> active;
  };
  const Case cases[] = {
      {"active", R"({"active":true,"sub":"mira"})", true},
      {"inactive", R"({"active":false})", false},
      {"inactive, and talkative", R"({"active":false,"sub":"mira"})", false},
      {"a string", R"({"active":"true"})", {}},
      {"a number", R"({"active":1})", {}},
      {"null", R"({"active":null})", {}},
      {"not said", R"({"sub":"mira"})", {}},
      {"said twice", R"({"active":false,"active":true})", {}},
      {"a list", R"([{"active":true}])", {}},
      {"two documents", R"({"active":true}{"active":false})", {}},
      {"an escaped NUL", R"({"active":true,"sub":"a\u0000"})", {}},
      {"nothing", "", {}},
      {"a page", "<html>active</html>", {}},
  };
  for (const Case& c : cases) {
    const auto answer = parse_introspection_answer(c.json);
    EXPECT_EQ(answer.has_value(), c.active.has_value()) << c.name;
    if (!answer || !c.active) continue;
    EXPECT_EQ(answer->active, *c.active) << c.name;
    EXPECT_EQ(answer->claims, answer->active ? c.json : "") << c.name;
  }
}

TEST(IntrospectionAnswer, signed_is_from_the_issuer_for_this_client_and_of_now) {
  struct Case {
    const char* name;
    std::string json;
    std::optional<IntrospectionError> error;
  };
  const auto with = [](const std::string& iss, const std::string& aud, const std::string& iat,
                       const std::string& inner = R"({"active":true,"sub":"mira"})") {
    return R"({"iss":)" + iss + R"(,"aud":)" + aud + R"(,"iat":)" + iat + R"(,"token_introspection":)" + inner + "}";
  };
  const std::string iss = R"("https://as.example")";
  const std::string aud = R"("gateway")";
  const std::string at = "1800000000";
  constexpr auto malformed = IntrospectionError::malformed_answer;
  constexpr auto foreign = IntrospectionError::another_recipient;
  const Case cases[] = {
      {"good", with(iss, aud, at), {}},
      {"one of several recipients", with(iss, R"(["x","gateway"])", at), {}},
      {"another issuer", with(R"("https://evil.example")", aud, at), foreign},
      {"no issuer", with("null", aud, at), foreign},
      {"another recipient", with(iss, R"("tickets-api")", at), foreign},
      {"recipients without us", with(iss, R"(["x"])", at), foreign},
      {"nobody", with(iss, "[]", at), foreign},
      {"a recipient that is a number", with(iss, "[7]", at), foreign},
      {"within the skew", with(iss, aud, "1799999965"), {}},
      {"of long ago", with(iss, aud, "1799999963"), malformed},
      {"from the future", with(iss, aud, "1800000031"), malformed},
      {"a time in words", with(iss, aud, R"("1800000000")"), malformed},
      {"a time with a fraction", with(iss, aud, "1800000000.5"), malformed},
      {"a huge time", with(iss, aud, "9223372036854775807"), malformed},
      {"nothing inside", R"({"iss":"https://as.example","aud":"gateway","iat":1800000000})", malformed},
      {"a string inside", with(iss, aud, at, R"("{\"active\":true}")"), malformed},
      {"active in words", with(iss, aud, at, R"({"active":"true"})"), malformed},
      {"active outside alone",
       R"({"iss":"https://as.example","aud":"gateway","iat":1800000000,"active":true,"token_introspection":{}})",
       malformed},
      {"a list", "[]", malformed},
  };
  for (const Case& c : cases) {
    const auto answer =
        parse_signed_answer(c.json, {"https://as.example", "gateway", now, Milliseconds(30'000), Milliseconds(5'000)});
    EXPECT_EQ(answer.has_value(), !c.error) << c.name;
    if (!answer && c.error) EXPECT_EQ(answer.error(), *c.error) << c.name;
    if (answer) EXPECT_EQ(answer->claims, R"({"active":true,"sub":"mira"})") << c.name;
  }
}

}  // namespace
}  // namespace agw::oauth
