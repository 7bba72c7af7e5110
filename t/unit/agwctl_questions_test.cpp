// Questions about a policy file: lists, who-can, what-can, test, lint; and YAML.
#include <filesystem>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agwctl/policy_error.h"
#include "agwctl/table.h"
#include "agwctl/yaml.h"
#include "support/agwctl_commands.h"

namespace agw::agwctl {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr const char* policy_yaml = R"(# reviewed by security
schema: 1
tenants:
  default:
    agents:
      company|docs: {name: Docs, owner: ops@company.example, tier: developer, bundles: [support]}
      company|bare: {}
    tiers:
      "*": visitor
      visitor: {ceiling: [tickets/ticket.read], bundles: [reader]}
      developer: {}
    bundles:
      support:
        version: 3
        grants:
          - {id: b1, operation: tickets/*, resource: "ticket:*"}
      reader: {grants: [{id: r1, operation: tickets/ticket.read}]}
    grants:
      - id: g1
        to: agent:company|docs
        operation: search/docs
        until: 2026-12-31T00:00:00Z
        for: [group:company|support]
      - {id: d1, to: agent:company|docs, operation: tickets/ticket.read, resource: ticket:T-9, effect: deny}
    entitlements:
      - {id: e1, to: group:company|support, operation: tickets/*, resource: "ticket:*"}
      - {id: e2, to: group:company|readers, operation: search/docs}
      - {id: e3, to: user:company|omar, operation: tickets/ticket.read, resource: ticket:T-1}
    users:
      company|dora: {status: disabled}
    operations:
      tickets/ticket.read: {owner: support, class: confidential}
)";

struct AgwctlQuestions : test::AgwctlCommands {
  AgwctlQuestions() { store = "file:" + write("policy.yaml", policy_yaml); }
};

TEST(AgwctlYaml, is_the_json_that_it_stands_for) {
  struct Case {
    const char* yaml;
    const char* json;
  };
  const Case cases[] = {
      {"a: 1", R"({"a":1})"},
      {"{\"a\": [1, \"x\", true, null]}", R"({"a":[1,"x",true,null]})"},
      {"a:\n- b: 2026-12-31T00:00:00Z\n- no\n- ~\n- 'true'\n- 01\n- -5\n- 1.5\n- 0x10",
       R"({"a":[{"b":"2026-12-31T00:00:00Z"},"no",null,"true","01",-5,"1.5","0x10"]})"},
      {"company|docs: tickets/*", R"({"company|docs":"tickets/*"})"},
      {"to: agent:company|docs # why", R"({"to":"agent:company|docs"})"},
      {"a: \"x\\ny\"\nb: |\n  one\n  two\n", R"({"a":"x\ny","b":"one\ntwo\n"})"},
      {"a: 123456789012345678901234567890", R"({"a":"123456789012345678901234567890"})"},
      {"a:", R"({"a":null})"},
  };
  for (const Case& row : cases) {
    const auto read = read_yaml(row.yaml);
    ASSERT_TRUE(read) << row.yaml << read.error().message;
    EXPECT_EQ(read->json, row.json);
  }
}

TEST(AgwctlYaml, what_can_mean_two_things_is_refused_with_its_line) {
  struct Case {
    const char* yaml;
    int line;
    const char* said;
  };
  const Case cases[] = {{"a: 1\nb: 2\na: 3", 3, "\"a\" twice"},
                        {"a: &x 1\nb: 1", 1, "anchor"},
                        {"a: 1\nb: *x", 2, "alias"},
                        {"a: 1\n*: 2", 2, "quotes"},
                        {"a: !!str 1", 1, "tag"},
                        {"a: [1,\n b: {", 3, "YAML"},
                        {"? [a]\n: 1", 1, "no text"},
                        {"a: 1\n---\nb: 2", 2, "second document"},
                        {"", 1, "empty"},
                        {"a:\n\t- 1", 2, "YAML"},
                        {"a: 1\nb: \"x\\0\"", 2, "NUL"},
                        {"\"x\\x00\": 1", 1, "NUL"},
                        {"a: 1\nb: \"x\xe2\x80\xa8\"", 2, "escape"},
                        {"a: \xff", 0, "UTF-8"}};
  for (const Case& row : cases) {
    const auto read = read_yaml(row.yaml);
    ASSERT_FALSE(read) << row.yaml;
    EXPECT_EQ(read.error().line, row.line) << row.yaml;
    EXPECT_THAT(read.error().message, HasSubstr(row.said));
  }
  EXPECT_FALSE(read_yaml(std::string(5000, '[')));
}

TEST(AgwctlYaml, knows_where_everything_stands) {
  const auto read = read_yaml("a:\n  b:\n  - x: 1\n  - y: 2\n  c.d|e: 3\n");
  ASSERT_TRUE(read);
  EXPECT_EQ(line_of(read->lines, "a.b[1].y"), 4);
  EXPECT_EQ(line_of(read->lines, "a.b[1].z"), 4);
  EXPECT_EQ(line_of(read->lines, "a.c.d|e"), 5);
  EXPECT_EQ(line_of(read->lines, "a.b (agent:x)"), 2);
  EXPECT_EQ(line_of(read->lines, "z"), 0);
}

TEST_F(AgwctlQuestions, yaml_is_a_policy_file) {
  EXPECT_THAT(said(exit_ok, {"check", store.substr(5)}), HasSubstr("good"));
  const auto wrong = [&](const std::string& name, const std::string& text) {
    return said(exit_failed, {"check", write(name, text)});
  };
  EXPECT_THAT(wrong("a.yaml", "schema: 1\ntenants:\n  t:\n    agents:\n      c|a: {status: off}\n"),
              HasSubstr("a.yaml:5: tenants.t.agents.c|a.status must be"));
  EXPECT_THAT(
      wrong("b.json", "{\"schema\": 1,\n \"tenants\": {\"t\": {\n  \"agents\": {\"c|a\": {\"status\": \"x\"}}}}}"),
      HasSubstr("b.json:3: tenants.t.agents.c|a.status must be"));
  EXPECT_THAT(wrong("c.yml", "schema: 1\nschema: 1\n"), HasSubstr("c.yml:2: has the key \"schema\" twice"));
  EXPECT_THAT(wrong("d.json", "schema: 1\ntenants: {}\n"), HasSubstr("not valid JSON"));
}

TEST_F(AgwctlQuestions, agents_and_users_are_listed_with_and_without_a_record) {
  EXPECT_THAT(asked(exit_ok, {"agents"}),
              AllOf(HasSubstr("company|docs"), HasSubstr("ops@company.example"), HasSubstr("developer")));
  EXPECT_THAT(
      asked(exit_ok, {"agents", "--json"}),
      HasSubstr(R"({"tenant":"default","agent":"company|docs","record":true,"status":"active","tier":"developer",)"
                R"("bundles":["support"],"grants":2,"owner":"ops@company.example","name":"Docs","disconnected":[]})"));
  EXPECT_THAT(asked(exit_ok, {"users"}), AllOf(HasSubstr("no record"), HasSubstr("disabled")));
  EXPECT_THAT(asked(exit_ok, {"users", "--json"}),
              HasSubstr(R"({"tenant":"default","user":"company|omar","record":false,"groups":[],"entitlements":1,)"));
  EXPECT_THAT(asked(exit_failed, {"users", "--tenant", "other"}), HasSubstr("no tenant \"other\""));
}

TEST_F(AgwctlQuestions, who_can) {
  const std::string all = asked(exit_ok, {"who-can", "tickets/ticket.read", "ticket:T-1"});
  EXPECT_THAT(all, HasSubstr("members of company|support, except company|dora (user_disabled)"));
  EXPECT_THAT(all, HasSubstr("any other agent of tier visitor"));
  EXPECT_THAT(all, Not(HasSubstr("company|bare")));
  // The denial is docs' own; whoever comes by the tier map may.
  EXPECT_THAT(asked(exit_ok, {"who-can", "tickets/ticket.read", "ticket:T-9"}), Not(HasSubstr("company|docs")));
  EXPECT_THAT(
      asked(exit_ok, {"who-can", "tickets/ticket.delete", "ticket:*", "--json"}),
      HasSubstr(R"("allowed":[{"agent":"company|docs","groups":["company|support"],"except":[{"user":"company|dora",)"
                R"("reason":"user_disabled"}]}])"));
  // The grant is for one group, the entitlement of another: only members of both.
  EXPECT_THAT(asked(exit_ok, {"who-can", "search/docs", "--at", "2026-12-01T00:00:00Z"}),
              HasSubstr("members of company|readers and company|support"));
  EXPECT_THAT(asked(exit_denied, {"who-can", "search/docs", "--at", "2027-01-01T00:00:00Z"}), HasSubstr("nobody"));
  EXPECT_THAT(asked(exit_usage, {"who-can", "tickets"}), HasSubstr("OPERATION"));
}

TEST_F(AgwctlQuestions, what_can) {
  EXPECT_THAT(
      asked(exit_ok, {"what-can", "company|docs", "company|mira", "--group", "company|support"}),
      AllOf(HasSubstr("tickets/ticket.read  ticket:*  ticket:T-9 (agent_grant_denied)"), Not(HasSubstr("search"))));
  EXPECT_THAT(asked(exit_ok, {"what-can", "company|docs", "company|omar", "--all"}),
              AllOf(HasSubstr("ticket:T-1"), HasSubstr("tickets/*    user_entitlement_missing")));
  EXPECT_THAT(asked(exit_denied, {"what-can", "company|bare", "company|mira"}), HasSubstr("nothing"));
  EXPECT_THAT(
      asked(exit_ok, {"what-can", "company|docs", "company|omar", "--json"}),
      HasSubstr(R"({"operation":"tickets/ticket.read","allowed":["ticket:T-1"],"except":[],"reason":"allowed"})"));
  EXPECT_THAT(asked(exit_usage, {"what-can", "docs", "company|omar"}), HasSubstr("AGENT"));
  EXPECT_THAT(asked(exit_usage, {"what-can", "company|docs", "company|omar", "--group", "store|x"}),
              HasSubstr("--group"));
}

TEST_F(AgwctlQuestions, with_routes_the_route_policy_counts) {
  write("routes.json", R"({"v": 1, "store": "file:/nowhere", "routes": [
    {"location": "a/mcp", "kind": "mcp", "mode": "enforce", "delegation": "required", "tool": "ticket.read", "operation": "tickets/ticket.read", "resource": "ticket:<id>", "scopes": ["s"], "exchange_scopes": []},
    {"location": "b/mcp", "kind": "mcp", "mode": "observe", "delegation": "implicit", "tool": "x", "operation": "tickets/ticket.list", "resource": "", "scopes": [], "exchange_scopes": []}]})");
  const std::string state = folder.string();
  EXPECT_THAT(asked(exit_denied, {"who-can", "tickets/ticket.read", "ticket:T-1", "--state", state}),
              HasSubstr("nobody"));
  EXPECT_THAT(asked(exit_usage, {"who-can", "tickets/ticket.read", "--state", state}), HasSubstr("ticket:<id>"));
  EXPECT_THAT(asked(exit_denied, {"who-can", "search/docs", "--state", state}), HasSubstr("no location"));
  EXPECT_THAT(asked(exit_denied, {"what-can", "company|docs", "company|omar", "--all", "--state", state}),
              AllOf(HasSubstr("delegation_missing"), HasSubstr("nothing is refused at b/mcp (observe)")));
  const std::string found = asked(exit_denied, {"lint", "--state", state});
  for (const char* text : {"search/docs for group:company|support until 2026-12-31T00:00:00.000Z: no location names",
                           "tickets/ticket.list       has no owner", "tickets/ticket.list       has no class",
                           "tickets/ticket.read       nobody may use it"})
    EXPECT_THAT(found, HasSubstr(text));
  EXPECT_THAT(found, Not(HasSubstr("tickets/ticket.read       has no")));
}

TEST_F(AgwctlQuestions, a_table_of_expectations) {
  const std::string table = R"(
defaults: {user: company|mira, agent: company|docs, groups: [company|support]}
tests:
  - {name: support reads, operation: tickets/ticket.read, resource: ticket:T-1, expect: allow}
  - {name: not this one, operation: tickets/ticket.read, resource: ticket:T-9, expect: agent_grant_denied}
  - {operation: tickets/ticket.read, resource: ticket:T-1, groups: [], expect: deny}
  - {operation: search/docs, groups: [company|support, company|readers], at: 2026-12-01T00:00:00Z, expect: allow}
  - {operation: search/docs, groups: [company|support, company|readers], at: 2027-12-01T00:00:00Z, expect: agent_grant_missing}
  - {user: company|omar, groups: [], delegation: required, operation: tickets/ticket.read, resource: ticket:T-1, expect: delegation_missing}
)";
  EXPECT_THAT(asked(exit_ok, {"test", write("good.yaml", table)}), HasSubstr("6 of 6 as expected"));
  EXPECT_THAT(asked(exit_ok, {"test", (folder / "good.yaml").string(), "--all"}),
              HasSubstr("good  support reads: company|docs for"));
  const std::string wrong = write(
      "wrong.json",
      R"({"tests": [{"user": "company|mira", "agent": "company|docs", "operation": "tickets/ticket.read", "resource": "ticket:T-1", "expect": "allow"}]})");
  EXPECT_THAT(asked(exit_denied, {"test", wrong}),
              HasSubstr("WRONG tests[0]: company|docs for company|mira, tickets/ticket.read on ticket:T-1: deny "
                        "(user_entitlement_missing), expected allow"));
  EXPECT_THAT(asked(exit_denied, {"test", wrong, "--json"}),
              HasSubstr(R"({"tests":1,"failed":1,"results":[{"test":"tests[0]","good":false,"expected":"allow",)"
                        R"("decision":"deny","reason":"user_entitlement_missing"}]})"));
}

TEST_F(AgwctlQuestions, a_table_that_is_wrong_says_where) {
  struct Case {
    const char* text;
    const char* said;
  };
  const Case cases[] = {
      {"tests: []", "bad.yaml:1: tests must be a list"},
      {"tests:\n- {user: c|u, agent: c|a, operation: a/b}", "bad.yaml:2: tests[0] needs \"expect\""},
      {"tests:\n- user: c|u\n  agent: c|a\n  operation: a/b\n  expect: perhaps", "bad.yaml:5: tests[0].expect must be"},
      {"tests:\n- {user: u, agent: c|a, operation: a/b, expect: allow}", "bad.yaml:2: tests[0].user must be"},
      {"tests:\n- {usr: c|u}", "bad.yaml:2: tests[0].usr is not known"},
      {"tests:\n- {user: c|u, agent: c|a, operation: b, expect: allow}", "tests[0].operation must be"},
      {"tests:\n- {user: c|u, agent: c|a, operation: a/b, expect: allow, groups: [store|x]}",
       "tests[0].groups must hold"},
      {"tests:\n- {user: c|u, agent: c|a, operation: a/b, expect: allow, at: now}", "tests[0].at must be a time"},
      {"tests:\n- 1", "tests[0] must be an object"},
      {"defaults: {user: 1}\ntests:\n- {agent: c|a, operation: a/b, expect: allow}",
       "bad.yaml:1: defaults.user must be text"},
  };
  for (const Case& row : cases)
    EXPECT_THAT(asked(exit_failed, {"test", write("bad.yaml", row.text)}), HasSubstr(row.said)) << row.text;
}

TEST_F(AgwctlQuestions, lint_finds_what_nobody_can_have_meant) {
  EXPECT_THAT(asked(exit_ok, {"lint", "--at", "2026-12-01T00:00:00Z"}), HasSubstr("0 findings"));
  const auto lint = [&](const std::string& more, const std::string& grants,
                        const std::string& agents = "c|a: {tier: t}") {
    return said(exit_denied, {"lint", write("lint.yaml", "schema: 1\ntenants:\n  default:\n    agents: {" + agents +
                                                             "}\n    tiers: {t: {ceiling: [a/*]}}\n" + more +
                                                             "    grants: [" + grants + "]\n")});
  };
  const std::string users = "    entitlements: [{id: e, to: user:c|u, operation: \"*\"}]\n";
  EXPECT_THAT(lint(users, "{id: g, to: agent:c|a, operation: a/b, until: 2020-01-01T00:00:00Z}"), HasSubstr("expired"));
  EXPECT_THAT(
      lint(users, "{id: g, to: agent:c|a, operation: a/b, since: 2999-01-02T00:00:00Z, until: 2999-01-01T00:00:00Z}"),
      HasSubstr("never in force"));
  EXPECT_THAT(lint(users, "{id: g, to: agent:c|a, operation: b/c}"), HasSubstr("above the ceiling of tier t"));
  EXPECT_THAT(
      lint(users, "{id: g, to: agent:c|a, operation: a/b}, {id: d, to: agent:c|a, operation: a/*, effect: deny}"),
      AllOf(HasSubstr("contradictory"), HasSubstr("d denies all of it"), HasSubstr("nobody may use it")));
  EXPECT_THAT(lint(users, "{id: g, to: agent:c|a, operation: a/b}, {id: d, to: tier:t, operation: a/b, effect: deny}"),
              HasSubstr("tier:t d denies all of it"));
  EXPECT_THAT(lint(users + "    bundles: {x: {}}\n", "{id: g, to: agent:c|a, operation: a/b}"),
              HasSubstr("no agent and no tier has it"));
  EXPECT_THAT(lint(users, "{id: g, to: agent:c|b, operation: a/b}"), HasSubstr("no tier admits it"));
  EXPECT_THAT(lint(users, "", "c|a: {}"), HasSubstr("no provider or model comes to it"));
  EXPECT_THAT(lint(users + "    operations: {a/del: {class: destructive}}\n", "{id: g, to: agent:c|a, operation: a/*}"),
              AllOf(HasSubstr("wildcard_destructive"), HasSubstr("takes in a/del"), HasSubstr("unowned")));
  EXPECT_THAT(lint(users + "    operations: {b/x: {owner: o}}\n", "{id: g, to: agent:c|a, operation: a/b}"),
              AllOf(HasSubstr("unclassified"), HasSubstr("nobody"), Not(HasSubstr("unowned"))));
}

TEST_F(AgwctlQuestions, lint_judges_limits_and_members) {
  const auto lint = [&](const std::string& bundles, const std::string& more = "") {
    return said(exit_denied, {"lint", write("lint.yaml",
                                            "schema: 1\ntenants:\n  default:\n    agents: {c|a: {bundles: [team]}}\n"
                                            "    users: {c|u: {groups: [store|night]}}\n"
                                            "    entitlements: [{id: e, to: user:c|u, operation: \"*\"}]\n" +
                                                more + "    bundles:\n" + bundles)});
  };
  const std::string org = "      org: {limits: [agent 5r/h], grants: [{id: o, operation: a/b}]}\n";
  const auto loose = lint(org + "      team: {parent: org, limits: [agent 5r/h, agent 6r/h window]}\n");
  EXPECT_THAT(loose, AllOf(HasSubstr("agent 5r/h: bundle:org allows no more: agent 5r/h"), HasSubstr("1 finding\n")));
  EXPECT_THAT(lint("      team: {limits: [agent 5r/h]}\n"), HasSubstr("agent 5r/h: no grant of it names an operation"));
  EXPECT_THAT(lint("      team: {members: [group:store|night, group:store|day, group:c|x], grants: [{id: o, operation: "
                   "a/b}]}\n"),
              AllOf(HasSubstr("no user is in store|day"), HasSubstr("1 finding\n")));
  EXPECT_THAT(
      lint("      team: {grants: [{id: o, operation: a/b}]}\n      idle: {}\n      used: {members: [group:c|x]}\n"),
      AllOf(HasSubstr("bundle:idle"), HasSubstr("no group"), HasSubstr("1 finding\n")));
  // Tighter than the parent's, and a parent's that its child's grants make worth something.
  const std::string file = write("fine.yaml", R"(
schema: 1
tenants:
  default:
    agents: {c|a: {bundles: [team]}}
    entitlements: [{id: e, to: user:c|u, operation: a/*}]
    limits: [agent 100r/h, tenant 5u/d]
    bundles:
      org: {limits: [agent 50r/h]}
      team: {parent: org, limits: [agent 40r/h, user 50r/h, agent 60r/m], grants: [{id: o, operation: a/b}]}
)");
  EXPECT_THAT(said(exit_ok, {"lint", file}), HasSubstr("0 findings"));
}

TEST_F(AgwctlQuestions, a_limit_smaller_than_one_call_is_found_where_it_stands) {
  const std::string file = write("costs.yaml", R"(schema: 1
tenants:
  default:
    agents: {c|a: {bundles: [team]}}
    operations: {a/b: {owner: o, class: c}, a/c: {owner: o, class: c}}
    entitlements: [{id: e, to: user:c|u, operation: a/*}]
    limits: [tenant 20u/d, agent 25u/h]
    bundles:
      team: {limits: [agent 30u/d, user 10u/h burst=25], grants: [{id: o, operation: a/*}]}
)");
  std::filesystem::create_directories(folder / "state");
  write("state/routes.json", R"({"v":1,"store":"","routes":[
    {"location":"s/x","kind":"mcp","mode":"enforce","delegation":"implicit","operation":"a/b","cost":25},
    {"location":"s/x","kind":"mcp","mode":"enforce","delegation":"implicit","operation":"a/c","cost":1}]})");
  const auto found = said(exit_denied, {"lint", file, "--state", (folder / "state").string(), "--json"});
  EXPECT_THAT(found,
              AllOf(HasSubstr(R"("code":"never_met","tenant":"default","where":"limits")"),
                    HasSubstr("tenant 20u/d: never has what one call costs of a/b (25)"), HasSubstr("\"line\":7"),
                    Not(HasSubstr("25u/h")), Not(HasSubstr("30u/d")), Not(HasSubstr("user 10u/h"))));
  const auto explained = said(exit_ok, {"explain", "--user", "c|u", "--agent", "c|a", "--operation", "a/b", "--state",
                                        (folder / "state").string(), "--store", "file:" + file});
  EXPECT_THAT(explained,
              AllOf(HasSubstr("limit: tenant 20u/d (tenant default)"), HasSubstr("limit: agent 25u/h (tenant default)"),
                    HasSubstr("limit: user 10u/h burst=25 (bundle team)")));
}

TEST_F(AgwctlQuestions, a_breaker_that_nobody_closes_is_found_where_it_stands) {
  const std::string file = write("breakers.yaml", R"(schema: 1
tenants:
  default:
    agents: {c|a: {}, c|b: {}, c|d: {}, c|e: {}}
    breakers:
      c|a: {state: open}
      c|b: {state: open, until: 2020-01-01T00:00:00Z}
      c|d: {state: open, until: 2120-01-01T00:00:00Z}
      c|e: {state: closed}
      c|nobody: {state: closed}
)");
  const auto found = said(exit_denied, {"lint", file, "--json"});
  EXPECT_THAT(found,
              AllOf(HasSubstr(R"("code":"held","tenant":"default","where":"breaker:c|a")"), HasSubstr(R"("line":6)"),
                    HasSubstr(R"("code":"expired","tenant":"default","where":"breaker:c|b")"),
                    HasSubstr(R"("code":"unreachable","tenant":"default","where":"breaker:c|nobody")"),
                    Not(HasSubstr("breaker:c|d")), Not(HasSubstr("breaker:c|e"))));
}

TEST_F(AgwctlQuestions, a_table_expects_limits) {
  const std::string file = write("limited.yaml", R"(schema: 1
tenants:
  default:
    agents: {c|a: {bundles: [team]}}
    entitlements: [{id: e, to: user:c|u, operation: a/*}]
    limits: [tenant 6u/d, agent 1c]
    bundles:
      team: {limits: [agent 5r/h burst=4], grants: [{id: o, operation: a/b}, {id: p, operation: a/c}]}
)");
  std::filesystem::create_directories(folder / "state");
  write("state/routes.json", R"({"v":1,"store":"","routes":[
    {"location":"s/x","kind":"mcp","mode":"enforce","delegation":"implicit","operation":"a/b","cost":1,
     "limits":[{"place":"a/b","limit":"user 9r/m"}]},
    {"location":"s/x","kind":"mcp","mode":"enforce","delegation":"implicit","operation":"a/c","cost":3}]})");
  const auto test = [&](int status, const std::string& rows, std::vector<std::string> more = {}) {
    const std::string table =
        write("limits.yaml", "defaults: {user: c|u, agent: c|a, operation: a/b}\ntests:\n" + rows);
    std::vector<std::string> words{"test", table, "--store", "file:" + file};
    words.insert(words.end(), more.begin(), more.end());
    return said(status, words);
  };
  EXPECT_THAT(test(exit_ok, R"(
  - {expect: allow, limits: [agent 1c, agent 5r/h burst=4, tenant 6u/d]}
  - {expect: allow, after: 3}
  - {expect: rate_limited, after: 4}
  - {expect: limit_exceeded, after: 1000000}
  - {expect: deny, after: 4}
  - {user: c|v, expect: user_entitlement_missing, limits: [], after: 9}
)"),
              HasSubstr("6 of 6 as expected"));
  EXPECT_THAT(
      test(exit_ok,
           "  - {operation: a/c, expect: allow, after: 1}\n  - {operation: a/c, expect: rate_limited, after: 2}",
           {"--state", (folder / "state").string()}),
      HasSubstr("2 of 2"))
      << "by what a call costs at its location";
  EXPECT_THAT(
      test(exit_denied, "  - {expect: allow, limits: [agent 5r/h burst=4]}"),
      HasSubstr("allow, with the limits [agent 1c, agent 5r/h burst=4, tenant 6u/d] instead of [agent 5r/h burst=4]"));
  EXPECT_THAT(test(exit_denied, "  - {expect: allow, after: 4}"),
              HasSubstr("rate_limited (limit_exceeded), expected allow"));
  EXPECT_THAT(test(exit_denied, "  - {expect: allow, after: 4, limits: []}", {"--json"}),
              HasSubstr(R"("decision":"rate_limited","reason":"limit_exceeded","limits":["agent 1c",)"));
  EXPECT_THAT(test(exit_failed, "  - {expect: allow, after: -1}"),
              HasSubstr("tests[0].after must be a number of calls"));
  EXPECT_THAT(test(exit_failed, "  - {expect: allow, limits: [agent 5]}"), HasSubstr("tests[0].limits[0] "));
}

TEST_F(AgwctlQuestions, lint_leaves_alone_what_is_meant) {
  const std::string file = write("fine.yaml", R"(
schema: 1
tenants:
  default:
    agents: {c|a: {tier: t}}
    tiers: {t: {ceiling: [a/*]}}
    entitlements: [{id: e, to: user:c|u, operation: a/*}]
    operations:
      a/del: {class: destructive, owner: o}
      a/b: {class: public, owner: o}
      a/frozen: {class: public, owner: o, frozen: true}
    grants:
      - {id: g, to: agent:c|a, operation: a/b, resource: x:*}
      - {id: n, to: agent:c|a, operation: a/del}
      - {id: d, to: agent:c|a, operation: a/b, resource: x:1, effect: deny}
      - {id: w, to: agent:c|a, operation: a/*, effect: deny, for: [user:c|v]}
)");
  EXPECT_THAT(said(exit_ok, {"lint", file}), HasSubstr("0 findings"));
  EXPECT_THAT(said(exit_ok, {"lint", file, "--json"}), HasSubstr(R"({"findings":[],)"));
  EXPECT_THAT(said(exit_usage, {"lint", file, "--store", store}), HasSubstr("leave one out"));
  EXPECT_THAT(said(exit_usage, {"lint", file, "--ignore", "all"}), HasSubstr("must be one of expired"));
  EXPECT_THAT(said(exit_ok, {"lint", file, "--ignore", "expired"}), HasSubstr("0 findings"));
}

TEST(AgwctlTable, columns_are_as_wide_as_they_need_and_safe) {
  Table table({"A", "B"});
  table.add({"é", "x"});
  table.add({"long\x1b", "y"});
  std::ostringstream out;
  table.print(out);
  EXPECT_EQ(out.str(), "  A           B\n  é           x\n  long\\u001b  y\n");
}

}  // namespace
}  // namespace agw::agwctl
