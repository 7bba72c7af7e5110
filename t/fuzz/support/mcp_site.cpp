#include "support/mcp_site.h"

#include <memory>
#include <utility>

#include "agw/base/encoding.h"

#include "support/claims.h"

namespace agw::fuzz {
namespace {

gateway::OperationRoute& add(gateway::Location& location, const char* operation, const char* resource) {
  gateway::OperationRoute route;
  route.policy.operation = operation;
  route.policy.scopes = {"tickets:read"};
  if (*resource != '\0') route.policy.resource = *policy::ResourceTemplate::parse(resource);
  route.mode = location.mode;
  return location.routes.emplace_back(std::move(route));
}

void add_tool(gateway::Location& location, const char* name, gateway::ToolRules rules) {
  const auto index = static_cast<std::uint32_t>(location.routes.size());
  gateway::OperationRoute& route = add(location, (std::string("tickets/") + name).c_str(), "");
  route.tool = name;
  route.tool_rules = std::make_shared<const gateway::ToolRules>(std::move(rules));
  location.tools.emplace(name, index);
}

void add_resource(gateway::Location& location, const char* pattern, const char* operation, const char* resource) {
  const auto index = static_cast<std::uint32_t>(location.routes.size());
  add(location, operation, resource).uri = pattern;
  expect(location.resources.add(*mcp::UriPattern::parse(pattern), index), "patterns differ");
}

std::string params_of(std::string_view method, std::string_view name, std::string_view arguments) {
  const std::string quoted = json_quoted(name);
  const std::string given(arguments.empty() ? "{}" : arguments);
  if (method == "initialize")
    return R"("protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"x","version":"1"})";
  if (method == "completion/complete") {
    const bool of_resource = name.find(':') != std::string_view::npos;
    return std::string(R"("ref":{"type":)") + (of_resource ? R"("ref/resource","uri":)" : R"("ref/prompt","name":)") +
           quoted + R"(},"argument":{"name":"id","value":""})";
  }
  if (method == "subscriptions/listen")
    return R"("notifications":{"toolsListChanged":true,"promptsListChanged":true,"resourceSubscriptions":)" + given +
           "}";
  if (name == "-") return R"("cursor":"2")";
  if (method.starts_with("resources/") || method == "skills/get") return R"("uri":)" + quoted;
  return R"("name":)" + quoted + R"(,"arguments":)" + given;
}

std::string_view word_of(std::string_view& text) {
  const std::size_t end = text.find(' ');
  const std::string_view word = text.substr(0, end);
  text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  return word;
}

}  // namespace

void add_mcp_site(gateway::Location& location) {
  if (location.kind != gateway::Kind::mcp || !location.prompts.empty()) return;
  gateway::ToolRules calls_tools;
  calls_tools.inner = gateway::InnerRule{{"tool"}, {"arguments"}};
  add_tool(location, "execute", std::move(calls_tools));
  gateway::ToolRules repeated;
  repeated.headers = {{{"region"}, "mcp-param-region"}, {{"size"}, "mcp-param-size"}};
  add_tool(location, "find", std::move(repeated));
  const auto index = static_cast<std::uint32_t>(location.routes.size());
  add(location, "tickets/prompts/summary", "ticket:<id>").prompt = "summary";
  location.prompts.emplace("summary", index);
  add_resource(location, "docs://guides/<id>", "tickets/resources/docs/guides/id", "guide:<id>");
  add_resource(location, "docs://free/*", "tickets/resources/docs/free", "");
  add_resource(location, "docs://free/terms", "tickets/resources/terms", "");
  location.list_ttl = Milliseconds(1000);
}

std::string_view site_policy() {
  return R"({"schema":1,"tenants":{"default":{
    "agents":{"company|docs":{"name":"Docs","bundles":["support"]}},
    "bundles":{"support":{"version":1,"grants":[{"id":"b","operation":"tickets/*"}]}},
    "entitlements":[
      {"id":"t","to":"user:company|mira","operation":"tickets/ticket.*","resource":"ticket:T-1"},
      {"id":"p","to":"user:company|mira","operation":"tickets/prompts/*","resource":"ticket:T-1"},
      {"id":"g","to":"user:company|mira","operation":"tickets/resources/docs/guides/id","resource":"guide:g1"},
      {"id":"f","to":"user:company|mira","operation":"tickets/resources/docs/free"},
      {"id":"x","to":"user:company|mira","operation":"tickets/execute"},
      {"id":"s","to":"user:company|mira","operation":"tickets/find"},
      {"id":"o","to":"user:company|omar","operation":"tickets/*"}]
  }}})";
}

void write_message(test::FakeRequest& request, std::string_view how, bool modern, const std::string& state) {
  const std::string method(word_of(how));
  const std::string name(word_of(how));
  request.fields.add("Content-Type", "application/json");
  if (method == "reply") {
    request.content = R"({"jsonrpc":"2.0","id":1,"result":{}})";
    return;
  }
  std::string params = params_of(method, name, how);
  if (!state.empty()) params += R"(,"requestState":)" + json_quoted(state);
  if (modern) {
    params += R"(,"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",)"
              R"("io.modelcontextprotocol/clientCapabilities":{}})";
    request.fields.add("MCP-Protocol-Version", "2026-07-28");
    request.fields.add("Mcp-Method", method);
    if (method == "tools/call" || method == "prompts/get" || method == "resources/read")
      request.fields.add("Mcp-Name", name);
  }
  const bool notifies = method.starts_with("notifications/");
  request.content = std::string(R"({"jsonrpc":"2.0",)") + (notifies ? "" : R"("id":7,)") + R"("method":)" +
                    json_quoted(method) + R"(,"params":{)" + params + "}}";
}

}  // namespace agw::fuzz
