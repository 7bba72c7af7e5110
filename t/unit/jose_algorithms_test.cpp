// Every algorithm with its own key, and with everything that isn't.
#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "agw/base/encoding.h"
#include "agw/jose/jwt.h"
#include "agw/jose/key_set.h"
#include "agw/jose/sign.h"

namespace agw::jose {
namespace {

using Pkey = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using Bio = std::unique_ptr<BIO, decltype(&BIO_free)>;

constexpr std::array all{Algorithm::rs256, Algorithm::rs384, Algorithm::rs512, Algorithm::ps256, Algorithm::ps384,
                         Algorithm::ps512, Algorithm::es256, Algorithm::es384, Algorithm::es512, Algorithm::ed25519};

struct Key {
  std::string pem;
  std::string members;  ///< of the JWK: what its kind needs
  [[nodiscard]] std::string jwk(const std::string& more = R"(,"kid":"k")") const { return "{" + members + more + "}"; }
};

std::string number(EVP_PKEY* key, const char* name) {
  BIGNUM* value = nullptr;
  EVP_PKEY_get_bn_param(key, name, &value);
  std::string bytes(static_cast<std::size_t>(BN_num_bytes(value)), '\0');
  BN_bn2bin(value, reinterpret_cast<unsigned char*>(bytes.data()));
  BN_free(value);
  return base64url_encode(bytes);
}

Key described(EVP_PKEY* made, const std::string& members) {
  const Pkey key(made, EVP_PKEY_free);
  const Bio bio(BIO_new(BIO_s_mem()), BIO_free);
  PEM_write_bio_PrivateKey(bio.get(), made, nullptr, nullptr, 0, nullptr, nullptr);
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  return {std::string(text, static_cast<std::size_t>(size)), members};
}

Key rsa(std::size_t bits) {
  EVP_PKEY* key = EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", bits);
  return described(key, R"("kty":"RSA","n":")" + number(key, OSSL_PKEY_PARAM_RSA_N) + R"(","e":")" +
                            number(key, OSSL_PKEY_PARAM_RSA_E) + "\"");
}

Key elliptic(const char* group, const char* curve) {
  EVP_PKEY* key = EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", group);
  std::array<unsigned char, 256> point{};
  std::size_t size = 0;
  EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size(), &size);
  const std::string_view both(reinterpret_cast<const char*>(point.data()) + 1, size - 1);
  return described(key, R"("kty":"EC","crv":")" + std::string(curve) + R"(","x":")" +
                            base64url_encode(both.substr(0, both.size() / 2)) + R"(","y":")" +
                            base64url_encode(both.substr(both.size() / 2)) + "\"");
}

Key edwards() {
  EVP_PKEY* key = EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
  std::string raw(32, '\0');
  std::size_t size = raw.size();
  EVP_PKEY_get_raw_public_key(key, reinterpret_cast<unsigned char*>(raw.data()), &size);
  return described(key, R"("kty":"OKP","crv":"Ed25519","x":")" + base64url_encode(raw) + "\"");
}

const Key& key_for(Algorithm algorithm) {
  static const Key rsa_key = rsa(2048);
  static const Key p256 = elliptic("P-256", "P-256");
  static const Key p384 = elliptic("P-384", "P-384");
  static const Key p521 = elliptic("P-521", "P-521");
  static const Key ed = edwards();
  switch (algorithm) {
    case Algorithm::es256: return p256;
    case Algorithm::es384: return p384;
    case Algorithm::es512: return p521;
    case Algorithm::ed25519: return ed;
    default: return rsa_key;
  }
}

std::string set_of(const std::string& keys) { return R"({"keys":[)" + keys + "]}"; }

std::string signed_with(Algorithm algorithm) {
  return sign_jwt({key_for(algorithm).pem, algorithm, "k"}, R"({"iss":"x"})").value_or("");
}

