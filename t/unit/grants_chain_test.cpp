// Agents that act one under another, and machines: the same from both stores, and what evaluate makes of it.
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "agw/grants/policy_file.h"
#include "agw/grants/redis_codec.h"
#include "agw/grants/redis_store.h"
#include "agw/policy/charges.h"
#include "agw/policy/evaluate.h"
#include "agw/policy/reach.h"

#include "support/fakes.h"
#include "support/memory_redis.h"

namespace agw::grants {
namespace {

constexpr std::string_view policy_text = R"({"schema": 1, "tenants": {"default": {
  "agents": {"c|sub": {"bundles": ["all"], "owner": "one"}, "c|mid": {"bundles": ["all"]}, "c|top": {"bundles": ["few"], "tier": "high"},
             "c|ci": {}, "c|plain": {}},
  "tiers": {"high": {}, "low": {"bundles": ["all"]}, "map": [{"provider": "p", "tier": "low"}]},
  "bundles": {"all": {"limits": ["agent 5r/h"], "grants": [{"id": "a", "operation": "t/*", "resource": "r:*"}]},
              "few": {"limits": ["agent 7r/h"], "grants": [{"id": "f", "operation": "t/read", "resource": "r:1"}]}},
  "grants": [{"id": "m", "to": "agent:c|ci", "operation": "t/read", "for": ["machine"]},
             {"id": "p", "to": "agent:c|plain", "operation": "t/*"}],
  "entitlements": [{"id": "u", "to": "user:c|mira", "operation": "t/*"}]
}}})";

/// Edits the one tenant.
using Edit = std::function<void(TenantPolicy&)>;

struct Case {
  const char* name;
  Edit edit;
  std::function<void(Principal&)> caller;
  Reason reason = Reason::allowed;
  int failed_link = 0;
  bool handshake = false;
  policy::DelegationMode delegation = policy::DelegationMode::implicit;
};

Grant grant(const std::string& operation, Effect effect = Effect::allow, std::vector<std::string> whom = {}) {
  Grant out;
  out.id = "x";
  out.operation = operation;
  out.effect = effect;
  out.for_whom = std::move(whom);
  return out;
}

