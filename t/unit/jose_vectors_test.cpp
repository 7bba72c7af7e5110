// The examples that the RFCs print, as they print them.
#include <array>
#include <string>

#include <gtest/gtest.h>

#include "agw/jose/jwt.h"
#include "agw/jose/key_set.h"

namespace agw::jose {
namespace {

constexpr std::array all{Algorithm::rs256, Algorithm::rs384, Algorithm::rs512, Algorithm::ps256, Algorithm::ps384,
                         Algorithm::ps512, Algorithm::es256, Algorithm::es384, Algorithm::es512, Algorithm::ed25519};

/// {"iss":"joe",\r\n "exp":1300819380,\r\n "http://example.com/is_root":true}
const std::string joe =
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";

struct Vector {
  const char* name;
  std::string key;  ///< a JWK
  std::string token;
  Algorithm algorithm;
};

const std::array vectors{
    Vector{
        "RFC 7515 appendix A.2",
        R"({"kty":"RSA","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1)"
        "Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9"
        "e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q"
        R"(2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ","e":"AQAB"})",
        "eyJhbGciOiJSUzI1NiJ9." + joe +
            ".cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJd"
            "bF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383"
            "LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWyw"
            "lVmtVrBp0igcN_IoypGlUPQGe77Rw",
        Algorithm::rs256},
    Vector{"RFC 7515 appendix A.3",
           R"({"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",)"
           R"("y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"})",
           "eyJhbGciOiJFUzI1NiJ9." + joe +
               ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
           Algorithm::es256},
    Vector{
        "RFC 7515 appendix A.4",
        R"({"kty":"EC","crv":"P-521",)"
        R"("x":"AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk",)"
        R"("y":"ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2"})",
        "eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA.AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB3"
        "4XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn",
        Algorithm::es512},
    Vector{
        "RFC 8037 appendix A.4", R"({"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})",
        "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcN"
        "R4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
        Algorithm::ed25519}};

TEST(Vectors, that_are_signed_verify_and_with_another_bit_they_do_not) {
  for (const Vector& each : vectors) {
    SCOPED_TRACE(each.name);
    const auto keys = KeySet::parse(R"({"keys":[)" + each.key + "]}");
    ASSERT_TRUE(keys);
    const auto jwt = parse_jwt(each.token, 16384);
    ASSERT_TRUE(jwt);
    EXPECT_EQ(jwt->algorithm, each.algorithm);
    EXPECT_TRUE((*keys)->verify(*jwt, all));
    std::string text = each.token;
    char& middle = text[(text.rfind('.') + text.size()) / 2];
    middle = middle == 'A' ? 'B' : 'A';
    const auto changed = parse_jwt(text, 16384);
    ASSERT_TRUE(changed);
    const auto refused = (*keys)->verify(*changed, all);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error(), VerifyError::signature_invalid);
  }
}

TEST(Vectors, whose_key_is_another_ones_do_not_verify) {
  for (const Vector& each : vectors)
    for (const Vector& other : vectors) {
      if (&each == &other) continue;
      const auto keys = KeySet::parse(R"({"keys":[)" + other.key + "]}");
      EXPECT_FALSE((*keys)->verify(*parse_jwt(each.token, 16384), all)) << each.name << " by " << other.name;
    }
}

TEST(Vectors, that_no_access_token_may_be) {
  struct Case {
    const char* name;
    std::string token;
    JwtError error;
  };
  const Case cases[] = {
      {"RFC 7515 appendix A.1, RFC 7519 section 3.1: HMAC",
       "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." + joe + ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
       JwtError::algorithm_unknown},
      {"RFC 7515 appendix A.5, RFC 7519 section 6.1: unsecured", "eyJhbGciOiJub25lIn0." + joe + ".",
       JwtError::algorithm_unknown},
      {"RFC 7519 appendix A.1: encrypted, in its five parts",
       "eyJhbGciOiJSU0ExXzUiLCJlbmMiOiJBMTI4Q0JDLUhTMjU2In0.QR1Owv2ug2Wyv.AxY8DCtDaGlsbGljb3RoZQ.MKOle7UQ.fiK51VwhsxJ-"
       "siBMR-YFiA",
       JwtError::malformed},
      {"RFC 7515 appendix E: a critical header that nobody knows",
       "eyJhbGciOiJub25lIiwNCiAiY3JpdCI6WyJodHRwOi8vZXhhbXBsZS5jb20vVU5ERUZJTkVEIl0sDQogImh0dHA6Ly9leGFtcGxlLmNvbS9VTk"
       "RFRklORUQiOnRydWUNCn0.RkFJTA.",
       JwtError::header_refused},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const auto jwt = parse_jwt(c.token, 16384);
    ASSERT_FALSE(jwt);
    EXPECT_EQ(jwt.error(), c.error);
  }
}

}  // namespace
}  // namespace agw::jose
