#include <functional>
#include <map>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agw/grants/redis_codec.h"
#include "agw/grants/redis_store.h"
#include "agw/policy/evaluate.h"

#include "support/fakes.h"
#include "support/memory_redis.h"

namespace agw::grants {
namespace {

using test::MemoryRedis;

constexpr std::string_view policy_text = R"({"schema": 1, "tenants": {"default": {
  "agents": {"company|docs": {"name": "Docs", "tier": "developer", "bundles": ["support"]}, "company|bare": {}},
  "users": {"company|mira": {"name": "Mira", "groups": ["store|oncall"]}, "company|dora": {"status": "disabled"}},
  "tiers": {"*": "visitor", "map": [{"provider": "p", "tier": "developer"}, {"provider": "p", "model": "old", "tier": "stopped"}],
            "visitor": {"ceiling": ["tickets/*"], "bundles": ["reader"]}, "developer": {}, "stopped": {"status": "disabled"}},
  "bundles": {"support": {"version": 2, "grants": [{"id": "s", "operation": "tickets/*", "resource": "ticket:*"}]},
              "reader": {"limits": ["tenant 5r/s"], "grants": [{"id": "r", "operation": "tickets/ticket.read"}]},
              "duty": {"limits": ["user 9c"], "grants": [{"id": "d", "operation": "pager/*"}]},
              "night": {"parent": "duty", "members": ["group:store|oncall"], "limits": ["agent 5r/h"], "grants": [{"id": "n", "operation": "kb/read"}]}},
  "limits": ["agent 100r/m", "agent+tool 10r/s queue=5s"],
  "grants": [{"id": "t", "to": "tier:developer", "operation": "docs/*"}, {"id": "a", "to": "agent:company|bare", "operation": "bare/*", "for": ["group:store|oncall"]}],
  "entitlements": [{"id": "u", "to": "user:company|mira", "operation": "docs/*"}, {"id": "g", "to": "group:company|support", "operation": "tickets/*"},
                   {"id": "o", "to": "group:store|oncall", "operation": "bare/*"}, {"id": "p", "to": "group:store|oncall", "operation": "pager/*"}],
  "delegations": [{"user": "company|otto", "agent": "company|docs", "status": "disconnected"}],
  "operations": {"tickets/ticket.frozen": {"frozen": true}}
}}})";

struct RedisStoreTest : testing::Test {
  RedisStoreTest() { load(); }

  void load() {
    redis.hashes.clear();
    redis.strings.clear();
    const auto policy = parse_policy(policy_text);
    for (const auto& [name, fields] : encode_tenant(policy->tenants.at("default"))) redis.hashes[key(name)] = fields;
    redis.hashes[key("meta")] = {{"schema", "1"}, {"incarnation", "abc"}, {"born", "1800000000"}, {"version", "7"}};
  }
  static std::string key(const std::string& name) { return policy_key("default", name); }

