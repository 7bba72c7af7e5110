#include <string>

#include <gtest/gtest.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "agw/base/encoding.h"
#include "agw/jose/jwt.h"
#include "agw/oauth/server_metadata.h"
#include "agw/oauth/token_exchange.h"

#include "support/fakes.h"

namespace agw::oauth {
namespace {

constexpr std::string_view issuer = "https://as.example";

TEST(ServerMetadata, names_its_issuer_and_safe_endpoints) {
  struct Case {
    const char* name;
    std::string json;
    std::string issuer;
    std::optional<MetadataError> error;
  };
  const Case cases[] = {
      {"good", R"({"issuer":"https://as.example","jwks_uri":"https://as.example/k"})", "https://as.example", {}},
      {"endpoints elsewhere",
       R"({"issuer":"https://as.example","jwks_uri":"https://cdn.example/k"})",
       "https://as.example",
       {}},
      {"another issuer", R"({"issuer":"https://evil.example","jwks_uri":"https://as.example/k"})", "https://as.example",
       MetadataError::issuer_mismatch},
      {"a slash more", R"({"issuer":"https://as.example/","jwks_uri":"https://as.example/k"})", "https://as.example",
       MetadataError::issuer_mismatch},
      {"no issuer", R"({"jwks_uri":"https://as.example/k"})", "https://as.example", MetadataError::issuer_mismatch},
      {"plain http", R"({"issuer":"https://as.example","jwks_uri":"http://as.example/k"})", "https://as.example",
       MetadataError::endpoint_refused},
      {"a file", R"({"issuer":"https://as.example","jwks_uri":"file:///etc/passwd"})", "https://as.example",
       MetadataError::endpoint_refused},
      {"a line break", R"({"issuer":"https://as.example","jwks_uri":"https://as.example/\r\nX"})", "https://as.example",
       MetadataError::endpoint_refused},
      {"loopback issuer",
       R"({"issuer":"http://127.0.0.1:1","jwks_uri":"http://127.0.0.1:1/k"})",
       "http://127.0.0.1:1",
       {}},
      {"loopback issuer, another port", R"({"issuer":"http://127.0.0.1:1","jwks_uri":"http://127.0.0.1:11/k"})",
       "http://127.0.0.1:1", MetadataError::endpoint_refused},
      {"no keys, as for opaque tokens", R"({"issuer":"https://as.example"})", "https://as.example", {}},
      {"twice the same", R"({"issuer":"https://as.example","issuer":"https://as.example"})", "https://as.example",
       MetadataError::malformed},
      {"a list", "[]", "https://as.example", MetadataError::malformed},
      {"nothing", "", "https://as.example", MetadataError::malformed},
  };
  for (const Case& c : cases) {
    const auto result = parse_server_metadata(c.json, c.issuer);
    EXPECT_EQ(result.has_value(), !c.error) << c.name;
    if (!result && c.error) {
      EXPECT_EQ(result.error(), *c.error) << c.name;
    }
  }
}

TEST(ServerMetadata, is_sought_at_well_known_places) {
  const std::vector<std::string> plain{"https://as.example/.well-known/oauth-authorization-server",
                                       "https://as.example/.well-known/openid-configuration"};
  EXPECT_EQ(well_known_urls("https://as.example"), plain);
  EXPECT_EQ(well_known_urls("https://as.example/"), plain);
  const std::vector<std::string> nested{"https://as.example/.well-known/oauth-authorization-server/realms/r",
                                        "https://as.example/.well-known/openid-configuration/realms/r",
                                        "https://as.example/realms/r/.well-known/openid-configuration"};
  EXPECT_EQ(well_known_urls("https://as.example/realms/r"), nested);
}

ExchangeQuestion question() { return {"https://as.example/token", "subject.token.x", "tickets-api", {"a", "b"}}; }

TEST(Exchange, proves_the_client_by_an_encoded_basic_secret) {
  test::FakeRandom random;
  ClientCredentials client;
  client.client_id = "https://gw.example/mcp";
  client.secret = Secret("p:%+ w");
  const auto request = exchange_request(question(), client, random, from_unix(1'800'000'000));
  ASSERT_TRUE(request);
  EXPECT_EQ(request->method, "POST");
  EXPECT_EQ(request->url, "https://as.example/token");
  // RFC 6749 section 2.3.1: a colon inside an id can't move the border between id and secret.
  const std::string_view header = request->authorization.reveal();
  ASSERT_TRUE(header.starts_with("Basic "));
  std::string expected = base64_encode("https%3A%2F%2Fgw.example%2Fmcp:p%3A%25%2B+w");
  EXPECT_EQ(header.substr(6), expected);
  const std::string body(request->body.reveal());
  EXPECT_NE(body.find("audience=tickets-api"), std::string::npos);
  EXPECT_NE(body.find("scope=a+b"), std::string::npos);
  EXPECT_NE(body.find("subject_token=subject.token.x"), std::string::npos);
  EXPECT_EQ(body.find("client_secret"), std::string::npos);
}

TEST(Exchange, proves_the_client_by_a_posted_secret) {
  test::FakeRandom random;
  ClientCredentials client;
  client.client_id = "gw";
  client.method = ClientCredentials::Method::secret_post;
  client.secret = Secret("a&b=c");
  const auto request = exchange_request(question(), client, random, from_unix(1'800'000'000));
  ASSERT_TRUE(request);
  EXPECT_TRUE(request->authorization.reveal().empty());
  EXPECT_NE(std::string(request->body.reveal()).find("client_secret=a%26b%3Dc"), std::string::npos);
}

std::string ed25519_pem() {
  EVP_PKEY* key = EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
  BIO* bio = BIO_new(BIO_s_mem());
  PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr);
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio, &text);
  std::string out(text, static_cast<std::size_t>(size));
  BIO_free(bio);
  EVP_PKEY_free(key);
  return out;
}

std::string assertion_payload(const HttpRequest& request) {
  const std::string body(request.body.reveal());
  const std::size_t at = body.find("client_assertion=");
  if (at == std::string::npos) return {};
  const std::string token = body.substr(at + 17, body.find('&', at) - at - 17);
  const auto jwt = jose::parse_jwt(token, 16384);
  return jwt ? jwt->payload : std::string();
}

TEST(Exchange, proves_the_client_by_a_short_assertion_used_once) {
  test::FakeRandom random;
  ClientCredentials client;
  client.client_id = "gw";
  client.method = ClientCredentials::Method::private_key_jwt;
  client.secret = Secret(ed25519_pem());
  client.algorithm = jose::Algorithm::ed25519;
  client.audience = issuer;
  const auto first = exchange_request(question(), client, random, from_unix(1'800'000'000));
  const auto second = exchange_request(question(), client, random, from_unix(1'800'000'000));
  ASSERT_TRUE(first && second);
  const std::string payload = assertion_payload(*first);
  EXPECT_NE(payload.find(R"("aud":"https://as.example")"), std::string::npos) << payload;
  EXPECT_NE(payload.find(R"("iss":"gw","sub":"gw")"), std::string::npos) << payload;
  EXPECT_NE(payload.find(R"("exp":1800000060)"), std::string::npos) << payload;
  EXPECT_NE(payload, assertion_payload(*second)) << "jti";
  client.algorithm = jose::Algorithm::rs256;
  EXPECT_EQ(exchange_request(question(), client, random, from_unix(1)).error(), ExchangeError::key_unusable);
  client.secret = Secret("no key");
  EXPECT_EQ(exchange_request(question(), client, random, from_unix(1)).error(), ExchangeError::key_unusable);
}

TEST(Exchange, answers_are_read_strictly) {
  const auto good = parse_exchange_answer(
      R"({"access_token":"t","issued_token_type":"i","token_type":"Bearer","scope":"a b","expires_in":60})");
  ASSERT_TRUE(good);
  EXPECT_EQ(good->token.reveal(), "t");
  EXPECT_EQ(good->scopes, (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(good->scope_named);
  EXPECT_EQ(good->expires_in, 60);
  const auto bare = parse_exchange_answer(R"({"access_token":"t","issued_token_type":"i","token_type":"Bearer"})");
  ASSERT_TRUE(bare);
  EXPECT_FALSE(bare->scope_named);
  for (const char* bad : {"", "[]", "{}", R"({"access_token":"t","token_type":"Bearer"})",
                          R"({"access_token":1,"issued_token_type":"i","token_type":"Bearer"})",
                          R"({"access_token":"t","access_token":"u","issued_token_type":"i","token_type":"Bearer"})",
                          R"({"access_token":"t","issued_token_type":"i","token_type":"Bearer","scope":["a"]})",
                          R"({"access_token":"t","issued_token_type":"i","token_type":"Bearer","expires_in":0})",
                          R"({"access_token":"t","issued_token_type":"i","token_type":"Bearer","expires_in":"60"})"})
    EXPECT_FALSE(parse_exchange_answer(bad)) << bad;
}

TEST(Exchange, error_codes_are_only_codes) {
  EXPECT_EQ(parse_error_code(R"({"error":"invalid_scope"})"), "invalid_scope");
  for (const char* bad : {"", "{}", R"({"error":1})", R"({"error":"a b"})", R"({"error":"x\n"})"})
    EXPECT_EQ(parse_error_code(bad), "") << bad;
}

}  // namespace
}  // namespace agw::oauth
