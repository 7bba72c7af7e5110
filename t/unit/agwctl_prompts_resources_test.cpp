// Prompts and resources of MCP in what agwctl says: explain, who-can, what-can, test, lint.
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/agwctl_commands.h"

namespace agw::agwctl {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

/// As nginx writes it (agent_state).
constexpr const char* routes = R"({"v": 1, "store": "", "routes": [
  {"location": "s/mcp", "kind": "mcp", "mode": "enforce", "delegation": "implicit", "tool": "ticket.read", "operation": "t/ticket.read", "resource": "ticket:<id>", "class": "internal", "scopes": []},
  {"location": "s/mcp", "kind": "mcp", "mode": "enforce", "delegation": "implicit", "prompt": "summary", "operation": "t/prompts/summary", "resource": "ticket:<id>", "scopes": ["t:read"]},
  {"location": "s/mcp", "kind": "mcp", "mode": "enforce", "delegation": "implicit", "uri": "docs://guides/<id>", "operation": "t/resources/docs/guides/id", "resource": "guide:<id>", "class": "internal", "scopes": []},
  {"location": "s/mcp", "kind": "mcp", "mode": "enforce", "delegation": "implicit", "uri": "docs://free/*", "operation": "t/resources/docs/free", "class": "internal", "risk": "destructive", "scopes": []}]})";

