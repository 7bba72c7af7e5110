#include "notices.h"

#include <array>

#include "agw/gateway/notice.h"
#include "agw/policy/evaluate.h"

namespace agw::gateway {
namespace {

ListKind list_of(const OperationRoute& route) {
  if (!route.prompt.empty()) return prompt_list;
  return route.uri.empty() ? tool_list : resource_list;
}

bool sees(const Location& location, const OperationRoute& route, const Heard& caller, WallTime now) {
  if (caller.principal == nullptr || caller.facts == nullptr) return false;
  policy::Question question{.principal = *caller.principal};
  question.route = &route.policy;
  question.delegation = location.delegation;
  question.now = now;
  return policy::evaluate(question, *caller.facts).visible;
}

struct Name {
  ListKind kind;
  std::string_view name;
};
constexpr std::array names{Name{tool_list, "tools"}, Name{prompt_list, "prompts"}, Name{resource_list, "resources"}};

}  // namespace

ListKinds differing_lists(const Location& location, const Heard& before, const Heard& after, WallTime now) {
  unsigned out = 0;
  for (const OperationRoute& route : location.routes) {
    const ListKind kind = list_of(route);
    // What is only observed is shown to everybody.
    if ((out & kind) != 0 || route.mode != Mode::enforce) continue;
    if (sees(location, route, before, now) != sees(location, route, after, now)) out |= kind;
  }
  return static_cast<ListKinds>(out);
}

std::string list_notices(const Call& call, ListKinds changed) {
  std::string out;
  for (const Name& one : names) {
    if ((changed & one.kind) == 0) continue;
    out += R"(event: message
data: {"jsonrpc":"2.0","method":"notifications/)";
    out += one.name;
    out += R"(/list_changed")";
    // MCP 2026-07-28, "Subscriptions": each message of a subscription names the request that it is of.
    if (call.era == mcp::Era::modern) {
      out += R"(,"params":{"_meta":{"io.modelcontextprotocol/subscriptionId":)";
      out += call.rpc_id;
      out += "}}";
    }
    out += "}\n\n";
  }
  return out;
}

}  // namespace agw::gateway
