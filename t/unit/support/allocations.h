// Memory that runs out at a chosen moment: the test program's own operator new.
#pragma once

#include <cstddef>

namespace agw::test {

/// While it lives, operator new throws std::bad_alloc: once, after `after` allocations of this
/// thread, or from then on.
class FailingAllocations {
 public:
  enum class How { once, from_then_on };
  FailingAllocations(std::size_t after, How how) noexcept;
  FailingAllocations(const FailingAllocations&) = delete;
  FailingAllocations& operator=(const FailingAllocations&) = delete;
  ~FailingAllocations();

  /// Whether one has failed yet; if not, what was tried asks for less than `after`.
  [[nodiscard]] static bool happened() noexcept;
};

/// A piece of the test's own world, which has its memory all the same.
class WorkingAllocations {
 public:
  WorkingAllocations() noexcept { ++here; }
  WorkingAllocations(const WorkingAllocations&) = delete;
  WorkingAllocations& operator=(const WorkingAllocations&) = delete;
  ~WorkingAllocations() { --here; }

  static inline thread_local int here = 0;  ///< how many there are on this thread
};

}  // namespace agw::test
