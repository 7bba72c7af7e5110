// Truth in Redis, answered from the worker's own copy while that is known to be true.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agw/grants/cluster.h"
#include "agw/grants/store.h"
#include "agw/io/clock.h"
#include "agw/io/log.h"
#include "agw/io/loop.h"
#include "agw/io/random.h"
#include "agw/io/redis.h"
#include "agw/io/zone.h"
#include "agw/status/report.h"

namespace agw::grants {

/// How old what a call is decided by may be.
struct Freshness {
  enum class Mode : std::uint8_t {
    push,     ///< copies, kept true by Redis telling of writes; a cut line is noticed within `bound`
    strict,   ///< copies, each call asks whether they still hold
    max_age,  ///< copies, each for `bound` after it was asked for; for a Redis that can't tell
  };
  Mode mode = Mode::push;
  Milliseconds bound{1000};
};

struct CopySettings {
  Freshness freshness;
  std::size_t limit = std::size_t{64} << 20;  ///< bytes, for each worker
  std::vector<std::string> tenants;           ///< those that the configuration speaks for, encoded
  std::string worker = "0";                   ///< its name in metrics
  bool fails_over = false;                    ///< which Redis it is may change (Sentinel, Cluster)
  std::string of = {};                        ///< whose store it is, in metrics; empty: all tenants'
  /// How long after the last heartbeat that was answered calls pass by what was known then, where nobody answers any
  /// more. For push alone; 0: no longer than the lease.
  Milliseconds grace{0};
};

/// The rule: a copy is used only while (a) the channel has answered a heartbeat that was sent less
/// than the lease ago, (b) nothing was written to the key's stripe since before it was asked for,
/// and (c) the copied meta says that the store is whole. Any doubt ends in a RedisStore, which asks
/// and answers as it always does. What Redis doesn't have is a copy too; a failure never is.
/// A warm hit is a plain call. Calls that miss the same thing at once ask once.
/// With `strict` a copy is used only after a heartbeat that was sent after the call began has come back: it stands in
/// one line with the messages of all writes that were acknowledged before. Meta is read beside it.
/// Where the operator allows a grace, and Redis doesn't answer at all, facts that were good when the channel was last
/// heard are given out as such (Facts::grace). Whatever has spoken against them since then ends them: a flush, another
/// server, meta that went back, a message that isn't understood.
/// In a Cluster each tenant has a store of its own, and copies count only while its slot lies still.
class CopyingStore final : public Store, public status::Source {
 public:
  struct Host {
    Redis& redis;
    RedisChannel* channel;  ///< for push and strict; must outlive the store
    Loop& loop;
    Clock& clock;
    Random& random;
    Log& log;
    Zone& zone;
    Metrics& metrics;
    const SlotState* slot = nullptr;  ///< of the one tenant that is asked for, in a Cluster
  };
  CopyingStore(Host host, CopySettings settings);
  ~CopyingStore() override;

  /// Begins to hear of writes: once, after construction. Its tasks are the loop's, to be cancelled before the store
  /// is destroyed.
  void start();
  [[nodiscard]] ValueTask<Result<policy::FactsPtr, StoreFailure>> facts(const PrincipalPtr& principal,
                                                                        std::string_view operation) override;
  [[nodiscard]] ValueTask<StoreHealth> health() override;
  void tell(status::Report& report) const override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace agw::grants