/// What verifying says: `good`, or the fault.
std::string verdict(const std::string& token, const std::string& keys, std::span<const Algorithm> allowed = all) {
  const auto jwt = parse_jwt(token, 16384);
  if (!jwt) return "not a token";
  const auto set = KeySet::parse(set_of(keys));
  if (!set) return "no usable key";
  const auto done = (*set)->verify(*jwt, allowed);
  if (done) return "good";
  switch (done.error()) {
    case VerifyError::key_unknown: return "key unknown";
    case VerifyError::algorithm_refused: return "algorithm refused";
    case VerifyError::signature_invalid: return "signature invalid";
  }
  return "?";
}

TEST(Algorithms, each_verifies_with_its_own_key) {
  for (const Algorithm algorithm : all) {
    const std::string token = signed_with(algorithm);
    const Key& key = key_for(algorithm);
    ASSERT_FALSE(token.empty()) << to_string(algorithm);
    EXPECT_EQ(verdict(token, key.jwk()), "good") << to_string(algorithm);
    const std::string own =
        R"(,"kid":"k","use":"sig","key_ops":["verify"],"alg":")" + std::string(to_string(algorithm)) + "\"";
    EXPECT_EQ(verdict(token, key.jwk(own)), "good") << to_string(algorithm);
    EXPECT_EQ(verdict(token, key.jwk(), std::array{algorithm}), "good") << to_string(algorithm);
  }
}

TEST(Algorithms, none_verifies_with_what_another_one_signed) {
  for (const Algorithm signed_by : all) {
    const std::string token = signed_with(signed_by);
    const std::size_t dot = token.find('.');
    for (const Algorithm claimed : all) {
      if (claimed == signed_by) continue;
      // The header names another algorithm than the one that signed; payload and signature stay.
      const std::string header = base64url_encode(R"({"alg":")" + std::string(to_string(claimed)) + R"(","kid":"k"})");
      EXPECT_NE(verdict(header + token.substr(dot), key_for(signed_by).jwk()), "good")
          << to_string(signed_by) << " as " << to_string(claimed);
    }
    for (const Algorithm other : all) {
      if (other == signed_by) continue;
      EXPECT_EQ(verdict(token, key_for(signed_by).jwk(), std::array{other}), "algorithm refused");
      const std::string own = R"(,"kid":"k","alg":")" + std::string(to_string(other)) + "\"";
      EXPECT_NE(verdict(token, key_for(signed_by).jwk(own)), "good")
          << to_string(signed_by) << " with a key for " << to_string(other);
    }
  }
}

TEST(Algorithms, a_key_signs_only_what_fits_it) {
  for (const Algorithm algorithm : all)
    for (const Algorithm other : all) {
      const bool fits = &key_for(algorithm) == &key_for(other);
      EXPECT_EQ(sign_jwt({key_for(other).pem, algorithm, ""}, "{}").has_value(), fits)
          << to_string(algorithm) << " with a key for " << to_string(other);
    }
  EXPECT_FALSE(sign_jwt({"not a key", Algorithm::rs256, ""}, "{}"));
}

TEST(Algorithms, a_changed_byte_is_noticed) {
  for (const Algorithm algorithm : all) {
    const std::string token = signed_with(algorithm);
    const std::size_t first = token.find('.');
    const std::size_t second = token.find('.', first + 1);
    for (const std::size_t at : {first + 2, second + 2, second + 20}) {
      std::string changed = token;
      changed[at] = changed[at] == 'A' ? 'B' : 'A';
      EXPECT_NE(verdict(changed, key_for(algorithm).jwk()), "good") << to_string(algorithm) << " at " << at;
    }
  }
}

