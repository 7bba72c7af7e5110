// Whole calls of the core against a world in memory: tokens, headers, bodies, policies, answers of an issuer and of a
// backend, failures and delays, all as the input says (support/course.h). Whatever it says: no allow without every
// verdict, one event for each call, no secret in any output, what was judged is what goes on (but for a state that was
// sealed), what was handed out is its owner's, nothing is listed that can't be seen, who listens may still do so.
//
// `course_fuzz -self_check=DIR` runs the inputs of a folder and says how far they reach: seeds that never get anything
// allowed would test refusals alone.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

#include "support/claims.h"
#include "support/course.h"

namespace {

using namespace agw::fuzz;

int self_check(const char* folder) {
  Tally tally;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string text(std::istreambuf_iterator<char>(file), {});
    Course(text, tally).run();
  }
  int absent = 0;
  for (const auto& [what, count] : tally.calls) std::printf("%6d %s\n", count, what.c_str());
  for (const char* wanted : {"mcp allowed",
                             "rest allowed",
                             "mcp allowed, exchanged",
                             "mcp observed",
                             "mcp abandoned",
                             "mcp store_unavailable",
                             "mcp audit_unavailable",
                             "mcp exchange_unavailable",
                             "mcp.prompts.get allowed",
                             "mcp.resources.read allowed",
                             "mcp.resources.subscribe allowed",
                             "mcp.completion.complete allowed",
                             "mcp.subscriptions.listen allowed",
                             "mcp.response allowed",
                             "further allowed",
                             "session brought back",
                             "state brought back",
                             "mcp session_foreign",
                             "mcp session_missing",
                             "mcp state_foreign",
                             "mcp state_mismatch",
                             "mcp state_expired",
                             "mcp header_mismatch",
                             "a listener goes on",
                             "a listener ends",
                             "listed"}) {
    if (tally.calls.contains(wanted)) continue;
    std::printf("no seed reaches: %s\n", wanted);
    ++absent;
  }
  return absent == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(const int* count, char*** arguments) {
  constexpr std::string_view flag = "-self_check=";
  for (int i = 1; i < *count; ++i) {
    const std::string_view argument = (*arguments)[i];
    if (argument.starts_with(flag)) std::exit(self_check((*arguments)[i] + flag.size()));
  }
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Tally tally;
  Course({reinterpret_cast<const char*>(data), size}, tally).run();
  return 0;
}
