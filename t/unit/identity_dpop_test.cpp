#include <string>

#include <gtest/gtest.h>

#include "agw/identity/client_certificate.h"

#include "identity/dpop.h"
#include "support/proof_maker.h"

namespace agw::identity {
namespace {

// RFC 9449 section 7.1, figures 12 to 14; section 6.1 for the thumbprint.
constexpr std::string_view rfc_token = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
constexpr std::string_view rfc_key = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";
constexpr std::string_view rfc_proof =
    "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0Rs"
    "cEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2"
    "In19.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90"
    "ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFF"
    "byJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA";

ProofTarget rfc_target() { return {"GET", "https://resource.example.org/protectedresource", rfc_token, rfc_key}; }

Reason reason_of(std::string_view jwt, const ProofTarget& target) {
  const auto proof = read_proof(jwt, target);
  return proof ? Reason::allowed : proof.error().reason;
}

TEST(Dpop, takes_the_example_of_the_rfc) {
  const auto proof = read_proof(rfc_proof, rfc_target());
  ASSERT_TRUE(proof) << proof.error().detail;
  EXPECT_EQ(proof->id, "e1j3V_bKic8-LAEB");
  EXPECT_EQ(proof->key, rfc_key);
  EXPECT_EQ(proof->issued_at, from_unix(1562262618));
  EXPECT_EQ(proof->nonce, "");
}

TEST(Dpop, the_example_is_good_for_nothing_else) {
  struct Case {
    const char* name;
    ProofTarget target;
  };
  const Case cases[] = {
      {"another method", {"POST", "https://resource.example.org/protectedresource", rfc_token, rfc_key}},
      {"another path", {"GET", "https://resource.example.org/protected", rfc_token, rfc_key}},
      {"another host", {"GET", "https://resource.example.com/protectedresource", rfc_token, rfc_key}},
      {"another scheme", {"GET", "http://resource.example.org/protectedresource", rfc_token, rfc_key}},
      {"another token", {"GET", "https://resource.example.org/protectedresource", "other", rfc_key}},
      {"another key", {"GET", "https://resource.example.org/protectedresource", rfc_token, "NzbLsXh8uDCcd-6MNwXF4W_7"}},
  };
  for (const Case& c : cases) EXPECT_EQ(reason_of(rfc_proof, c.target), Reason::proof_mismatch) << c.name;
  std::string forged(rfc_proof);
  forged[forged.size() - 10] = forged[forged.size() - 10] == 'A' ? 'B' : 'A';
  EXPECT_EQ(reason_of(forged, rfc_target()), Reason::proof_signature_invalid);
}

TEST(Dpop, each_numbered_check_refuses_for_its_reason) {
  const test::ProofMaker maker;
  const std::string token = "t";
  const ProofTarget target{"POST", "https://gw.example/mcp", token, maker.thumbprint};
  const std::string good = test::ProofMaker::claims(token, 1);
  const auto with_header = [&](const std::string& header) { return maker.sign(header, good); };
  const auto with_claims = [&](const std::string& claims) { return maker.sign(maker.header(), claims); };
  const std::string ath = R"("ath":")" + test::ProofMaker::digest_of(token) + "\"";
  const std::string jwk = maker.jwk.substr(0, maker.jwk.size() - 1);
  struct Case {
    const char* name;
    std::string proof;
    Reason reason;
  };
  const Case cases[] = {
      {"good", with_claims(good), Reason::allowed},
      {"2 no JWT", "x", Reason::proof_malformed},
      {"2 two tokens", with_claims(good) + ", " + with_claims(good), Reason::proof_malformed},
      {"2 a payload that is no object", with_claims("[]"), Reason::proof_malformed},
      {"2 a claim twice", with_claims(R"({"jti":"a",)" + good.substr(1)), Reason::proof_malformed},
      {"3 no jti", with_claims(R"({"htm":"POST","htu":"https://gw.example/mcp","iat":1,)" + ath + "}"),
       Reason::proof_malformed},
      {"3 an empty jti", with_claims(test::ProofMaker::claims(token, 1, "")), Reason::proof_malformed},
      {"3 an endless jti", with_claims(test::ProofMaker::claims(token, 1, std::string(257, 'a'))),
       Reason::proof_malformed},
      {"3 no iat", with_claims(R"({"jti":"a","htm":"POST","htu":"https://gw.example/mcp",)" + ath + "}"),
       Reason::proof_malformed},
      {"3 an iat in words",
       with_claims(R"({"jti":"a","iat":"1","htm":"POST","htu":"https://gw.example/mcp",)" + ath + "}"),
       Reason::proof_malformed},
      {"3 no htm", with_claims(R"({"jti":"a","iat":1,"htu":"https://gw.example/mcp",)" + ath + "}"),
       Reason::proof_malformed},
      {"3 no htu", with_claims(R"({"jti":"a","iat":1,"htm":"POST",)" + ath + "}"), Reason::proof_malformed},
      {"4 another typ", with_header(R"({"typ":"JWT","alg":"EdDSA","jwk":)" + maker.jwk + "}"), Reason::proof_malformed},
      {"4 no typ", with_header(R"({"alg":"EdDSA","jwk":)" + maker.jwk + "}"), Reason::proof_malformed},
      {"5 none", with_header(R"({"typ":"dpop+jwt","alg":"none","jwk":)" + maker.jwk + "}"),
       Reason::proof_algorithm_refused},
      {"5 symmetric", with_header(R"({"typ":"dpop+jwt","alg":"HS256","jwk":)" + maker.jwk + "}"),
       Reason::proof_algorithm_refused},
      {"5 not the key's", with_header(R"({"typ":"dpop+jwt","alg":"ES256","jwk":)" + maker.jwk + "}"),
       Reason::proof_algorithm_refused},
      {"6 no key", with_header(R"({"typ":"dpop+jwt","alg":"EdDSA"})"), Reason::proof_malformed},
      {"6 another's signature", test::ProofMaker().sign(maker.header(), good), Reason::proof_signature_invalid},
      {"7 a private key", with_header(R"({"typ":"dpop+jwt","alg":"EdDSA","jwk":)" + jwk + R"(,"d":"AA"}})"),
       Reason::proof_malformed},
      {"7 a symmetric key", with_header(R"({"typ":"dpop+jwt","alg":"EdDSA","jwk":{"kty":"oct","k":"AA"}})"),
       Reason::proof_malformed},
      {"a key with a name",
       with_header(R"({"typ":"dpop+jwt","alg":"EdDSA","kid":"x","jwk":)" + jwk + R"(,"kid":"y"}})"), Reason::allowed},
      {"a critical header", with_header(R"({"typ":"dpop+jwt","alg":"EdDSA","crit":["x"],"jwk":)" + maker.jwk + "}"),
       Reason::proof_malformed},
      {"12 no ath", with_claims(R"({"jti":"a","iat":1,"htm":"POST","htu":"https://gw.example/mcp"})"),
       Reason::proof_mismatch},
      {"a nonce that is a number", with_claims(test::ProofMaker::claims(token, 1, "a", R"(,"nonce":1)")),
       Reason::proof_malformed},
      {"too long", with_claims(test::ProofMaker::claims(token, 1, "a", ",\"x\":\"" + std::string(8192, 'x') + "\"")),
       Reason::proof_malformed},
  };
  for (const Case& c : cases) EXPECT_EQ(reason_of(c.proof, target), c.reason) << c.name;
}

TEST(Dpop, a_uri_is_compared_as_rfc_3986_says) {
  struct Case {
    const char* uri;
    const char* expected;  ///< null: none
  };
  const Case cases[] = {
      {"https://gw.example/mcp", "https://gw.example/mcp"},
      {"HTTPS://GW.Example:443/mcp", "https://gw.example/mcp"},
      {"http://gw.example:80", "http://gw.example/"},
      {"https://gw.example:8443/mcp", "https://gw.example:8443/mcp"},
      {"https://gw.example/mcp?x=1#y", "https://gw.example/mcp"},
      {"https://gw.example?x", "https://gw.example/"},
      {"https://gw.example/a/./b/../c", "https://gw.example/a/c"},
      {"https://gw.example/../a/..", "https://gw.example/"},
      {"https://gw.example/%7Ea/%2f%c3", "https://gw.example/~a/%2F%C3"},
      {"https://gw.example/%2e%2e/a", "https://gw.example/a"},
      {"https://gw.example/MCP", "https://gw.example/MCP"},
      {"https://gw.example/mcp/", "https://gw.example/mcp/"},
      {"https://[::1]:8443/mcp", "https://[::1]:8443/mcp"},
      {"https://[::1]:443/mcp", "https://[::1]/mcp"},
      {"https://gw.example:/mcp", "https://gw.example/mcp"},
      {"https://gw.example::/mcp", nullptr},
      {"https://gw.example:8443x/mcp", nullptr},
      {"https://[::1/mcp", nullptr},
      {"https://user@gw.example/mcp", nullptr},
      {"https:///mcp", nullptr},
      {"https://gw.example/%4", nullptr},
      {"https://gw.example/%zz", nullptr},
      {"https://gw.example/a b", nullptr},
      {"ftp://gw.example/mcp", nullptr},
      {"/mcp", nullptr},
      {"", nullptr},
  };
  for (const Case& c : cases) {
    const auto found = normalised_uri(c.uri);
    EXPECT_EQ(found.value_or("none"), c.expected == nullptr ? "none" : c.expected) << c.uri;
  }
}

}  // namespace
}  // namespace agw::identity