constexpr const char* policy = R"(schema: 1
tenants:
  default:
    agents: {c|a: {bundles: [b]}, c|tools: {}}
    bundles: {b: {grants: [{id: p, operation: t/prompts/*}, {id: r, operation: t/resources/docs/guides/id, resource: "guide:*"}]}}
    grants: [{id: t, to: agent:c|tools, operation: t/ticket.*}]
    entitlements: [{id: e, to: user:c|u, operation: t/*}]
    operations: {t/resources/docs/guides/id: {owner: o}, t/ticket.read: {owner: o}, t/prompts/summary: {owner: o, class: c}, t/resources/docs/free: {owner: o}}
)";

struct AgwctlPromptsResources : test::AgwctlCommands {
  AgwctlPromptsResources() {
    write("routes.json", routes);
    store = "file:" + write("policy.yaml", policy);
  }
  std::string asked_here(int status, std::vector<std::string> words) {
    words.insert(words.end(), {"--state", folder.string()});
    return asked(status, std::move(words));
  }
  std::string explained(int status, const std::string& agent, const std::string& operation,
                        std::vector<std::string> more = {}) {
    std::vector<std::string> words{"explain", "--user", "c|u", "--agent", agent, "--operation", operation};
    words.insert(words.end(), more.begin(), more.end());
    return asked_here(status, std::move(words));
  }
  /// What is found when there is this grant, too.
  std::string linted(int status, const std::string& grant) {
    constexpr std::string_view before = "    grants: [";
    std::string text = policy;
    text.insert(text.find(before) + before.size(), grant + ", ");
    return said(status, {"lint", write("lint.yaml", text), "--state", folder.string(), "--ignore", "nobody"});
  }
};

TEST_F(AgwctlPromptsResources, are_explained_with_where_they_stand) {
  EXPECT_THAT(explained(exit_ok, "c|a", "t/prompts/summary", {"--resource", "ticket:T-1"}),
              AllOf(HasSubstr("t/prompts/summary on ticket:T-1 at s/mcp (mcp, prompt summary, enforce)"),
                    HasSubstr("allow: allowed"), HasSubstr("every scope that is needed")));
  EXPECT_THAT(explained(exit_ok, "c|a", "t/resources/docs/guides/id", {"--resource", "guide:g1"}),
              HasSubstr("at s/mcp (mcp, resources docs://guides/<id>, enforce)"));
  EXPECT_THAT(explained(exit_denied, "c|a", "t/prompts/summary", {"--resource", "ticket:T-1", "--scope", "x"}),
              AllOf(HasSubstr("scope_missing"), HasSubstr("needed scopes: t:read")));
  EXPECT_THAT(explained(exit_denied, "c|a", "t/resources/docs/guides/id"),
              HasSubstr("--resource is needed, of the form guide:<id>"));
  // The grant of a tool opens neither.
  EXPECT_THAT(explained(exit_denied, "c|tools", "t/prompts/summary", {"--resource", "ticket:T-1"}),
              HasSubstr("agent_grant_missing"));
  EXPECT_THAT(explained(exit_denied, "c|a", "t/ticket.read", {"--resource", "ticket:T-1"}),
              HasSubstr("agent_grant_missing"));
  EXPECT_THAT(explained(exit_denied, "c|a", "t/resources/other"), HasSubstr("no location names this operation"));
}

TEST_F(AgwctlPromptsResources, are_asked_for_by_the_method_that_gets_them) {
  std::string text = policy;
  text.replace(text.find("operation: t/prompts/*"), 22,
               R"(operation: t/prompts/*, when: 'method == "prompts/get" && <id> == "T-1"')");
  text.replace(text.find(R"(resource: "guide:*")"), 19, R"(resource: "guide:*", when: 'method == "resources/read"')");
  store = "file:" + write("when.yaml", text);
  EXPECT_THAT(explained(exit_ok, "c|a", "t/prompts/summary", {"--resource", "ticket:T-1", "--argument", "id=T-1"}),
              HasSubstr("allow: allowed"));
  EXPECT_THAT(explained(exit_denied, "c|a", "t/prompts/summary", {"--resource", "ticket:T-1", "--argument", "id=T-2"}),
              HasSubstr("agent_grant_missing"));
  EXPECT_THAT(explained(exit_ok, "c|a", "t/resources/docs/guides/id", {"--resource", "guide:g1"}),
              HasSubstr("allow: allowed"));
}

TEST_F(AgwctlPromptsResources, are_operations_like_others_for_who_and_what) {
  EXPECT_THAT(asked_here(exit_ok, {"who-can", "t/prompts/summary", "ticket:T-1"}),
              AllOf(HasSubstr("c|a"), Not(HasSubstr("c|tools"))));
  EXPECT_THAT(asked_here(exit_denied, {"who-can", "t/resources/docs/free"}), HasSubstr("nobody"));
  EXPECT_THAT(asked_here(exit_usage, {"who-can", "t/resources/docs/guides/id"}), HasSubstr("guide:<id>"));
  EXPECT_THAT(asked_here(exit_ok, {"what-can", "c|a", "c|u"}),
              AllOf(HasSubstr("t/prompts/summary"), HasSubstr("guide:*"), Not(HasSubstr("t/ticket.read"))));
  EXPECT_THAT(asked_here(exit_ok, {"what-can", "c|tools", "c|u"}),
              AllOf(HasSubstr("t/ticket.read"), Not(HasSubstr("prompts")), Not(HasSubstr("resources"))));
  const std::string table = write("table.yaml", R"(defaults: {user: c|u, agent: c|a}
tests:
  - {operation: t/prompts/summary, resource: ticket:T-1, expect: allow}
  - {operation: t/prompts/summary, resource: ticket:T-1, agent: c|tools, expect: agent_grant_missing}
  - {operation: t/resources/docs/guides/id, resource: guide:g1, expect: allow}
  - {operation: t/resources/docs/free, expect: agent_grant_missing}
)");
  EXPECT_THAT(asked_here(exit_ok, {"test", table}), HasSubstr("4 of 4 as expected"));
}

TEST_F(AgwctlPromptsResources, are_linted) {
  const auto all = asked_here(exit_denied, {"lint"});
  EXPECT_THAT(all, AllOf(HasSubstr("nobody  default  t/resources/docs/free"), HasSubstr("1 finding\n")));
  struct Case {
    const char* name;
    const char* grant;
    const char* found;  ///< empty: nothing
  };
  const Case cases[] = {
      {"a prompt", "{id: g, to: agent:c|tools, operation: t/prompts/summary}", ""},
      {"a prompt's name without its folder", "{id: g, to: agent:c|tools, operation: t/summary}",
       "t/summary: no location names such an operation"},
      {"no such resource", "{id: g, to: agent:c|tools, operation: t/resources/docs/other}",
       "t/resources/docs/other: no location names such an operation"},
      {"a URI", R"({id: g, to: agent:c|tools, operation: "t/resources/docs://free"})",
       "no location names such an operation"},
      {"a name of the pattern",
       R"({id: g, to: agent:c|tools, operation: t/resources/docs/guides/id, when: '<id> == "g1"'})", ""},
      {"no name of the pattern",
       R"({id: g, to: agent:c|tools, operation: t/resources/docs/guides/id, when: '<page> == "1"'})",
       "no call of it has <page>; what hangs on that never holds"},
      {"a pattern without names",
       R"({id: g, to: agent:c|tools, operation: t/resources/docs/free, when: '<id> == "1"'})",
       "no call of it has <id>"},
      {"a nested name", R"({id: g, to: agent:c|tools, operation: t/resources/docs/guides/id, when: '<a/id> == "1"'})",
       "no call of it has <a/id>"},
      {"a prompt's argument", R"({id: g, to: agent:c|tools, operation: t/prompts/summary, when: '<any/thing> == "1"'})",
       ""},
      {"a prompt is no tool", R"({id: g, to: agent:c|tools, operation: t/prompts/summary, when: 'tool == "summary"'})",
       "no call of it has tool"},
      {"a resource has a resource",
       R"({id: g, to: agent:c|tools, operation: t/resources/docs/guides/id, when: 'resource == "guide:g1"'})", ""},
      {"a pattern that gives none",
       R"({id: g, to: agent:c|tools, operation: t/resources/docs/free, when: 'resource == "guide:g1"'})",
       "no call of it has resource"},
      {"some of a pattern have it",
       R"({id: g, to: agent:c|tools, operation: t/resources/docs/guides/id, when: 'class == "internal"'})", ""},
      {"a wildcard over what destroys", "{id: g, to: agent:c|tools, operation: t/resources/*}",
       "takes in t/resources/docs/free; name what is meant"},
  };
  for (const Case& one : cases) {
    const bool clean = *one.found == '\0';
    EXPECT_THAT(linted(clean ? exit_ok : exit_denied, one.grant), HasSubstr(clean ? "0 findings" : one.found))
        << one.name;
  }
}

}  // namespace
}  // namespace agw::agwctl
