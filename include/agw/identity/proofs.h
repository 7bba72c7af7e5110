// DPoP proofs that were used (RFC 9449 section 11.1).
#pragma once

#include <cstdint>
#include <string>

#include "agw/base/digest.h"
#include "agw/base/task.h"
#include "agw/base/time.h"
#include "agw/io/clock.h"
#include "agw/io/log.h"
#include "agw/io/redis.h"
#include "agw/io/redis_script.h"
#include "agw/io/shared_memory.h"

namespace agw::identity {

enum class Spending : std::uint8_t {
  fresh,       ///< never used before; it is now
  spent,
  too_old,     ///< made before anything was remembered: whether it was used can't be told
  no_room,
  unavailable
};

struct Proven {
  std::string tenant;  ///< encoded part
  Sha256 id{};         ///< of key and `jti`
  WallTime made{};
  WallTime good_until{};
};

class SpentProofs {
 public:
  virtual ~SpentProofs() = default;
  /// True for one call of all that share the memory. A proof is forgotten when it is good no longer, never before.
  [[nodiscard]] virtual ValueTask<Spending> spend(Proven proof) = 0;
};

/// One per worker, over the memory that the workers of one nginx share: sets of 16 places in an eighth of it.
/// Nothing that is good still is taken away for another: no_room.
class ZoneProofs final : public SpentProofs {
 public:
  /// `key` keeps clients from choosing the set that their proofs fall in; the same for all workers.
  ZoneProofs(SharedMemory& memory, const Clock& clock, std::string_view key);
  [[nodiscard]] ValueTask<Spending> spend(Proven proof) override;

 private:
  struct Place;
  struct Root;
  [[nodiscard]] Root* root() noexcept;
  [[nodiscard]] Spending take(const Sha256& id, const Proven& proof) noexcept;

  SharedMemory& memory_;
  const Clock& clock_;
  std::string key_;
};

/// Shared by all nginx that use one Redis: `agw:v:{t}:once:proof:…`.
class RedisProofs final : public SpentProofs {
 public:
  RedisProofs(Redis& redis, Log& log);
  [[nodiscard]] ValueTask<Spending> spend(Proven proof) override;
  /// From when on proofs of this tenant are remembered; to be called once, before the first of them.
  [[nodiscard]] Task<void> begin(std::string tenant);

 private:
  [[nodiscard]] Task<Spending> run(Proven proof);

  Redis& redis_;
  Log& log_;
  RedisScript script_;
};

}  // namespace agw::identity
