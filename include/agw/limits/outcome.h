// What became of an attempt to take what a call uses up.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "agw/base/time.h"

namespace agw::limits {

/// How a counter stands after it was asked.
struct Standing {
  std::int64_t remaining = 0;  ///< in the limit's unit, not below 0
  Milliseconds reset{0};       ///< until all of it is there again
  int crossed = 0;             ///< the highest warn percentage that this call crossed; 0: none
};

enum class Taking : std::uint8_t {
  taken,
  refused,  ///< by the counter `refused_by`; nothing was taken from any
  no_room,  ///< for a counter; nothing was taken
  failed    ///< the counters can't be asked; what was taken isn't known
};

struct Outcome {
  Taking kind = Taking::failed;
  std::size_t refused_by = 0;
  Milliseconds wait{0};              ///< taken: before the call's turn; refused: before another try may succeed
  std::vector<Standing> standings;   ///< one for each charge; empty unless taken or refused
};

}  // namespace agw::limits
