// Memory that all workers share, as a table of the core's own needs it.
#pragma once

#include <cstddef>

namespace agw {

/// Whoever holds the lock neither throws nor waits; a holder that is killed leaves what it wrote,
/// and the lock free.
class SharedMemory {
 public:
  virtual ~SharedMemory() = default;
  virtual void lock() noexcept = 0;
  virtual void unlock() noexcept = 0;
  /// Under the lock: aligned to 8 bytes, not cleared; null where there is no room. Takes nothing
  /// away from others for it.
  [[nodiscard]] virtual void* allocate(std::size_t size) noexcept = 0;
  /// Under the lock.
  virtual void release(void* memory) noexcept = 0;
  /// Under the lock: where the table begins; null before the first worker has set it.
  [[nodiscard]] virtual void*& root() noexcept = 0;
  [[nodiscard]] virtual std::size_t size() const noexcept = 0;  ///< bytes, of everything in it
};

}  // namespace agw