std::shared_ptr<Principal> person(const std::string& agent, std::vector<std::string> chain) {
  auto out = std::make_shared<Principal>();
  out->issuer = "c";
  out->tenant = "default";
  out->user = "c|mira";
  out->agent = agent;
  out->chain = std::move(chain);
  out->issued_at = from_unix(1'800'000'000);
  return out;
}

struct World {
  explicit World(const Edit& edit = nullptr) {
    auto parsed = parse_policy(policy_text);
    if (edit) edit(parsed->tenants.at("default"));
    for (const auto& [name, fields] : encode_tenant(parsed->tenants.at("default")))
      redis.hashes[policy_key("default", name)] = fields;
    redis.hashes[policy_key("default", "meta")] = {
        {"schema", "1"}, {"incarnation", "i"}, {"born", "1"}, {"version", "1"}};
    compiled = std::make_shared<CompiledPolicy>(*std::move(parsed));
  }
  policy::FactsPtr of_file(const PrincipalPtr& who, const std::string& operation) const {
    return std::make_shared<policy::Facts>(compiled->facts(*who, operation));
  }
  policy::FactsPtr of_redis(const PrincipalPtr& who, const std::string& operation) {
    test::FakeClock clock;
    test::FakeLoop loop{clock};
    redis.trips.clear();
    auto task = test::FakeLoop::await_step(store.facts(who, operation));
    auto answer = loop.run(task);
    EXPECT_TRUE(answer && *answer);
    return **answer;
  }
  std::shared_ptr<CompiledPolicy> compiled;
  test::MemoryRedis redis;
  RedisStore store{redis};
};

const auto nothing = [](TenantPolicy&) {};
const auto sub_of_mid_of_top = [](Principal& p) { p = *person("c|sub", {"c|mid", "c|top"}); };
const auto machine = [](Principal& p) {
  p = *person("c|ci", {});
  p.user.clear();
  p.machine = true;
};
const auto plain_machine = [](Principal& p) {
  machine(p);
  p.agent = "c|plain";
};

TEST(Chain, each_link_counts_in_both_stores) {
  constexpr auto required = policy::DelegationMode::required;
  const auto disconnect = [](const char* agent) {
    return [agent](TenantPolicy& t) {
      t.delegations[{"c|mira", agent}] = {.status = DelegationStatus::disconnected, .since = std::nullopt};
    };
  };
  const auto connect = [](std::vector<const char*> agents) {
    return [agents](TenantPolicy& t) {
      for (const char* agent : agents) t.delegations[{"c|mira", agent}] = {};
    };
  };
  const Case cases[] = {
      {"all of them may", nothing, sub_of_mid_of_top},
      {"the top lacks it", [](TenantPolicy& t) { t.bundles.at("few").grants[0].operation = "t/list"; },
       sub_of_mid_of_top, Reason::agent_grant_missing, 2},
      {"the top may for another resource", [](TenantPolicy& t) { t.bundles.at("few").grants[0].resource = "r:2"; },
       sub_of_mid_of_top, Reason::agent_grant_missing, 2},
      {"the top is denied it", [](TenantPolicy& t) { t.grants["agent:c|top"] = {grant("t/*", Effect::deny)}; },
       sub_of_mid_of_top, Reason::agent_grant_denied, 2},
      {"the one that calls lacks it", [](TenantPolicy& t) { t.agents.at("c|sub").bundles.clear(); }, sub_of_mid_of_top,
       Reason::agent_grant_missing, 0},
      {"unknown", [](TenantPolicy& t) { t.agents.erase("c|mid"); }, sub_of_mid_of_top, Reason::agent_unknown, 1},
      {"disabled", [](TenantPolicy& t) { t.agents.at("c|mid").status = Status::disabled; }, sub_of_mid_of_top,
       Reason::agent_disabled, 1},
      {"quarantined", [](TenantPolicy& t) { t.agents.at("c|top").status = Status::quarantined; }, sub_of_mid_of_top,
       Reason::agent_quarantined, 2},
      {"a breaker", [](TenantPolicy& t) { t.breakers["c|top"] = {}; }, sub_of_mid_of_top, Reason::agent_breaker_open,
       2},
      {"a tier that is disabled", [](TenantPolicy& t) { t.tiers.at("high").status = Status::disabled; },
       sub_of_mid_of_top, Reason::tier_disabled, 2},
      {"a tier's ceiling", [](TenantPolicy& t) { t.tiers.at("high").ceiling = {"t/list"}; }, sub_of_mid_of_top,
       Reason::tier_ceiling, 2},
      {"not before, of an agent", [](TenantPolicy& t) { t.agents.at("c|mid").not_before = from_unix(1'800'000'001); },
       sub_of_mid_of_top, Reason::token_issued_before, 1},
      {"not before, of a tier", [](TenantPolicy& t) { t.tiers.at("high").not_before = from_unix(1'800'000'001); },
       sub_of_mid_of_top, Reason::token_issued_before, 2},
      {"disconnected from the top", disconnect("c|top"), sub_of_mid_of_top, Reason::delegation_disconnected, 2},
      {"disconnected in the middle", disconnect("c|mid"), sub_of_mid_of_top, Reason::delegation_disconnected, 1},
      {"disconnected from another", disconnect("c|plain"), sub_of_mid_of_top},
      {"a delegation is missing", connect({"c|sub", "c|mid"}), sub_of_mid_of_top, Reason::delegation_missing, 2, false,
       required},
      {"all are delegated to", connect({"c|sub", "c|mid", "c|top"}), sub_of_mid_of_top, Reason::allowed, 0, false,
       required},
      {"the model speaks for the one that calls alone", [](TenantPolicy& t) { t.agents.erase("c|mid"); },
       [](Principal& p) {
         sub_of_mid_of_top(p);
         p.provider = "p";
       },
       Reason::agent_unknown, 1},
      {"a handshake", nothing, sub_of_mid_of_top, Reason::allowed, 0, true},
      {"a handshake under one that is disabled",
       [](TenantPolicy& t) { t.agents.at("c|top").status = Status::disabled; }, sub_of_mid_of_top,
       Reason::agent_disabled, 2, true},
      {"a handshake after a disconnection", disconnect("c|top"), sub_of_mid_of_top, Reason::delegation_disconnected, 2,
       true},

      {"a machine with a grant for machines", nothing, machine},
      {"a machine's handshake", nothing, machine, Reason::allowed, 0, true},
      {"a machine with a grant for people", nothing, plain_machine, Reason::machine_refused},
      {"its handshake", nothing, plain_machine, Reason::machine_refused, 0, true},
      {"a grant for machines for something else",
       [](TenantPolicy& t) { t.grants["agent:c|ci"][0].operation = "t/list"; }, machine, Reason::machine_grant_missing},
      {"a denial for everybody is for machines",
       [](TenantPolicy& t) {
         t.grants["agent:c|ci"].push_back(grant("t/*", Effect::deny));
         t.grants["agent:c|ci"].back().id = "d";
       },
       machine, Reason::agent_grant_denied},
      {"a denial for people isn't",
       [](TenantPolicy& t) {
         t.grants["agent:c|ci"].push_back(grant("t/*", Effect::deny, {"user:c|mira"}));
         t.grants["agent:c|ci"].back().id = "d";
       },
       machine},
      {"a denial for machines is for them alone",
       [](TenantPolicy& t) {
         t.grants["agent:c|plain"].push_back(grant("t/*", Effect::deny, {"machine"}));
         t.grants["agent:c|plain"].back().id = "d";
       },
       [](Principal& p) { p = *person("c|plain", {}); }},
      {"a grant for machines is none for people",
       [](TenantPolicy& t) { t.grants["agent:c|plain"][0].for_whom = {"machine"}; },
       [](Principal& p) { p = *person("c|plain", {}); }, Reason::agent_grant_missing},
      {"a machine needs no delegation", nothing, machine, Reason::allowed, 0, false, required},
      {"a machine of a tenant that is disabled", [](TenantPolicy& t) { t.tenant.status = Status::disabled; }, machine,
       Reason::tenant_refused},
      {"an agent that is disabled", [](TenantPolicy& t) { t.agents.at("c|ci").status = Status::disabled; }, machine,
       Reason::agent_disabled},
      {"under an agent whose grants are for people", nothing,
       [](Principal& p) {
         machine(p);
         p.chain = {"c|plain"};
       },
       Reason::agent_grant_missing, 1},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    World world(c.edit);
    auto caller = std::make_shared<Principal>();
    c.caller(*caller);
    policy::Route route;
    route.operation = "t/read";
    policy::Question question{.principal = *caller};
    question.route = &route;
    question.resource = "r:1";
    question.delegation = c.delegation;
    question.now = from_unix(1'800'000'100);
    for (const auto& facts : {world.of_file(caller, route.operation), world.of_redis(caller, route.operation)}) {
      const Decision decision = c.handshake ? policy::admit(question, *facts) : policy::evaluate(question, *facts);
      EXPECT_EQ(to_string(decision.reason), to_string(c.reason));
      EXPECT_EQ(decision.failed_link, c.failed_link);
      EXPECT_EQ(facts->chain == nullptr, caller->chain.empty());
    }
  }
}

TEST(Chain, is_asked_for_in_the_same_trips) {
  World world;
  static_cast<void>(world.of_redis(person("c|sub", {}), "t/read"));
  const auto alone = world.redis.trips.size();
  static_cast<void>(world.of_redis(person("c|sub", {"c|mid", "c|top"}), "t/read"));
  EXPECT_LE(world.redis.trips.size(), alone + 1) << "the top's tier is one question later than a tier that it hasn't";
  EXPECT_LE(world.redis.trips.size(), 3U);
}

TEST(Chain, hides_what_one_of_it_could_never_do) {
  World world;
  const auto caller = person("c|sub", {"c|mid", "c|top"});
  for (const auto& [operation, visible] : {std::pair("t/read", true), std::pair("t/write", false)}) {
    policy::Route route;
    route.operation = operation;
    policy::Question question{.principal = *caller};
    question.route = &route;
    EXPECT_EQ(policy::evaluate(question, *world.of_file(caller, operation)).visible, visible) << operation;
  }
}

TEST(Chain, tells_apart_the_resources_of_each) {
  World world;
  const auto found = policy::resources_of(*world.of_file(person("c|sub", {"c|top"}), "t/read"), "t/read");
  EXPECT_EQ(found, (std::vector<std::string>{"*", "r:*", "r:1"}));
}

TEST(Chain, limits_count_for_the_one_that_calls) {
  World world;
  const auto caller = person("c|sub", {"c|mid", "c|top"});
  policy::Route route;
  route.operation = "t/read";
  policy::Question question{.principal = *caller};
  question.route = &route;
  const auto charges = policy::charges(question, world.of_file(caller, "t/read"), 0);
  ASSERT_EQ(charges.size(), 1U);
  EXPECT_EQ(write_limit(*charges[0].limit), "agent 5r/h");
  EXPECT_TRUE(charges[0].key.ends_with(":c|sub")) << charges[0].key;
}

TEST(Chain, what_waits_for_a_breaker_waits_for_the_one_that_is_open) {
  World world([](TenantPolicy& t) { t.breakers["c|top"].until = from_unix(1'800'000'160); });
  const auto caller = person("c|sub", {"c|top"});
  policy::Route route;
  route.operation = "t/read";
  policy::Question question{.principal = *caller};
  question.route = &route;
  question.resource = "r:1";
  question.now = from_unix(1'800'000'100);
  EXPECT_EQ(policy::evaluate(question, *world.of_file(caller, "t/read")).retry_after, 60U);
  EXPECT_EQ(policy::admit(question, *world.of_file(caller, "")).retry_after, 60U);
}

}  // namespace
}  // namespace agw::grants
