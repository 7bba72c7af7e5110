#include "parameter_headers.h"

#include <optional>

#include "agw/mcp/mirror.h"
#include "agw/mcp/parameter_field.h"

namespace agw::gateway {
namespace {

std::optional<json::Value> argument_of(const mcp::Message& message, const ArgumentPath& path) {
  std::optional<json::Value> here = message.arguments;
  for (const std::string& part : path) {
    if (!here || !here->is(json::Kind::object)) return std::nullopt;
    here = here->member(part);
  }
  if (here && here->is(json::Kind::null)) return std::nullopt;
  return here;
}

/// Whether there is a field that some server takes for this one.
bool has_twin(const Headers& headers, std::string_view field) {
  struct Looking {
    std::string_view field;
    bool found = false;
  } looking{field};
  headers.each(
      [](void* context, std::string_view name, std::string_view) {
        auto& here = *static_cast<Looking*>(context);
        here.found = here.found || mcp::is_twin(name, here.field);
      },
      &looking);
  return looking.found;
}

}  // namespace

const ParameterHeader* mismatched(const std::vector<ParameterHeader>& rules, const Headers& headers,
                                  const mcp::Message& message) {
  for (const ParameterHeader& rule : rules) {
    const auto value = argument_of(message, rule.argument);
    const std::size_t sent = headers.count(rule.field);
    if (has_twin(headers, rule.field)) return &rule;
    // What an earlier version doesn't ask for must agree where it is sent all the same.
    if (sent == 0 && (!value || message.era == mcp::Era::legacy)) continue;
    if (sent != 1 || !value || !mcp::mirrors_value(headers.get(rule.field), *value)) return &rule;
  }
  return nullptr;
}

}  // namespace agw::gateway
