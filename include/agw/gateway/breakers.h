// Breakers in the course of a call: who has tripped one isn't let through for a while.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "agw/audit/writer.h"
#include "agw/gateway/call.h"
#include "agw/gateway/location.h"
#include "agw/io/clock.h"
#include "agw/io/log.h"
#include "agw/io/random.h"
#include "agw/io/zone.h"
#include "agw/limits/breaker_table.h"
#include "agw/policy/facts.h"

namespace agw::gateway {

/// One per worker. Calls of locations without breakers never get here.
class Breakers {
 public:
  struct Host {
    Clock& clock;
    Random& random;
    SharedMemory& memory;
    Metrics& metrics;
    Log& log;
    audit::Writer& audit;
  };
  explicit Breakers(Host host);

  /// Denies an allowed call whose agent's or backend's breaker is open, or that of an agent it acts under; asked again,
  /// a call that tries a backend goes on trying it. An agent's that was closed in the store since it tripped closes
  /// here.
  void pass(const policy::Facts& facts, Call& call);

  /// The backend has begun to answer the call that tries it: whatever the rest takes, it is known.
  void answered(Call& call, int status);

  /// Counts what became of a call.
  void finish(Call& call, const audit::Completion& completion);

  /// Brings the metrics of what is open up to date.
  void show(const std::vector<const Location*>& locations);

 private:
  [[nodiscard]] std::unique_ptr<limits::Watch> watch_of(const Call& call, const Principal& who);
  /// The other agents of the call's chain: what any of them has tripped holds those that act under it.
  void pass_chain(const std::vector<policy::Facts>& chain, Call& call);
  void ask(const policy::Facts& facts, const Principal& who, limits::Watch& watch, Call& call);
  void count(Call& call, const std::vector<limits::Mark>& marks);
  void tell(const Call& call, const Principal& who, const limits::Watch& watch, const limits::Turn& turn,
            std::string_view how);
  void tell_full();

  Host host_;
  limits::BreakerTable table_;
  std::uint64_t next_id_;  // begins anywhere, so that no two workers' meet
  std::map<std::string, Metrics::Cell*, std::less<>> trips_;
  Metrics::Cell& uncounted_;
  Metrics::Cell& open_agents_;
  SteadyTime told_full_{};
};

}  // namespace agw::gateway
