#include <chrono>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agw/grants/policy_file.h"
#include "agw/grants/redis_codec.h"
#include "agw/policy/evaluate.h"

namespace agw::grants {
namespace {

constexpr std::string_view example = R"({"schema": 1, "tenants": {"default": {
  "agents": {"company|docs-assistant": {"name": "Docs assistant", "owner": "platform@company.example", "tier": "developer", "bundles": ["support"]},
             "company|plain": {}},
  "tiers": {"*": "visitor", "map": [{"provider": "claude-code", "tier": "developer"}, {"provider": "claude-code", "model": "old", "tier": "visitor"}],
            "visitor": {"ceiling": ["tickets/ticket.read"], "bundles": ["reader"]}, "developer": {}},
  "bundles": {"support": {"version": 3, "grants": [{"id": "b1", "operation": "tickets/ticket.*", "resource": "ticket:*"}]},
              "reader": {"when": "tenant == \"default\"", "grants": [{"id": "r1", "operation": "tickets/ticket.read"}]}},
  "grants": [{"id": "g1", "to": "agent:company|docs-assistant", "operation": "search/docs", "until": "2026-12-31T00:00:00Z", "by": "company|ada", "reason": "pilot", "ticket": "SEC-12"},
             {"id": "g2", "to": "tier:developer", "operation": "docs/*", "effect": "deny", "for": ["user:company|mira", "group:store|oncall"], "when": "<to/name> == \"root\""},
             {"id": "b2", "to": "bundle:support", "operation": "tickets/ticket.list", "since": "2026-01-01T00:00:00+01:00"}],
  "entitlements": [{"id": "e1", "to": "group:company|support", "operation": "tickets/*", "resource": "ticket:*"},
                   {"id": "e1", "to": "user:company|mira", "operation": "docs/*"}],
  "users": {"company|omar": {"status": "disabled", "name": "Omar", "groups": ["store|oncall"], "not_before": "2026-01-01T00:00:00Z"}},
  "delegations": [{"user": "company|mira", "agent": "company|docs-assistant", "status": "disconnected"}],
  "breakers": {"company|gone": {"state": "open", "until": "2026-12-31T00:00:00Z"}, "company|docs-assistant": {"state": "closed", "since": "2026-01-01T00:00:00.125Z"}},
  "operations": {"tickets/ticket.delete": {"frozen": true, "class": "secret", "owner": "ops"},
                 "tickets/ticket.close": {"windows": ["Mon-Fri 09:00-17:00 Europe/Berlin", "Sat 10:00-12:00 UTC"]}}
}}})";

TEST(PolicyFile, reads_the_whole_example) {
  const auto policy = parse_policy(example);
  ASSERT_TRUE(policy) << policy.error().path << " " << policy.error().message;
  const TenantPolicy& tenant = policy->tenants.at("default");
  EXPECT_EQ(tenant.agents.at("company|docs-assistant").bundles, std::vector<std::string>{"support"});
  EXPECT_EQ(tenant.agents.at("company|plain").status, Status::active);
  EXPECT_EQ(tenant.fallback_tier, "visitor");
  ASSERT_EQ(tenant.tier_map.size(), 2U);
  EXPECT_EQ(tenant.tier_map[0].model, "old") << "the most specific rule comes first";
  EXPECT_EQ(tenant.bundles.at("support").version, "3");
  EXPECT_EQ(tenant.bundles.at("support").grants.size(), 2U) << "a grant to a bundle is the bundle's own";
  EXPECT_FALSE(tenant.grants.contains("bundle:support"));
  EXPECT_EQ(tenant.grants.at("tier:developer")[0].for_whom.size(), 2U);
  EXPECT_EQ(tenant.grants.at("tier:developer")[0].effect, Effect::deny);
  EXPECT_EQ(tenant.users.at("company|omar").status, Status::disabled);
  EXPECT_TRUE(tenant.operations.at("tickets/ticket.delete").frozen);
  ASSERT_EQ(tenant.operations.at("tickets/ticket.close").windows.size(), 2U);
  EXPECT_EQ(tenant.operations.at("tickets/ticket.close").windows[1].text(), "Sat 10:00-12:00 UTC");
  ASSERT_NE(tenant.grants.at("tier:developer")[0].when, nullptr);
  EXPECT_EQ(tenant.grants.at("tier:developer")[0].when->text(), "<to/name> == \"root\"");
  EXPECT_EQ(tenant.breakers.at("company|gone").state, BreakerRecordState::open);
  EXPECT_EQ(tenant.breakers.at("company|docs-assistant").since, *parse_rfc3339("2026-01-01T00:00:00.125Z"));
  EXPECT_FALSE(tenant.tiers.at("developer").ceiling);
  EXPECT_EQ(tenant.delegations.begin()->second.status, DelegationStatus::disconnected);
}

