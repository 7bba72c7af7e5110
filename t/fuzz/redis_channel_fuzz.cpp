// The line on which Redis tells of writes says whatever it likes: the input is its answers and messages. Copies are
// used only after a heartbeat was answered, and none is believed once the line has been silent for a lease.
#include <cstdint>
#include <string>
#include <string_view>

#include "agw/grants/copying_store.h"
#include "agw/io/redis_protocol.h"
#include "agw/policy/evaluate.h"

#include "support/claims.h"
#include "support/fakes.h"
#include "support/memory_redis.h"

namespace {

using namespace agw;
using fuzz::expect;

class FedChannel final : public RedisChannel {
 public:
  explicit FedChannel(std::string_view bytes) { over_ = !reader_.feed(bytes); }

  bool answered_a_heartbeat = false;
  void fall_silent() { over_ = true; }

  [[nodiscard]] std::uint64_t connection() const noexcept override { return number_; }
  void listen(Listener* listener) noexcept override { listener_ = listener; }
  void close() noexcept override {
    if (number_ == 0) return;
    number_ = 0;
    if (listener_ != nullptr) listener_->lost();
  }
  [[nodiscard]] Task<Result<std::vector<RedisReply>, RedisError>> pipeline(
      std::vector<RedisCommand> commands) override {
    if (!over_ && number_ == 0) number_ = ++opened_;
    std::vector<RedisReply> replies;
    while (replies.size() < commands.size()) {
      auto reply = over_ ? Result<std::optional<RedisReply>, RedisError>(fail(RedisError::closed)) : reader_.next();
      if (!reply || !*reply) {
        over_ = true;
        close();
        co_return fail(RedisError::closed);
      }
      RedisReply& said = **reply;
      const bool message =
          said.type == RedisReply::Type::array && !said.elements.empty() && said.elements.front().text == "message";
      if (message && listener_ != nullptr) {
        listener_->heard(said);
        continue;
      }
      const RedisCommand& asked = commands[replies.size()];
      if (asked.front() == "PING" && said.elements.size() == 2 && said.elements[1].text == asked.back())
        answered_a_heartbeat = true;
      replies.push_back(std::move(said));
    }
    co_return replies;
  }

 private:
  RedisReader reader_{1U << 16U};
  Listener* listener_ = nullptr;
  std::uint64_t number_ = 0;
  std::uint64_t opened_ = 0;
  bool over_ = false;
};

PrincipalPtr make_principal() {
  auto out = std::make_shared<Principal>();
  out->tenant = "default";
  out->user = "company|mira";
  out->agent = "company|docs";
  out->issuer = "company";
  out->groups = {"company|support"};
  out->issued_at = from_unix(1'799'999'000);
  return out;
}

void write_policy(test::MemoryRedis& redis) {
  const auto key = [](const char* name) { return grants::policy_key("default", name); };
  redis.hashes[key("meta")] = {{"schema", "1"}, {"incarnation", "abc"}, {"born", "1800000000"}, {"version", "7"}};
  redis.hashes[key("agent:company|docs")] = {{"status", "active"}};
  redis.hashes[key("grants:agent:company|docs")] = {{"g", R"({"operation":"tickets/*"})"}};
  redis.hashes[key("entitlements:group:company|support")] = {{"e", R"({"operation":"tickets/*"})"}};
}

bool allowed(const Result<policy::FactsPtr, grants::StoreFailure>& facts, const Principal& principal, WallTime now) {
  if (!facts) return false;
  policy::Route route;
  route.operation = "tickets/ticket.read";
  policy::Question question{.principal = principal};
  question.route = &route;
  question.now = now;
  return policy::evaluate(question, **facts).allowed();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const PrincipalPtr principal = make_principal();
  test::FakeClock clock;
  test::FakeLoop loop(clock);
  test::FakeRandom random;
  test::FakeLog log;
  test::MemoryZone zone(clock);
  test::MemoryMetrics metrics;
  test::MemoryRedis redis;
  write_policy(redis);
  FedChannel channel({reinterpret_cast<const char*>(data), size});
  grants::CopyingStore store({redis, &channel, loop, clock, random, log, zone, metrics},
                             {{}, 1U << 16U, {"default"}, "0"});
  const auto ask = [&] { return store.facts(principal, "tickets/ticket.read"); };

  store.start();
  loop.settle();
  for (int i = 0; i < 3; ++i) {
    const auto facts = loop.run(ask());
    expect(facts.has_value() && allowed(*facts, *principal, clock.now()), "Redis is asked, whatever the line says");
    expect(!ask().ready() || channel.answered_a_heartbeat, "a copy is used only after a heartbeat was answered");
    loop.advance(Milliseconds(300));
  }
  redis.hashes[grants::policy_key("default", "agent:company|docs")]["status"] = "quarantined";
  redis.hashes[grants::policy_key("default", "meta")]["version"] = "8";
  channel.fall_silent();
  loop.advance(Milliseconds(1001));
  expect(!ask().ready(), "no copy is believed once the line was silent for a lease");
  const auto facts = loop.run(ask());
  expect(facts.has_value() && !allowed(*facts, *principal, clock.now()), "what was written holds");
  loop.cancel_spawned();
  return 0;
}
