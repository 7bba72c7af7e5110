// Prompts and resources, and what refers to them.
#include <gtest/gtest.h>

#include "support/gateway_world.h"

namespace agw {
namespace {

using test::GatewayWorld;

class SubjectsWorld : public GatewayWorld {
 public:
  SubjectsWorld() {
    add_prompt("summary", {"tickets:read"}, "ticket:<id>");
    add_prompt("hidden", {}, nullptr);
    add_resource("docs://guides/<id>", "docs/guides", {"tickets:read"}, "guide:<id>");
    add_resource("docs://plain", "docs/plain", {"docs:read"}, nullptr);
    policy(R"({"schema":1,"tenants":{"default":{
      "agents":{"company|docs":{"name":"Docs"}},
      "grants":[{"id":"g1","to":"agent:company|docs","operation":"tickets/prompts/summary","resource":"ticket:*"},
                {"id":"g2","to":"agent:company|docs","operation":"tickets/resources/docs/*"},
                {"id":"g3","to":"agent:company|docs","operation":"tickets/resources/docs/guides",
                 "resource":"guide:secret","effect":"deny"}],
      "entitlements":[{"id":"e","to":"user:company|mira","operation":"tickets/*"}]}}})");
    authorize(token());
  }
  void add_prompt(const char* name, std::vector<std::string> scopes, const char* resource) {
    location.prompts.emplace(name, add(std::string("prompts/") + name, std::move(scopes), resource));
    location.routes.back().prompt = name;
  }
  void add_resource(const char* pattern, const char* operation, std::vector<std::string> scopes, const char* resource) {
    const auto index = add(std::string("resources/") + operation, std::move(scopes), resource);
    ASSERT_TRUE(location.resources.add(*mcp::UriPattern::parse(pattern), index));
    location.routes.back().uri = pattern;
  }
  void ask(const std::string& method, const std::string& params, bool modern = false, const std::string& name = "") {
    request.fields.add("Content-Type", "application/json");
    std::string all = params;
    if (modern) {
      all.insert(1, R"("_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",)"
                    R"("io.modelcontextprotocol/clientCapabilities":{}},)");
      request.fields.add("MCP-Protocol-Version", "2026-07-28");
      request.fields.add("Mcp-Method", method);
      if (!name.empty()) request.fields.add("Mcp-Name", name);
    } else {
      request.fields.add("MCP-Protocol-Version", "2025-11-25");
    }
    request.content = R"({"jsonrpc":"2.0","id":7,"method":")" + method + R"(","params":)" + all + "}";
  }

 private:
  std::uint32_t add(const std::string& operation, std::vector<std::string> scopes, const char* resource) {
    gateway::OperationRoute route;
    route.policy.operation = "tickets/" + operation;
    route.policy.scopes = std::move(scopes);
    if (resource != nullptr) route.policy.resource = *policy::ResourceTemplate::parse(resource);
    location.routes.push_back(std::move(route));
    return static_cast<std::uint32_t>(location.routes.size() - 1);
  }
};

