// A Redis Cluster: which node has a tenant's keys, and how a tenant is asked while they move.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agw/base/result.h"
#include "agw/grants/master.h"
#include "agw/grants/redis_url.h"
#include "agw/io/clock.h"
#include "agw/io/log.h"
#include "agw/io/loop.h"
#include "agw/io/redis.h"
#include "agw/io/single_flight.h"

namespace agw::grants {

using Slot = std::uint16_t;
inline constexpr Slot slots = 16384;

/// The slot of all keys that carry this hash tag, as a tenant's keys carry its name.
[[nodiscard]] Slot slot_of(std::string_view tag) noexcept;

/// Which node has which slots, as one of them sees it.
class Topology {
 public:
  /// Nothing: it refuses, isn't of a Cluster that works (the side of a cut network that lacks a majority), or says what
  /// can't be read. `asked`: the host that was asked, for a node that doesn't know its own name.
  [[nodiscard]] static std::optional<Topology> read(std::span<const RedisReply> replies, std::string_view asked);
  /// Null: nobody has it.
  [[nodiscard]] const RedisPlace* owner(Slot slot) const noexcept;

 private:
  struct Range {
    Slot first = 0;
    Slot last = 0;
    RedisPlace place;
  };
  std::vector<Range> ranges_;
};
[[nodiscard]] std::vector<RedisCommand> topology_questions();
inline constexpr std::size_t topology_answers = 2;

/// Why a node doesn't answer a command itself.
struct Redirection {
  enum class Kind : std::uint8_t {
    moved,  ///< another node has the slot
    ask,  ///< the slot is being moved, and what was asked for is at `to` already, or nowhere
    again,  ///< the slot is being moved, and the keys are in two places
    down,  ///< the Cluster doesn't serve it
  };
  Kind kind = Kind::moved;
  std::optional<RedisPlace> to;  ///< of moved and ask
};
/// Nothing: it is an answer, or an error of another kind. An `ask` without a place that can be read is `again`.
[[nodiscard]] std::optional<Redirection> read_redirection(const RedisReply& reply, std::string_view asked);

/// Who has a slot.
class SlotGuide : public MasterGuide {
 public:
  /// Whom a majority named has said that the slot is there now. It is believed until a majority has heard of it, too,
  /// for `hearsay` at most.
  virtual void moved(const RedisPlace& to) = 0;
  static constexpr Milliseconds hearsay{5000};
};

/// Asks all seeds at once, for all slots that somebody wants, and waits for a majority, not for the slowest: one that
/// hangs, lies or is gone changes nothing as long as the others agree.
class Cluster {
 public:
  struct Seed {
    Redis* redis = nullptr;  ///< with a timeout of its own; outlives this object
    std::string host;
  };
  Cluster(Loop& loop, const Clock& clock, std::vector<Seed> seeds);
  ~Cluster();
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;

  /// Lives as long as this object. All are made before the first is asked.
  [[nodiscard]] SlotGuide& guide(Slot slot);
  /// Asks for ever, to be kept by the loop.
  [[nodiscard]] Task<void> watch();

  static constexpr Milliseconds pause{250};

 private:
  class Guide;
  class Count;
  using Owners = std::map<Slot, RedisPlace>;
  using OwnersPtr = std::shared_ptr<const Owners>;
  [[nodiscard]] Task<OwnersPtr> look();
  [[nodiscard]] Task<OwnersPtr> ask();
  static Task<void> ask_one(const Seed& seed, Count& count);

  Loop& loop_;
  const Clock& clock_;
  std::vector<Seed> seeds_;
  std::map<Slot, std::unique_ptr<Guide>> guides_;
  SingleFlight<OwnersPtr> flights_;
};

/// What a tenant's answers say of its slot.
struct SlotState {
  std::string owner;  ///< who answered last
  std::string moving_to;  ///< where its keys are being moved to; empty: they lie still
  SteadyTime still = SteadyTime::min();  ///< when the last question was sent whose answer says that they do
  std::uint64_t witness = 0;  ///< see Past
  std::uint64_t changes = 0;  ///< of owner and moving_to

