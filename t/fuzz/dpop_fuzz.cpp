// A DPoP proof as a client sends it. The first line is what `htu` is compared with.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "agw/base/encoding.h"

#include "identity/dpop.h"
#include "support/claims.h"

namespace {

using namespace agw;
using fuzz::expect;

void check_uri(std::string_view text) {
  const auto once = identity::normalised_uri(text);
  if (!once) return;
  expect(identity::normalised_uri(*once) == once, "a normalised URI is its own form");
  expect(once->find_first_of("?# ") == std::string::npos, "a URI is compared without query and fragment");
  // A host may have dots, whatever it is: it is compared, and nobody follows it.
  const std::size_t path = once->find('/', once->find("://") + 3);
  expect(once->find("/../", path) == std::string::npos && once->find("/./", path) == std::string::npos,
         "no dots are left");
  expect(once->starts_with("http://") || once->starts_with("https://"), "a URI is one of the web's");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t end = std::min(input.find('\n'), input.size());
  const std::string_view uri = input.substr(0, end);
  const std::string_view jwt = end == input.size() ? std::string_view() : input.substr(end + 1);
  check_uri(uri);
  // The token and key of RFC 9449 section 7.1, whose proof is a seed.
  const identity::ProofTarget target{"GET", uri, "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU",
                                     "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"};
  const auto proof = identity::read_proof(jwt, target);
  if (!proof) {
    expect(row(proof.error().reason).disposition == Disposition::challenge, "a refused proof is a challenge");
    expect(proof.error().detail.find("eyJ") == std::string::npos, "no line holds a proof");
    return 0;
  }
  expect(proof->key == target.key && !proof->id.empty() && proof->id.size() <= 256, "a proof is of the token's key");
  expect(is_utf8(proof->nonce), "a nonce is text");
  return 0;
}
