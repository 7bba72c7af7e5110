#include "subject.h"

#include "agw/base/encoding.h"

namespace agw::gateway {
namespace {

Subject of_name(const Location& location, const NameRoutes& names, std::string_view name) {
  const auto found = names.find(name);
  if (found == names.end()) return {};
  return {&location.routes[found->second], found->first, {}};
}

Subject of_route(const Location& location, std::uint32_t route, std::vector<mcp::UriCapture> captures) {
  const OperationRoute& found = location.routes[route];
  return {&found, found.uri, std::move(captures)};
}

}  // namespace

Subject subject_of(const Location& location, mcp::SubjectKind kind, std::string_view name) {
  switch (kind) {
    case mcp::SubjectKind::tool: return of_name(location, location.tools, name);
    case mcp::SubjectKind::prompt: return of_name(location, location.prompts, name);
    case mcp::SubjectKind::resource:
      if (auto found = location.resources.find(name))
        return of_route(location, found->route, std::move(found->captures));
      return {};
    case mcp::SubjectKind::resource_template:
      if (const auto found = location.resources.find_template(name)) return of_route(location, *found, {});
      return {};
    default: return {};
  }
}

std::string operation_of(const Location& location, mcp::SubjectKind kind, std::string_view name,
                         const Subject& subject) {
  if (subject.route != nullptr) return subject.route->policy.operation;
  std::string out = location.name_space + "/";
  if (kind == mcp::SubjectKind::prompt) out += "prompts/";
  if (kind == mcp::SubjectKind::resource || kind == mcp::SubjectKind::resource_template) out += "resources/";
  if (kind == mcp::SubjectKind::task) out += "tasks/";
  append_encoded_part(out, name);
  return out;
}

}  // namespace agw::gateway
