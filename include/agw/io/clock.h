// What time it is, as the host says.
#pragma once

#include "agw/base/time.h"

namespace agw {

class Clock {
 public:
  virtual ~Clock() = default;
  /// Wall clock, for `exp`, `until` and audit. In nginx: the loop's cached time, no system call.
  [[nodiscard]] virtual WallTime now() const noexcept = 0;
  /// For ages, back-off and floors.
  [[nodiscard]] virtual SteadyTime steady() const noexcept = 0;
  /// The same of this very moment, not of the loop's turn, and counting on while the machine sleeps: for leases,
  /// which must not seem younger than they are. Not to be compared with steady().
  [[nodiscard]] virtual SteadyTime moment() const noexcept { return steady(); }
};

}  // namespace agw
