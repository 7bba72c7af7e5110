#include <functional>
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agw/grants/cluster.h"
#include "agw/grants/copying_store.h"
#include "agw/grants/tenant_stores.h"

#include "grants/past.h"
#include "support/fakes.h"
#include "support/memory_redis.h"

namespace agw::grants {
namespace {

using test::array_reply;
using test::error_reply;
using test::integer_reply;
using test::text_reply;

const RedisPlace first{"10.0.0.1", 6379};
const RedisPlace second{"10.0.0.2", 6379};
constexpr const char* state_ok = "cluster_enabled:1\r\ncluster_state:ok\r\n";

RedisReply node(const RedisPlace& place) {
  return array_reply({text_reply(place.host), integer_reply(place.port), text_reply("id")});
}

RedisReply range(std::int64_t from, std::int64_t to, const RedisPlace& place) {
  return array_reply({integer_reply(from), integer_reply(to), node(place)});
}

TEST(Slot, is_the_one_of_the_specification) {
  EXPECT_EQ(slot_of("123456789"), 0x31C3 % 16384);
  EXPECT_EQ(slot_of("foo"), 12182);
  EXPECT_EQ(slot_of("somekey"), 11058);
  EXPECT_EQ(slot_of(""), 0);
}

TEST(Topology, says_who_has_a_slot) {
  const std::vector<RedisReply> said{array_reply({range(0, 5460, first), range(5461, 16383, second)}),
                                     text_reply(state_ok)};
  const auto topology = Topology::read(said, "h");
  ASSERT_TRUE(topology);
  EXPECT_EQ(*topology->owner(0), first);
  EXPECT_EQ(*topology->owner(5460), first);
  EXPECT_EQ(*topology->owner(5461), second);
  EXPECT_EQ(*topology->owner(16383), second);
}

TEST(Topology, a_node_that_does_not_know_its_name_is_the_one_that_was_asked) {
  for (const RedisReply& nameless : {text_reply(""), RedisReply{}}) {
    const std::vector<RedisReply> said{
        array_reply({array_reply({integer_reply(1), integer_reply(1), array_reply({nameless, integer_reply(7000)})})}),
        text_reply(state_ok)};
    const auto topology = Topology::read(said, "node.example");
    ASSERT_TRUE(topology);
    EXPECT_EQ(*topology->owner(1), (RedisPlace{"node.example", 7000}));
    EXPECT_EQ(topology->owner(2), nullptr) << "nobody has it";
  }
}

TEST(Topology, nothing_is_known_from_what_cannot_be_read) {
  const auto slots_of = [](RedisReply one) { return std::vector{array_reply({std::move(one)}), text_reply(state_ok)}; };
  const std::pair<const char*, std::vector<RedisReply>> cases[] = {
      {"an error", {error_reply("NOPERM"), text_reply(state_ok)}},
      {"no cluster", {error_reply("ERR This instance has cluster support disabled"), error_reply("ERR")}},
      {"the side without a majority", {array_reply({range(0, 16383, first)}), text_reply("cluster_state:fail\r\n")}},
      {"one answer", {array_reply({range(0, 16383, first)})}},
      {"text", {text_reply("x"), text_reply(state_ok)}},
      {"a range of text", slots_of(text_reply("x"))},
      {"a short range", slots_of(array_reply({integer_reply(0), integer_reply(1)}))},
      {"a slot beyond the last", slots_of(range(0, 16384, first))},
      {"a negative slot", slots_of(range(-1, 2, first))},
      {"an end before its begin", slots_of(range(2, 1, first))},
      {"a slot as text", slots_of(array_reply({text_reply("0"), integer_reply(1), node(first)}))},
  };
  for (const auto& [name, said] : cases) EXPECT_FALSE(Topology::read(said, "h")) << name;
  const auto unnamed = slots_of(range(0, 9, RedisPlace{"a b", 1}));
  const auto topology = Topology::read(unnamed, "h");
  ASSERT_TRUE(topology);
  EXPECT_EQ(topology->owner(0), nullptr) << "a name that is none";
}

TEST(Redirection, is_read_from_errors_alone) {
  using Kind = Redirection::Kind;
  struct Case {
    RedisReply reply;
    std::optional<Kind> kind;
    std::optional<RedisPlace> to;
  };
  const Case cases[] = {
      {error_reply("MOVED 3999 10.0.0.2:6379"), Kind::moved, second},
      {error_reply("MOVED 3999 :6379"), Kind::moved, RedisPlace{"h", 6379}},
      {error_reply("MOVED 3999 ::1:7000"), Kind::moved, RedisPlace{"::1", 7000}},
      {error_reply("MOVED"), Kind::moved, std::nullopt},
      {error_reply("MOVED 1 a"), Kind::moved, std::nullopt},
      {error_reply("ASK 3999 10.0.0.2:6379"), Kind::ask, second},
      {error_reply("ASK 3999"), Kind::again, std::nullopt},
      {error_reply("ASK 3999 a b:1"), Kind::again, std::nullopt},
      {error_reply("TRYAGAIN Multiple keys request during rehashing of slot"), Kind::again, std::nullopt},
      {error_reply("CLUSTERDOWN Hash slot not served"), Kind::down, std::nullopt},
      {error_reply("ERR MOVED"), std::nullopt, std::nullopt},
      {error_reply("MOVEDX 1 a:1"), std::nullopt, std::nullopt},
      {error_reply(""), std::nullopt, std::nullopt},
      {text_reply("MOVED 3999 10.0.0.2:6379"), std::nullopt, std::nullopt},
  };
  for (const Case& row : cases) {
    const auto read = read_redirection(row.reply, "h");
    ASSERT_EQ(read.has_value(), row.kind.has_value()) << row.reply.text;
    if (!read) continue;
    EXPECT_EQ(read->kind, *row.kind) << row.reply.text;
    EXPECT_EQ(read->to, row.to) << row.reply.text;
  }
}

/// Says the same at each question, after a while or never.
class FakeSeed final : public Redis {
 public:
  explicit FakeSeed(Loop& loop) : loop_(loop) {}
  RedisPlace names = first;
  std::string state = state_ok;
  std::optional<RedisError> broken;
  std::optional<Milliseconds> takes;

