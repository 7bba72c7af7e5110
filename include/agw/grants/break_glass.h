// Agents for whom a stop doesn't hold, for a while: from a file on this machine, which needs no store.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agw/base/result.h"
#include "agw/base/time.h"
#include "agw/io/background.h"
#include "agw/io/clock.h"
#include "agw/io/file_watch.h"
#include "agw/io/log.h"
#include "agw/io/loop.h"
#include "agw/status/report.h"

namespace agw::grants {

/// From the moment at which the file is read.
inline constexpr Milliseconds longest_break_glass{24 * 3600 * 1000};
inline constexpr std::size_t most_break_glass_agents = 64;

struct BreakGlassAgent {
  std::string agent;  ///< `company|rescue`
  WallTime until{};   ///< then no longer
  std::string reason;
};
using BreakGlassAgents = std::vector<BreakGlassAgent>;

/// `{"agents": [{"agent": "company|rescue", "until": "2026-12-01T12:00:00Z", "reason": "…"}]}`, strictly. What is over
/// is none; what is further ahead than may be, or anything odd, makes the whole file wrong. The error says where and
/// what.
[[nodiscard]] Result<BreakGlassAgents, std::string> parse_break_glass(std::string_view json, WallTime now);
/// A regular file of root's or this process' user, that nobody else may write to (blocking: for load and Background).
[[nodiscard]] Result<BreakGlassAgents, std::string> read_break_glass(const std::string& path, WallTime now);

/// One per worker. A broken or missing file breaks no glass, from the moment it is read.
class BreakGlass final : public status::Source {
 public:
  struct Host {
    Loop& loop;
    Background& background;
    FileWatch& watch;
    Clock& clock;
    Log& log;
  };
  BreakGlass(Host host, BreakGlassAgents agents);
  ~BreakGlass() override;
  BreakGlass(const BreakGlass&) = delete;
  BreakGlass& operator=(const BreakGlass&) = delete;

  /// Whether a stop doesn't hold for this agent now. Says so in the log, once a minute for each agent.
  [[nodiscard]] bool holds_for(const std::string& agent);
  void tell(status::Report& report) const override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace agw::grants
