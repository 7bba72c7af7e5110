// Truth in Redis, asked on every call.
#pragma once

#include <memory>

#include "agw/grants/store.h"
#include "agw/io/redis.h"
#include "agw/io/zone.h"

namespace agw::grants {

/// Keys of docs/store.md. Two pipelined trips a call; `meta` is in the first. (A third one when an
/// agent without a record comes by a tier whose bundles this worker hasn't met yet.) What was read
/// while the version moved is read anew, so that no decision mixes two policies.
/// A wrong type, broken JSON, unknown status or an error reply is store_invalid; a missing or
/// malformed meta is store_uninitialised; one of another incarnation or of a lower version than any
/// worker has seen is store_rolled_back, until an operator confirms it; no answer is
/// store_unavailable.
class RedisStore final : public Store {
 public:
  /// `seen` holds how far the store had come; nullptr: a reader without a past (agwctl).
  explicit RedisStore(Redis& redis, Zone* seen = nullptr);
  ~RedisStore() override;
  [[nodiscard]] ValueTask<Result<policy::FactsPtr, StoreFailure>> facts(const PrincipalPtr& principal,
                                                                        std::string_view operation) override;
  [[nodiscard]] ValueTask<StoreHealth> health() override;

  struct Hints;

 private:
  Task<Result<policy::FactsPtr, StoreFailure>> ask(PrincipalPtr principal, std::string operation);

  Redis& redis_;
  Zone* seen_;
  std::shared_ptr<Hints> hints_;
};

}  // namespace agw::grants
