// One pipelined trip to Redis for records of one tenant.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agw/base/result.h"
#include "agw/base/task.h"
#include "agw/grants/store.h"
#include "agw/io/clock.h"
#include "agw/io/complaints.h"
#include "agw/io/redis.h"

#include "record.h"
#include "server.h"

namespace agw::grants {

struct Trip {
  std::string tenant;
  std::vector<Want> wants;
  bool meta = false;  ///< whether meta is read too, first of all
  bool ends = false;  ///< whether it is asked when keys end by themselves
  policy::Questions questions = policy::Questions::one;
};

struct TripAnswer {
  std::vector<RecordPtr> records;                 ///< one for each want
  std::vector<std::optional<Milliseconds>>
      left;  ///< with `ends`: of each, the time until it ends, from the trip's begin
  std::optional<Meta> meta;
  std::string version;       ///< of meta, at the end of the trip; empty if there is none
  bool believable = true;    ///< false: it may have come from a server that nobody has looked at; ask again
  bool another_server = false;

  /// Whether all was read while meta had this version: what was read between two equal ones belongs
  /// together, because whoever writes policy raises it in the same transaction.
  [[nodiscard]] bool of(const Meta& known) const { return version == std::to_string(known.version); }
};

/// Where to ask. `server`: null where nobody looks at which Redis it is (agwctl).
struct Asking {
  Redis& redis;
  Server* server = nullptr;
  Clock* clock = nullptr;            ///< goes with `server`
  Complaints* complaints = nullptr;  ///< null where whoever asks says what is wrong (agwctl)
};

/// store_unavailable without an answer or from a server that mustn't be believed; store_uninitialised without
/// a usable meta, where it was asked for.
[[nodiscard]] Task<Result<TripAnswer, StoreFailure>> travel(Asking asking, Trip trip);

/// The meta that a tenant must have.
[[nodiscard]] Decoded<Meta> required_meta(std::string_view tenant, const RedisReply& reply);

}  // namespace agw::grants
