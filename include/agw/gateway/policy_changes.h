// Every change of policy in Redis, told once in the audit log.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "agw/audit/writer.h"
#include "agw/base/task.h"
#include "agw/io/log.h"
#include "agw/io/loop.h"
#include "agw/io/redis.h"
#include "agw/io/zone.h"

namespace agw::gateway {

/// Turns each entry of the streams `agw:v:{t}:changes` into one `policy.change` event. Whoever reads
/// is a consumer of the group `audit`, which Redis keeps: a restart goes on where the last worker was,
/// and several nginx at one store tell each change once between them. An entry is acknowledged after
/// its event is in the journal; one whose worker died before is told (again) after `redeliver`, with
/// the same event id, `TENANT:ENTRY`. What can't be read waits in the stream.
class PolicyChanges {
 public:
  struct Host {
    Loop& loop;
    Redis& redis;
    Zone& zone;
    Metrics& metrics;
    audit::Writer& audit;
    Log& log;
  };
  /// Of all workers one reads in each interval, at most `batch` entries of each tenant.
  static constexpr Milliseconds interval{1000};
  static constexpr Milliseconds longest_pause{30'000};
  static constexpr Milliseconds redeliver{10'000};
  static constexpr std::size_t batch = 64;

  /// `tenants`: those that the configuration speaks for, encoded.
  PolicyChanges(Host host, std::vector<std::string> tenants);
  ~PolicyChanges();
  PolicyChanges(const PolicyChanges&) = delete;
  PolicyChanges& operator=(const PolicyChanges&) = delete;

  /// For Loop::spawn; ends with the worker. This object outlives it.
  [[nodiscard]] Task<void> run();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace agw::gateway