  static std::shared_ptr<Principal> caller(const std::string& user = "company|mira",
                                           const std::string& agent = "company|docs") {
    auto out = std::make_shared<Principal>();
    out->issuer = "company";
    out->tenant = "default";
    out->user = user;
    out->agent = agent;
    out->groups = {"company|support"};
    out->jti = "t1";
    out->sid = "s1";
    out->client = "company|cli";
    out->key_id = "k1";
    out->issued_at = from_unix(1'800'000'000);
    return out;
  }
  Result<policy::FactsPtr, StoreFailure> ask(PrincipalPtr who, const std::string& operation = "tickets/ticket.read") {
    return *loop.run(store.facts(std::move(who), operation));
  }
  std::string reason(const std::shared_ptr<Principal>& who, const std::string& operation = "tickets/ticket.read",
                     const std::string& resource = "ticket:T-1") {
    const auto facts = ask(who, operation);
    if (!facts) return std::string(to_string(facts.error().reason));
    policy::Route route;
    route.operation = operation;
    policy::Question question{.principal = *who};
    question.route = &route;
    question.resource = resource;
    question.now = from_unix(1'800'000'000);
    return std::string(to_string(evaluate(question, **facts).reason));
  }

  static std::multiset<std::string> texts(const std::vector<const Limit*>& limits) {
    std::multiset<std::string> out;
    for (const Limit* limit : limits) out.insert(limit->place + " " + write_limit(*limit));
    return out;
  }

  test::FakeClock clock;
  test::FakeLoop loop{clock};
  MemoryRedis redis;
  RedisStore store{redis};
};

TEST_F(RedisStoreTest, answers_as_the_policy_file_does) {
  const CompiledPolicy file(*parse_policy(policy_text));
  for (const std::string user : {"company|mira", "company|dora", "company|otto", "company|nobody"})
    for (const std::string agent : {"company|docs", "company|bare", "company|stranger"})
      for (const std::string provider : {"", "p", "q"})
        for (const std::string model : {"", "old"})
          for (const std::string operation : {"tickets/ticket.read", "tickets/ticket.frozen", "docs/x", "bare/x",
                                              "other/x", "pager/x", "kb/read", ""}) {
            auto who = caller(user, agent);
            who->provider = provider;
            who->model = model;
            policy::Route route;
            route.operation = operation;
            policy::Question question{.principal = *who};
            question.route = &route;
            question.resource = "ticket:T-1";
            const policy::Facts known = file.facts(*who, operation);
            const Decision expected = evaluate(question, known);
            const auto facts = ask(who, operation);
            ASSERT_TRUE(facts) << facts.error().detail;
            const Decision got = evaluate(question, **facts);
            const std::string where = user + " " + agent + " " + provider + " " + model + " " + operation;
            EXPECT_EQ(to_string(got.reason), to_string(expected.reason)) << where;
            EXPECT_EQ(got.visible, expected.visible) << where;
            EXPECT_EQ(texts((*facts)->limits), texts(known.limits)) << where;
          }
}

TEST_F(RedisStoreTest, takes_two_trips_and_reads_meta_in_the_first) {
  for (const std::string agent : {"company|docs", "company|bare"}) {
    redis.trips.clear();
    ASSERT_TRUE(ask(caller("company|mira", agent)));
    EXPECT_EQ(redis.trips.size(), 2U);
    EXPECT_EQ(redis.trips[0][0], (RedisCommand{"HGETALL", key("meta")}));
  }
  ASSERT_TRUE(ask(caller("company|mira", "company|stranger")));
  redis.trips.clear();
  EXPECT_EQ(reason(caller("company|mira", "company|another")), "allowed");
  EXPECT_EQ(redis.trips.size(), 2U) << "a tier that this worker has met";
}

TEST_F(RedisStoreTest, a_remembered_bundle_counts_only_while_the_tier_has_it) {
  EXPECT_EQ(reason(caller("company|mira", "company|stranger")), "allowed");
  redis.hashes[key("tier:visitor")]["bundles"] = "[]";
  EXPECT_EQ(reason(caller("company|mira", "company|stranger")), "agent_grant_missing");
  redis.hashes[key("tier:visitor")]["bundles"] = R"(["support"])";
  EXPECT_EQ(reason(caller("company|mira", "company|stranger")), "allowed");
}

TEST_F(RedisStoreTest, never_mixes_two_versions) {
  // An agent loses a bundle, and in the same transaction the bundle gains what it never should have.
  redis.hashes[key("grants:bundle:support")].clear();
  bool written = false;
  redis.before_trip = [&](std::size_t trip) {
    if (trip != 1 || written) return;
    written = true;
    redis.hashes[key("agent:company|docs")].erase("bundles");
    redis.hashes[key("grants:bundle:support")]["x"] = R"({"operation":"*"})";
    redis.hashes[key("meta")]["version"] = "8";
  };
  EXPECT_EQ(reason(caller()), "agent_grant_missing");
  EXPECT_TRUE(written);
}

TEST_F(RedisStoreTest, a_version_that_never_rests_is_unavailable) {
  redis.before_trip = [&](std::size_t trip) { redis.hashes[key("meta")]["version"] = std::to_string(100 + trip); };
  const auto facts = ask(caller());
  ASSERT_FALSE(facts);
  EXPECT_EQ(facts.error().reason, Reason::store_unavailable);
  EXPECT_LE(redis.trips.size(), 12U);
}

TEST_F(RedisStoreTest, a_change_holds_for_the_next_call) {
  EXPECT_EQ(reason(caller()), "allowed");
  redis.hashes[key("agent:company|docs")]["status"] = "quarantined";
  EXPECT_EQ(reason(caller()), "agent_quarantined");
  redis.hashes[key("agent:company|docs")]["status"] = "active";
  EXPECT_EQ(reason(caller()), "allowed");
}

TEST_F(RedisStoreTest, what_only_redis_holds) {
  struct Case {
    const char* name;
    std::function<void()> change;
    const char* reason;
  };
  const Case cases[] = {
      {"jti", [&] { redis.strings[key("revoked:jti:company|t1")] = "stolen"; }, "token_revoked"},
      {"sid", [&] { redis.strings[key("revoked:sid:company|s1")] = "logout"; }, "token_revoked"},
      {"another issuer's jti", [&] { redis.strings[key("revoked:jti:other|t1")] = "stolen"; }, "allowed"},
      {"issuer", [&] { redis.hashes[key("issuer:company")]["not_before"] = "2100-01-01T00:00:00Z"; },
       "token_issued_before"},
      {"another issuer", [&] { redis.hashes[key("issuer:other")]["not_before"] = "2100-01-01T00:00:00Z"; }, "allowed"},
      {"stop", [&] { redis.hashes[key("tenant")]["stop"] = "1"; }, "stopped"},
      {"stop of all", [&] { redis.hashes[key("tenant")]["stop_all"] = "true"; }, "stopped"},
      {"tenant by hand", [&] { redis.hashes[key("tenant")]["revoked"] = "true"; }, "tenant_refused"},
      {"user by hand", [&] { redis.hashes[key("user:company|mira")]["revoked"] = "true"; }, "user_disabled"},
      {"agent by hand", [&] { redis.hashes[key("agent:company|docs")]["revoked"] = "true"; }, "agent_disabled"},
      {"client", [&] { redis.hashes[key("client:company|cli")]["status"] = "disabled"; }, "client_disabled"},
      {"client by hand", [&] { redis.hashes[key("client:company|cli")]["revoked"] = "1"; }, "client_disabled"},
      {"another client", [&] { redis.hashes[key("client:company|other")]["revoked"] = "1"; }, "allowed"},
      {"client's older tokens",
       [&] { redis.hashes[key("client:company|cli")]["revoked_before"] = "2100-01-01T00:00:00Z"; },
       "token_issued_before"},
      {"key", [&] { redis.hashes[key("issuer:company")]["revoked_keys"] = R"(["k1"])"; }, "token_key_revoked"},
      {"key by hand", [&] { redis.hashes[key("issuer:company")]["revoked_key:k1"] = "true"; }, "token_key_revoked"},
      {"another key", [&] { redis.hashes[key("issuer:company")]["revoked_key:k2"] = "true"; }, "allowed"},
      {"another issuer's key", [&] { redis.hashes[key("issuer:other")]["revoked_key:k1"] = "true"; }, "allowed"},
      {"older tokens of all tenants",
       [&] { redis.hashes[key("tenant")]["revoked_all_before"] = "2100-01-01T00:00:00Z"; }, "token_issued_before"},
      {"older tokens, by hand, than the policy says",
       [&] {
         redis.hashes[key("user:company|mira")]["not_before"] = "2000-01-01T00:00:00Z";
         redis.hashes[key("user:company|mira")]["revoked_before"] = "2100-01-01T00:00:00Z";
       },
       "token_issued_before"},
      {"older tokens, by the policy, than by hand",
       [&] {
         redis.hashes[key("user:company|mira")]["not_before"] = "2100-01-01T00:00:00Z";
         redis.hashes[key("user:company|mira")]["revoked_before"] = "2000-01-01T00:00:00Z";
       },
       "token_issued_before"},
      {"no stop", [&] { redis.hashes[key("tenant")]["stop"] = "0"; }, "allowed"},
      {"breaker", [&] { redis.hashes[key("breaker:company|docs")]["state"] = "open"; }, "agent_breaker_open"},
      {"another agent's breaker", [&] { redis.hashes[key("breaker:company|bare")]["state"] = "open"; }, "allowed"},
      {"a closed breaker", [&] { redis.hashes[key("breaker:company|docs")]["state"] = "closed"; }, "allowed"},
      {"frozen", [&] { redis.hashes[key("operation:tickets/ticket.read")]["frozen"] = "true"; }, "operation_frozen"},
  };
  for (const Case& row : cases) {
    load();
    row.change();
    EXPECT_EQ(reason(caller()), row.reason) << row.name;
  }
}

TEST_F(RedisStoreTest, what_cannot_be_read_is_refused_by_the_keys_name) {
  struct Case {
    const char* name;
    std::string where;
    std::function<void(const std::string& key)> damage;
    Reason reason = Reason::store_invalid;
  };
  const auto field = [&](const char* name, const char* value) {
    return [this, name, value](const std::string& where) { redis.hashes[where][name] = value; };
  };
  const auto wrong_type = [&](const std::string& where) { redis.strings[where] = "x"; };
  const Case cases[] = {
      {"no meta", "meta", [&](const std::string& k) { redis.hashes.erase(k); }, Reason::store_uninitialised},
      {"no version", "meta", [&](const std::string& k) { redis.hashes[k].erase("version"); },
       Reason::store_uninitialised},
      {"an odd version", "meta", field("version", "many"), Reason::store_uninitialised},
      {"a version with a tail", "meta", field("version", "7x"), Reason::store_uninitialised},
      {"another schema", "meta", field("schema", "2"), Reason::store_uninitialised},
      {"no incarnation", "meta", [&](const std::string& k) { redis.hashes[k].erase("incarnation"); },
       Reason::store_uninitialised},
      {"an odd birth", "meta", field("born", "yesterday"), Reason::store_uninitialised},
      {"meta of another type", "meta", wrong_type, Reason::store_uninitialised},
      {"tenant's status", "tenant", field("status", "secret-value")},
      {"tenant's stop", "tenant", field("stop", "secret-value")},
      {"stop of all", "tenant", field("stop_all", "secret-value")},
      {"tenant's revoked", "tenant", field("revoked", "secret-value")},
      {"tenant's revoked_before", "tenant", field("revoked_before", "secret-value")},
      {"client of another type", "client:company|cli", wrong_type},
      {"client's status", "client:company|cli", field("status", "quarantined")},
      {"issuer's keys", "issuer:company", field("revoked_keys", "k1")},
      {"agent of another type", "agent:company|docs", wrong_type},
      {"agent's status", "agent:company|docs", field("status", "secret-value")},
      {"agent's bundles", "agent:company|docs", field("bundles", "[\"supp")},
      {"agent's bundles as a word", "agent:company|docs", field("bundles", "secret-value")},
      {"agent's bundles as numbers", "agent:company|docs", field("bundles", "[1]")},
      {"agent's bundle with a brace", "agent:company|docs", field("bundles", "[\"x}:y\"]")},
      {"agent's not_before", "agent:company|docs", field("not_before", "secret-value")},
      {"user of another type", "user:company|mira", wrong_type},
      {"user's status", "user:company|mira", field("status", "quarantined")},
      {"user's groups", "user:company|mira", field("groups", R"(["company|support"])")},
      {"delegation's status", "delegation:company|mira:company|docs", field("status", "secret-value")},
      {"breaker of another type", "breaker:company|docs", wrong_type},
      {"breaker's state", "breaker:company|docs", field("state", "secret-value")},
      {"breaker without a state", "breaker:company|docs", field("since", "2026-01-01T00:00:00Z")},
      {"breaker's since", "breaker:company|docs",
       [this](const std::string& k) { redis.hashes[k] = {{"state", "closed"}, {"since", "secret-value"}}; }},
      {"breaker's until", "breaker:company|docs",
       [this](const std::string& k) { redis.hashes[k] = {{"state", "open"}, {"until", "secret-value"}}; }},
      {"issuer's not_before", "issuer:company", field("not_before", "secret-value")},
      {"tiers of another type", "tiers", wrong_type},
      {"tier of another type", "tier:developer", wrong_type},
      {"tier's status", "tier:developer", field("status", "secret-value")},
      {"tier's ceiling", "tier:developer", field("ceiling", R"(["a*"])")},
      {"operation's flag", "operation:tickets/ticket.read", field("frozen", "secret-value")},
      {"operation's windows", "operation:tickets/ticket.read", field("windows", R"(["secret-value"])")},
      {"no window", "operation:tickets/ticket.read", field("windows", "[]")},
      {"windows that are no list", "operation:tickets/ticket.read", field("windows", "secret-value")},
      {"grants of another type", "grants:bundle:support", wrong_type},
      {"a grant that is no JSON", "grants:bundle:support", field("x", "{\"operation\":")},
      {"a grant that is a list", "grants:bundle:support", field("x", "[]")},
      {"a grant of nothing", "grants:bundle:support", field("x", "{}")},
      {"a grant with a key twice", "grants:bundle:support", field("x", R"({"operation":"a/b","operation":"*"})")},
      {"a grant's effect", "grants:bundle:support", field("x", R"({"operation":"a/b","effect":"secret-value"})")},
      {"a grant's condition", "grants:bundle:support", field("x", R"({"operation":"a/b","when":"secret-value"})")},
      {"a grant's pattern", "grants:bundle:support", field("x", R"({"operation":"t*"})")},
      {"a grant's end", "grants:bundle:support", field("x", R"({"operation":"a/b","until":"secret-value"})")},
      {"a grant that is not text", "grants:bundle:support", field("x", "\xff")},
      {"a bundle of another type", "bundle:support", wrong_type},
      {"a bundle's limits", "bundle:support", field("limits", R"(["agent secret-value"])")},
      {"a bundle's limits as a word", "bundle:support", field("limits", "secret-value")},
      {"a bundle's limits as an object", "bundle:support", field("limits", R"({"agent":"5r/h"})")},
      {"a bundle without its parent", "bundle:support", field("parent", "reader")},
      {"a bundle's parent", "bundle:support", field("parent", "a b")},
      {"a member's bundle without its parent", "members", field("group:store|oncall", R"(["night"])")},
      {"members of another type", "members", wrong_type},
      {"a member that is no group", "members", field("company|support", R"(["support"])")},
      {"members' bundles", "members", field("group:company|x", "secret-value")},
      {"limits of another type", "limits", wrong_type},
      {"a limit", "limits", field("user", R"(["secret-value"])")},
      {"a limit of nobody", "limits", field("everybody", R"(["5r/h"])")},
      {"two limits of one counter", "limits", field("agent", R"(["100r/m","5r/m"])")},
      {"a tier's grant", "grants:tier:developer", field("x", "{}")},
      {"an agent's grant", "grants:agent:company|docs", field("x", "{}")},
      {"a user's entitlement", "entitlements:user:company|mira", field("x", "{}")},
      {"a group's entitlement", "entitlements:group:company|support", field("x", "{}")},
      {"an entitlement of another type", "entitlements:group:company|support", wrong_type},
      {"a store group's entitlement", "entitlements:group:store|oncall",
       field("x", R"({"operation":"a/b","for":["user:c|x"],"more":1})")},
  };
  for (const Case& row : cases) {
    load();
    row.damage(key(row.where));
    const auto facts = ask(caller());
    ASSERT_FALSE(facts) << row.name;
    EXPECT_EQ(to_string(facts.error().reason), to_string(row.reason)) << row.name;
    if (std::string_view(row.name).find("without its parent") == std::string_view::npos)
      EXPECT_THAT(facts.error().detail, testing::HasSubstr(key(row.where))) << row.name;
    EXPECT_THAT(facts.error().detail, testing::Not(testing::HasSubstr("secret-value"))) << row.name;
    load();
    EXPECT_TRUE(ask(caller())) << row.name;
  }
}

TEST_F(RedisStoreTest, what_limits_operations_is_no_hindrance_to_a_handshake) {
  redis.hashes[key("limits")]["user"] = "unreadable";
  EXPECT_FALSE(ask(caller()));
  EXPECT_TRUE(ask(caller(), ""));
}

TEST_F(RedisStoreTest, members_are_no_hindrance_to_who_has_none) {
  redis.hashes[key("members")]["group:store|oncall"] = "unreadable";
  EXPECT_FALSE(ask(caller()));
  EXPECT_TRUE(ask(caller("company|mira", "company|stranger")));
}

TEST_F(RedisStoreTest, members_and_limits_take_no_trip_of_their_own) {
  redis.trips.clear();
  const auto facts = ask(caller("company|mira", "company|bare"), "kb/read");
  ASSERT_TRUE(facts);
  EXPECT_EQ(redis.trips.size(), 2U);
  EXPECT_EQ(texts((*facts)->limits),
            (std::multiset<std::string>{"policy agent 100r/m", "policy agent+tool 10r/s queue=5000ms",
                                        "bundle|night agent 5r/h", "bundle|duty user 9c"}));
  redis.hashes[key("limits")]["agent"] = R"(["3r/m"])";
  redis.hashes.erase(key("members"));
  const auto next = ask(caller("company|mira", "company|bare"), "kb/read");
  EXPECT_EQ(texts((*next)->limits),
            (std::multiset<std::string>{"policy agent 3r/m", "policy agent+tool 10r/s queue=5000ms"}));
}

TEST_F(RedisStoreTest, a_store_that_went_back_is_no_truth_until_it_is_confirmed) {
  test::MemoryZone zone{clock};
  RedisStore first{redis, &zone};
  RedisStore second{redis, &zone};
  auto& meta = redis.hashes[key("meta")];
  const auto said = [&](RedisStore& by) -> std::string {
    const auto facts = *loop.run(by.facts(caller(), "tickets/ticket.read"));
    return facts ? "facts" : std::string(to_string(facts.error().reason));
  };
  EXPECT_EQ(said(first), "facts");
  meta["version"] = "9";
  EXPECT_EQ(said(second), "facts");
  meta["version"] = "8";
  EXPECT_EQ(said(first), "store_rolled_back") << "what one worker has seen holds for all";
  meta["version"] = "9";
  EXPECT_EQ(said(first), "facts");
  meta["incarnation"] = "another";
  meta["version"] = "1000";
  EXPECT_EQ(said(second), "store_rolled_back");
  meta["confirmed"] = "1800000000000";
  EXPECT_EQ(said(second), "facts");
  EXPECT_EQ(said(first), "facts");
  meta["version"] = "12";
  EXPECT_EQ(said(first), "store_rolled_back") << "a confirmation holds for one going back, not for the next";
  meta["confirmed"] = "1800000000001";
  EXPECT_EQ(said(first), "facts");
  meta.erase("confirmed");
  EXPECT_EQ(said(first), "store_rolled_back") << "an older copy that was never confirmed";
  RedisStore alone{redis};
  EXPECT_EQ(said(alone), "facts");
}

TEST_F(RedisStoreTest, no_answer_is_unavailable) {
  for (const RedisError error : {RedisError::connect, RedisError::timeout, RedisError::protocol, RedisError::auth}) {
    redis.broken = error;
    const auto facts = ask(caller());
    ASSERT_FALSE(facts);
    EXPECT_EQ(facts.error().reason, Reason::store_unavailable);
    EXPECT_FALSE(loop.run(store.health())->usable);
  }
  redis.broken.reset();
  EXPECT_TRUE(ask(caller()));
  EXPECT_TRUE(loop.run(store.health())->usable);
}

TEST(RedisCodec, a_tenant_survives_the_way_there_and_back) {
  const auto policy = parse_policy(policy_text);
  const auto decoded = decode_tenant(encode_tenant(policy->tenants.at("default")));
  ASSERT_TRUE(decoded) << decoded.error().detail;
  Policy again;
  again.tenants["default"] = *decoded;
  const auto parsed = parse_policy(write_policy(again));
  ASSERT_TRUE(parsed) << parsed.error().path << parsed.error().message;
  EXPECT_EQ(encode_tenant(parsed->tenants.at("default")), encode_tenant(policy->tenants.at("default")));
}

TEST(RedisCodec, a_stop_does_not_become_policy) {
  std::map<std::string, Fields> keys;
  keys["tenant"] = {{"status", "active"}, {"stop", "1"}};
  const auto decoded = decode_tenant(keys);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->tenant.status, Status::active);
  EXPECT_FALSE(decoded->tenant.stopped);
  EXPECT_TRUE(read_tenant_record("k", keys["tenant"])->stopped);
}

TEST(RedisCodec, what_was_pulled_by_hand_does_not_become_policy) {
  std::map<std::string, Fields> keys;
  keys["tenant"] = {{"stop_all", "1"}, {"revoked_all_before", "2100-01-01T00:00:00Z"}};
  keys["user:c|a"] = {{"name", "A"}, {"revoked", "true"}, {"revoked_before", "2100-01-01T00:00:00Z"}};
  keys["user:c|b"] = {{"revoked", "true"}};
  keys["agent:c|x"] = {{"revoked", "true"}};
  keys["client:c|x"] = {{"revoked", "true"}};
  keys["issuer:c"] = {{"revoked_key:k1", "true"}, {"revoked_keys", R"(["k2"])"}};
  const auto decoded = decode_tenant(keys);
  ASSERT_TRUE(decoded) << decoded.error().detail;
  EXPECT_FALSE(decoded->tenant.stopped || decoded->tenant.not_before);
  ASSERT_EQ(decoded->users.size(), 1U);
  EXPECT_EQ(decoded->users.at("c|a").status, Status::active);
  EXPECT_FALSE(decoded->users.at("c|a").not_before);
  EXPECT_TRUE(decoded->agents.empty() && decoded->clients.empty());
  EXPECT_EQ(decoded->issuers.at("c").revoked_keys, std::vector<std::string>{"k2"});
  EXPECT_EQ(read_issuer_record("k", keys["issuer:c"])->revoked_keys, (std::vector<std::string>{"k2", "k1"}));
}

TEST(RedisCodec, an_agent_of_which_only_that_is_known_has_no_record) {
  EXPECT_FALSE(read_agent_record("k", {{"revoked_before", "2026-01-01T00:00:00Z"}})->known);
  EXPECT_TRUE(read_agent_record("k", {{"revoked_before", "2026-01-01T00:00:00Z"}, {"name", "A"}})->known);
}

}  // namespace
}  // namespace agw::grants