TEST(Algorithms, signatures_of_another_form_are_refused) {
  const std::string token = signed_with(Algorithm::es256);
  const std::string head = token.substr(0, token.rfind('.') + 1);
  const std::string raw = base64url_decode(token.substr(head.size())).value();
  ASSERT_EQ(raw.size(), 64U);
  const auto integer = [](std::string value) {
    if ((static_cast<unsigned char>(value[0]) & 0x80U) != 0) value.insert(0, 1, '\0');
    return std::string("\x02") + static_cast<char>(value.size()) + value;
  };
  const std::string numbers = integer(raw.substr(0, 32)) + integer(raw.substr(32));
  const std::string der = std::string("\x30") + static_cast<char>(numbers.size()) + numbers;
  struct Case {
    const char* name;
    std::string signature;
  };
  for (const Case& c :
       {Case{"DER, as X.509 has it", der}, Case{"too short", raw.substr(0, 63)}, Case{"too long", raw + '\0'},
        Case{"empty", ""}, Case{"zeros", std::string(64, '\0')}, Case{"half", raw.substr(0, 32)}})
    EXPECT_NE(verdict(head + base64url_encode(c.signature), key_for(Algorithm::es256).jwk()), "good") << c.name;
}

/// A modulus of so many bytes behind two zeros, in base64url.
std::string zeros_and(std::size_t bytes) { return base64url_encode(std::string(2, '\0') + std::string(bytes, '\3')); }

std::string rsa_with(std::string_view exponent, std::size_t modulus_bytes) {
  return R"({"kty":"RSA","kid":"k","e":")" + base64url_encode(exponent) + R"(","n":")" + zeros_and(modulus_bytes) +
         "\"}";
}

TEST(Keys, those_that_cannot_be_trusted_are_skipped) {
  const Key& good = key_for(Algorithm::rs256);
  const std::string token = signed_with(Algorithm::rs256);
  static const Key weak = rsa(1024);
  struct Case {
    const char* name;
    std::string keys;
    const char* verdict;
  };
  const Case cases[] = {
      {"good", good.jwk(), "good"},
      {"too few bits", weak.jwk(), "no usable key"},
      {"for encryption", good.jwk(R"(,"kid":"k","use":"enc")"), "no usable key"},
      {"to sign with only", good.jwk(R"(,"kid":"k","key_ops":["sign"])"), "no usable key"},
      {"a secret", R"({"kty":"oct","k":"AAAA","kid":"k"})", "no usable key"},
      {"for HMAC", good.jwk(R"(,"kid":"k","alg":"HS256")"), "no usable key"},
      {"another's kid", good.jwk(R"(,"kid":"other")"), "key unknown"},
      {"two of one kid, of the same kind", good.jwk() + "," + rsa(2048).jwk(), "key unknown"},
      {"two of one kid, of different kinds", good.jwk() + "," + key_for(Algorithm::es256).jwk(), "good"},
      {"a point that isn't on its curve",
       R"({"kty":"EC","crv":"P-256","kid":"k","x":")" + base64url_encode(std::string(32, '\1')) + R"(","y":")" +
           base64url_encode(std::string(32, '\2')) + "\"}",
       "no usable key"},
      {"a coordinate that is no base64",
       R"({"kty":"EC","crv":"P-256","kid":"k","x":"A=","y":")" + base64url_encode(std::string(32, '\2')) + "\"}",
       "no usable key"},
      {"coordinates of one character and padding", R"({"kty":"EC","crv":"P-521","kid":"k","x":"A=","y":"A="})",
       "no usable key"},
      {"a point at infinity", R"({"kty":"EC","crv":"P-384","kid":"k","x":"","y":""})", "no usable key"},
      {"no exponent", rsa_with("", 256), "no usable key"},
      {"an exponent that is no base64", R"({"kty":"RSA","kid":"k","e":"A=","n":")" + zeros_and(256) + "\"}",
       "no usable key"},
      {"an exponent of one", rsa_with("\1", 256), "no usable key"},
      {"an even exponent", rsa_with("\2", 256), "no usable key"},
      {"an exponent as long as the modulus", rsa_with(std::string(256, '\3'), 256), "no usable key"},
      {"a modulus of leading zeros", rsa_with("\3", 255), "no usable key"},
      {"another's modulus", rsa_with("\3", 256), "signature invalid"},
      {"a curve nobody knows", R"({"kty":"EC","crv":"P-999","kid":"k","x":"AA","y":"AA"})", "no usable key"},
  };
  for (const Case& c : cases) EXPECT_EQ(verdict(token, c.keys), c.verdict) << c.name;
}

}  // namespace
}  // namespace agw::jose
