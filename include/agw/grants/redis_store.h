// Truth in Redis, asked on every call.
#pragma once

#include <memory>

#include "agw/grants/store.h"
#include "agw/io/redis.h"

namespace agw::grants {

/// Keys of CONTRACT ("The store"). At most two pipelined trips a call; `meta` is in the first.
/// A wrong type, broken JSON, unknown status or an error reply is store_invalid; a missing or
/// malformed meta is store_uninitialised; no answer is store_unavailable.
class RedisStore final : public Store {
 public:
  explicit RedisStore(Redis& redis);
  ~RedisStore() override;
  [[nodiscard]] ValueTask<Result<policy::Facts, StoreFailure>> facts(PrincipalPtr principal,
                                                                     std::string operation) override;
  [[nodiscard]] ValueTask<StoreHealth> health() override;

 private:
  Redis& redis_;
};

}  // namespace agw::grants
