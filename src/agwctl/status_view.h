// What the running nginx tells in agent_state, made ready for people and scripts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

#include "agw/base/time.h"
#include "agw/status/report.h"

namespace agw::agwctl {

/// One process that tells of itself, or did.
struct Told {
  enum class Life : std::uint8_t { runs, stopped, dead };
  Life life = Life::runs;
  status::Report report;
};

struct Reading {
  std::vector<Told> processes;
  std::size_t strange = 0;    ///< pages of another version of the module
  std::int64_t boot_now = 0;  ///< milliseconds by CLOCK_BOOTTIME
  WallTime now{};
};

/// Who says nothing for so long hangs, or is kept from running.
inline constexpr Milliseconds silent_after{5000};

/// Prints it, and what is wrong with it; exit_failed then. `place`: the directory, for the sentences. A report's
/// numbers may be any: they come from a file.
int print_status(const Reading& reading, const std::string& place, bool json, std::ostream& out);

}  // namespace agw::agwctl
