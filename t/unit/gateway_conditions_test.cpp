// Conditions of whole calls: arguments from the bytes that go on, what the host knows, over MCP and REST.
#include <functional>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/gateway_world.h"

namespace agw::gateway {
namespace {

using test::GatewayWorld;
using testing::HasSubstr;

void require(GatewayWorld& world, std::string_view text) {
  Condition::Compiling compiling;
  compiling.variable = [](const std::string& name) -> Result<std::intptr_t, std::string> {
    return static_cast<std::intptr_t>(name.size());
  };
  auto condition = Condition::compile(text, compiling);
  ASSERT_TRUE(condition) << condition.error();
  for (auto& route : world.location.routes) route.policy.require.push_back(*condition);
}

/// What audit says of one call of ticket.read.
std::string called(GatewayWorld& world, const std::string& arguments) {
  world.authorize(world.token());
  world.tool("ticket.read", arguments);
  static_cast<void>(world.call());
  const auto lines = world.finish(200);
  return lines.empty() ? "" : lines.back();
}

struct Case {
  const char* condition;
  const char* arguments;
  bool holds;
};

const Case cases[] = {
    {"<amount> <= 100", R"({"id":"T-1","amount":100})", true},
    {"<amount> <= 100", R"({"id":"T-1","amount":"100"})", true},
    {"<amount> <= 100", R"({"id":"T-1","amount":101})", false},
    {"<amount> <= 100", R"({"id":"T-1","amount":1e2})", false},
    {"<amount> <= 100", R"({"id":"T-1","amount":1.0})", false},
    {"<amount> <= 100", R"({"id":"T-1","amount":null})", false},
    {"<amount> <= 100", R"({"id":"T-1","amount":[1]})", false},
    {"<amount> <= 100", R"({"id":"T-1","amount":true})", false},
    {"<amount> <= 100", R"({"id":"T-1"})", false},
    {"<amount> <= 100", R"({"id":"T-1","Amount":1})", false},
    {"<to/name> == \"mira\"", R"({"id":"T-1","to":{"name":"mira"}})", true},
    {"<to/name> == \"mira\"", R"({"id":"T-1","to":{"name":"m\u0069ra"}})", true},
    {"<to/name> == \"mira\"", R"({"id":"T-1","to":"mira"})", false},
    {"<to/name> != \"root\"", R"({"id":"T-1","to":{}})", false},
    {"<note> == \"\"", R"({"id":"T-1","note":""})", true},
    {"<sure>", R"({"id":"T-1","sure":true})", true},
    {"<sure>", R"({"id":"T-1","sure":"true"})", false},
    {"!<sure>", R"({"id":"T-1","sure":false})", true},
    {"!<sure>", R"({"id":"T-1"})", false},
    {"has(<cc>)", R"({"id":"T-1","cc":"x"})", true},
    {"has(<cc>)", R"({"id":"T-1","cc":["x"]})", false},
    {"!has(<cc>)", R"({"id":"T-1"})", true},
    {"!has(<cc>)", R"({"id":"T-1","cc":["x"]})", false},
    {"!has(<cc>)", R"({"id":"T-1","cc":null})", false},
    {"!has(<cc>)", R"({"id":"T-1","CC":"x"})", false},
    {"!has(<to/cc>)", R"({"id":"T-1","to":[]})", false},
    {"tool == \"ticket.read\" && method == \"tools/call\"", R"({"id":"T-1"})", true},
    {"client_ip in \"192.0.2.0/24\"", R"({"id":"T-1"})", true},
    {"client_ip in \"10.0.0.0/8\"", R"({"id":"T-1"})", false},
    {"resource == \"ticket:T-1\" && user == \"company|mira\"", R"({"id":"T-1"})", true},
};

TEST(Conditions, of_a_call) {
  for (const Case& one : cases) {
    GatewayWorld world;
    require(world, one.condition);
    const std::string line = called(world, one.arguments);
    EXPECT_THAT(line, HasSubstr(one.holds ? R"("reason":"allowed")" : R"("reason":"condition_failed")"))
        << one.condition << " of " << one.arguments;
  }
}

TEST(Conditions, the_event_names_the_one_that_failed) {
  GatewayWorld world;
  require(world, "true");
  require(world, "<amount> <= 5");
  EXPECT_THAT(called(world, R"({"id":"T-1","amount":6})"), HasSubstr(R"("detail":"<amount> <= 5")"));
}

TEST(Conditions, variables_are_asked_of_the_host) {
  const std::pair<const char*, bool> values[] = {{"1", true}, {"no", true}, {"0", false}, {"", false}};
  for (const auto& [value, holds] : values) {
    GatewayWorld world;
    require(world, "$office");
    world.request.variables[6] = value;
    EXPECT_THAT(called(world, R"({"id":"T-1"})"), HasSubstr(holds ? "\"allowed\"" : "condition_failed")) << value;
  }
  GatewayWorld world;
  require(world, "!$office");
  EXPECT_THAT(called(world, R"({"id":"T-1"})"), HasSubstr("condition_failed")) << "one that isn't set";
}

struct RestCase {
  const char* condition;
  const char* query;
  const char* body;
  bool holds;
  const char* type = "application/json";
};

TEST(Conditions, of_a_rest_call) {
  const RestCase rest[] = {
      {"<id> == \"T-1\" && method == \"POST\"", "", "", true},
      {"<id> != \"T-1\"", "", "", false},
      {"<query/limit> <= 50", "limit=50", "", true},
      {"<query/limit> <= 50", "limit=51", "", false},
      {"<query/limit> <= 50", "limit=5&limit=500", "", false},
      {"!has(<query/all>)", "limit=5", "", true},
      {"!has(<query/all>)", "all=1&all=1", "", false},
      {"!has(<query/all>)", "%", "", false},
      {"<query/sure>", "sure=true", "", true},
      {"!<query/sure>", "sure=no", "", false},
      {"<body/amount> <= 5", "", R"({"amount":5})", true},
      {"<body/amount> <= 5", "", R"({"amount":6})", false},
      {"<body/amount> <= 5", "", R"({"amount":5,"amount":5})", false},
      {"<body/amount> <= 5", "", R"({"amount":5})", false, "text/plain"},
      {"!has(<body/cc>)", "", R"({"amount":5})", true},
      {"!has(<body/cc>)", "", "", false},
      {"!has(<body/cc>)", "", R"([])", false},
  };
  for (const RestCase& one : rest) {
    GatewayWorld world;
    world.policy(R"({"schema":1,"tenants":{"default":{
        "agents":{"company|docs":{}},"grants":[{"id":"g","to":"agent:company|docs","operation":"tickets/*"}],
        "entitlements":[{"id":"e","to":"user:company|mira","operation":"tickets/*"}]}}})");
    world.location.kind = Kind::rest;
    world.location.routes.clear();
    world.location.tools.clear();
    OperationRoute route;
    route.policy.operation = "tickets/ticket.write";
    route.method = "POST";
    world.location.routes.push_back(std::move(route));
    ASSERT_TRUE(world.location.router.add(*rest::parse_template("POST", "/api/<id>")));
    world.location.body_is_judged = true;
    require(world, one.condition);
    world.request.target = "/api/T-1";
    world.request.arguments = one.query;
    world.request.content = one.body;
    world.request.fields.add("Content-Type", one.type);
    world.authorize(world.token());
    static_cast<void>(world.call());
    const auto lines = world.finish(200);
    ASSERT_FALSE(lines.empty());
    EXPECT_THAT(lines.back(), HasSubstr(one.holds ? R"("reason":"allowed")" : R"("reason":"condition_failed")"))
        << one.condition << " of " << one.query << " " << one.body;
  }
}

TEST(Conditions, of_grants_are_judged_by_the_same_bytes) {
  const std::pair<const char*, const char*> calls[] = {
      {R"({"id":"T-1","amount":5})", "\"allowed\""},
      {R"({"id":"T-1","amount":6})", "agent_grant_missing"},
      {R"({"id":"T-1"})", "agent_grant_missing"},
      {R"({"id":"T-1","amount":5,"to":"root"})", "agent_grant_denied"}};
  for (const auto& [arguments, reason] : calls) {
    GatewayWorld world;
    world.policy(R"({"schema":1,"tenants":{"default":{"agents":{"company|docs":{}},
        "grants":[{"id":"g","to":"agent:company|docs","operation":"tickets/*","when":"<amount> <= 5"},
                  {"id":"d","to":"agent:company|docs","operation":"tickets/*","effect":"deny",
                   "when":"has(<to>) && <to> == \"root\""}],
        "entitlements":[{"id":"e","to":"user:company|mira","operation":"tickets/*"}]}}})");
    EXPECT_THAT(called(world, arguments), HasSubstr(reason)) << arguments;
  }
}

}  // namespace
}  // namespace agw::gateway
