#include "agw/mcp/capabilities.h"

namespace agw::mcp {

ClientCapabilities client_capabilities(const std::optional<json::Value>& params) noexcept {
  const auto said = params ? params->member("capabilities") : std::nullopt;
  if (!said || !said->is(json::Kind::object)) return 0;
  unsigned out = 0;
  if (said->member("roots")) out |= roots;
  if (const auto one = said->member("sampling")) {
    out |= sampling;
    if (one->is(json::Kind::object) && one->member("tools")) out |= sampling_with_tools;
  }
  if (const auto one = said->member("elicitation")) {
    const bool object = one->is(json::Kind::object);
    const bool by_url = object && one->member("url").has_value();
    if (by_url) out |= elicitation_by_url;
    if (!by_url || one->member("form")) out |= elicitation_by_form;
  }
  if (said->member("tasks")) out |= tasks;
  return static_cast<ClientCapabilities>(out);
}

}  // namespace agw::mcp
