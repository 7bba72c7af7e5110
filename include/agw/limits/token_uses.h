// Tokens that are good for one operation: each is used once, over all workers and nodes.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include "agw/base/digest.h"
#include "agw/base/task.h"
#include "agw/base/time.h"
#include "agw/io/clock.h"
#include "agw/io/log.h"
#include "agw/io/loop.h"
#include "agw/io/redis.h"
#include "agw/io/shared_memory.h"
#include "agw/model/reason.h"

namespace agw::limits {

/// One operation that a token is used for.
struct TokenUse {
  std::string tenant;         ///< encoded
  Sha256 token{};             ///< of all that makes it this token
  Sha256 call{};              ///< of the operation and its arguments, however they are written
  std::optional<Sha256> leave;  ///< of what lets the very same call come again: each one counts once
  WallTime issued_at{};       ///< 0: not known
  WallTime forgotten_at{};    ///< from then on nobody takes the token any more
  Milliseconds clock_skew{0}; ///< by which its issuer's clock may be ahead
  bool observed = false;      ///< noted beside what is enforced, and uses nothing up
};

struct UseOutcome {
  std::optional<Reason> refusal;  ///< token_used, token_predates_store, token_use_room_full, token_use_unavailable
  std::string detail;             ///< for the log
};

/// One per worker. In Redis where there is one (`agw:v:{tenant}:once:token:…`, and the age of the tenant's store in the
/// same script), else in the zone of this node's workers. What is noted stays until the token has ended.
class TokenUses {
 public:
  struct Host {
    Loop& loop;
    Clock& clock;
    SharedMemory& memory;
    Log& log;
    Redis* redis = nullptr;
  };
  explicit TokenUses(Host host);
  ~TokenUses();
  TokenUses(const TokenUses&) = delete;
  TokenUses& operator=(const TokenUses&) = delete;

  /// Of any number that are under way at once one passes. Asking Redis belongs to the worker: a client that leaves
  /// can't cut it in half. Where the answer gets lost the token may be used up.
  [[nodiscard]] ValueTask<UseOutcome> commit(TokenUse use);

  /// Different calls that one token may be let come again for.
  static constexpr std::size_t most_leaves = 16;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace agw::limits