struct Case {
  const char* name;
  const char* method;
  const char* params;
  int status;          ///< 0: it goes on
  const char* reason;
  const char* told;    ///< part of the answer
  const char* resource = "";
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

const Case cases[]{
    {"a prompt", "prompts/get", R"({"name":"summary","arguments":{"id":"T-1"}})", 0, "allowed", "", "ticket:T-1"},
    {"a prompt without its argument", "prompts/get", R"({"name":"summary"})", 200, "argument_missing", "4030"},
    {"a prompt that isn't visible", "prompts/get", R"({"name":"hidden"})", 200, "agent_grant_missing",
     R"("code":-32602,"message":"Unknown prompt: hidden")"},
    {"no prompt", "prompts/get", R"({"name":"nothing"})", 200, "operation_unknown",
     R"("code":-32602,"message":"Unknown prompt: nothing")"},
    {"a tool's name", "prompts/get", R"({"name":"ticket.read"})", 200, "operation_unknown", "Unknown prompt"},
    {"a resource", "resources/read", R"({"uri":"docs://guides/a%20b"})", 0, "allowed", "", "guide:a%20b"},
    {"one that is denied", "resources/read", R"({"uri":"docs://guides/secret"})", 200, "agent_grant_denied", "4030",
     "guide:secret"},
    {"no resource", "resources/read", R"({"uri":"docs://other"})", 200, "operation_unknown",
     R"("code":-32002,"message":"Resource not found: docs://other")"},
    {"an odd URI", "resources/read", R"({"uri":"docs://guides/%61"})", 200, "operation_unknown", "-32002"},
    {"a scope is missing", "resources/read", R"({"uri":"docs://plain"})", 403, "scope_missing", ""},
    {"following", "resources/subscribe", R"({"uri":"docs://guides/a"})", 0, "allowed", "", "guide:a"},
    {"following none", "resources/subscribe", R"({"uri":"docs://other"})", 200, "operation_unknown", "-32002"},
    {"no longer following", "resources/unsubscribe", R"({"uri":"docs://guides/a"})", 0, "allowed", "", "guide:a"},
    {"completing a prompt", "completion/complete",
     R"({"ref":{"type":"ref/prompt","name":"summary"},"argument":{"name":"id","value":"T"}})", 0, "allowed", "",
     "ticket:%3Cid%3E"},
    {"completing no prompt", "completion/complete",
     R"({"ref":{"type":"ref/prompt","name":"nothing"},"argument":{"name":"id","value":"T"}})", 200, "operation_unknown",
     R"("code":-32602,"message":"Unknown prompt: nothing")"},
    {"completing where some are denied", "completion/complete",
     R"({"ref":{"type":"ref/resource","uri":"docs://guides/{id}"},"argument":{"name":"id","value":"s"}})", 200,
     "agent_grant_denied", "4030", "guide:%3Cid%3E"},
    {"completing no template", "completion/complete",
     R"({"ref":{"type":"ref/resource","uri":"docs://{a}/{b}"},"argument":{"name":"id","value":"s"}})", 200,
     "operation_unknown", R"("code":-32602,"message":"Resource not found: docs://{a}/{b}")"},
    {"completing a whole URI", "completion/complete",
     R"({"ref":{"type":"ref/resource","uri":"docs://guides/a"},"argument":{"name":"id","value":"s"}})", 0, "allowed",
     "", "guide:a"},
    {"a task that was not given out", "tasks/get", R"({"taskId":"t"})", 200, "task_unknown", "-32602"},
};

class Subjects : public testing::TestWithParam<Case> {};

TEST_P(Subjects, are_judged) {
  SubjectsWorld world;
  world.ask(GetParam().method, GetParam().params);
  const auto answer = world.call();
  EXPECT_EQ(answer ? answer->status : 0, GetParam().status) << (answer ? answer->body : "");
  if (answer) EXPECT_NE(answer->body.find(GetParam().told), std::string::npos) << answer->body;
  EXPECT_EQ(world.under_way->resource, GetParam().resource);
  const std::string line = world.finish(200).back();
  EXPECT_NE(line.find(std::string("\"reason\":\"") + GetParam().reason), std::string::npos) << line;
}

INSTANTIATE_TEST_SUITE_P(Table, Subjects, testing::ValuesIn(cases), [](const auto& info) {
  std::string name = info.param.name;
  std::erase_if(name, [](char c) { return c == '\''; });
  for (char& c : name)
    if (c == ' ') c = '_';
  return name;
});

TEST(Subjects, of_the_modern_era_have_its_codes) {
  SubjectsWorld world;
  world.ask("resources/read", R"({"uri":"docs://other"})", true, "docs://other");
  const auto answer = world.call();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 200);
  EXPECT_NE(answer->body.find(R"("code":-32602,"message":"Resource not found: docs://other")"), std::string::npos);
}

TEST(Subjects, are_told_what_scopes_they_need) {
  SubjectsWorld world;
  world.location.resource.scopes_supported = {"tickets:read", "docs:read"};
  world.ask("resources/read", R"({"uri":"docs://plain"})", true, "docs://plain");
  const auto answer = world.call();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 403);
  for (const auto& [name, value] : answer->headers)
    if (name == "WWW-Authenticate")
      EXPECT_NE(value.find(R"(scope="docs:read tickets:read")"), std::string::npos) << value;
}

/// A tool that calls others.
class InnerWorld : public SubjectsWorld {
 public:
  InnerWorld() {
    add_tool("execute", "execute", {"tickets:read"});
    location.routes.back().policy.resource.reset();
    auto rules = std::make_shared<gateway::ToolRules>();
    rules->inner = gateway::InnerRule{{"tool"}, {"args"}};
    location.routes.back().tool_rules = rules;
    policy(R"({"schema":1,"tenants":{"default":{
      "agents":{"company|docs":{"name":"Docs"}},
      "grants":[{"id":"g1","to":"agent:company|docs","operation":"tickets/execute"},
                {"id":"g2","to":"agent:company|docs","operation":"tickets/ticket.*","resource":"ticket:T-1"},
                {"id":"g3","to":"agent:company|docs","operation":"tickets/resources/docs/guides","resource":"guide:a"}],
      "entitlements":[{"id":"e","to":"user:company|mira","operation":"tickets/*"}]}}})");
  }
};

struct InnerCase {
  const char* name;
  const char* arguments;
  int status;
  const char* reason;
  const char* told;
};
void PrintTo(const InnerCase& c, std::ostream* out) { *out << c.name; }

const InnerCase inner_cases[]{
    {"both allowed", R"({"tool":"ticket.read","args":{"id":"T-1"}})", 0, "allowed", ""},
    {"another resource", R"({"tool":"ticket.read","args":{"id":"T-2"}})", 200, "agent_grant_missing", "4030"},
    {"hidden", R"({"tool":"secret.read","args":{"id":"T-1"}})", 200, "agent_grant_missing",
     R"("code":-32602,"message":"Unknown tool: secret.read")"},
    {"unknown", R"({"tool":"nothing","args":{}})", 200, "operation_unknown",
     R"("code":-32602,"message":"Unknown tool: nothing")"},
    {"itself", R"({"tool":"execute","args":{"tool":"ticket.read","args":{"id":"T-1"}}})", 200, "argument_invalid",
     "4030"},
    {"no name", R"({"args":{}})", 200, "argument_missing", "4030"},
    {"arguments in a string", R"({"tool":"ticket.read","args":"{}"})", 200, "argument_invalid", "4030"},
    {"a scope of the inner one", R"({"tool":"ticket.write","args":{"id":"T-1"}})", 403, "scope_missing", ""},
};

class InnerCalls : public testing::TestWithParam<InnerCase> {};

TEST_P(InnerCalls, need_an_allow_for_both) {
  InnerWorld world;
  world.tool("execute", GetParam().arguments);
  const auto answer = world.call();
  EXPECT_EQ(answer ? answer->status : 0, GetParam().status) << (answer ? answer->body : "");
  if (answer) EXPECT_NE(answer->body.find(GetParam().told), std::string::npos) << answer->body;
  const std::string line = world.finish(200).back();
  EXPECT_NE(line.find(std::string("\"reason\":\"") + GetParam().reason), std::string::npos) << line;
  EXPECT_NE(line.find(R"("operation":"tickets/execute")"), std::string::npos) << line;
}

INSTANTIATE_TEST_SUITE_P(Table, InnerCalls, testing::ValuesIn(inner_cases), [](const auto& info) {
  std::string name = info.param.name;
  for (char& c : name)
    if (c == ' ') c = '_';
  return name;
});

TEST(InnerCalls, are_recorded_with_both_operations) {
  InnerWorld world;
  world.tool("execute", R"({"tool":"ticket.read","args":{"id":"T-1"}})");
  EXPECT_FALSE(world.call());
  const std::string line = world.finish(200).back();
  EXPECT_NE(line.find(R"("inner":{"operation":"tickets/ticket.read","resource":"ticket:T-1"})"), std::string::npos)
      << line;
}

TEST(InnerCalls, that_run_once_for_each_key_have_no_place_for_it) {
  InnerWorld world;
  world.need_key(0);
  world.tool("execute", R"({"tool":"ticket.read","args":{"id":"T-1"}})");
  const auto answer = world.call();
  ASSERT_TRUE(answer);
  EXPECT_NE(answer->body.find("idempotency_key_missing"), std::string::npos) << answer->body;
}

TEST(InnerCalls, take_what_limits_the_inner_one) {
  InnerWorld world;
  world.location.routes[0].policy.limits.push_back(*parse_limit("agent 1r/h"));
  world.location.routes[0].policy.limits.back().place = "tickets/ticket.read";
  for (int i = 0; i < 2; ++i) {
    world.tool("execute", R"({"tool":"ticket.read","args":{"id":"T-1"}})");
    const auto answer = world.call();
    EXPECT_EQ(answer ? answer->status : 0, i == 0 ? 0 : 429);
    static_cast<void>(world.finish(200));
    world.request.fields = {};
    world.authorize(world.token());
  }
}

TEST(InnerCalls, fail_closed_where_the_store_does) {
  InnerWorld world;
  world.store.broken = Reason::store_unavailable;
  world.tool("execute", R"({"tool":"ticket.read","args":{"id":"T-1"}})");
  const auto answer = world.call();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 503);
}

TEST(Listeners, need_an_allow_for_each_resource) {
  const std::pair<const char*, const char*> rows[]{{R"(["docs://guides/a"])", "allowed"},
                                                   {R"(["docs://guides/a","docs://guides/b"])", "agent_grant_missing"},
                                                   {R"(["docs://guides/a","docs://other"])", "operation_unknown"},
                                                   {R"(["docs://guides/a","docs://plain"])", "agent_grant_missing"}};
  for (const auto& [uris, reason] : rows) {
    InnerWorld world;
    world.ask("subscriptions/listen", std::string(R"({"notifications":{"resourceSubscriptions":)") + uris + "}}", true);
    const auto answer = world.call();
    EXPECT_EQ(answer.has_value(), std::string_view(reason) != "allowed") << uris;
    const std::string line = world.finish(200).back();
    EXPECT_NE(line.find(std::string("\"reason\":\"") + reason), std::string::npos) << line;
  }
}

TEST(Listeners, are_looked_at_again_with_each_resource) {
  InnerWorld world;
  world.ask("subscriptions/listen", R"({"notifications":{"resourceSubscriptions":["docs://guides/a"]}})", true);
  ASSERT_FALSE(world.call());
  const auto look = [&world]() -> std::optional<Reason> {
    auto task = [](auto step) -> Task<std::optional<Reason>> {
      co_return co_await std::move(step);
    }(world.gateway.look_again(world.location, world.request, *world.under_way));
    return world.loop.run(task).value_or(Reason::internal_error);
  };
  EXPECT_EQ(look(), std::nullopt);
  world.policy(R"({"schema":1,"tenants":{"default":{
    "agents":{"company|docs":{"name":"Docs"}},
    "entitlements":[{"id":"e","to":"user:company|mira","operation":"tickets/*"}]}}})");
  EXPECT_EQ(look(), Reason::agent_grant_missing);
}

TEST(ParameterHeaders, are_compared_with_their_arguments) {
  struct Row {
    const char* arguments;
    const char* field;
    bool good;
  };
  const Row rows[]{{R"({"id":"T-1"})", "T-1", true},
                   {R"({"id":"T-1"})", "=?base64?VC0x?=", true},
                   {R"({"id":"T-1"})", "T-2", false},
                   {R"({"id":"T-1"})", nullptr, false},
                   {R"({"id":7})", "7.0", true},
                   {R"({"id":7})", "8", false},
                   {R"({"id":true})", "true", true},
                   {R"({"id":true})", "1", false},
                   {R"({"id":null})", nullptr, true},
                   {R"({"id":null})", "null", false},
                   {R"({"id":["T-1"]})", "T-1", false},
                   {R"({"id":7})", " 7 ", true},
                   {R"({"id":9007199254740993})", "9007199254740992", false},
                   {R"({"id":9007199254740993})", "9007199254740993", true}};
  for (const Row& row : rows) {
    InnerWorld world;
    auto rules = std::make_shared<gateway::ToolRules>();
    rules->headers.push_back({{"id"}, "mcp-param-id"});
    world.location.routes[0].tool_rules = rules;
    world.ask("tools/call", std::string(R"({"name":"ticket.read","arguments":)") + row.arguments + "}", true,
              "ticket.read");
    if (row.field != nullptr) world.request.fields.add("Mcp-Param-Id", row.field);
    const auto answer = world.call();
    const bool mismatch = answer && answer->body.find("-32020") != std::string::npos;
    EXPECT_EQ(mismatch, !row.good) << row.arguments << " " << (row.field == nullptr ? "" : row.field);
    static_cast<void>(world.finish(200));
  }
}

}  // namespace
}  // namespace agw
