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
};

}  // namespace agw
