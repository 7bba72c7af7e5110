#include <memory>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agw/grants/copying_store.h"
#include "agw/policy/evaluate.h"

#include "grants/copy.h"
#include "support/fakes.h"
#include "support/memory_redis.h"

namespace agw::grants {
namespace {

using test::array_reply;
using test::error_reply;
using test::text_reply;

constexpr std::string_view policy_text = R"({"schema": 1, "tenants": {"default": {
  "agents": {"company|docs": {"tier": "developer", "bundles": ["support"]}},
  "users": {"company|mira": {"groups": ["store|oncall"]}},
  "tiers": {"*": "visitor", "visitor": {"bundles": ["reader"]}, "developer": {}},
  "bundles": {"support": {"grants": [{"id": "s", "operation": "tickets/*"}]},
              "reader": {"grants": [{"id": "r", "operation": "tickets/ticket.read"}]}},
  "entitlements": [{"id": "g", "to": "group:company|support", "operation": "tickets/*"}]
}}})";

struct CopyingStoreTest : testing::Test {
  CopyingStoreTest() {
    const auto policy = parse_policy(policy_text);
    for (const auto& [name, fields] : encode_tenant(policy->tenants.at("default"))) redis.hashes[key(name)] = fields;
    redis.hashes[key("meta")] = {{"schema", "1"}, {"incarnation", "abc"}, {"born", "1800000000"}, {"version", "7"}};
  }
  ~CopyingStoreTest() override { loop.cancel_spawned(); }

  static std::string key(const std::string& name) { return policy_key("default", name); }

  static RedisCommand meta_question() { return {"HGETALL", key("meta")}; }

  /// A worker's store, which hears of changes already.
  CopyingStore& begin(Freshness freshness = {}, std::size_t limit = std::size_t{1} << 20) {
    store = std::make_unique<CopyingStore>(CopyingStore::Host{redis, &channel, loop, clock, random, log, zone, metrics},
                                           CopySettings{freshness, limit, {"default"}, "0"});
    store->start();
    loop.settle();
    return *store;
  }

  /// A write as `agwctl` makes it: the version is raised in the same transaction.
  std::vector<std::string> write(const std::string& name, const std::string& field, const std::string& value) {
    auto& meta = redis.hashes[key("meta")];
    meta["version"] = std::to_string(std::stoul(meta["version"]) + 1);
    redis.hashes[key(name)][field] = value;
    return {key(name), key("meta")};
  }
  void write_and_tell(const std::string& name, const std::string& field, const std::string& value) {
    channel.tell(write(name, field, value));
  }

