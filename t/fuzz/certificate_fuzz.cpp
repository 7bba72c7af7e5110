// A client's certificate in DER, and the names in it; and SPIFFE IDs as text.
#include <cstdint>
#include <string>
#include <string_view>

#include "agw/identity/client_certificate.h"
#include "agw/identity/spiffe.h"
#include "agw/identity/workloads.h"
#include "agw/model/pattern.h"

#include "support/claims.h"

namespace {

using namespace agw;
using fuzz::expect;

void check_id(std::string_view text) {
  const auto id = identity::parse_spiffe_id(text);
  if (!id) return;
  expect("spiffe://" + std::string(id->trust_domain) + std::string(id->path) == text, "an ID has one form");
  expect(text.find_first_of("%?#@: ", 9) == std::string_view::npos, "an ID is plain");
  expect(id->path.find("//") == std::string_view::npos && id->path.find("/../") == std::string_view::npos,
         "a path is its own form");
}

void check_certificate(identity::ClientCertificate shown) {
  expect(shown.thumbprint.size() == 43, "a thumbprint is a SHA-256");
  expect(!shown.verified, "who reads a certificate has checked nothing");
  for (const auto& uri : shown.uris) {
    for (const char c : uri) expect(c > 0x20 && c < 0x7F, "a URI is plain");
    check_id(uri);
  }
  identity::IssuerConfig mesh;
  mesh.alias = "mesh";
  mesh.workloads.trust_domain = "prod.example";
  const identity::TrustProfile trust{"https://gw.example/mcp", {&mesh}, {}};
  expect(!*identity::name_workload(shown, trust), "who nobody has checked is nobody");
  shown.verified = true;
  const auto named = identity::name_workload(shown, trust);
  if (!named || !*named) return;
  expect(shown.uris.size() == 1 && shown.uris[0].starts_with("spiffe://prod.example/"), "one URI, of this domain");
  expect(shown.signs && !shown.authority, "a workload is a leaf");
  expect(is_principal_id((*named)->agent), "an agent has an id");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  check_id(input);
  if (auto shown = identity::read_certificate(input)) check_certificate(*std::move(shown));
  return 0;
}