  [[nodiscard]] Task<Result<std::vector<RedisReply>, RedisError>> pipeline(
      std::vector<RedisCommand> commands) override {
    EXPECT_EQ(commands, topology_questions());
    if (takes) co_await loop_.sleep(*takes);
    if (broken) co_return fail(*broken);
    co_return std::vector<RedisReply>{array_reply({range(0, 99, names), range(100, 16383, second)}), text_reply(state)};
  }

 private:
  Loop& loop_;
};

struct ClusterTest : testing::Test {
  ~ClusterTest() override { loop.cancel_spawned(); }
  std::optional<RedisPlace> found(MasterGuide& guide) {
    auto asking = guide.master();
    asking.start();
    loop.settle();
    return asking.done() ? asking.take() : std::nullopt;
  }

  test::FakeClock clock;
  test::FakeLoop loop{clock};
  FakeSeed a{loop};
  FakeSeed b{loop};
  FakeSeed c{loop};
  Cluster cluster{loop, clock, {{&a, "a"}, {&b, "b"}, {&c, "c"}}};
};

TEST_F(ClusterTest, a_majority_says_who_has_each_slot) {
  SlotGuide& low = cluster.guide(7);
  SlotGuide& high = cluster.guide(700);
  EXPECT_EQ(found(low), first);
  EXPECT_EQ(found(high), second);
  a.names = second;
  EXPECT_EQ(found(low), first) << "one that lies, or is late";
  b.state = "cluster_state:fail";
  EXPECT_FALSE(found(low)) << "one lies, one is on the wrong side";
  EXPECT_EQ(found(high), second) << "on this one they agree";
  a.names = first;
  EXPECT_EQ(found(low), first);
}

TEST_F(ClusterTest, one_that_hangs_or_is_gone_is_waited_for_only_where_it_decides) {
  SlotGuide& guide = cluster.guide(7);
  a.takes = Milliseconds(500);
  EXPECT_EQ(found(guide), first);
  b.broken = RedisError::connect;
  auto asking = guide.master();
  asking.start();
  loop.advance(Milliseconds(499));
  EXPECT_FALSE(asking.done());
  loop.advance(Milliseconds(1));
  EXPECT_EQ(asking.take(), first);
}

struct Follower final : MasterFollower {
  void master_is(const RedisPlace& place) noexcept override { last = place; }
  std::optional<RedisPlace> last;
};

TEST_F(ClusterTest, who_follows_hears_of_a_move) {
  Follower follower;
  SlotGuide& guide = cluster.guide(7);
  guide.follow(follower);
  loop.spawn(cluster.watch());
  loop.settle();
  EXPECT_EQ(follower.last, first);
  a.names = b.names = second;
  loop.advance(Cluster::pause);
  EXPECT_EQ(follower.last, second);
  follower.last.reset();
  a.broken = b.broken = c.broken = RedisError::connect;
  loop.advance(Cluster::pause * 4);
  EXPECT_FALSE(follower.last) << "nobody says anything: what is known stays";
  guide.leave(follower);
}

TEST_F(ClusterTest, who_had_the_slot_is_believed_until_a_majority_has_heard) {
  Follower follower;
  SlotGuide& guide = cluster.guide(7);
  guide.follow(follower);
  loop.spawn(cluster.watch());
  loop.settle();
  guide.moved(second);
  EXPECT_EQ(found(guide), second);
  loop.advance(Cluster::pause * 2);
  EXPECT_EQ(follower.last, second);
  a.names = b.names = second;
  loop.advance(Cluster::pause * 2);
  a.names = b.names = first;
  loop.advance(Cluster::pause * 2);
  EXPECT_EQ(follower.last, first) << "a majority has heard of it, and of what came then";
  guide.moved(second);
  loop.advance(SlotGuide::hearsay + Cluster::pause);
  EXPECT_EQ(follower.last, first) << "nobody else ever heard of it";
  EXPECT_EQ(found(guide), first);
  guide.leave(follower);
}

/// A node: keys by name, whatever is asked of them; what it hasn't is where `elsewhere` says.
class FakeNode final : public Redis, public OwnerConnection {
 public:
  FakeNode(Loop& loop, RedisPlace at) : loop_(loop), at_(std::move(at)) {}