  static std::shared_ptr<Principal> caller(const std::string& agent = "company|docs") {
    auto out = std::make_shared<Principal>();
    out->issuer = "company";
    out->tenant = "default";
    out->user = "company|mira";
    out->agent = agent;
    out->groups = {"company|support"};
    out->jti = "t1";
    out->issued_at = from_unix(1'800'000'000);
    return out;
  }
  std::string judged(const Result<policy::FactsPtr, StoreFailure>& facts, const Principal& principal,
                     const std::string& operation) {
    if (!facts) return std::string(to_string(facts.error().reason));
    policy::Route route;
    route.operation = operation;
    policy::Question question{.principal = principal};
    question.route = &route;
    question.now = clock.now();
    return std::string(to_string(evaluate(question, **facts).reason));
  }
  std::string reason(const std::string& operation = "tickets/ticket.read") {
    auto facts = loop.run(store->facts(who, operation));
    return facts ? judged(*facts, *who, operation) : "waits";
  }
  /// The reason, and that it took no trip.
  std::string warm(const std::string& operation = "tickets/ticket.read") {
    auto step = store->facts(who, operation);
    if (!step.ready()) return "asks";
    return judged(step.take(), *who, operation);
  }
  test::FakeClock clock;
  test::FakeLoop loop{clock};
  test::FakeRandom random;
  test::FakeLog log;
  test::MemoryZone zone{clock};
  test::MemoryMetrics metrics;
  test::MemoryRedis redis;
  test::FakeChannel channel{redis, loop};
  std::unique_ptr<CopyingStore> store;
  PrincipalPtr who = caller();
};

TEST_F(CopyingStoreTest, a_warm_call_asks_nobody) {
  begin();
  EXPECT_EQ(warm(), "asks");
  EXPECT_EQ(reason(), "allowed");
  const std::size_t asked = redis.trips.size();
  for (int i = 0; i < 10; ++i) EXPECT_EQ(warm(), "allowed");
  // Another principal of the same user and agent: its facts are gathered of the same copies.
  auto other = caller();
  who = other;
  EXPECT_EQ(warm(), "allowed");
  EXPECT_EQ(redis.trips.size(), asked);
  EXPECT_EQ(metrics.value("agent_copy_hits_total{worker=\"0\"}"), 11U);
}

TEST_F(CopyingStoreTest, a_write_that_was_told_of_holds_for_the_next_call) {
  begin();
  EXPECT_EQ(reason(), "allowed");
  write_and_tell("agent:company|docs", "status", "quarantined");
  EXPECT_EQ(warm(), "asks");
  EXPECT_EQ(reason(), "agent_quarantined");
  EXPECT_EQ(warm(), "agent_quarantined");
  write_and_tell("agent:company|docs", "status", "active");
  EXPECT_EQ(reason(), "allowed");
  // A write to what this call doesn't hang on costs it the reading of meta, and nothing else.
  redis.trips.clear();
  write_and_tell("agent:company|another", "status", "disabled");
  EXPECT_EQ(reason(), "allowed");
  EXPECT_THAT(redis.trips, testing::ElementsAre(std::vector<RedisCommand>{meta_question()}));
  EXPECT_EQ(warm(), "allowed");
}

TEST_F(CopyingStoreTest, what_is_not_there_is_a_copy_too) {
  begin();
  EXPECT_EQ(reason(), "allowed");
  EXPECT_EQ(warm(), "allowed") << "no delegation, no operation, no revocation: all of it is known";
  redis.strings[key("revoked:jti:company|t1")] = "stolen";
  channel.tell({key("revoked:jti:company|t1")});
  EXPECT_EQ(reason(), "token_revoked");
  EXPECT_EQ(warm(), "token_revoked");
  redis.hashes[key("delegation:company|mira:company|docs")]["status"] = "disconnected";
  redis.strings.clear();
  channel.tell({key("delegation:company|mira:company|docs"), key("revoked:jti:company|t1")});
  EXPECT_EQ(reason(), "delegation_disconnected");
}

TEST_F(CopyingStoreTest, an_answer_that_a_write_overtook_is_dropped) {
  begin();
  bool written = false;
  redis.on_the_way = [&] {
    if (std::exchange(written, true)) return;
    // The answers are made, and old; the message arrives before them.
    write_and_tell("agent:company|docs", "status", "quarantined");
  };
  EXPECT_EQ(reason(), "agent_quarantined");
  EXPECT_EQ(warm(), "agent_quarantined");
}

TEST_F(CopyingStoreTest, an_answer_that_a_write_by_hand_overtook_is_dropped) {
  // Nothing but the message tells of it: the version stays.
  begin();
  bool written = false;
  redis.on_the_way = [&] {
    if (std::exchange(written, true)) return;
    redis.hashes[key("agent:company|docs")]["status"] = "quarantined";
    channel.tell({key("agent:company|docs")});
  };
  EXPECT_EQ(reason(), "agent_quarantined");
  EXPECT_EQ(warm(), "agent_quarantined");
}

TEST_F(CopyingStoreTest, a_message_that_comes_late_takes_what_was_read_meanwhile) {
  begin();
  EXPECT_EQ(reason(), "allowed");
  const auto keys = write("agent:company|docs", "status", "quarantined");
  EXPECT_EQ(warm(), "allowed") << "within the time of one message";
  channel.tell(keys);
  EXPECT_EQ(reason(), "agent_quarantined");
}

TEST_F(CopyingStoreTest, never_mixes_two_versions) {
  begin();
  EXPECT_EQ(reason("tickets/ticket.read"), "allowed");
  // The agent loses its bundle, and in the same transaction another record opens: the message is on its way.
  write("agent:company|docs", "bundles", "[]");
  redis.hashes[key("operation:tickets/ticket.delete")]["owner"] = "x";
  EXPECT_EQ(reason("tickets/ticket.delete"), "agent_grant_missing")
      << "the operation's record is of the new policy, so nothing of the old one is believed";
  EXPECT_EQ(warm("tickets/ticket.delete"), "agent_grant_missing");
}

TEST_F(CopyingStoreTest, copies_count_for_a_lease_from_the_sending_of_the_last_answered_heartbeat) {
  begin();
  EXPECT_EQ(reason(), "allowed");
  loop.advance(Milliseconds(10'000));
  EXPECT_EQ(warm(), "allowed") << "heartbeats renew it";
  // Half open: nothing is said any more, and nobody notices. The last heartbeat was sent at this very moment, or 250 ms
  // ago.
  channel.silent = true;
  redis.hashes[key("agent:company|docs")]["status"] = "quarantined";  // by hand: no version tells of it
  loop.advance(Milliseconds(700));
  EXPECT_EQ(warm(), "allowed") << "the stated bound";
  loop.advance(Milliseconds(301));
  EXPECT_EQ(warm(), "asks");
  EXPECT_EQ(reason(), "agent_quarantined");
  EXPECT_EQ(warm(), "asks") << "every call asks while nothing is heard";
  loop.advance(Milliseconds(3000));
  EXPECT_EQ(warm(), "asks");
  channel.silent = false;
  loop.advance(Milliseconds(5000));
  EXPECT_EQ(reason(), "agent_quarantined");
  EXPECT_EQ(warm(), "agent_quarantined");
}

TEST_F(CopyingStoreTest, a_version_whose_message_did_not_come_ends_every_copy) {
  begin();
  EXPECT_EQ(reason(), "allowed");
  channel.silent = true;
  write("agent:company|docs", "status", "quarantined");
  loop.advance(Milliseconds(250));
  EXPECT_EQ(reason(), "agent_quarantined") << "meta is read with every heartbeat";
}

TEST_F(CopyingStoreTest, a_cut_line_ends_every_copy_at_once) {
  begin();
  EXPECT_EQ(reason(), "allowed");
  write("agent:company|docs", "status", "quarantined");
  channel.cut();
  EXPECT_EQ(warm(), "asks");
  EXPECT_EQ(reason(), "agent_quarantined");
  loop.advance(Milliseconds(5000));
  EXPECT_EQ(channel.opened, 2U);
  EXPECT_EQ(warm(), "asks") << "what was copied before isn't believed after";
  EXPECT_EQ(reason(), "agent_quarantined");
  EXPECT_EQ(warm(), "agent_quarantined");
  EXPECT_TRUE(log.contains("doesn't hear of changes"));
  EXPECT_TRUE(log.contains("hears of changes again"));
}

TEST_F(CopyingStoreTest, anything_unexpected_ends_every_copy) {
  struct Case {
    const char* name;
    std::function<void()> happens;
  };
  const Case cases[] = {
      {"a flush", [&] { channel.tell_of_a_flush(); }},
      {"a number for a key", [&] { channel.say(array_reply({test::integer_reply(1)})); }},
      {"a text for the keys", [&] { channel.say(text_reply(key("meta"))); }},
      {"an error", [&] { channel.say(error_reply("ERR")); }},
      {"another channel",
       [&] { channel.message(array_reply({text_reply("message"), text_reply("x"), RedisReply{}})); }},
      {"too short a message", [&] { channel.message(array_reply({text_reply("message")})); }},
  };
  begin();
  for (const Case& row : cases) {
    loop.advance(Milliseconds(3000));
    EXPECT_EQ(reason(), "allowed") << row.name;
    EXPECT_EQ(warm(), "allowed") << row.name;
    write("agent:company|docs", "status", "quarantined");
    row.happens();
    EXPECT_EQ(warm(), "asks") << row.name;
    EXPECT_EQ(reason(), "agent_quarantined") << row.name;
    write_and_tell("agent:company|docs", "status", "active");
  }
}

TEST_F(CopyingStoreTest, a_heartbeat_counts_only_in_its_own_form) {
  begin();
  EXPECT_EQ(reason(), "allowed");
  channel.odd = [](const RedisCommand& command) -> std::optional<RedisReply> {
    if (command[0] == "PING") return text_reply("PONG");
    return std::nullopt;
  };
  loop.advance(Milliseconds(3000));
  EXPECT_EQ(warm(), "asks") << "a connection that listens to nothing answers so";
  EXPECT_EQ(reason(), "allowed") << "and Redis is asked";
}

TEST_F(CopyingStoreTest, where_tracking_is_refused_every_call_asks) {
  for (const std::string refused : {"INFO", "CLIENT", "SUBSCRIBE"}) {
    channel.odd = [&](const RedisCommand& command) -> std::optional<RedisReply> {
      if (command[0] == refused) return error_reply("NOPERM this user has no permissions");
      return std::nullopt;
    };
    begin();
    EXPECT_EQ(reason(), "allowed") << refused;
    EXPECT_EQ(warm(), "asks") << refused;
    EXPECT_TRUE(log.contains("the gateway's user needs +")) << refused;
    loop.cancel_spawned();
    store.reset();
    channel.close();
    log.lines.clear();
  }
}

TEST_F(CopyingStoreTest, the_redis_that_tells_must_be_the_one_that_answers) {
  begin();
  EXPECT_EQ(reason(), "allowed");
  EXPECT_EQ(warm(), "allowed");
  // The name leads to another machine now, where the data connection went when it broke.
  redis.run_id = "run-2";
  redis.number = 2;
  write_and_tell("agent:company|docs", "status", "quarantined");
  EXPECT_EQ(reason(), "agent_quarantined");
  EXPECT_EQ(warm(), "asks");
  channel.cut();
  loop.advance(Milliseconds(3000));
  EXPECT_EQ(reason(), "agent_quarantined");
  EXPECT_EQ(warm(), "agent_quarantined") << "the channel has followed";
}

TEST_F(CopyingStoreTest, a_server_that_must_not_be_believed) {
  struct Case {
    const char* name;
    std::function<void()> change;
    const char* said;
  };
  const Case cases[] = {
      {"a replica", [&] { redis.role = "slave"; }, "replica"},
      {"one that evicts", [&] { redis.maxmemory = "1000000", redis.eviction = "allkeys-lru"; }, "noeviction"},
      {"one that says nothing", [&] { redis.run_id = ""; }, "INFO"},
  };
  for (const Freshness freshness : {Freshness{}, Freshness{Freshness::Mode::strict}}) {
    for (const Case& row : cases) {
      redis.role = "master", redis.maxmemory = "0", redis.run_id = "run-1";
      begin(freshness);
      EXPECT_EQ(reason(), "allowed") << row.name;
      row.change();
      loop.advance(Milliseconds(1500));
      EXPECT_EQ(reason(), "store_unavailable") << row.name;
      EXPECT_THAT(loop.run(store->health())->detail, testing::HasSubstr(row.said));
      redis.role = "master", redis.maxmemory = "0", redis.run_id = "run-1";
      loop.advance(Milliseconds(1500));
      EXPECT_EQ(reason(), "allowed") << row.name;
      loop.cancel_spawned();
      store.reset();
      channel.close();
    }
  }
}

TEST_F(CopyingStoreTest, where_it_fails_over_each_trip_asks_for_the_role) {
  store = std::make_unique<CopyingStore>(CopyingStore::Host{redis, &channel, loop, clock, random, log, zone, metrics},
                                         CopySettings{{}, std::size_t{1} << 20, {"default"}, "0", true});
  store->start();
  loop.settle();
  EXPECT_EQ(reason(), "allowed");
  EXPECT_EQ(redis.trips.back().back(), RedisCommand{"ROLE"});
  EXPECT_EQ(warm(), "allowed");
  // Deposed, and everything else as it was: INFO isn't due yet.
  redis.role = "slave";
  write_and_tell("operation:tickets/ticket.read", "frozen", "false");
  EXPECT_EQ(reason(), "store_unavailable");
  EXPECT_EQ(warm(), "asks");
  redis.role = "master";
  EXPECT_EQ(reason(), "allowed");
  EXPECT_EQ(reason(), "allowed");
  EXPECT_EQ(warm(), "allowed");
  redis.role = "slave";
  loop.advance(Milliseconds(250));
  EXPECT_EQ(warm(), "asks") << "without a call, too";
  EXPECT_EQ(reason(), "store_unavailable");
}

TEST_F(CopyingStoreTest, a_limit_without_eviction_is_no_danger) {
  redis.maxmemory = "0";
  redis.eviction = "allkeys-lru";
  begin();
  EXPECT_EQ(reason(), "allowed");
}

TEST_F(CopyingStoreTest, a_store_that_went_back_is_noticed_without_a_word_and_without_a_call) {
  begin();
  EXPECT_EQ(reason(), "allowed");
  // An older state was restored behind the server's back: no message.
  redis.hashes[key("meta")]["version"] = "6";
  loop.advance(Milliseconds(300));
  EXPECT_EQ(reason(), "store_rolled_back");
  EXPECT_EQ(warm(), "asks");
  redis.hashes[key("meta")]["confirmed"] = "1800000000000";
  channel.tell({key("meta")});
  EXPECT_EQ(reason(), "allowed");
  redis.hashes.erase(key("meta"));
  loop.advance(Milliseconds(300));
  EXPECT_EQ(reason(), "store_uninitialised");
}

TEST_F(CopyingStoreTest, a_new_replication_history_is_read_anew) {
  begin();
  EXPECT_EQ(reason(), "allowed");
  redis.replid = "history-2";
  redis.hashes[key("agent:company|docs")]["status"] = "quarantined";
  loop.advance(Milliseconds(1500));
  EXPECT_EQ(reason(), "agent_quarantined");
}

TEST_F(CopyingStoreTest, a_wrong_type_denies_what_depends_on_it_only) {
  begin();
  redis.strings[key("operation:tickets/ticket.read")] = "x";
  EXPECT_EQ(reason("tickets/ticket.read"), "store_invalid");
  EXPECT_EQ(reason("tickets/ticket.list"), "allowed");
  EXPECT_EQ(warm("tickets/ticket.read"), "store_invalid") << "it is known, and isn't asked for again";
  redis.strings.clear();
  channel.tell({key("operation:tickets/ticket.read")});
  EXPECT_EQ(reason("tickets/ticket.read"), "allowed");
}

TEST_F(CopyingStoreTest, what_is_wrong_with_a_key_is_said_once_until_it_changes) {
  for (const Freshness freshness : {Freshness{}, Freshness{Freshness::Mode::strict}}) {
    begin(freshness);
    const auto said = [&] {
      for (int i = 0; i < 3; ++i) {
        EXPECT_NE(reason(), "allowed");
        loop.advance(Milliseconds(1500));
      }
      return std::exchange(log.lines, {}).size();
    };
    const auto repair = [&] {
      write_and_tell("agent:company|docs", "status", "active");
      EXPECT_EQ(reason(), "allowed");
    };
    repair();
    log.lines.clear();
    write_and_tell("agent:company|docs", "status", "perhaps");
    EXPECT_EQ(said(), 1U);
    write_and_tell("agent:company|docs", "not_before", "soon");
    EXPECT_LE(said(), 1U);
    redis.hashes[key("agent:company|docs")].erase("not_before");
    repair();
    write_and_tell("agent:company|docs", "status", "perhaps");
    EXPECT_EQ(said(), 1U) << "it was well in between";
    repair();
    const auto meta = redis.hashes[key("meta")];
    redis.hashes.erase(key("meta"));
    channel.tell({key("meta")});
    EXPECT_EQ(said(), 1U);
    redis.hashes[key("meta")] = meta;
    channel.tell({key("meta")});
    loop.advance(Milliseconds(1500));
    EXPECT_EQ(reason(), "allowed");
    loop.cancel_spawned();
    store.reset();
    channel.close();
  }
}

TEST_F(CopyingStoreTest, a_failure_is_never_a_copy) {
  begin();
  redis.broken = RedisError::timeout;
  EXPECT_EQ(reason(), "store_unavailable");
  redis.broken.reset();
  EXPECT_EQ(reason(), "allowed");
  redis.broken = RedisError::connect;
  EXPECT_EQ(warm(), "allowed") << "while the channel is live, what is known is true";
}

TEST_F(CopyingStoreTest, what_expires_in_redis_expires_here) {
  begin();
  redis.ttls[key("agent:company|docs")] = 2000;
  EXPECT_EQ(reason(), "allowed");
  loop.advance(Milliseconds(1900));
  EXPECT_EQ(warm(), "allowed");
  redis.hashes.erase(key("agent:company|docs"));
  redis.ttls.clear();
  loop.advance(Milliseconds(100));
  EXPECT_EQ(warm(), "asks") << "whether or not Redis has got round to telling";
  EXPECT_EQ(reason("tickets/ticket.delete"), "agent_grant_missing");
}

TEST_F(CopyingStoreTest, a_grant_ends_by_itself_in_the_copy) {
  redis.hashes[key("grants:bundle:support")]["s"] = R"({"operation":"tickets/*","until":"2027-01-15T08:00:10Z"})";
  clock.set(*parse_rfc3339("2027-01-15T08:00:09.999Z"));
  begin();
  EXPECT_EQ(reason(), "allowed");
  clock.set(*parse_rfc3339("2027-01-15T08:00:10Z"));
  EXPECT_EQ(warm(), "agent_grant_missing");
}

TEST_F(CopyingStoreTest, those_who_miss_at_once_ask_once) {
  begin();
  redis.loop = &loop;
  const std::size_t asked = redis.trips.size();
  std::vector<Task<Result<policy::FactsPtr, StoreFailure>>> calls;
  calls.reserve(1000);
  for (int i = 0; i < 1000; ++i) calls.push_back(test::FakeLoop::await_step(store->facts(who, "tickets/ticket.read")));
  for (auto& call : calls) call.start();
  for (int i = 0; i < 20; ++i) loop.advance(Milliseconds(1));
  for (auto& call : calls) {
    ASSERT_TRUE(call.done());
    EXPECT_TRUE(call.take());
  }
  EXPECT_LE(redis.trips.size() - asked, 3U);
}

TEST_F(CopyingStoreTest, eviction_costs_a_trip_and_never_an_answer) {
  begin({}, 24 * 1024);
  std::vector<PrincipalPtr> callers;
  for (int i = 0; i < 40; ++i) {
    const std::string name = "company|a" + std::to_string(i);
    redis.hashes[key("agent:" + name)] = {{"status", i % 2 == 0 ? "active" : "quarantined"},
                                          {"bundles", R"(["support"])"}};
    callers.push_back(caller(name));
  }
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 40; ++i) {
      who = callers[static_cast<std::size_t>(i)];
      EXPECT_EQ(reason(), i % 2 == 0 ? "allowed" : "agent_quarantined") << i;
    }
  }
  loop.advance(Milliseconds(250));
  EXPECT_LE(metrics.value("agent_copy_bytes{worker=\"0\"}"), 24U * 1024U);
  EXPECT_GT(metrics.value("agent_copy_evictions_total{worker=\"0\"}"), 0U);
}

TEST_F(CopyingStoreTest, what_is_larger_than_the_limit_is_asked_for_and_answered) {
  for (int i = 0; i < 100; ++i)
    redis.hashes[key("grants:bundle:support")]["x" + std::to_string(i)] = R"({"operation":"other/*"})";
  begin({}, 16 * 1024);
  EXPECT_EQ(reason(), "allowed");
  EXPECT_EQ(reason(), "allowed");
}

struct StrictTest : CopyingStoreTest {
  StrictTest() {
    begin({Freshness::Mode::strict});
    EXPECT_EQ(reason(), "allowed");
    loop.advance(Milliseconds(1));
  }
  /// A write that raises no version: only its message tells of it.
  std::vector<std::string> write_by_hand(const std::string& status) {
    redis.hashes[key("agent:company|docs")]["status"] = status;
    return {key("agent:company|docs")};
  }
  using Call = Task<Result<policy::FactsPtr, StoreFailure>>;
  Call start() {
    auto call = test::FakeLoop::await_step(store->facts(who, "tickets/ticket.read"));
    call.start();
    loop.settle();
    return call;
  }
  std::string answer(Call& call) { return call.done() ? judged(call.take(), *who, "tickets/ticket.read") : "waits"; }
  /// Whether a call asks for records too.
  bool asks_for_all() {
    redis.trips.clear();
    static_cast<void>(reason());
    const auto full = [](const auto& trip) { return trip.size() > 4; };
    return std::any_of(redis.trips.begin(), redis.trips.end(), full);
  }
};

TEST_F(StrictTest, every_call_asks_whether_its_copies_hold) {
  redis.trips.clear();
  channel.asked.clear();
  for (std::size_t i = 1; i <= 3; ++i) {
    EXPECT_EQ(reason(), "allowed");
    EXPECT_EQ(redis.trips.size(), i);
    EXPECT_EQ(redis.trips.back(), std::vector<RedisCommand>{meta_question()});
    EXPECT_EQ(channel.asked.size(), i);
    EXPECT_EQ(channel.asked.back().front(), "PING");
  }
  EXPECT_EQ(warm(), "asks");
  write_and_tell("agent:company|docs", "status", "quarantined");
  EXPECT_EQ(reason(), "agent_quarantined");
  EXPECT_EQ(metrics.value("agent_copy_hits_total{worker=\"0\"}"), 3U);
}

TEST_F(StrictTest, a_heartbeat_that_was_sent_before_the_call_began_proves_nothing) {
  channel.delay = Milliseconds(100);
  Call before = start();
  loop.advance(Milliseconds(10));
  // Acknowledged now; the message is on its way, behind the answer to the first heartbeat.
  const auto keys = write_by_hand("quarantined");
  Call after = start();
  loop.advance(Milliseconds(95));
  EXPECT_EQ(answer(before), "allowed");
  EXPECT_FALSE(after.done());
  channel.tell(keys);
  loop.advance(Milliseconds(100));
  EXPECT_EQ(answer(after), "agent_quarantined");
}

TEST_F(StrictTest, a_message_before_the_heartbeats_answer_takes_the_copy) {
  channel.delay = Milliseconds(100);
  Call call = start();
  channel.tell(write_by_hand("quarantined"));
  loop.advance(Milliseconds(100));
  EXPECT_EQ(answer(call), "agent_quarantined");
}

TEST_F(StrictTest, a_version_without_its_message_takes_all_copies) {
  write("agent:company|docs", "status", "quarantined");
  EXPECT_EQ(reason(), "agent_quarantined");
  write("agent:company|docs", "status", "active");
  EXPECT_EQ(reason(), "allowed");
}

TEST_F(StrictTest, calls_at_once_share_a_heartbeat) {
  redis.loop = &loop;
  redis.trips.clear();
  channel.asked.clear();
  std::vector<Call> calls;
  for (int i = 0; i < 100; ++i) {
    calls.push_back(test::FakeLoop::await_step(store->facts(who, "tickets/ticket.read")));
    calls.back().start();
  }
  for (int i = 0; i < 10; ++i) loop.advance(Milliseconds(1));
  for (Call& call : calls) EXPECT_EQ(answer(call), "allowed");
  EXPECT_EQ(redis.trips.size(), 1U);
  EXPECT_EQ(channel.asked.size(), 1U);
}

TEST_F(StrictTest, a_client_that_leaves_disturbs_nobody) {
  channel.delay = Milliseconds(100);
  Call leaves = start();
  Call stays = start();
  Call next = start();
  leaves.reset();
  loop.advance(Milliseconds(50));
  next.reset();
  loop.advance(Milliseconds(150));
  EXPECT_EQ(answer(stays), "allowed");
  EXPECT_EQ(answer(next), "waits");
  channel.delay = Milliseconds(0);
  loop.advance(Milliseconds(200));
  EXPECT_EQ(reason(), "allowed");
}

TEST_F(StrictTest, without_a_proof_all_is_asked) {
  EXPECT_FALSE(asks_for_all());
  channel.cut();
  EXPECT_TRUE(asks_for_all()) << "nothing is heard";
  loop.advance(Milliseconds(3000));
  static_cast<void>(reason());
  EXPECT_FALSE(asks_for_all());
  redis.threads = "1";
  loop.advance(Milliseconds(1000));
  EXPECT_TRUE(asks_for_all()) << "a Redis that may acknowledge before it tells";
  write("agent:company|docs", "status", "quarantined");
  EXPECT_EQ(reason(), "agent_quarantined");
  redis.threads = "0";
  write("agent:company|docs", "status", "active");
  loop.advance(Milliseconds(1000));
  EXPECT_EQ(reason(), "allowed");
  EXPECT_FALSE(asks_for_all());
  redis.run_id = "run-2";
  redis.number = 2;
  EXPECT_TRUE(asks_for_all()) << "another Redis tells than the one that answers";
  EXPECT_TRUE(asks_for_all());
}

TEST_F(StrictTest, a_line_that_is_silent_costs_one_timeout) {
  channel.silent = true;
  write_by_hand("quarantined");
  Call call = start();
  loop.advance(Milliseconds(999));
  EXPECT_EQ(answer(call), "waits");
  loop.advance(Milliseconds(1));
  EXPECT_EQ(answer(call), "agent_quarantined");
  EXPECT_EQ(reason(), "agent_quarantined") << "and then nobody waits for it";
}

TEST_F(StrictTest, a_store_that_went_back_or_does_not_answer) {
  redis.hashes[key("meta")]["version"] = "6";
  EXPECT_EQ(reason(), "store_rolled_back");
  redis.hashes[key("meta")]["version"] = "7";
  EXPECT_EQ(reason(), "allowed");
  redis.broken = RedisError::timeout;
  redis.trips.clear();
  EXPECT_EQ(reason(), "store_unavailable");
  EXPECT_EQ(redis.trips.size(), 1U);
  redis.broken.reset();
  EXPECT_EQ(reason(), "allowed");
  redis.hashes.erase(key("meta"));
  EXPECT_EQ(reason(), "store_uninitialised");
}

TEST_F(CopyingStoreTest, max_age_counts_from_the_question) {
  begin({Freshness::Mode::max_age, Milliseconds(5000)});
  EXPECT_EQ(reason(), "allowed");
  EXPECT_EQ(channel.opened, 0U);
  write("agent:company|docs", "status", "quarantined");
  clock.advance(Milliseconds(4999));
  EXPECT_EQ(warm(), "allowed");
  clock.advance(Milliseconds(1));
  EXPECT_EQ(warm(), "asks");
  EXPECT_EQ(reason(), "agent_quarantined");
}

/// A worker's store whose operator allows a grace beyond the lease.
struct GraceTest : CopyingStoreTest {
  void begin_with(Milliseconds grace) {
    CopySettings settings{{}, std::size_t{1} << 20, {"default"}, "0"};
    settings.grace = grace;
    store.reset();
    store = std::make_unique<CopyingStore>(CopyingStore::Host{redis, &channel, loop, clock, random, log, zone, metrics},
                                           settings);
    store->start();
    loop.settle();
    ASSERT_EQ(reason(), "allowed");
  }
  void die() {
    redis.broken = RedisError::connect;
    channel.refused = RedisError::connect;
    channel.cut();
  }
  bool by_grace() {
    const auto facts = loop.run(store->facts(who, "tickets/ticket.read"));
    return facts && facts->has_value() && (**facts)->grace;
  }
};

TEST_F(GraceTest, what_was_known_holds_for_a_while_where_nobody_answers) {
  begin_with(Milliseconds(5000));
  EXPECT_FALSE(by_grace());
  die();
  EXPECT_EQ(reason(), "allowed");
  EXPECT_TRUE(by_grace());
  EXPECT_EQ(reason("tickets/ticket.write"), "store_unavailable") << "what was never asked isn't known";
  const auto known = who;
  who = caller();
  EXPECT_EQ(reason(), "store_unavailable") << "nor is another token";
  who = known;
  loop.advance(Milliseconds(4000));
  EXPECT_EQ(reason(), "allowed");
  loop.advance(Milliseconds(1500));
  EXPECT_EQ(reason(), "store_unavailable");
}

TEST_F(GraceTest, without_one_nothing_passes) {
  begin_with(Milliseconds(0));
  die();
  EXPECT_EQ(reason(), "store_unavailable");
}

TEST_F(GraceTest, what_answers_is_believed_and_nothing_else) {
  begin_with(Milliseconds(5000));
  channel.cut();
  write("agent:company|docs", "status", "quarantined");
  EXPECT_EQ(reason(), "agent_quarantined");
  EXPECT_FALSE(by_grace());
}

TEST_F(GraceTest, an_answer_that_is_no_good_is_no_silence) {
  begin_with(Milliseconds(5000));
  die();
  for (const RedisError error : {RedisError::auth, RedisError::tls, RedisError::protocol}) {
    redis.broken = error;
    EXPECT_EQ(reason(), "store_unavailable");
  }
  for (const RedisError error : {RedisError::connect, RedisError::timeout, RedisError::closed}) {
    redis.broken = error;
    EXPECT_EQ(reason(), "allowed");
  }
}

TEST_F(GraceTest, whatever_has_spoken_against_it_ends_it) {
  struct Case {
    const char* name;
    std::function<void()> happens;
  };
  const Case cases[] = {
      {"a write that was heard of", [&] { write_and_tell("agent:company|docs", "status", "quarantined"); }},
      {"a flush", [&] { channel.tell_of_a_flush(); }},
      {"a message that isn't understood", [&] { channel.say(text_reply("what?")); }},
  };
  for (const Case& row : cases) {
    redis.broken.reset();
    channel.refused.reset();
    redis.hashes[key("agent:company|docs")]["status"] = "active";
    begin_with(Milliseconds(5000));
    row.happens();
    die();
    EXPECT_EQ(reason(), "store_unavailable") << row.name;
    loop.cancel_spawned();
  }
}

TEST(Stripes, what_held_when_writes_were_heard_last) {
  Stripes stripes;
  const auto stamp = stripes.stamp("a");
  EXPECT_TRUE(stripes.held(stamp));
  stripes.go_deaf();
  EXPECT_FALSE(stripes.holds(stamp));
  EXPECT_TRUE(stripes.held(stamp));
  stripes.go_deaf();
  EXPECT_TRUE(stripes.held(stamp)) << "a line that doesn't come back changes nothing";
  EXPECT_FALSE(stripes.held(stripes.stamp("b"))) << "nothing was heard since";
  stripes.hear_again();
  EXPECT_FALSE(stripes.held(stamp));
  const auto next = stripes.stamp("a");
  stripes.go_deaf();
  stripes.move_all();
  EXPECT_FALSE(stripes.held(next));
}

TEST(Stripes, a_stamp_holds_until_its_key_moves) {
  Stripes stripes;
  const auto stamp = stripes.stamp("a");
  const auto moves = stripes.moves();
  EXPECT_TRUE(stripes.holds(stamp));
  stripes.move("a");
  EXPECT_FALSE(stripes.holds(stamp));
  EXPECT_NE(stripes.moves(), moves);
  const auto again = stripes.stamp("a");
  stripes.move_all();
  EXPECT_FALSE(stripes.holds(again));
}

TEST_F(CopyingStoreTest, it_tells_of_itself) {
  begin();
  const auto told = [&] {
    status::Report report;
    store->tell(report);
    return report;
  };
  EXPECT_EQ(told().store.kind, status::StoreKind::push);
  EXPECT_EQ(told().store.hears, 1U);
  EXPECT_EQ(told().tenants, 0U);
  EXPECT_EQ(reason(), "allowed");
  EXPECT_EQ(warm(), "allowed");
  const auto report = told();
  EXPECT_EQ(report.store.misses, 1U);
  EXPECT_EQ(report.store.hits, 1U);
  EXPECT_GT(report.store.entries, 4U);
  EXPECT_GT(report.store.bytes, 1000U);
  EXPECT_EQ(report.store.limit, std::size_t{1} << 20);
  EXPECT_EQ(report.store.connects, 1U);
  EXPECT_GE(report.store.heartbeat, 0);
  ASSERT_EQ(report.tenants, 1U);
  EXPECT_EQ(report.tenant[0].name.view(), "default");
  EXPECT_EQ(report.tenant[0].incarnation.view(), "abc");
  EXPECT_EQ(report.tenant[0].version, 7U);
  EXPECT_EQ(report.tenant[0].current, 1U);
  write_and_tell("agent:company|docs", "status", "quarantined");
  EXPECT_EQ(told().store.invalidations, 1U);
  EXPECT_EQ(told().tenant[0].current, 0U);
}

TEST_F(CopyingStoreTest, it_tells_whether_it_hears) {
  status::Report report;
  begin(Freshness{Freshness::Mode::max_age, Milliseconds(1000)}).tell(report);
  EXPECT_EQ(report.store.kind, status::StoreKind::max_age);
  EXPECT_EQ(report.store.hears, 0U);
  EXPECT_EQ(report.store.heartbeat, -1);
  loop.cancel_spawned();
  begin(Freshness{Freshness::Mode::strict, Milliseconds(1000)}).tell(report);
  EXPECT_EQ(report.store.kind, status::StoreKind::strict);
  EXPECT_EQ(report.store.hears, 1U);
}

}  // namespace
}  // namespace agw::grants
