// Counters that all replicas share.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "agw/base/result.h"
#include "agw/base/task.h"
#include "agw/base/time.h"
#include "agw/io/complaints.h"
#include "agw/io/redis.h"
#include "agw/io/redis_script.h"
#include "agw/limits/outcome.h"
#include "agw/policy/charges.h"

namespace agw::limits {

/// `agw:v:{tenant}:limit:NAME`: a hash for a bucket (`v`, `s`) or window (`n`, `e`), a sorted set for
/// calls at once (who is under way, by when its lease ends). Each key expires when it says nothing
/// any more. Time is Redis' own. The arithmetic is that of counter.h.
class RedisCounters {
 public:
  RedisCounters(Redis& redis, Log& log);

  /// One script for all of them: everything is taken or nothing. `failed` where Redis doesn't
  /// answer, or not as it should; `detail` says why, but for a key of a wrong type, which is said once.
  [[nodiscard]] Task<Outcome> take(std::vector<policy::Charge> charges, std::uint64_t hold, Milliseconds lease,
                                   std::string& detail);
  /// What was used is counted, whatever is left; empty where Redis doesn't answer.
  [[nodiscard]] Task<std::vector<Standing>> settle(std::vector<policy::Charge> charges);
  [[nodiscard]] Task<void> give_back(std::vector<policy::Charge> charges, std::uint64_t hold);

  struct Held {
    std::string key;
    std::uint64_t hold = 0;
  };
  [[nodiscard]] Task<void> renew(std::vector<Held> held, Milliseconds lease);

  [[nodiscard]] static std::string key_of(const policy::Charge& charge);

 private:
  enum class Mode : std::uint8_t { asked, settled };
  using Numbers = std::vector<std::int64_t>;
  [[nodiscard]] Task<Result<Numbers, std::string>> run(std::vector<policy::Charge> charges, std::uint64_t hold,
                                                       Milliseconds lease, Mode mode);

  [[nodiscard]] Task<void> complain(const std::vector<policy::Charge>& charges);

  Redis& redis_;
  Complaints complaints_;
  RedisScript take_;
};

}  // namespace agw::limits