  /// What the owner tells of is all that is written, and was until `bound` ago: while a slot moves, what is new is
  /// written elsewhere.
  [[nodiscard]] bool lies_still(SteadyTime now, Milliseconds bound) const noexcept {
    return moving_to.empty() && now - bound < still;
  }
};

/// A number beside a tenant's policy, raised after writes of it were heard of: who has the number has what was written
/// before.
[[nodiscard]] std::string witness_key(std::string_view tenant);
/// One that never exists: how its slot lies can be asked by it.
[[nodiscard]] std::string probe_key(std::string_view tenant);

/// The connection to a slot's owner, which a guide leads.
class OwnerConnection {
 public:
  virtual ~OwnerConnection() = default;
  /// Where it leads, or led: `host:port`.
  [[nodiscard]] virtual std::string where() const = 0;
  /// Closes it; whoever is the owner then is asked next.
  virtual void leave_owner() noexcept = 0;
};

/// Connections to nodes of one's choice.
class Nodes {
 public:
  virtual ~Nodes() = default;
  /// Lives as long as this object.
  [[nodiscard]] virtual Redis& at(const RedisPlace& place) = 0;
};

/// One tenant's keys, wherever they are. What a node refuses since the keys are elsewhere is asked there, or a moment
/// later, within `patience`; else there is no answer (`closed`), and the log says why. The order of a pipeline holds:
/// from the first command that was refused on they are asked again, so that all but the last must bear to be run twice
/// (reads do, and writes of what is so afterwards). Each pipeline asks how the slot lies as well, and whether the
/// Cluster serves: a node that is on the wrong side of a cut network isn't believed, whatever it answers.
class SlotRedis final : public Redis {
 public:
  struct Host {
    Loop& loop;
    Clock& clock;
    Redis& owner;  ///< led by a guide of the slot
    OwnerConnection& connection;  ///< the same
    SlotGuide& guide;
    Nodes& nodes;
    Log& log;
  };
  SlotRedis(Host host, std::string_view tenant, Milliseconds patience);
  ~SlotRedis() override;

  [[nodiscard]] Task<Result<std::vector<RedisReply>, RedisError>> pipeline(std::vector<RedisCommand> commands) override;
  [[nodiscard]] std::uint64_t connection() const noexcept override { return host_.owner.connection(); }
  [[nodiscard]] const SlotState& state() const noexcept { return state_; }

 private:
  using Answer = Result<std::vector<RedisReply>, RedisError>;
  struct Round;
  /// What is under way at the owner; shared, since a question may outlive this object when a worker ends.
  struct Flow {
    OwnerConnection* connection = nullptr;  ///< null: there is nobody to leave
    std::size_t under_way = 0;
    bool leaving = false;  ///< it has said that it isn't the owner
  };
  class UnderWay;
  [[nodiscard]] RedisError without(std::string_view why);
  Task<std::optional<RedisError>> ask(const std::vector<RedisCommand>& commands, Round& round);
  Task<void> ask_there(const RedisCommand& command, const RedisPlace& place, Round& round);
  [[nodiscard]] Answer settle(Round& round, std::size_t wanted);

  Host host_;
  std::string tenant_;
  std::vector<RedisCommand> tail_;
  Milliseconds patience_;
  SlotState state_;
  std::string said_;  ///< what is wrong, once
  std::shared_ptr<Flow> flow_;
};

/// All tenants as one Redis, for who asks about several: each command goes where the tenant of its first key is.
/// Commands of one tenant keep their order. Where one tenant can't be asked its commands get an error, the others
/// their answers.
class TenantsRedis final : public Redis {
 public:
  explicit TenantsRedis(Loop& loop) : loop_(loop) {}
  /// `redis` outlives this object.
  void add(std::string tenant, Redis& redis) { tenants_.insert_or_assign(std::move(tenant), &redis); }
  [[nodiscard]] Task<Result<std::vector<RedisReply>, RedisError>> pipeline(std::vector<RedisCommand> commands) override;

 private:
  [[nodiscard]] Redis* of(const RedisCommand& command) const;

  Loop& loop_;
  std::map<std::string, Redis*, std::less<>> tenants_;
};

}  // namespace agw::grants
