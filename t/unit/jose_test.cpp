#include <array>
#include <string>

#include <gtest/gtest.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "agw/base/encoding.h"
#include "agw/jose/jwt.h"
#include "agw/jose/key_set.h"
#include "agw/jose/private_key.h"
#include "agw/jose/sign.h"

namespace agw::jose {
namespace {

constexpr std::array ed25519_only{Algorithm::ed25519};

/// An Ed25519 key made here: PEM of the private half, JWK of the public one.
struct Key {
  std::string pem;
  std::string jwk;
};

Key make_key(const std::string& members) {
  EVP_PKEY* key = EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
  BIO* bio = BIO_new(BIO_s_mem());
  PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr);
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio, &text);
  Key out{std::string(text, static_cast<std::size_t>(size)), ""};
  std::string raw(32, '\0');
  std::size_t length = raw.size();
  EVP_PKEY_get_raw_public_key(key, reinterpret_cast<unsigned char*>(raw.data()), &length);
  out.jwk = R"({"kty":"OKP","crv":"Ed25519","x":")" + base64url_encode(raw) + "\"" + members + "}";
  BIO_free(bio);
  EVP_PKEY_free(key);
  return out;
}

std::string set_of(const std::string& keys) { return R"({"keys":[)" + keys + "]}"; }

TEST(Signature, verifies_with_its_own_key_and_no_other) {
  const Key key = make_key(R"(,"kid":"a")");
  const Key other = make_key(R"(,"kid":"a")");
  EXPECT_EQ(algorithm_of_private_key(key.pem), Algorithm::ed25519);
  const auto token = sign_jwt({key.pem, Algorithm::ed25519, "a"}, R"({"iss":"x"})");
  ASSERT_TRUE(token);
  const auto jwt = parse_jwt(*token, 16384);
  ASSERT_TRUE(jwt);
  EXPECT_EQ((*KeySet::parse(set_of(key.jwk)))->verify(*jwt, ed25519_only), "a");
  EXPECT_EQ((*KeySet::parse(set_of(other.jwk)))->verify(*jwt, ed25519_only).error(), VerifyError::signature_invalid);
  constexpr std::array rs256_only{Algorithm::rs256};
  EXPECT_EQ((*KeySet::parse(set_of(key.jwk)))->verify(*jwt, rs256_only).error(), VerifyError::algorithm_refused);
  // Without a kid two fitting keys are a guess.
  const auto bare = sign_jwt({key.pem, Algorithm::ed25519, ""}, "{}");
  const auto unnamed = parse_jwt(*bare, 16384);
  EXPECT_TRUE((*KeySet::parse(set_of(key.jwk)))->verify(*unnamed, ed25519_only));
  EXPECT_EQ((*KeySet::parse(set_of(key.jwk + "," + other.jwk)))->verify(*unnamed, ed25519_only).error(),
            VerifyError::key_unknown);
  EXPECT_FALSE(sign_jwt({key.pem, Algorithm::rs256, ""}, "{}"));
}

TEST(KeySets, hold_only_keys_that_can_verify) {
  const Key good = make_key(R"(,"kid":"good")");
  const Key encryption = make_key(R"(,"kid":"e","use":"enc")");
  const Key secret = make_key(R"(,"kid":"d","d":"AAAA")");
  const Key wrong = make_key(R"(,"kid":"w","alg":"RS256")");
  const auto keys = KeySet::parse(set_of(good.jwk + "," + encryption.jwk + "," + secret.jwk + "," + wrong.jwk));
  ASSERT_TRUE(keys);
  EXPECT_EQ((*keys)->size(), 1U);
  EXPECT_TRUE((*keys)->has_key("good"));
  for (const std::string& bad : {std::string("{}"), std::string("[]"), std::string("x"), set_of(""),
                                 set_of(encryption.jwk), set_of("1"), std::string(R"({"keys":[],"keys":[]})")})
    EXPECT_FALSE(KeySet::parse(bad)) << bad;
}

TEST(Jwt, only_strict_compact_tokens_are_read) {
  const auto part = [](std::string_view text) { return base64url_encode(text); };
  const std::string body = part("{}");
  struct Case {
    const char* name;
    std::string token;
    JwtError error;
  };
  for (const Case& c :
       {Case{"empty", "", JwtError::malformed},
        Case{"two parts", part(R"({"alg":"ES256"})") + "." + body, JwtError::malformed},
        Case{"four parts", "a.b.c.d", JwtError::malformed},
        Case{"padding", "e30=." + body + ".AAAA", JwtError::malformed},
        Case{"none", part(R"({"alg":"none"})") + "." + body + ".", JwtError::algorithm_unknown},
        Case{"hmac", part(R"({"alg":"HS256"})") + "." + body + ".AAAA", JwtError::algorithm_unknown},
        Case{"crit", part(R"({"alg":"ES256","crit":["x"]})") + "." + body + ".AAAA", JwtError::header_refused},
        Case{"b64", part(R"({"alg":"ES256","b64":false})") + "." + body + ".AAAA", JwtError::header_refused},
        Case{"alg twice", part(R"({"alg":"ES256","alg":"none"})") + "." + body + ".AAAA", JwtError::malformed},
        Case{"kid a number", part(R"({"alg":"ES256","kid":1})") + "." + body + ".AAAA", JwtError::malformed},
        Case{"too large", std::string(20000, 'a'), JwtError::too_large}}) {
    const auto parsed = parse_jwt(c.token, 16384);
    ASSERT_FALSE(parsed) << c.name;
    EXPECT_EQ(parsed.error(), c.error) << c.name;
  }
  const auto good =
      parse_jwt(part(R"({"alg":"ES256","typ":"application/AT+JWT","kid":"k"})") + "." + body + ".AAAA", 16384);
  ASSERT_TRUE(good);
  EXPECT_EQ(good->type, "at+jwt");
  EXPECT_EQ(good->key_id, "k");
}

}  // namespace
}  // namespace agw::jose
