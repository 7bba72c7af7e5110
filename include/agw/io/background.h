// Work that would block a worker, done in a thread of its own.
#pragma once

#include <functional>

#include "agw/base/task.h"

namespace agw {

class Background {
 public:
  virtual ~Background() = default;
  /// Runs `job` in another thread and resumes on the loop when it has ended. The job owns what it
  /// touches, logs nothing and lets no exception out; if the waiter is destroyed first, the job
  /// still runs to its end and its result is dropped.
  [[nodiscard]] virtual Task<void> run(std::function<void()> job) = 0;
};

}  // namespace agw