  std::map<std::string, std::string> keys;
  std::function<std::optional<std::string>(const std::string& key)> elsewhere = [](const auto&) {
    return std::nullopt;
  };
  std::function<void()> closed = [] {};
  std::string state = state_ok;
  std::optional<RedisError> broken;
  Milliseconds takes{0};
  std::size_t closes = 0;
  std::size_t trips = 0;
  std::vector<RedisCommand> asked;

  [[nodiscard]] Task<Result<std::vector<RedisReply>, RedisError>> pipeline(
      std::vector<RedisCommand> commands) override {
    ++trips;
    if (broken) co_return fail(*broken);
    std::vector<RedisReply> out;
    bool asking = false;
    for (const RedisCommand& command : commands) {
      asked.push_back(command);
      if (command[0] == "CLUSTER") {
        out.push_back(text_reply(state));
      } else if (command[0] == "ASKING") {
        asking = true;
        out.push_back(text_reply("OK"));
      } else {
        const auto away = asking ? std::nullopt : elsewhere(command[1]);
        asking = false;
        out.push_back(away ? error_reply(*away) : answer(command));
      }
    }
    if (takes.count() > 0) co_await loop_.sleep(takes);
    co_return out;
  }
  [[nodiscard]] std::uint64_t connection() const noexcept override { return closes + 1; }
  [[nodiscard]] std::string where() const override { return at_.text(); }
  void leave_owner() noexcept override {
    ++closes;
    closed();
  }
  void become(const RedisPlace& place) { at_ = place; }

 private:
  RedisReply answer(const RedisCommand& command) const {
    const auto known = keys.find(command[1]);
    if (command[0] == "EXISTS") return integer_reply(known == keys.end() ? 0 : 1);
    return known == keys.end() ? RedisReply{} : text_reply(known->second);
  }

  Loop& loop_;
  RedisPlace at_;
};

struct SlotRedisTest : testing::Test, Nodes, SlotGuide {
  void moved(const RedisPlace& to) override { heard = to; }
  [[nodiscard]] Task<std::optional<RedisPlace>> master() override { co_return std::nullopt; }
  [[nodiscard]] std::string_view lost() const noexcept override { return {}; }
  [[nodiscard]] bool hands_over() const noexcept override { return true; }
  void follow(MasterFollower&) override {}
  void leave(MasterFollower&) noexcept override {}

