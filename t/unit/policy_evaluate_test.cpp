// Every refusal stands beside the allowed call from which it differs in one point.
#include <functional>
#include <memory>

#include <gtest/gtest.h>

#include "agw/policy/evaluate.h"

namespace agw::policy {
namespace {

constexpr std::int64_t now_s = 1'800'000'000;

/// A call that is allowed; each case changes one thing.
struct World {
  Principal principal;
  Route route;
  TenantRecord tenant;
  AgentRecord agent;
  UserRecord user;
  DelegationRecord delegation;
  TierRecord tier;
  OperationRecord operation;
  BreakerRecord breaker;
  ClientRecord client;
  bool breaks_glass = false;
  std::vector<Grant> grants;
  std::vector<Grant> entitlements;
  std::vector<ConditionPtr> bundle;  ///< what the grants are held under
  Facts facts;
  std::string resource = "ticket:T-1";
  std::optional<Reason> resource_failure;
  DelegationMode mode = DelegationMode::implicit;
  const CallDetails* details = nullptr;
  Unsaid unsaid = Unsaid::against;
  bool any_time = false;
  bool routed = true;
  WallTime now = from_unix(now_s);

  World() {
    principal.issuer = "company";
    principal.user = "company|mira";
    principal.agent = "company|docs";
    principal.groups = {"company|support"};
    principal.implied_scopes = {"tickets:read"};
    principal.issued_at = from_unix(now_s - 60);
    route.operation = "tickets/ticket.read";
    route.scopes = {"tickets:read"};
    grants.push_back(grant("tickets/ticket.*", "ticket:*"));
    entitlements.push_back(grant("tickets/*", "ticket:*"));
    facts.agent = &agent;
    facts.tenant = &tenant;
    facts.user = &user;
  }
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  static Grant grant(std::string operation, std::optional<std::string> resource = std::nullopt) {
    Grant out;
    out.operation = std::move(operation);
    out.resource = std::move(resource);
    return out;
  }
  static Grant grant_when(std::string_view when) {
    Grant out = grant("tickets/ticket.*", "ticket:*");
    out.when = *Condition::compile(when);
    return out;
  }
  static Grant denial_when(std::string_view when) {
    Grant out = grant_when(when);
    out.effect = Effect::deny;
    return out;
  }
  static Grant denial(std::string operation, std::optional<std::string> resource = std::nullopt) {
    Grant out = grant(std::move(operation), std::move(resource));
    out.effect = Effect::deny;
    return out;
  }

