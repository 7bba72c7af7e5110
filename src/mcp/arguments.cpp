#include "agw/mcp/arguments.h"

#include "agw/json/scalar.h"

namespace agw::mcp {

Result<std::string_view, Reason> find_argument(std::optional<json::Value> root, const std::vector<std::string>& path,
                                               std::string& scratch) {
  std::optional<json::Value> here = root;
  for (const std::string& name : path) {
    if (!here) return fail(Reason::argument_missing);
    if (!here->is(json::Kind::object)) return fail(Reason::argument_invalid);
    here = here->member(name);
  }
  if (!here) return fail(Reason::argument_missing);
  const auto text = json::scalar_text(*here, scratch);
  if (!text) return fail(Reason::argument_invalid);
  return *text;
}

}  // namespace agw::mcp
