#include <memory>
#include <optional>

#include "agw/json/document.h"

#include "further.h"
#include "mcp_arguments.h"
#include "operation.h"
#include "subject.h"

namespace agw::gateway {
namespace {

/// The call that made a task, as far as the task tells of it.
struct MakingCall {
  Subject subject;
  std::optional<json::Value> arguments;
};
MakingCall making_call(const Location& location, const MadeTask& made, json::Document& document) {
  MakingCall out;
  out.subject = subject_of(location, mcp::SubjectKind::tool, made.tool);
  if (!made.arguments || made.arguments->empty()) return out;
  if (const auto read = document.read(*made.arguments, {})) out.arguments = *read;
  return out;
}

/// Its resource, or why there is none.
std::optional<Reason> expand_made(const MadeTask& made, const policy::Route& route, const policy::Arguments& arguments,
                                  std::string& out) {
  if (!route.resource) return std::nullopt;
  if (!made.arguments) {
    out = made.resource;
    return out.empty() ? std::optional(Reason::argument_missing) : std::nullopt;
  }
  const auto expanded = route.resource->expand(arguments, out);
  if (expanded) return std::nullopt;
  out.clear();
  return expanded.error();
}

}  // namespace

Understanding understand_made(const Location& location, const MadeTaskPtr& made, json::Document& document, Call& call) {
  call.made = made;
  const MakingCall making = making_call(location, *made, document);
  if (making.subject.route == nullptr) {
    call.mcp_tool = made->tool;
    call.unnamed_operation = operation_of(location, mcp::SubjectKind::tool, made->tool, making.subject);
    call.operation = call.unnamed_operation;
    return {};
  }
  call.mcp_tool = making.subject.name;
  call.route = making.subject.route;
  call.operation = call.route->policy.operation;
  Understanding out;
  out.resource_failure = expand_made(*made, call.route->policy, McpArguments(making.arguments), call.resource);
  const bool calls_another = call.route->tool_rules != nullptr && call.route->tool_rules->inner;
  if (calls_another && !made->arguments && !out.resource_failure) out.resource_failure = Reason::argument_missing;
  if (calls_another && made->arguments) add_inner(location, making.arguments, call, out.resource_failure);
  return out;
}

void follow_made(const Location& location, const MadeTaskPtr& made, json::Document& document, Call& call) {
  const MakingCall making = making_call(location, *made, document);
  if (call.further == nullptr) call.further = std::make_unique<Further>();
  FurtherSubject& one = call.further->subjects.emplace_back();
  one.kind = mcp::SubjectKind::task;
  one.name = made->tool;
  one.route = making.subject.route;
  one.operation = operation_of(location, mcp::SubjectKind::tool, made->tool, making.subject);
  one.task = made;
  if (one.route == nullptr) return;
  one.failure = expand_made(*made, one.route->policy, McpArguments(making.arguments), one.resource);
  // The tool inside would have to be judged, too.
  if (one.route->tool_rules != nullptr && one.route->tool_rules->inner) one.failure = Reason::argument_invalid;
}

}  // namespace agw::gateway