  Decision judge(bool only_admit = false) {
    const GrantSet own(grants);
    const GrantSet entitled(entitlements);
    facts.grants = {&own};
    facts.conditions.clear();
    for (const auto& condition : bundle) facts.conditions.push_back({&own, condition.get()});
    facts.entitlements = {&entitled};
    Question question{.principal = principal};
    question.route = routed ? &route : nullptr;
    question.resource = resource;
    question.resource_failure = resource_failure;
    question.delegation = mode;
    question.breaks_glass = breaks_glass;
    question.now = now;
    question.details = details;
    question.unsaid = unsaid;
    question.any_time = any_time;
    return only_admit ? admit(question, facts) : evaluate(question, facts);
  }
};

struct Case {
  const char* name;
  std::function<void(World&)> change;
  Reason reason;
  bool visible = true;
};

WallTime at(std::int64_t delta) { return from_unix(now_s + delta); }

const Case denials[] = {
    {"revoked", [](World& w) { w.facts.token_revoked = true; }, Reason::token_revoked},
    {"older than the issuer allows", [](World& w) { w.facts.issuer_not_before = at(-10); },
     Reason::token_issued_before},
    {"signed by a revoked key", [](World& w) { w.facts.key_revoked = true; }, Reason::token_key_revoked},
    {"older than the client allows",
     [](World& w) {
       w.client.not_before = at(-10);
       w.facts.client = &w.client;
     },
     Reason::token_issued_before},
    {"a disabled client",
     [](World& w) {
       w.client.status = Status::disabled;
       w.facts.client = &w.client;
     },
     Reason::client_disabled},
    {"stopped", [](World& w) { w.tenant.stopped = true; }, Reason::stopped},
    {"older than the tenant allows", [](World& w) { w.tenant.not_before = at(-10); }, Reason::token_issued_before},
    {"older than the agent allows", [](World& w) { w.agent.not_before = at(-10); }, Reason::token_issued_before},
    {"older than the user allows", [](World& w) { w.user.not_before = at(-10); }, Reason::token_issued_before},
    {"older than the tier allows",
     [](World& w) {
       w.tier.not_before = at(-10);
       w.facts.tier_name = "t";
       w.facts.tier = &w.tier;
     },
     Reason::token_issued_before},
    {"without iat where one is needed",
     [](World& w) {
       w.principal.issued_at = {};
       w.user.not_before = at(-1'000'000);
     },
     Reason::token_issued_before},
    {"tenant disabled", [](World& w) { w.tenant.status = Status::disabled; }, Reason::tenant_refused},
    {"no user", [](World& w) { w.principal.user.clear(); }, Reason::user_missing},
    {"user disabled", [](World& w) { w.user.status = Status::disabled; }, Reason::user_disabled},
    {"no entitlement", [](World& w) { w.entitlements.clear(); }, Reason::user_entitlement_missing, false},
    {"an entitlement for something else", [](World& w) { w.entitlements = {World::grant("docs/*")}; },
     Reason::user_entitlement_missing, false},
    {"an entitlement for another resource",
     [](World& w) { w.entitlements = {World::grant("tickets/*", "ticket:T-2")}; }, Reason::user_entitlement_missing},
    {"an entitlement that has run out", [](World& w) { w.entitlements[0].until = at(0); },
     Reason::user_entitlement_missing},
    {"an entitlement to come", [](World& w) { w.entitlements[0].since = at(1); }, Reason::user_entitlement_missing},
    {"an entitlement that denies", [](World& w) { w.entitlements.push_back(World::denial("tickets/*")); },
     Reason::user_entitlement_denied},
    {"a denial of this resource", [](World& w) { w.entitlements.push_back(World::denial("tickets/*", "ticket:T-1")); },
     Reason::user_entitlement_denied},
    {"only a denial", [](World& w) { w.entitlements = {World::denial("tickets/*")}; }, Reason::user_entitlement_denied,
     false},
    {"agent unknown", [](World& w) { w.facts.agent = nullptr; }, Reason::agent_unknown},
    {"agent disabled", [](World& w) { w.agent.status = Status::disabled; }, Reason::agent_disabled},
    {"agent quarantined", [](World& w) { w.agent.status = Status::quarantined; }, Reason::agent_quarantined},
    {"breaker open", [](World& w) { w.facts.breaker = &w.breaker; }, Reason::agent_breaker_open},
    {"breaker open for a moment more",
     [](World& w) {
       w.facts.breaker = &w.breaker;
       w.breaker.until = at(1);
     },
     Reason::agent_breaker_open},
    {"tier without a record", [](World& w) { w.facts.tier_name = "gone"; }, Reason::tier_unknown},
    {"tier disabled",
     [](World& w) {
       w.facts.tier_name = "t";
       w.facts.tier = &w.tier;
       w.tier.status = Status::disabled;
     },
     Reason::tier_disabled},
    {"above the ceiling",
     [](World& w) {
       w.facts.tier_name = "t";
       w.facts.tier = &w.tier;
       w.tier.ceiling = {"tickets/ticket.list"};
     },
     Reason::tier_ceiling, false},
    {"an empty ceiling",
     [](World& w) {
       w.facts.tier_name = "t";
       w.facts.tier = &w.tier;
       w.tier.ceiling.emplace();
     },
     Reason::tier_ceiling, false},
    {"no grant", [](World& w) { w.grants.clear(); }, Reason::agent_grant_missing, false},
    {"a grant for another resource", [](World& w) { w.grants[0].resource = "ticket:T-10"; },
     Reason::agent_grant_missing},
    {"a grant for resources where the call has none",
     [](World& w) {
       w.resource.clear();
       w.entitlements[0].resource.reset();
     },
     Reason::agent_grant_missing},
    {"a grant that has run out", [](World& w) { w.grants[0].until = at(-1); }, Reason::agent_grant_missing},
    {"a grant to come", [](World& w) { w.grants[0].since = at(10); }, Reason::agent_grant_missing},
    {"a grant that denies", [](World& w) { w.grants.push_back(World::denial("tickets/ticket.read")); },
     Reason::agent_grant_denied},
    {"a grant for another user", [](World& w) { w.grants[0].for_whom = {"user:company|omar"}; },
     Reason::agent_grant_missing, false},
    {"a grant for another group", [](World& w) { w.grants[0].for_whom = {"group:company|sales"}; },
     Reason::agent_grant_missing, false},
    {"a grant for a group of the store", [](World& w) { w.grants[0].for_whom = {"group:store|support"}; },
     Reason::agent_grant_missing, false},
    {"disconnected",
     [](World& w) {
       w.delegation.status = DelegationStatus::disconnected;
       w.facts.delegation = &w.delegation;
     },
     Reason::delegation_disconnected},
    {"no delegation where one is required", [](World& w) { w.mode = DelegationMode::required; },
     Reason::delegation_missing},
    {"a scope is missing", [](World& w) { w.route.scopes.push_back("tickets:write"); }, Reason::scope_missing},
    {"a scope of the exchange is missing", [](World& w) { w.route.exchange_scopes = {"tickets:write"}; },
     Reason::scope_missing},
    {"frozen",
     [](World& w) {
       w.operation.frozen = true;
       w.facts.operation = &w.operation;
     },
     Reason::operation_frozen},
    {"outside its window",
     [](World& w) {
       w.operation.windows.push_back(*Window::parse("09:00-10:00 UTC"));  // it is 08:00
       w.facts.operation = &w.operation;
     },
     Reason::outside_window},
    {"the second of the window's end",
     [](World& w) {
       w.operation.windows.push_back(*Window::parse("07:00-08:00 UTC"));
       w.facts.operation = &w.operation;
     },
     Reason::outside_window},
    {"a condition of the route", [](World& w) { w.route.require.push_back(*Condition::compile("false")); },
     Reason::condition_failed},
    {"one of two conditions of the route",
     [](World& w) {
       w.route.require.push_back(*Condition::compile("true"));
       w.route.require.push_back(*Condition::compile("tier == \"gold\""));
     },
     Reason::condition_failed},
    {"a condition of the route that denies what is absent",
     [](World& w) { w.route.require.push_back(*Condition::compile("!(tier == \"gold\")")); }, Reason::condition_failed},
    {"a grant whose condition doesn't hold", [](World& w) { w.grants = {World::grant_when("false")}; },
     Reason::agent_grant_missing},
    {"a grant whose condition hangs on something absent",
     [](World& w) { w.grants = {World::grant_when("!(tier == \"gold\")")}; }, Reason::agent_grant_missing},
    {"an entitlement whose condition doesn't hold",
     [](World& w) { w.entitlements = {World::grant_when("tier == \"gold\"")}; }, Reason::user_entitlement_missing},
    {"a denial whose condition holds", [](World& w) { w.grants.push_back(World::denial_when("true")); },
     Reason::agent_grant_denied},
    {"a denial whose condition hangs on something absent",
     [](World& w) { w.grants.push_back(World::denial_when("<amount> > 100")); }, Reason::agent_grant_denied},
    {"a user's denial whose condition hangs on something absent",
     [](World& w) { w.entitlements.push_back(World::denial_when("acr == \"1\"")); }, Reason::user_entitlement_denied},
    {"one of the conditions of a bundle and its parents",
     [](World& w) { w.bundle = {*Condition::compile("true"), *Condition::compile("tier == \"gold\"")}; },
     Reason::agent_grant_missing},
    {"a denial of a bundle whose condition doesn't hold",
     [](World& w) {
       w.bundle = {*Condition::compile("false")};
       w.grants.push_back(World::denial("tickets/*"));
     },
     Reason::agent_grant_denied},
    {"authenticated too long ago",
     [](World& w) {
       w.principal.authenticated_at = at(-901);
       w.route.require.push_back(*Condition::compile("auth_age <= 15m"));
     },
     Reason::condition_failed},
    {"authenticated at nobody knows when",
     [](World& w) { w.route.require.push_back(*Condition::compile("auth_age <= 15m")); }, Reason::condition_failed},
    {"authenticated in a future that no clock's error explains",
     [](World& w) {
       w.principal.authenticated_at = at(61);
       w.route.require.push_back(*Condition::compile("auth_age <= 15m"));
     },
     Reason::condition_failed},
    {"an argument is missing",
     [](World& w) {
       w.resource.clear();
       w.resource_failure = Reason::argument_missing;
     },
     Reason::argument_missing},
    {"an argument is odd",
     [](World& w) {
       w.resource.clear();
       w.resource_failure = Reason::argument_invalid;
     },
     Reason::argument_invalid},
    {"not routed", [](World& w) { w.routed = false; }, Reason::operation_unknown, false},
};

const Case allowances[] = {
    {"as it is", [](World&) {}, Reason::allowed},
    {"no user record", [](World& w) { w.facts.user = nullptr; }, Reason::allowed},
    {"no tenant record", [](World& w) { w.facts.tenant = nullptr; }, Reason::allowed},
    {"issued at the very moment", [](World& w) { w.user.not_before = w.principal.issued_at; }, Reason::allowed},
    {"without iat where nothing asks for it", [](World& w) { w.principal.issued_at = {}; }, Reason::allowed},
    {"a grant until later", [](World& w) { w.grants[0].until = at(1); }, Reason::allowed},
    {"a grant since now", [](World& w) { w.grants[0].since = at(0); }, Reason::allowed},
    {"a grant for every resource", [](World& w) { w.grants[0].resource = "*"; }, Reason::allowed},
    {"grants without a resource, a call without one",
     [](World& w) {
       w.resource.clear();
       w.grants[0].resource = "*";
       w.entitlements[0].resource.reset();
     },
     Reason::allowed},
    {"a denial that has run out",
     [](World& w) {
       w.grants.push_back(World::denial("tickets/*"));
       w.grants.back().until = at(0);
     },
     Reason::allowed},
    {"a denial of another resource", [](World& w) { w.grants.push_back(World::denial("tickets/*", "ticket:T-2")); },
     Reason::allowed},
    {"a denial for somebody else",
     [](World& w) {
       w.grants.push_back(World::denial("tickets/*"));
       w.grants.back().for_whom = {"user:company|omar"};
     },
     Reason::allowed},
    {"a grant for this user", [](World& w) { w.grants[0].for_whom = {"user:company|omar", "user:company|mira"}; },
     Reason::allowed},
    {"a grant for the token's group", [](World& w) { w.grants[0].for_whom = {"group:company|support"}; },
     Reason::allowed},
    {"a grant for the store's group",
     [](World& w) {
       w.grants[0].for_whom = {"group:store|oncall"};
       static const std::vector<std::string> oncall{"store|oncall"};
       w.facts.store_groups = oncall;
     },
     Reason::allowed},
    {"an agent without a record, by a tier",
     [](World& w) {
       w.facts.agent = nullptr;
       w.facts.tier_name = "visitor";
       w.facts.tier = &w.tier;
     },
     Reason::allowed},
    {"below the ceiling",
     [](World& w) {
       w.facts.tier_name = "t";
       w.facts.tier = &w.tier;
       w.tier.ceiling = {"tickets/ticket.*"};
     },
     Reason::allowed},
    {"delegated where it is required",
     [](World& w) {
       w.mode = DelegationMode::required;
       w.facts.delegation = &w.delegation;
     },
     Reason::allowed},
    {"within its window",
     [](World& w) {
       w.operation.windows.push_back(*Window::parse("08:00-08:00:01 UTC"));
       w.facts.operation = &w.operation;
     },
     Reason::allowed},
    {"conditions of the route that hold",
     [](World& w) {
       w.route.risk = "low";
       w.route.require.push_back(*Condition::compile("risk == \"low\" && operation == \"tickets/ticket.read\""));
       w.route.require.push_back(*Condition::compile("resource == \"ticket:T-1\" && agent == \"company|docs\""));
     },
     Reason::allowed},
    {"a class of the store's record",
     [](World& w) {
       w.operation.classification = "secret";
       w.facts.operation = &w.operation;
       w.route.require.push_back(*Condition::compile("class == \"secret\""));
     },
     Reason::allowed},
    {"a grant whose condition holds", [](World& w) { w.grants = {World::grant_when("user == \"company|mira\"")}; },
     Reason::allowed},
    {"conditions of a bundle that hold",
     [](World& w) { w.bundle = {*Condition::compile("true"), *Condition::compile("user != \"company|omar\"")}; },
     Reason::allowed},
    {"another grant beside one whose condition doesn't hold",
     [](World& w) { w.grants.push_back(World::grant_when("false")); }, Reason::allowed},
    {"a denial whose condition doesn't hold", [](World& w) { w.grants.push_back(World::denial_when("false")); },
     Reason::allowed},
    {"a group of the token", [](World& w) { w.grants = {World::grant_when("\"company|support\" in groups")}; },
     Reason::allowed},
    {"a group of the store",
     [](World& w) {
       static const std::vector<std::string> oncall{"store|oncall"};
       w.facts.store_groups = oncall;
       w.grants = {World::grant_when("\"store|oncall\" in groups")};
     },
     Reason::allowed},
    {"authenticated just now, by a clock that is a little ahead",
     [](World& w) {
       w.principal.authenticated_at = at(59);
       w.route.require.push_back(*Condition::compile("auth_age <= 15m"));
     },
     Reason::allowed},
    {"authenticated not too long ago",
     [](World& w) {
       w.principal.authenticated_at = at(-900);
       w.principal.acr = "2";
       w.route.require.push_back(*Condition::compile("auth_age <= 15m && acr == \"2\""));
     },
     Reason::allowed},
    {"a breaker that was open until now",
     [](World& w) {
       w.facts.breaker = &w.breaker;
       w.breaker.until = at(0);
     },
     Reason::allowed},
    {"a closed breaker",
     [](World& w) {
       w.facts.breaker = &w.breaker;
       w.breaker.state = BreakerRecordState::closed;
     },
     Reason::allowed},
    {"an operation that is known and not frozen", [](World& w) { w.facts.operation = &w.operation; }, Reason::allowed},
};

class Evaluate : public testing::TestWithParam<Case> {};

TEST_P(Evaluate, gives_this_reason) {
  World world;
  GetParam().change(world);
  const Decision decision = world.judge();
  EXPECT_EQ(to_string(decision.reason), to_string(GetParam().reason));
  EXPECT_EQ(decision.allowed(), GetParam().reason == Reason::allowed);
  EXPECT_EQ(decision.visible, GetParam().visible);
  const Check failed = row(GetParam().reason).check;
  if (!decision.allowed()) EXPECT_EQ(decision.checks[failed], Verdict::fail);
}
std::string name_of(const testing::TestParamInfo<Case>& info) {
  std::string out;
  for (const char c : std::string_view(info.param.name))
    out += std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
  return out;
}
INSTANTIATE_TEST_SUITE_P(Denials, Evaluate, testing::ValuesIn(denials), name_of);
INSTANTIATE_TEST_SUITE_P(Allowances, Evaluate, testing::ValuesIn(allowances), name_of);

TEST(Conditions, say_which_one_is_not_met) {
  World world;
  world.grants = {World::grant_when("tier == \"gold\"")};
  Decision decision = world.judge();
  ASSERT_NE(decision.unmet, nullptr);
  EXPECT_EQ(decision.unmet->text(), "tier == \"gold\"");
  world.grants = {World::grant("tickets/ticket.*")};
  world.route.require.push_back(*Condition::compile("false"));
  decision = world.judge();
  ASSERT_NE(decision.unmet, nullptr);
  EXPECT_EQ(decision.unmet->text(), "false");
  world.route.require.clear();
  EXPECT_EQ(world.judge().unmet, nullptr);
}

TEST(Conditions, what_nobody_says_counts_against_the_caller_unless_one_asks_what_might_be) {
  const CallDetails unsaid(Knowledge::open);
  const std::function<void(World&)> ways[] = {
      [](World& w) { w.grants = {World::grant_when("<amount> <= 5")}; },
      [](World& w) { w.grants.push_back(World::denial_when("<amount> > 5")); },
      [](World& w) { w.route.require.push_back(*Condition::compile("client_ip in \"10.0.0.0/8\"")); },
      [](World& w) { w.route.require.push_back(*Condition::compile("acr == \"2\"")); },
      [](World& w) { w.route.require.push_back(*Condition::compile("auth_age < 1m")); },
      [](World& w) {
        w.any_time = true;
        w.route.require.push_back(*Condition::compile("within(\"09:00-10:00 UTC\")"));
      },
      [](World& w) {
        w.any_time = true;
        w.operation.windows.push_back(*Window::parse("09:00-10:00 UTC"));
        w.facts.operation = &w.operation;
      }};
  for (const auto& way : ways) {
    World world;
    way(world);
    EXPECT_FALSE(world.judge().allowed());
    // Nothing is open in a call that is made.
    world.unsaid = Unsaid::in_favour;
    if (!world.any_time) EXPECT_FALSE(world.judge().allowed());
    world.details = &unsaid;
    EXPECT_TRUE(world.judge().allowed());
    world.unsaid = Unsaid::against;
    EXPECT_FALSE(world.judge().allowed());
  }
}

TEST(EvaluateStop, who_breaks_the_glass_passes_the_stop_and_nothing_else) {
  for (const bool handshake : {false, true}) {
    World world;
    world.tenant.stopped = true;
    EXPECT_EQ(to_string(world.judge(handshake).reason), "stopped");
    world.breaks_glass = true;
    EXPECT_TRUE(world.judge(handshake).allowed());
    world.tenant.status = Status::disabled;
    EXPECT_EQ(to_string(world.judge(handshake).reason), "tenant_refused");
    world.tenant.status = Status::active;
    world.facts.token_revoked = true;
    EXPECT_EQ(to_string(world.judge(handshake).reason), "token_revoked");
    world.facts.token_revoked = false;
    world.agent.status = Status::disabled;
    EXPECT_EQ(to_string(world.judge(handshake).reason), "agent_disabled");
  }
  World bare;
  bare.tenant.stopped = bare.breaks_glass = true;
  bare.grants.clear();
  EXPECT_EQ(to_string(bare.judge().reason), "agent_grant_missing");
}

TEST(EvaluateOrder, names_the_first_failure_and_judges_all) {
  World world;
  world.facts.token_revoked = true;
  world.user.status = Status::disabled;
  world.agent.status = Status::disabled;
  world.mode = DelegationMode::required;
  world.principal.implied_scopes.clear();
  world.operation.frozen = true;
  world.facts.operation = &world.operation;
  const std::pair<Check, Reason> order[] = {
      {Check::token, Reason::token_revoked},  {Check::user, Reason::user_disabled},
      {Check::agent, Reason::agent_disabled}, {Check::delegation, Reason::delegation_missing},
      {Check::scope, Reason::scope_missing},  {Check::route, Reason::operation_frozen}};
  const std::function<void()> repairs[] = {[&] { world.facts.token_revoked = false; },
                                           [&] { world.user.status = Status::active; },
                                           [&] { world.agent.status = Status::active; },
                                           [&] { world.mode = DelegationMode::implicit; },
                                           [&] { world.principal.implied_scopes = {"tickets:read"}; },
                                           [&] { world.operation.frozen = false; }};
  for (std::size_t i = 0; i < std::size(order); ++i) {
    const Decision decision = world.judge();
    EXPECT_EQ(to_string(decision.reason), to_string(order[i].second));
    for (std::size_t j = 0; j < std::size(order); ++j)
      EXPECT_EQ(decision.checks[order[j].first], j < i ? Verdict::pass : Verdict::fail) << i << " " << j;
    EXPECT_EQ(decision.checks[Check::approval], Verdict::skip);
    EXPECT_EQ(decision.checks[Check::limit], Verdict::skip);
    repairs[i]();
  }
  EXPECT_TRUE(world.judge().allowed());
}

TEST(EvaluateScope, tells_every_scope_that_is_needed) {
  World world;
  world.route.scopes = {"b", "a"};
  world.route.exchange_scopes = {"a", "c"};
  world.principal.implied_scopes = {"a"};
  EXPECT_EQ(world.judge().needed_scopes, (std::vector<std::string>{"a", "b", "c"}));
  world.principal.implied_scopes = {"a", "b", "c"};
  EXPECT_TRUE(world.judge().needed_scopes.empty());
  EXPECT_TRUE(world.judge().allowed());
}

TEST(EvaluateResource, a_denial_that_cannot_be_compared_is_not_slipped_past) {
  World world;
  world.resource.clear();
  world.grants = {World::grant("tickets/*"), World::denial("tickets/*", "ticket:T-9")};
  world.entitlements = {World::grant("tickets/*")};
  EXPECT_EQ(to_string(world.judge().reason), "agent_grant_denied");
  world.grants.pop_back();
  EXPECT_TRUE(world.judge().allowed());
}

TEST(Admit, asks_for_standing_and_not_for_grants) {
  World world;
  world.grants.clear();
  world.entitlements.clear();
  world.principal.implied_scopes.clear();
  const Decision decision = world.judge(true);
  EXPECT_TRUE(decision.allowed());
  EXPECT_EQ(decision.checks[Check::scope], Verdict::skip);
  EXPECT_EQ(decision.checks[Check::route], Verdict::skip);
  struct Row {
    std::function<void(World&)> change;
    Reason reason;
  };
  const Row rows[] = {
      {[](World& w) { w.facts.token_revoked = true; }, Reason::token_revoked},
      {[](World& w) { w.tenant.status = Status::disabled; }, Reason::tenant_refused},
      {[](World& w) { w.principal.user.clear(); }, Reason::user_missing},
      {[](World& w) { w.user.status = Status::disabled; }, Reason::user_disabled},
      {[](World& w) { w.facts.agent = nullptr; }, Reason::agent_unknown},
      {[](World& w) { w.agent.status = Status::quarantined; }, Reason::agent_quarantined},
      {[](World& w) { w.mode = DelegationMode::required; }, Reason::delegation_missing},
  };
  for (const Row& row : rows) {
    World refused;
    row.change(refused);
    EXPECT_EQ(to_string(refused.judge(true).reason), to_string(row.reason));
  }
}

TEST(TierFromMap, takes_the_first_rule_that_fits) {
  const std::vector<TierRule> rules{{"p", "m", "both"}, {"p", std::nullopt, "provider"}, {std::nullopt, "m", "model"}};
  struct Row {
    const char* provider;
    const char* model;
    const char* tier;
  };
  for (const Row& row : {Row{"p", "m", "both"}, Row{"p", "x", "provider"}, Row{"x", "m", "model"}, Row{"x", "x", "*"},
                         Row{"", "", "*"}}) {
    Principal principal;
    principal.provider = row.provider;
    principal.model = row.model;
    EXPECT_EQ(tier_from_map(rules, "*", principal), row.tier);
  }
}

}  // namespace
}  // namespace agw::policy