TEST(PolicyFile, what_is_written_reads_the_same_and_writes_the_same) {
  const auto policy = parse_policy(example);
  ASSERT_TRUE(policy);
  const std::string text = write_policy(*policy);
  const auto again = parse_policy(text);
  ASSERT_TRUE(again) << again.error().path << " " << again.error().message << "\n" << text;
  EXPECT_EQ(write_policy(*again), text);
  EXPECT_THAT(text, testing::HasSubstr("\"version\": 3"));
  EXPECT_EQ(write_policy(Policy{}), write_policy(*parse_policy(R"({"schema":1,"tenants":{}})")));
}

struct Broken {
  const char* name;
  std::string text;
  const char* path;     ///< of the error; empty for syntax
  const char* message;  ///< part of it
};

std::string tenant(const std::string& inside) { return R"({"schema": 1, "tenants": {"default": {)" + inside + "}}}"; }
std::string one_grant(const std::string& members) { return tenant(R"("grants": [{)" + members + "}]"); }

const Broken broken[] = {
    {"empty", "", "", "JSON"},
    {"no JSON", "{", "", "JSON"},
    {"a list", "[]", "", "object"},
    {"bytes that are no text", "{\"schema\": 1, \"tenants\": {\"\xff\": {}}}", "", "JSON"},
    {"something behind", R"({"schema": 1, "tenants": {}} x)", "", "JSON"},
    {"a key twice", R"({"schema": 1, "schema": 1, "tenants": {}})", "", "JSON"},
    {"no schema", R"({"tenants": {}})", "", "schema"},
    {"another schema", R"({"schema": 2, "tenants": {}})", "schema", "must be 1"},
    {"a schema in words", R"({"schema": "1", "tenants": {}})", "schema", "must be 1"},
    {"no tenants", R"({"schema": 1})", "", "tenants"},
    {"an unknown key at the top", R"({"schema": 1, "tenants": {}, "x": 1})", "", "unknown key \"x\""},
    {"an odd tenant", R"({"schema": 1, "tenants": {"a b": {}}})", "tenants.a b", "letters"},
    {"an unknown key", tenant(R"("grant": [])"), "tenants.default", "unknown key \"grant\"; known are"},
    {"agents as a list", tenant(R"("agents": [])"), "tenants.default.agents", "must be an object"},
    {"an agent without an issuer", tenant(R"("agents": {"docs": {}})"), "tenants.default.agents.docs", "ISSUER|NAME"},
    {"an agent that isn't encoded", tenant(R"("agents": {"company|https://x/y": {}})"),
     "tenants.default.agents.company|https://x/y", "company|https%3A%2F%2Fx%2Fy"},
    {"an unknown key of an agent", tenant(R"("agents": {"c|a": {"bundle": []}})"), "tenants.default.agents.c|a",
     "unknown key"},
    {"an odd status", tenant(R"("agents": {"c|a": {"status": "maybe"}})"), "tenants.default.agents.c|a.status",
     "active, disabled"},
    {"a status that users don't have", tenant(R"("users": {"c|a": {"status": "quarantined"}})"),
     "tenants.default.users.c|a.status", "active or disabled"},
    {"a name that is a number", tenant(R"("agents": {"c|a": {"name": 7}})"), "tenants.default.agents.c|a.name",
     "string"},
    {"a moment in words", tenant(R"("agents": {"c|a": {"not_before": "tomorrow"}})"),
     "tenants.default.agents.c|a.not_before", "2026-12-31T00:00:00Z"},
    {"a bundle that isn't there", tenant(R"("agents": {"c|a": {"bundles": ["x"]}})"), "tenants.default.agents.c|a",
     "bundle \"x\""},
    {"a tier that isn't there", tenant(R"("agents": {"c|a": {"tier": "x"}})"), "tenants.default.agents.c|a",
     "tier \"x\""},
    {"a parent that isn't there", tenant(R"("bundles": {"x": {"parent": "y"}})"), "tenants.default.bundles.x.parent",
     "bundle \"y\""},
    {"a bundle that is its own parent", tenant(R"("bundles": {"x": {"parent": "x"}})"),
     "tenants.default.bundles.x.parent", "comes back to itself"},
    {"bundles in a circle", tenant(R"("bundles": {"x": {"parent": "y"}, "y": {"parent": "z"}, "z": {"parent": "x"}})"),
     "tenants.default.bundles.x.parent", "comes back to itself"},
    {"a parent without a name", tenant(R"("bundles": {"x": {"parent": ""}})"), "tenants.default.bundles.x.parent",
     "letters"},
    {"a member that is a user", tenant(R"("bundles": {"x": {"members": ["user:c|a"]}})"),
     "tenants.default.bundles.x.members[0]", "group:company|support"},
    {"a member that isn't encoded", tenant(R"("bundles": {"x": {"members": ["group:c|a b"]}})"),
     "tenants.default.bundles.x.members[0]", "group:company|support"},
    {"a member twice", tenant(R"("bundles": {"x": {"members": ["group:c|a", "group:c|a"]}})"),
     "tenants.default.bundles.x.members[1]", "twice"},
    {"members as a word", tenant(R"("bundles": {"x": {"members": "group:c|a"}})"), "tenants.default.bundles.x.members",
     "list"},
    {"a bundle's limit of nobody", tenant(R"("bundles": {"x": {"limits": ["everybody 5r/h"]}})"),
     "tenants.default.bundles.x.limits[0]", "counts by \"everybody\""},
    {"a limit without an amount", tenant(R"("limits": ["agent"])"), "tenants.default.limits[0]", "5r/h (requests)"},
    {"an odd amount", tenant(R"("limits": ["agent 5r/h", "user many"])"), "tenants.default.limits[1]",
     "has the amount \"many\""},
    {"two spaces", tenant(R"("limits": ["agent  5r/h"])"), "tenants.default.limits[0]", "has the amount"},
    {"an unknown option", tenant(R"("limits": ["agent 5r/h twice"])"), "tenants.default.limits[0]", "unknown word"},
    {"a limit that is a number", tenant(R"("limits": [5])"), "tenants.default.limits[0]", "string"},
    {"limits by subject", tenant(R"("limits": {"agent": "5r/h"})"), "tenants.default.limits", "list"},
    {"two of one counter", tenant(R"("limits": ["agent+tool 5r/h", "tool+agent 9r/h burst=2"])"),
     "tenants.default.limits[1]", "stands twice"},
    {"a tier's bundle that isn't there", tenant(R"("tiers": {"t": {"bundles": ["x"]}})"), "tenants.default.tiers.t",
     "bundle \"x\""},
    {"a fallback that isn't there", tenant(R"("tiers": {"*": "x"})"), "tenants.default.tiers.*", "tier \"x\""},
    {"a map to nowhere", tenant(R"("tiers": {"map": [{"provider": "p", "tier": "x"}]})"), "tenants.default.tiers.map",
     "tier \"x\""},
    {"a rule without a condition", tenant(R"("tiers": {"t": {}, "map": [{"tier": "t"}]})"),
     "tenants.default.tiers.map[0]", "provider or model"},
    {"a rule twice", tenant(R"("tiers": {"t": {}, "map": [{"model": "m", "tier": "t"}, {"model": "m", "tier": "t"}]})"),
     "tenants.default.tiers.map[1]", "twice"},
    {"an odd ceiling", tenant(R"("tiers": {"t": {"ceiling": ["a*"]}})"), "tenants.default.tiers.t.ceiling[0]",
     "pattern"},
    {"a group of an issuer in a record", tenant(R"("users": {"c|a": {"groups": ["c|x"]}})"),
     "tenants.default.users.c|a.groups[0]", "store|"},
    {"a grant to nobody", one_grant(R"("id": "g", "operation": "a/b")"), "tenants.default.grants[0]", "needs \"to\""},
    {"a grant without an id", one_grant(R"("to": "agent:c|a", "operation": "a/b")"), "tenants.default.grants[0]",
     "needs \"id\""},
    {"a grant with an empty id", one_grant(R"("id": "", "to": "agent:c|a", "operation": "a/b")"),
     "tenants.default.grants[0].id", "empty"},
    {"a grant of nothing", one_grant(R"("id": "g", "to": "agent:c|a")"), "tenants.default.grants[0]",
     "needs \"operation\""},
    {"a grant to a user", one_grant(R"("id": "g", "to": "user:c|a", "operation": "a/b")"),
     "tenants.default.grants[0].to", "agent:"},
    {"a grant to a bundle that isn't there", one_grant(R"("id": "g", "to": "bundle:x", "operation": "a/b")"), nullptr,
     "bundle \"x\""},
    {"a grant to a tier that isn't there", one_grant(R"("id": "g", "to": "tier:x", "operation": "a/b")"), nullptr,
     "tier \"x\""},
    {"an odd pattern", one_grant(R"("id": "g", "to": "agent:c|a", "operation": "tick*")"),
     "tenants.default.grants[0].operation", "end in *"},
    {"a star in the middle", one_grant(R"("id": "g", "to": "agent:c|a", "operation": "a/*/b")"),
     "tenants.default.grants[0].operation", "end in *"},
    {"an odd resource", one_grant(R"("id": "g", "to": "agent:c|a", "operation": "a/b", "resource": "x*")"),
     "tenants.default.grants[0].resource", "end in *"},
    {"an empty pattern", one_grant(R"("id": "g", "to": "agent:c|a", "operation": "")"),
     "tenants.default.grants[0].operation", "end in *"},
    {"an effect nobody knows", one_grant(R"("id": "g", "to": "agent:c|a", "operation": "a/b", "effect": "maybe")"),
     "tenants.default.grants[0].effect", "allow or deny"},
    {"for an agent", one_grant(R"("id": "g", "to": "agent:c|a", "operation": "a/b", "for": ["agent:c|b"])"),
     "tenants.default.grants[0].for[0]", "user or a group"},
    {"for nobody", one_grant(R"("id": "g", "to": "agent:c|a", "operation": "a/b", "for": [])"),
     "tenants.default.grants[0].for", "empty"},
    {"an end that is a number", one_grant(R"("id": "g", "to": "agent:c|a", "operation": "a/b", "until": 5)"),
     "tenants.default.grants[0].until", "string"},
    {"an id twice for one holder",
     tenant(
         R"("grants": [{"id": "g", "to": "agent:c|a", "operation": "a/b"}, {"id": "g", "to": "agent:c|a", "operation": "a/c"}])"),
     "tenants.default.grants[1].id", "twice"},
    {"an id twice for one bundle",
     tenant(
         R"("bundles": {"x": {"grants": [{"id": "g", "operation": "a/b"}]}}, "grants": [{"id": "g", "to": "bundle:x", "operation": "a/c"}])"),
     "tenants.default.grants", "already"},
    {"an entitlement for an agent", tenant(R"("entitlements": [{"id": "e", "to": "agent:c|a", "operation": "a/b"}])"),
     "tenants.default.entitlements[0].to", "user:"},
    {"an entitlement for somebody",
     tenant(R"("entitlements": [{"id": "e", "to": "user:c|a", "operation": "a/b", "for": []}])"),
     "tenants.default.entitlements[0]", "unknown key \"for\""},
    {"a delegation without a user", tenant(R"("delegations": [{"agent": "c|a"}])"), "tenants.default.delegations[0]",
     "needs \"user\""},
    {"a delegation twice",
     tenant(R"("delegations": [{"user": "c|u", "agent": "c|a"}, {"user": "c|u", "agent": "c|a"}])"),
     "tenants.default.delegations[1]", "twice"},
    {"a delegation's odd status", tenant(R"("delegations": [{"user": "c|u", "agent": "c|a", "status": "on"}])"),
     "tenants.default.delegations[0].status", "disconnected"},
    {"an operation without a namespace", tenant(R"("operations": {"x": {}})"), "tenants.default.operations.x",
     "NAMESPACE/"},
    {"a condition that is none",
     tenant(R"("grants": [{"id": "g", "to": "agent:c|a", "operation": "a/x", "when": "amount <= 5"}])"),
     "tenants.default.grants[0].when", "an argument is written <name>"},
    {"a condition with a variable",
     tenant(R"("grants": [{"id": "g", "to": "agent:c|a", "operation": "a/x", "when": "$office"}])"),
     "tenants.default.grants[0].when", "only require in its configuration"},
    {"a condition that is no text",
     tenant(R"("grants": [{"id": "g", "to": "agent:c|a", "operation": "a/x", "when": 5}])"),
     "tenants.default.grants[0].when", "must be a string"},
    {"a window that is none", tenant(R"("operations": {"a/x": {"windows": ["Mon 9-5 UTC"]}})"),
     "tenants.default.operations.a/x.windows[0]", "Mon-Fri 09:00-17:00 Europe/Berlin"},
    {"no window at all", tenant(R"("operations": {"a/x": {"windows": []}})"), "tenants.default.operations.a/x.windows",
     "leave it out for any time"},
    {"a breaker without a state", tenant(R"("breakers": {"c|a": {}})"), "tenants.default.breakers.c|a",
     "needs \"state\""},
    {"a breaker's odd state", tenant(R"("breakers": {"c|a": {"state": "ajar"}})"), "tenants.default.breakers.c|a.state",
     "open or closed"},
    {"a breaker of nobody", tenant(R"("breakers": {"a": {"state": "open"}})"), "tenants.default.breakers.a",
     "ISSUER|NAME"},
    {"a breaker's odd end", tenant(R"("breakers": {"c|a": {"state": "open", "until": "soon"}})"),
     "tenants.default.breakers.c|a.until", "2026"},
    {"frozen in words", tenant(R"("operations": {"a/x": {"frozen": "yes"}})"), "tenants.default.operations.a/x.frozen",
     "true or false"},
};

TEST(PolicyFile, says_what_is_wrong_and_where) {
  for (const Broken& row : broken) {
    const auto policy = parse_policy(row.text);
    ASSERT_FALSE(policy) << row.name;
    if (row.path != nullptr) EXPECT_EQ(policy.error().path, row.path) << row.name << ": " << policy.error().message;
    EXPECT_THAT(policy.error().message, testing::HasSubstr(row.message)) << row.name;
  }
  EXPECT_EQ(parse_policy("{\n\"schema\": 1,\n x}").error().line, 3);
}

Decision judged(const CompiledPolicy& policy, const Principal& who, const std::string& operation,
                const std::string& resource) {
  policy::Route route;
  route.operation = operation;
  const policy::Facts facts = policy.facts(who, operation);
  policy::Question question{.principal = who};
  question.route = &route;
  question.resource = resource;
  question.now = *parse_rfc3339("2026-11-21T00:00:00Z");
  return evaluate(question, facts);
}

Principal caller(const std::string& user, const std::string& agent, std::vector<std::string> groups = {}) {
  Principal out;
  out.issuer = "company";
  out.tenant = "default";
  out.user = user;
  out.agent = agent;
  out.groups = std::move(groups);
  out.issued_at = *parse_rfc3339("2026-11-21T00:00:00Z");
  return out;
}

TEST(CompiledPolicy, brings_the_facts_together) {
  const CompiledPolicy policy(*parse_policy(example));
  const auto support = std::vector<std::string>{"company|support"};
  struct Case {
    const char* name;
    Principal who;
    const char* operation;
    const char* resource;
    const char* reason;
  };
  auto provided = caller("company|eve", "company|new", support);
  provided.provider = "claude-code";
  auto elsewhere = caller("company|eve", "company|docs-assistant", support);
  elsewhere.tenant = "other";
  const Case cases[] = {
      {"a bundle and a group", caller("company|eve", "company|docs-assistant", support), "tickets/ticket.read",
       "ticket:T-1", "allowed"},
      {"no group", caller("company|eve", "company|docs-assistant"), "tickets/ticket.read", "ticket:T-1",
       "user_entitlement_missing"},
      {"disabled", caller("company|omar", "company|docs-assistant", support), "tickets/ticket.read", "ticket:T-1",
       "user_disabled"},
      {"a visitor", caller("company|eve", "company|new", support), "tickets/ticket.read", "ticket:T-1", "allowed"},
      {"a visitor above the ceiling", caller("company|eve", "company|new", support), "tickets/ticket.delete",
       "ticket:T-1", "tier_ceiling"},
      {"a visitor with a provider has another tier", provided, "tickets/ticket.read", "ticket:T-1",
       "agent_grant_missing"},
      {"a record without bundles", caller("company|eve", "company|plain", support), "tickets/ticket.read", "ticket:T-1",
       "agent_grant_missing"},
      {"disconnected", caller("company|mira", "company|docs-assistant", support), "tickets/ticket.read", "ticket:T-1",
       "delegation_disconnected"},
      {"a tier's denial", caller("company|mira", "company|docs-assistant"), "docs/a", "", "agent_grant_denied"},
      {"frozen", caller("company|eve", "company|docs-assistant", support), "tickets/ticket.delete", "ticket:T-1",
       "operation_frozen"},
      {"another tenant", elsewhere, "tickets/ticket.read", "ticket:T-1", "user_entitlement_missing"},
  };
  for (const Case& row : cases)
    EXPECT_EQ(to_string(judged(policy, row.who, row.operation, row.resource).reason), row.reason) << row.name;
}

TEST(CompiledPolicy, costs_the_same_with_many_grants) {
  const auto policy_with = [](int grants) {
    Policy policy;
    TenantPolicy& tenant = policy.tenants["default"];
    tenant.agents["company|a"];
    for (int i = 0; i < grants; ++i) {
      Grant grant;
      grant.id = std::to_string(i);
      grant.operation = "tickets/op" + std::to_string(i);
      tenant.grants["agent:company|a"].push_back(grant);
      tenant.entitlements["user:company|u"].push_back(grant);
    }
    return CompiledPolicy(std::move(policy));
  };
  const auto time = [](const CompiledPolicy& policy) {
    const Principal who = caller("company|u", "company|a");
    auto best = std::chrono::nanoseconds::max();
    for (int round = 0; round < 20; ++round) {
      const auto begin = std::chrono::steady_clock::now();
      for (int i = 0; i < 100; ++i)
        EXPECT_TRUE(judged(policy, who, "tickets/op" + std::to_string(i % 10), "").allowed());
      best = std::min<std::chrono::nanoseconds>(best, std::chrono::steady_clock::now() - begin);
    }
    return best;
  };
  const auto few = time(policy_with(10));
  const auto many = time(policy_with(100'000));
  EXPECT_LT(many.count(), 10 * few.count()) << "the best of many rounds: a scan would cost a thousandfold";
}

constexpr std::string_view inherited = R"({"schema": 1, "tenants": {"default": {
  "agents": {"company|team": {"bundles": ["team"]}, "company|org": {"bundles": ["org"]}, "company|both": {"bundles": ["team", "org"]}},
  "tiers": {"*": "visitor", "visitor": {"bundles": ["team"]}},
  "bundles": {"org": {"version": 7, "grants": [{"id": "o1", "operation": "chat/*"},
                                               {"id": "o2", "operation": "billing/*", "effect": "deny"}]},
              "dept": {"parent": "org", "grants": [{"id": "d1", "operation": "kb/search"}]},
              "team": {"parent": "dept", "grants": [{"id": "t1", "operation": "tickets/*"}, {"id": "t2", "operation": "billing/read"}]}},
  "entitlements": [{"id": "e", "to": "user:company|mira", "operation": "*"}]
}}})";

TEST(CompiledPolicy, a_bundle_has_what_its_parents_have_and_their_denials_win) {
  const auto parsed = parse_policy(inherited);
  ASSERT_TRUE(parsed) << parsed.error().path << " " << parsed.error().message;
  const CompiledPolicy policy(*parsed);
  struct Case {
    const char* agent;
    const char* operation;
    const char* reason;
  };
  const Case cases[] = {
      {"company|team", "tickets/ticket.read", "allowed"},
      {"company|org", "tickets/ticket.read", "agent_grant_missing"},
      {"company|team", "kb/search", "allowed"},
      {"company|org", "kb/search", "agent_grant_missing"},
      {"company|team", "chat/send", "allowed"},
      {"company|org", "chat/send", "allowed"},
      {"company|team", "billing/read", "agent_grant_denied"},
      {"company|new", "billing/read", "agent_grant_denied"},
      {"company|new", "chat/send", "allowed"},
      {"company|both", "chat/send", "allowed"},
  };
  for (const Case& row : cases)
    EXPECT_EQ(to_string(judged(policy, caller("company|mira", row.agent), row.operation, "").reason), row.reason)
        << row.agent << " " << row.operation;
}

constexpr std::string_view packaged = R"({"schema": 1, "tenants": {"default": {
  "agents": {"company|docs": {"bundles": ["own"]}, "company|bare": {"tier": "capped"}},
  "users": {"company|mira": {"groups": ["store|oncall"]}, "company|omar": {}},
  "tiers": {"*": "visitor", "visitor": {"bundles": ["own"]}, "capped": {"ceiling": ["tickets/*"]}},
  "bundles": {"org": {"limits": ["tenant 100r/d warn=80"], "grants": [{"id": "o", "operation": "chat/*"},
                                                                      {"id": "d", "operation": "billing/*", "effect": "deny"}]},
              "team": {"parent": "org", "members": ["group:company|support", "group:store|oncall"],
                       "limits": ["agent 5r/h burst=9", "user 2c"], "grants": [{"id": "t", "operation": "tickets/*"}]},
              "own": {"limits": ["agent 7r/h"], "grants": [{"id": "w", "operation": "tickets/ticket.read"}]}},
  "limits": ["agent+tool 10r/s", "user 1000u/month", "agent+tool 500r/d"],
  "entitlements": [{"id": "e", "to": "user:company|mira", "operation": "*"}, {"id": "f", "to": "user:company|omar", "operation": "*"}]
}}})";

std::vector<std::string> limits_met(const CompiledPolicy& policy, const Principal& who, const std::string& operation) {
  std::vector<std::string> out;
  for (const Limit* limit : policy.facts(who, operation).limits) out.push_back(limit->place + " " + limit->text);
  return out;
}

TEST(CompiledPolicy, members_of_a_bundle_have_its_grants_through_agents_with_a_record) {
  const auto parsed = parse_policy(packaged);
  ASSERT_TRUE(parsed) << parsed.error().path << " " << parsed.error().message;
  const CompiledPolicy policy(*parsed);
  const std::vector<std::string> support{"company|support"};
  struct Case {
    const char* user;
    const char* agent;
    std::vector<std::string> groups;
    const char* operation;
    const char* reason;
  };
  const Case cases[] = {
      {"company|omar", "company|docs", support, "tickets/ticket.write", "allowed"},
      {"company|omar", "company|docs", {}, "tickets/ticket.write", "agent_grant_missing"},
      {"company|omar", "company|docs", {"company|sales"}, "tickets/ticket.write", "agent_grant_missing"},
      {"company|mira", "company|docs", {}, "tickets/ticket.write", "allowed"},
      {"company|mira", "company|docs", {}, "chat/send", "allowed"},
      {"company|mira", "company|docs", {}, "billing/read", "agent_grant_denied"},
      // Users are asked for what they may do by themselves.
      {"company|eve", "company|docs", support, "tickets/ticket.write", "user_entitlement_missing"},
      // The tier's ceiling lies above it.
      {"company|mira", "company|bare", {}, "tickets/ticket.write", "allowed"},
      {"company|mira", "company|bare", {}, "chat/send", "tier_ceiling"},
      // An agent without a record has its tier's bundles and nothing else.
      {"company|mira", "company|stranger", support, "tickets/ticket.read", "allowed"},
      {"company|mira", "company|stranger", support, "tickets/ticket.write", "agent_grant_missing"},
  };
  for (const Case& row : cases)
    EXPECT_EQ(to_string(judged(policy, caller(row.user, row.agent, row.groups), row.operation, "").reason), row.reason)
        << row.user << " " << row.agent << " " << row.operation;
}

TEST(CompiledPolicy, says_which_limits_a_call_meets) {
  const CompiledPolicy policy(*parse_policy(packaged));
  const std::vector<std::string> all{"policy agent+tool 10r/s", "policy user 1000u/month", "policy agent+tool 500r/d"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), all.begin(), all.end());
    return more;
  };
  const Principal omar = caller("company|omar", "company|docs");
  EXPECT_EQ(limits_met(policy, omar, "search/docs"), all);
  EXPECT_EQ(limits_met(policy, omar, "tickets/ticket.read"), with({"bundle|own agent 7r/h"}));
  EXPECT_EQ(
      limits_met(policy, caller("company|mira", "company|docs"), "tickets/ticket.read"),
      with({"bundle|own agent 7r/h", "bundle|team agent 5r/h", "bundle|team user 2c", "bundle|org tenant 100r/d"}));
  EXPECT_EQ(limits_met(policy, caller("company|mira", "company|docs"), "chat/send"),
            with({"bundle|team agent 5r/h", "bundle|team user 2c", "bundle|org tenant 100r/d"}));
  EXPECT_EQ(limits_met(policy, caller("company|omar", "company|stranger"), "tickets/ticket.read"),
            with({"bundle|own agent 7r/h"}));
  EXPECT_EQ(limits_met(policy, omar, ""), std::vector<std::string>()) << "handshakes use nothing up";
}

TEST(RedisCodec, members_and_limits_go_there_and_back) {
  const auto parsed = parse_policy(packaged);
  auto keys = encode_tenant(parsed->tenants.at("default"));
  EXPECT_EQ(keys.at("bundle:team").at("limits"), R"(["agent 5r/h burst=9","user 2c"])");
  EXPECT_EQ(keys.at("members"),
            (Fields{{"group:company|support", R"(["team","org"])"}, {"group:store|oncall", R"(["team","org"])"}}));
  EXPECT_EQ(keys.at("limits"), (Fields{{"agent+tool", R"(["10r/s","500r/d"])"}, {"user", R"(["1000u/month"])"}}));
  const auto decoded = decode_tenant(keys);
  ASSERT_TRUE(decoded) << decoded.error().detail;
  EXPECT_EQ(decoded->bundles.at("team").members, (std::vector<std::string>{"company|support", "store|oncall"}));
  EXPECT_EQ(encode_tenant(*decoded), keys);
  Policy again;
  again.tenants["default"] = *decoded;
  const auto read = parse_policy(write_policy(again));
  ASSERT_TRUE(read) << read.error().path << read.error().message << write_policy(again);
  EXPECT_EQ(encode_tenant(read->tenants.at("default")), keys);
  const auto refused = [&](const char* key, const char* field, const char* value) -> std::string {
    auto changed = keys;
    changed[key][field] = value;
    const auto out = decode_tenant(changed);
    return out ? "read" : out.error().detail;
  };
  using testing::HasSubstr;
  EXPECT_THAT(refused("members", "group:company|support", R"(["team"])"), HasSubstr("without its parent"));
  EXPECT_THAT(refused("members", "group:company|support", R"(["other"])"), HasSubstr("is no bundle"));
  EXPECT_THAT(refused("members", "company|support", R"(["org"])"), HasSubstr("is not a group"));
  EXPECT_THAT(refused("limits", "agent 5r/h", R"(["burst=3"])"), HasSubstr("whose calls"));
  EXPECT_THAT(refused("limits", "tool+agent", R"(["9r/s"])"), HasSubstr("field tool+agent: [0] is no limit"));
  EXPECT_THAT(refused("bundle:team", "limits", R"(["agent 5r/h", 7])"), HasSubstr("field limits: [1] is no limit"));
}

TEST(RedisCodec, a_holder_names_all_bundles_that_a_call_must_read) {
  const auto parsed = parse_policy(inherited);
  ASSERT_TRUE(parsed);
  const TenantPolicy& tenant = parsed->tenants.at("default");
  auto keys = encode_tenant(tenant);
  EXPECT_EQ(keys.at("agent:company|team").at("bundles"), R"(["team","dept","org"])");
  EXPECT_EQ(keys.at("tier:visitor").at("bundles"), R"(["team","dept","org"])");
  EXPECT_EQ(keys.at("bundle:team").at("parent"), "dept");
  const auto decoded = decode_tenant(keys);
  ASSERT_TRUE(decoded) << decoded.error().detail;
  EXPECT_EQ(decoded->agents.at("company|team").bundles, std::vector<std::string>{"team"});
  EXPECT_EQ(decoded->agents.at("company|both").bundles, std::vector<std::string>{"team"}) << "the same, said shorter";
  EXPECT_EQ(decoded->bundles.at("team").parent, "dept");
  EXPECT_EQ(encode_tenant(*decoded), keys);
  keys.at("agent:company|team").at("bundles") = R"(["team","org"])";
  const auto orphaned = decode_tenant(keys);
  ASSERT_FALSE(orphaned);
  EXPECT_THAT(orphaned.error().detail, testing::HasSubstr("names team without its parent"));
}

TEST(RedisCodec, the_most_specific_rule_of_a_tier_map_stays_the_first) {
  const auto parsed =
      parse_policy(R"({"schema": 1, "tenants": {"default": {"tiers": {"a": {}, "b": {}, "c": {}, "map": [
    {"model": "m", "tier": "a"}, {"provider": "p", "tier": "b"}, {"provider": "p", "model": "m", "tier": "c"}]}}}})");
  ASSERT_TRUE(parsed);
  const auto decoded = decode_tenant(encode_tenant(parsed->tenants.at("default")));
  ASSERT_TRUE(decoded);
  std::vector<std::string> tiers;
  for (const TierRule& rule : decoded->tier_map) tiers.push_back(rule.tier);
  EXPECT_EQ(tiers, (std::vector<std::string>{"c", "b", "a"}));
}

TEST(LoadPolicyFile, says_why_it_cannot) {
  const auto absent = load_policy_file("/nonexistent/policy.json");
  ASSERT_FALSE(absent);
  EXPECT_THAT(absent.error().message, testing::HasSubstr("can't be opened"));
  EXPECT_THAT(load_policy_file("/").error().message, testing::HasSubstr("not a regular file"));
}

}  // namespace
}  // namespace agw::grants