  ~SlotRedisTest() override { loop.cancel_spawned(); }
  Redis& at(const RedisPlace& place) override {
    EXPECT_EQ(place, second);
    return other;
  }
  using Answer = Result<std::vector<RedisReply>, RedisError>;
  Answer ask(std::vector<RedisCommand> commands, Milliseconds within = Milliseconds(1000)) {
    auto asking = redis.pipeline(std::move(commands));
    asking.start();
    loop.advance(within);
    EXPECT_TRUE(asking.done());
    return asking.done() ? asking.take() : fail(RedisError::timeout);
  }
  static std::vector<std::string> texts(const Answer& answer) {
    std::vector<std::string> out;
    if (!answer) return {std::string(to_string(answer.error()))};
    for (const auto& reply : *answer) out.push_back(reply.text);
    return out;
  }
  void in_motion() {
    node.elsewhere = [this](const std::string& key) -> std::optional<std::string> {
      if (node.keys.contains(key)) return std::nullopt;
      return "ASK 1 " + second.text();
    };
  }

  test::FakeClock clock;
  test::FakeLoop loop{clock};
  FakeNode node{loop, first};
  FakeNode other{loop, second};
  test::FakeLog log;
  std::optional<RedisPlace> heard;
  SlotRedis redis{{loop, clock, node, node, *this, *this, log}, "acme", Milliseconds(500)};
  const std::vector<RedisCommand> both{{"GET", "k1"}, {"GET", "k2"}};
};

TEST_F(SlotRedisTest, asks_its_owner_and_learns_how_the_slot_lies) {
  node.keys = {{"k1", "one"}, {"k2", "two"}, {witness_key("acme"), "7"}};
  EXPECT_EQ(texts(ask(both)), (std::vector<std::string>{"one", "two"}));
  EXPECT_EQ(redis.state().owner, first.text());
  EXPECT_EQ(redis.state().witness, 7U);
  EXPECT_TRUE(redis.state().moving_to.empty());
  EXPECT_TRUE(redis.state().lies_still(clock.moment(), Milliseconds(1001)));
  EXPECT_FALSE(redis.state().lies_still(clock.moment() + Milliseconds(2), Milliseconds(1001))) << "asked too long ago";
  EXPECT_EQ(node.trips, 1U);
}

TEST_F(SlotRedisTest, keys_that_have_moved_are_asked_for_where_they_went_in_order) {
  node.keys = {{"k1", "one"}};
  other.keys = {{"k2", "two"}, {witness_key("acme"), "3"}};
  in_motion();
  EXPECT_EQ(texts(ask({{"GET", "k2"}, {"GET", "k1"}, {"GET", "k3"}})), (std::vector<std::string>{"two", "one", ""}));
  EXPECT_EQ(redis.state().moving_to, second.text());
  EXPECT_EQ(redis.state().witness, 3U) << "it went, too";
  EXPECT_FALSE(redis.state().lies_still(clock.moment(), Milliseconds(10'000)));
  // What was asked behind a refusal is asked again behind its answer: nothing overtakes.
  std::vector<std::string> order;
  for (const auto& command : node.asked)
    if (command[0] == "GET") order.push_back(command[1]);
  EXPECT_THAT(order, testing::ElementsAre("k2", "k1", "k3", witness_key("acme"), "k1", "k3", witness_key("acme"),
                                          witness_key("acme")));
  node.keys = other.keys;
  node.elsewhere = [](const auto&) { return std::nullopt; };
  static_cast<void>(ask(both));
  EXPECT_TRUE(redis.state().moving_to.empty());
}

TEST_F(SlotRedisTest, a_slot_in_motion_is_seen_though_all_that_was_asked_for_is_here) {
  node.keys = {{"k1", "one"}, {"k2", "two"}, {witness_key("acme"), "1"}};
  in_motion();
  EXPECT_EQ(texts(ask(both)), (std::vector<std::string>{"one", "two"}));
  EXPECT_EQ(redis.state().moving_to, second.text());
  EXPECT_EQ(other.trips, 0U);
}

TEST_F(SlotRedisTest, a_slot_that_has_moved_is_asked_for_at_its_new_owner) {
  other.keys = {{"k1", "one"}};
  node.elsewhere = [&](const auto&) { return "MOVED 1 " + second.text(); };
  int left = 0;
  node.closed = [&] {
    // Those who say where it is learn of the move a little later.
    if (++left < 3) return;
    node.become(second);
    node.keys = other.keys;
    node.elsewhere = [](const auto&) { return std::nullopt; };
  };
  EXPECT_EQ(texts(ask(both)), (std::vector<std::string>{"one", ""}));
  EXPECT_EQ(redis.state().owner, second.text());
  EXPECT_EQ(node.closes, 3U);
  EXPECT_EQ(heard, second);
}

TEST_F(SlotRedisTest, who_leaves_a_node_lets_it_answer_first) {
  node.takes = Milliseconds(20);
  node.keys = {{"k1", "one"}};
  auto before = redis.pipeline({{"GET", "k1"}});
  before.start();
  loop.advance(Milliseconds(10));
  node.elsewhere = [&](const auto&) { return "MOVED 1 " + second.text(); };
  auto after = redis.pipeline({{"GET", "k1"}});
  after.start();
  node.closed = [&] {
    EXPECT_TRUE(before.done());
    node.elsewhere = [](const auto&) { return std::nullopt; };
  };
  loop.advance(Milliseconds(300));
  EXPECT_EQ(texts(before.take()), std::vector<std::string>{"one"});
  EXPECT_EQ(texts(after.take()), std::vector<std::string>{"one"});
  EXPECT_EQ(node.closes, 1U);
}

TEST_F(SlotRedisTest, what_cannot_be_asked_ends_within_its_patience) {
  const std::string away = "MOVED 1 " + second.text();
  for (const std::string& refusal : {away, std::string("TRYAGAIN"), std::string("ASK 1 nowhere")}) {
    node.elsewhere = [&](const auto&) { return refusal; };
    const SteadyTime begun = clock.steady();
    auto asking = redis.pipeline(both);
    asking.start();
    while (!asking.done() && clock.steady() - begun < Milliseconds(2000)) loop.advance(Milliseconds(10));
    ASSERT_TRUE(asking.done()) << refusal;
    EXPECT_LE(clock.steady() - begun, Milliseconds(600));
    EXPECT_EQ(asking.take().error(), RedisError::closed);
  }
  node.elsewhere = [](const auto&) { return "CLUSTERDOWN The cluster is down"; };
  EXPECT_EQ(ask(both, Milliseconds(0)).error(), RedisError::closed) << "at once";
  node.elsewhere = [](const auto&) { return std::nullopt; };
  node.state = "cluster_state:fail";
  EXPECT_EQ(ask(both, Milliseconds(0)).error(), RedisError::closed) << "whatever it answers";
  node.broken = RedisError::closed;
  EXPECT_EQ(ask(both, Milliseconds(0)).error(), RedisError::closed);
}

TEST_F(SlotRedisTest, the_other_node_may_be_gone) {
  in_motion();
  other.broken = RedisError::connect;
  EXPECT_EQ(ask(both).error(), RedisError::closed);
}

struct TenantsRedisTest : testing::Test {
  ~TenantsRedisTest() override { loop.cancel_spawned(); }
  Result<std::vector<RedisReply>, RedisError> ask(std::vector<RedisCommand> commands) {
    auto asking = tenants.pipeline(std::move(commands));
    asking.start();
    loop.advance(Milliseconds(50));
    return asking.take();
  }
  test::FakeClock clock;
  test::FakeLoop loop{clock};
  FakeNode a{loop, first};
  FakeNode b{loop, second};
  TenantsRedis tenants{loop};
};

TEST_F(TenantsRedisTest, each_command_goes_where_its_tenant_is) {
  tenants.add("a", a);
  tenants.add("b", b);
  a.keys = {{"agw:v:{a}:x", "1"}};
  b.keys = {{"agw:p:{b}:x", "2"}};
  b.takes = Milliseconds(20);
  const std::vector<RedisCommand> commands{{"GET", "agw:p:{b}:x"},
                                           {"GET", "agw:v:{a}:x"},
                                           {"GET", "agw:v:{c}:x"},
                                           {"GET", "elsewhere"},
                                           {"GET", "agw:v:{a}:y", "agw:v:{b}:x"}};
  auto answer = ask(commands);
  ASSERT_TRUE(answer);
  EXPECT_EQ((*answer)[0].text, "2");
  EXPECT_EQ((*answer)[1].text, "1");
  EXPECT_EQ((*answer)[2].type, RedisReply::Type::error);
  EXPECT_EQ((*answer)[3].type, RedisReply::Type::error);
  EXPECT_EQ((*answer)[4].type, RedisReply::Type::nil) << "the first key counts";
  // One tenant's node that is gone takes the others' answers from nobody.
  b.broken = RedisError::closed;
  answer = ask(commands);
  ASSERT_TRUE(answer);
  EXPECT_EQ((*answer)[0].text, "UNREACHABLE connection closed");
  EXPECT_EQ((*answer)[1].text, "1");
  a.broken = RedisError::timeout;
  EXPECT_FALSE(ask(commands));
}

/// A worker's store of one tenant, whose slot says what a test wants.
struct ClusterCopyTest : testing::Test {
  ClusterCopyTest() {
    const auto key = [](const char* name) { return policy_key("acme", name); };
    redis.hashes[key("meta")] = {{"schema", "1"}, {"incarnation", "abc"}, {"born", "1800000000"}, {"version", "7"}};
    redis.hashes[key("agent:company|docs")] = {{"status", "active"}};
    auto who = std::make_shared<Principal>();
    who->issuer = "company";
    who->tenant = "acme";
    who->user = "company|mira";
    who->agent = "company|docs";
    principal = who;
    lie_still();
    auto made = std::make_unique<CopyingStore>(
        CopyingStore::Host{redis, &channel, loop, clock, random, log, zone, metrics, &slot},
        CopySettings{{}, std::size_t{1} << 20, {"acme"}, "0", true, "acme"});
    made->start();
    loop.settle();
    stores.add("acme", std::move(made));
  }
  ~ClusterCopyTest() override { loop.cancel_spawned(); }

  /// As an answer that came just now says.
  void lie_still(const std::string& owner = "a:1") {
    slot.owner = owner;
    slot.moving_to.clear();
    slot.still = clock.moment();
    ++slot.changes;
  }
  void move_to(const std::string& target) {
    slot.moving_to = target;
    ++slot.changes;
  }
  std::string asked() {
    const auto facts = loop.run(stores.facts(principal, ""));
    return !facts ? "waits" : *facts ? "facts" : std::string(to_string((*facts).error().reason));
  }
  bool warm() { return stores.facts(principal, "").ready(); }

  test::FakeClock clock;
  test::FakeLoop loop{clock};
  test::FakeRandom random;
  test::FakeLog log;
  test::MemoryZone zone{clock};
  test::MemoryMetrics metrics;
  test::MemoryRedis redis;
  test::FakeChannel channel{redis, loop};
  SlotState slot;
  TenantStores stores;
  PrincipalPtr principal;
};

TEST_F(ClusterCopyTest, copies_count_while_the_slot_lies_still) {
  EXPECT_EQ(asked(), "facts");
  EXPECT_TRUE(warm());
  move_to("b:1");
  EXPECT_FALSE(warm()) << "what is new is written elsewhere";
  EXPECT_EQ(asked(), "facts") << "it is asked for";
  lie_still("b:1");
  EXPECT_FALSE(warm()) << "what was copied was another node's";
  EXPECT_EQ(asked(), "facts");
  EXPECT_TRUE(warm());
  const std::size_t before = redis.trips.size();
  loop.advance(Milliseconds(900));
  EXPECT_TRUE(warm());
  loop.advance(Milliseconds(101));
  EXPECT_FALSE(warm()) << "nobody has said for a lease that it lies still";
  EXPECT_GT(redis.trips.size(), before) << "though it was asked";
  EXPECT_GT(metrics.value("agent_copy_hits_total{worker=\"0\",tenant=\"acme\"}"), 0U);
}

TEST_F(ClusterCopyTest, a_node_that_lacks_the_witness_has_lost_something) {
  slot.witness = 3;
  EXPECT_EQ(asked(), "facts");
  slot.witness = 2;
  lie_still("b:1");
  EXPECT_EQ(asked(), "store_rolled_back");
  slot.witness = 3;
  lie_still("b:1");
  EXPECT_EQ(asked(), "facts");
  move_to("c:1");
  EXPECT_EQ(asked(), "facts");
  lie_still("b:1");
  EXPECT_EQ(asked(), "store_rolled_back") << "what moved is elsewhere";
  lie_still("c:1");
  EXPECT_EQ(asked(), "facts");
  lie_still("b:1");
  EXPECT_EQ(asked(), "facts") << "all of it came back";
  slot.witness = 1;
  redis.hashes[policy_key("acme", "meta")]["confirmed"] = "1800000000000";
  lie_still("b:1");
  EXPECT_EQ(asked(), "facts") << "an operator says that this is the truth";
}

TEST_F(ClusterCopyTest, a_tenant_without_a_store_is_denied) {
  auto other = std::make_shared<Principal>(*principal);
  other->tenant = "beta";
  const auto facts = loop.run(stores.facts(other, ""));
  ASSERT_FALSE(*facts);
  EXPECT_EQ(facts->error().reason, Reason::store_unavailable);
  EXPECT_TRUE(loop.run(stores.health())->usable);
  redis.hashes.clear();
  const auto health = loop.run(stores.health());
  EXPECT_FALSE(health->usable);
  EXPECT_NE(health->detail.find("tenant acme: "), std::string::npos);
}

TEST_F(ClusterCopyTest, its_status_is_one_store) {
  EXPECT_EQ(asked(), "facts");
  status::Report report;
  stores.tell(report);
  EXPECT_EQ(report.store.kind, status::StoreKind::push);
  EXPECT_EQ(report.store.hears, 1U);
  EXPECT_EQ(report.tenants, 1U);
  EXPECT_EQ(report.tenant[0].name.view(), "acme");
  EXPECT_GT(report.store.misses, 0U);
}

TEST(Lineage, is_read_as_it_is_written) {
  for (const Lineage& one : {Lineage{7, 0, ""}, Lineage{0, 1'800'000'000'000, "10.0.0.2:6379"}}) {
    const auto read = Lineage::read(one.text());
    ASSERT_TRUE(read) << one.text();
    EXPECT_EQ(read->text(), one.text());
  }
  for (const char* wrong : {"", "1", "x 1 ", "1 x ", "1 2", "-1 2 ", "1 2x "})
    EXPECT_FALSE(Lineage::read(wrong)) << wrong;
}

TEST(Lineage, goes_on_with_the_witness_and_with_all_that_was_moved) {
  const auto slot = [](std::string owner, std::string moving_to, std::uint64_t witness) {
    SlotState out;
    out.owner = std::move(owner);
    out.moving_to = std::move(moving_to);
    out.witness = witness;
    return out;
  };
  struct Case {
    const char* name;
    SlotState slot;
    Lineage known;
    bool goes_on;
  };
  const Case cases[] = {
      {"the same", slot("a", "", 3), {3, 5, ""}, true},
      {"another owner that has it", slot("b", "", 3), {3, 5, ""}, true},
      {"another that has more", slot("b", "", 4), {3, 5, ""}, true},
      {"one that lacks something", slot("b", "", 2), {3, 5, ""}, false},
      {"it is being moved", slot("a", "b", 3), {3, 5, ""}, true},
      {"still", slot("a", "b", 3), {3, 5, "b"}, true},
      {"it has come where it went", slot("b", "", 3), {3, 5, "b"}, true},
      {"and goes on from there", slot("b", "c", 3), {3, 5, "b"}, true},
      {"it was given up half way", slot("a", "", 3), {3, 5, "b"}, false},
      {"the old one's replica knows nothing of it", slot("a2", "", 3), {3, 5, "b"}, false},
      {"and then it goes somewhere else", slot("a", "c", 3), {3, 5, "b"}, false},
  };
  for (const Case& row : cases) {
    EXPECT_EQ(continues(row.slot, 5, row.known), row.goes_on) << row.name;
    EXPECT_TRUE(continues(row.slot, 6, row.known)) << row.name << ", confirmed since";
  }
}

}  // namespace
}  // namespace agw::grants
