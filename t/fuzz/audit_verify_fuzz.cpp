// What agwctl audit verify reads: anything. It ends, and it believes nothing that wasn't signed.
#include <cstdint>
#include <cstdlib>
#include <sstream>
#include <string>
#include <vector>

#include "agw/audit/chain.h"
#include "agw/audit/verify.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace agw;
  const std::string text(reinterpret_cast<const char*>(data), size);
  std::vector<Secret> keys;
  keys.emplace_back(std::string(32, 'r'));
  for (const bool unkeyed : {false, true}) {
    audit::Verifier verifier(keys, {.unkeyed = unkeyed, .whole = unkeyed});
    std::istringstream in(text);
    verifier.read("log", in);
    verifier.finish();
    if (verifier.lines() > 0 && verifier.chains() == 0 && verifier.findings().empty()) std::abort();
  }
  const auto tail = audit::parse_tail(text);
  if (!tail) return 0;
  // What was taken for a tail is exactly what would be written.
  std::string again = text.substr(0, text.rfind(",\"chain\":\""));
  audit::append_tail(again, tail->chain, tail->seq, tail->key, tail->step);
  if (again != text.substr(0, tail->signed_size)) std::abort();
  if (!tail->key.empty()) audit::append_mac(again, tail->mac);
  if (again + "}" != text) std::abort();
  return 0;
}
