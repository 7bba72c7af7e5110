// The file of agents for whom a stop doesn't hold: any bytes. Nobody passes but who is named, and nobody beyond a day.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "agw/grants/break_glass.h"
#include "agw/model/pattern.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace agw;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const WallTime now = from_unix(1'800'000'000);
  const auto agents = grants::parse_break_glass(text, now);
  if (!agents) {
    if (agents.error().empty()) std::abort();
    return 0;
  }
  if (agents->size() > grants::most_break_glass_agents) std::abort();
  for (const auto& one : *agents) {
    if (!is_principal_id(one.agent) || one.until > now + grants::longest_break_glass || one.reason.empty())
      std::abort();
    // An id stands in the file as it is: nothing that it is made of stands for others.
    if (one.agent.find('*') != std::string::npos) std::abort();
  }
  return 0;
}
