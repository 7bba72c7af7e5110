// Nodes of a Cluster say whatever they like: the input is their answers. Who is named as an owner is a place, no slot
// is beyond the last, a tenant's question ends within its patience, what is answered has an answer for each command,
// and a slot of which a node says that it moves isn't said to lie still.
#include <cstdint>
#include <string>
#include <string_view>

#include "agw/grants/cluster.h"
#include "agw/io/redis_protocol.h"

#include "grants/past.h"
#include "support/claims.h"
#include "support/fakes.h"

namespace {

using namespace agw;
using fuzz::expect;

/// Answers with what comes next, for the owner and for whoever else is asked.
class FedNode final : public Redis, public grants::OwnerConnection, public grants::Nodes, public grants::SlotGuide {
 public:
  explicit FedNode(std::string_view bytes) { over_ = !reader_.feed(bytes); }

  bool refused = false;  ///< the last answer has a redirection

  [[nodiscard]] Task<Result<std::vector<RedisReply>, RedisError>> pipeline(
      std::vector<RedisCommand> commands) override {
    std::vector<RedisReply> replies;
    refused = false;
    while (replies.size() < commands.size()) {
      auto reply = over_ ? Result<std::optional<RedisReply>, RedisError>(fail(RedisError::closed)) : reader_.next();
      if (!reply || !*reply) {
        over_ = true;
        co_return fail(RedisError::closed);
      }
      const auto redirection = grants::read_redirection(**reply, "h");
      if (redirection) {
        refused = true;
        expect(redirection->kind != grants::Redirection::Kind::ask || redirection->to.has_value(),
               "who says ASK says where");
        if (redirection->to) expect(redirection->to->port != 0 && !redirection->to->host.empty(), "that is a place");
      }
      replies.push_back(std::move(**reply));
    }
    co_return replies;
  }
  [[nodiscard]] std::string where() const override { return "h:1"; }
  void leave_owner() noexcept override {}
  void moved(const grants::RedisPlace&) override {}
  [[nodiscard]] Task<std::optional<grants::RedisPlace>> master() override { co_return std::nullopt; }
  [[nodiscard]] std::string_view lost() const noexcept override { return {}; }
  [[nodiscard]] bool hands_over() const noexcept override { return true; }
  void follow(grants::MasterFollower&) override {}
  void leave(grants::MasterFollower&) noexcept override {}
  [[nodiscard]] Redis& at(const grants::RedisPlace&) override { return *this; }

 private:
  RedisReader reader_{1U << 16U};
  bool over_ = false;
};

void read_topology(std::string_view bytes) {
  RedisReader reader(1U << 16U);
  if (!reader.feed(bytes)) return;
  std::vector<RedisReply> replies;
  while (replies.size() < grants::topology_answers) {
    auto reply = reader.next();
    if (!reply || !*reply) return;
    replies.push_back(std::move(**reply));
  }
  const auto topology = grants::Topology::read(replies, "h");
  if (!topology) return;
  for (unsigned slot = 0; slot < grants::slots; slot += 97) {
    const auto* const place = topology->owner(static_cast<grants::Slot>(slot));
    if (place != nullptr)
      expect(grants::read_place(place->host, std::to_string(place->port)) == *place, "an owner is a place");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  expect(grants::slot_of(bytes) < grants::slots, "there are so many slots");
  if (const auto lineage = grants::Lineage::read(bytes))
    expect(grants::Lineage::read(lineage->text())->text() == lineage->text(), "it is read as it is written");
  read_topology(bytes);

  constexpr Milliseconds patience{200};
  test::FakeClock clock;
  test::FakeLoop loop(clock);
  test::FakeLog log;
  FedNode node(bytes);
  grants::SlotRedis redis({loop, clock, node, node, node, node, log}, "acme", patience);
  for (int i = 0; i < 3; ++i) {
    const SteadyTime begun = clock.steady();
    auto asking = redis.pipeline({{"GET", "a"}, {"GET", "b"}});
    asking.start();
    loop.advance(patience + Milliseconds(60));
    expect(asking.done(), "it ends within its patience");
    const auto answer = asking.take();
    if (!answer) continue;
    expect(answer->size() == 2, "each command has an answer");
    for (const RedisReply& reply : *answer) expect(!grants::read_redirection(reply, "h"), "and none is a redirection");
    const auto& state = redis.state();
    expect(state.moving_to.empty() || !state.lies_still(clock.moment(), Milliseconds(1'000'000)),
           "what moves doesn't lie still");
    expect(state.still <= begun + patience + Milliseconds(60), "no answer is of later than now");
  }
  loop.cancel_spawned();
  return 0;
}
