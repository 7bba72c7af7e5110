// routes.json, as agwctl explain reads it from the state's folder.
#include <cstdint>
#include <string>
#include <string_view>

#include "agw/policy/route_file.h"

#include "support/claims.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace agw;
  const auto file = policy::read_routes({reinterpret_cast<const char*>(data), size});
  if (!file) {
    fuzz::expect(!file.error().empty(), "a refusal says why");
    return 0;
  }
  for (const auto& record : file->routes) fuzz::expect(!record.route.operation.empty(), "a route has an operation");
  const std::string text = policy::write_routes(*file);
  const auto again = policy::read_routes(text);
  fuzz::expect(again.has_value(), "what is written can be read");
  fuzz::expect(policy::write_routes(*again) == text, "what is read again is the same");
  return 0;
}
