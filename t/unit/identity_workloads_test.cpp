#include <cstdio>
#include <memory>
#include <string>

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>

#include "agw/base/encoding.h"
#include "agw/identity/client_certificate.h"
#include "agw/identity/spiffe.h"
#include "agw/identity/workloads.h"

#include "identity/svid.h"
#include "support/fakes.h"

namespace agw::identity {
namespace {

/// A self-signed certificate with these extensions, in DER.
std::string certificate(const std::string& names, const std::string& constraints = "critical,CA:FALSE",
                        const std::string& usage = "critical,digitalSignature") {
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"),
                                                                EVP_PKEY_free);
  const std::unique_ptr<X509, decltype(&X509_free)> made(X509_new(), X509_free);
  X509_set_version(made.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(made.get()), 1);
  ASN1_TIME_set(X509_getm_notBefore(made.get()), 1'799'999'000);
  ASN1_TIME_set(X509_getm_notAfter(made.get()), 1'800'003'600);
  X509_NAME* const name = X509_get_subject_name(made.get());
  X509_NAME_add_entry_by_txt(name, "O", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("Example"), -1, -1, 0);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("runner"), -1, -1, 0);
  X509_set_pubkey(made.get(), key.get());
  const auto add = [&](int kind, const std::string& value) {
    if (value.empty()) return;
    X509_EXTENSION* const one = X509V3_EXT_conf_nid(nullptr, nullptr, kind, value.c_str());
    ASSERT_NE(one, nullptr) << value;
    X509_add_ext(made.get(), one, -1);
    X509_EXTENSION_free(one);
  };
  add(NID_subject_alt_name, names);
  add(NID_basic_constraints, constraints);
  add(NID_key_usage, usage);
  X509_sign(made.get(), key.get(), nullptr);
  unsigned char* bytes = nullptr;
  const int size = i2d_X509(made.get(), &bytes);
  std::string out(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
  OPENSSL_free(bytes);
  return out;
}

ClientCertificate verified(const std::string& der) {
  auto out = read_certificate(der).value_or(ClientCertificate());
  out.verified = true;
  return out;
}

struct Mesh {
  Mesh() {
    config.alias = "mesh";
    config.issuer = "spiffe://prod.example";
    config.workloads.trust_domain = "prod.example";
    config.workloads.scopes = {"tickets:read"};
    config.workloads.agents = {{"spiffe://prod.example/ci", "company|ci"},
                               {"subject:CN=runner,O=Example", "mesh|legacy"}};
  }
  Reason reason(const ClientCertificate& shown) const {
    const auto named = name_workload(shown, trust);
    return named ? Reason::allowed : named.error().reason;
  }
  IssuerConfig config;
  TrustProfile trust{"https://gw.example/mcp", {&config}, {}};
};

// RFC 8705, appendix A.
TEST(Certificate, has_the_thumbprint_of_the_rfc) {
  const auto der = base64_decode(
      "MIIBBjCBrAIBAjAKBggqhkjOPQQDAjAPMQ0wCwYDVQQDDARtdGxzMB4XDTE4MTAxODEyMzcwOVoXDTIyMDUwMjEyMzcwOVowDzENMAsGA1UE"
      "AwwEbXRsczBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABNcnyxwqV6hY8QnhxxzFQ03C7HKW9OylMbnQZjjJ/Au08/coZwxS7LfA4vOLS9Wu"
      "neIXhbGGWvsDSb0tH6IxLm8wCgYIKoZIzj0EAwIDSQAwRgIhAP0RC1E+vwJD/D1AGHGzuri+hlV/PpQEKTWUVeORWz83AiEA5x2eXZOVbUlJ"
      "SGQgjwD5vaUaKlLR50Q2DmFfQj1L+SY=");
  ASSERT_TRUE(der);
  const auto found = read_certificate(*der);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->thumbprint, "A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0");
  EXPECT_EQ(found->subject, "CN=mtls");
  EXPECT_FALSE(found->signs);
  EXPECT_FALSE(found->verified);
  EXPECT_FALSE(read_certificate(*der + "x"));
  EXPECT_FALSE(read_certificate(der->substr(0, der->size() - 1)));
  EXPECT_FALSE(read_certificate(""));
}

TEST(Certificate, says_what_stands_in_it) {
  const auto found = read_certificate(certificate("URI:spiffe://prod.example/ci,DNS:ci.example,URI:https://x.example"));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->uris, (std::vector<std::string>{"spiffe://prod.example/ci", "https://x.example"}));
  EXPECT_EQ(found->subject, "CN=runner,O=Example");
  EXPECT_TRUE(found->signs);
  EXPECT_FALSE(found->authority);
  EXPECT_EQ(found->until, from_unix(1'800'003'600));
}

TEST(Workloads, only_a_whole_svid_of_a_trusted_domain_names_one) {
  const Mesh mesh;
  struct Case {
    const char* name;
    std::string der;
    Reason reason;
  };
  const std::string ca = "critical,CA:TRUE";
  const std::string no_ca = "critical,CA:FALSE";
  const Case cases[] = {
      {"good", certificate("URI:spiffe://prod.example/ci"), Reason::allowed},
      {"beside a name", certificate("DNS:ci.example,URI:spiffe://prod.example/ci"), Reason::allowed},
      {"two URIs", certificate("URI:spiffe://prod.example/ci,URI:spiffe://prod.example/x"), Reason::workload_invalid},
      {"another URI beside it", certificate("URI:https://x.example,URI:spiffe://prod.example/ci"),
       Reason::workload_invalid},
      {"another domain", certificate("URI:spiffe://test.example/ci"), Reason::workload_unknown},
      {"a domain below it", certificate("URI:spiffe://a.prod.example/ci"), Reason::workload_unknown},
      {"no path", certificate("URI:spiffe://prod.example"), Reason::workload_invalid},
      {"a slash at the end", certificate("URI:spiffe://prod.example/ci/"), Reason::workload_invalid},
      {"capitals", certificate("URI:SPIFFE://prod.example/ci"), Reason::workload_invalid},
      {"an authority", certificate("URI:spiffe://prod.example/ci", ca, "critical,digitalSignature,keyCertSign"),
       Reason::workload_invalid},
      {"it may sign certificates",
       certificate("URI:spiffe://prod.example/ci", no_ca, "critical,digitalSignature,keyCertSign"),
       Reason::workload_invalid},
      {"it may sign lists", certificate("URI:spiffe://prod.example/ci", no_ca, "critical,digitalSignature,cRLSign"),
       Reason::workload_invalid},
      {"it may not sign", certificate("URI:spiffe://prod.example/ci", no_ca, "critical,keyAgreement"),
       Reason::workload_invalid},
      {"no key usage", certificate("URI:spiffe://prod.example/ci", no_ca, ""), Reason::workload_invalid},
  };
  for (const Case& c : cases) EXPECT_EQ(mesh.reason(verified(c.der)), c.reason) << c.name;
}

TEST(Workloads, who_nobody_has_checked_is_nobody) {
  const Mesh mesh;
  ClientCertificate shown = verified(certificate("URI:spiffe://prod.example/ci"));
  EXPECT_EQ((*name_workload(shown, mesh.trust))->agent, "company|ci");
  shown.verified = false;
  EXPECT_FALSE(*name_workload(shown, mesh.trust));
  EXPECT_EQ((*name_workload(verified(certificate("DNS:x.example")), mesh.trust))->agent, "mesh|legacy");
  Mesh strict;
  strict.config.workloads.certificates = false;
  EXPECT_FALSE(*name_workload(verified(certificate("DNS:x.example")), strict.trust));
  EXPECT_EQ(strict.reason(verified(certificate("URI:spiffe://prod.example/ci"))), Reason::workload_unknown);
}

TEST(Workloads, a_certificate_is_a_machine_without_a_user) {
  Mesh mesh;
  mesh.config.tenants = {"acme"};
  test::FakeClock clock;
  Workloads workloads(clock);
  const ClientCertificate shown = verified(certificate("URI:spiffe://prod.example/runner"));
  const auto principal = workloads.principal(shown, mesh.trust);
  ASSERT_TRUE(principal);
  const Principal& machine = **principal;
  EXPECT_EQ(machine.user, "");
  EXPECT_TRUE(machine.machine);
  EXPECT_EQ(machine.agent, "mesh|spiffe%3A%2F%2Fprod.example%2Frunner");
  EXPECT_EQ(machine.tenant, "acme");
  EXPECT_TRUE(machine.has_scope("tickets:read"));
  EXPECT_EQ(machine.bound_certificate, shown.thumbprint);
  EXPECT_EQ(machine.issued_at, from_unix(1'799'999'000));
  EXPECT_EQ(workloads.principal(shown, mesh.trust)->get(), principal->get());
  const Mesh other;
  EXPECT_NE(workloads.principal(shown, other.trust)->get(), principal->get());
  EXPECT_EQ(*workloads.principal(verified(certificate("DNS:x.example")), TrustProfile()), nullptr);
  clock.set(from_unix(1'800'003'600));
  EXPECT_EQ(workloads.principal(shown, mesh.trust).error().reason, Reason::token_expired);
}

TEST(Workloads, a_token_without_an_issuer_is_its_subjects_domains) {
  Mesh mesh;
  EXPECT_EQ(issuer_of_svid(R"({"sub":"spiffe://prod.example/ci"})", mesh.trust), nullptr);  // no bundle
  mesh.config.jwks_file = "bundle.json";
  EXPECT_EQ(issuer_of_svid(R"({"sub":"spiffe://prod.example/ci"})", mesh.trust), &mesh.config);
  EXPECT_EQ(issuer_of_svid(R"({"sub":"spiffe://test.example/ci"})", mesh.trust), nullptr);
  EXPECT_EQ(issuer_of_svid(R"({"sub":"mira"})", mesh.trust), nullptr);
  EXPECT_EQ(issuer_of_svid("{}", mesh.trust), nullptr);
  Principal principal;
  principal.user = "mesh|x";
  principal.subject = "spiffe://prod.example/ci";
  EXPECT_FALSE(take_workload(principal, mesh.config));
  EXPECT_EQ(principal.agent, "company|ci");
  EXPECT_EQ(principal.user, "");
  principal.subject = "spiffe://prod.example";
  EXPECT_EQ(take_workload(principal, mesh.config)->reason, Reason::token_claim_invalid);
  principal.subject = "spiffe://test.example/ci";
  EXPECT_EQ(take_workload(principal, mesh.config)->reason, Reason::token_issuer_unknown);
}

TEST(Spiffe, an_id_has_one_form) {
  for (const char* good : {"spiffe://prod.example/ns/ci/sa/runner", "spiffe://a", "spiffe://a.b-c_d/A.b-c_1"})
    EXPECT_TRUE(parse_spiffe_id(good)) << good;
  for (const char* bad :
       {"", "spiffe:", "spiffe://", "spiffe:///a", "SPIFFE://a/b", "spiffe://A/b", "spiffe://a/", "spiffe://a//b",
        "spiffe://a/./b", "spiffe://a/../b", "spiffe://a/b/", "spiffe://a:1/b", "spiffe://u@a/b", "spiffe://a/b?c",
        "spiffe://a/b#c", "spiffe://a/%62", "spiffe://a/b c", "https://a/b", " spiffe://a/b"})
    EXPECT_FALSE(parse_spiffe_id(bad)) << bad;
  EXPECT_FALSE(parse_spiffe_id("spiffe://a/" + std::string(2048, 'a')));
  EXPECT_FALSE(parse_spiffe_id("spiffe://" + std::string(256, 'a')));
  EXPECT_EQ(parse_spiffe_id("spiffe://prod.example/a/b")->path, "/a/b");
}

}  // namespace
}  // namespace agw::identity
