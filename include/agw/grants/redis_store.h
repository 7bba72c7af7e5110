// Truth in Redis, asked on every call.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agw/grants/store.h"
#include "agw/io/clock.h"
#include "agw/io/complaints.h"
#include "agw/io/redis.h"
#include "agw/io/zone.h"

namespace agw::grants {

class Past;
class Server;

/// What a store that goes on for long looks after; agwctl has none of it.
struct Attention {
  Server* server = nullptr;
  Clock* clock = nullptr;
  Complaints* complaints = nullptr;
  Past* past = nullptr;  ///< how far the store had come
};

/// Keys of docs/store.md. Two pipelined trips a call; `meta` is in the first. (A third one when an
/// agent without a record comes by a tier whose bundles this worker hasn't met yet.) What was read
/// while the version moved is read anew, so that no decision mixes two policies.
/// A wrong type, broken JSON, unknown status or an error reply is store_invalid; a missing or
/// malformed meta is store_uninitialised; one of another incarnation or of a lower version than any
/// worker has seen is store_rolled_back, until an operator confirms it; no answer, or one of a server
/// that mustn't be believed (a replica, one that evicts) is store_unavailable.
class RedisStore final : public Store {
 public:
  /// `seen` holds how far the store had come; nullptr: a reader without a past (agwctl). `tenants`:
  /// those that the configuration speaks for, encoded; health() looks at them.
  explicit RedisStore(Redis& redis, Zone* seen = nullptr, std::vector<std::string> tenants = {});
  /// Which Redis it is and whether it may be believed is looked at with each new connection, and again from time to
  /// time; what is wrong with a key is said once.
  RedisStore(Redis& redis, std::vector<std::string> tenants, Attention attention);
  ~RedisStore() override;
  [[nodiscard]] ValueTask<Result<policy::FactsPtr, StoreFailure>> facts(const PrincipalPtr& principal,
                                                                        std::string_view operation) override;
  /// Usable while some tenant's meta is: one that isn't set up yet must not take the node out of
  /// service for the others. The detail names those that aren't usable.
  [[nodiscard]] ValueTask<StoreHealth> health() override;

 private:
  struct State;
  Task<Result<policy::FactsPtr, StoreFailure>> ask(PrincipalPtr principal, std::string operation);

  std::shared_ptr<State> state_;
};

}  // namespace agw::grants
