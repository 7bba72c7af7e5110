// Memory in which bodies are put together.
#pragma once

#include <array>
#include <cstddef>
#include <span>

namespace agw::nginx {

/// Kept by the worker from call to call, within bounds: what the allocator gives back to the
/// system it must take again page by page, which costs more than reading the body.
class BodyMemory {
 public:
  /// Memory that is given back when this is destroyed.
  class Lease {
   public:
    Lease() noexcept = default;
    Lease(Lease&& other) noexcept;
    Lease& operator=(Lease&& other) noexcept;
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    ~Lease();
    [[nodiscard]] char* data() const noexcept { return bytes_.data(); }

   private:
    friend class BodyMemory;
    Lease(BodyMemory& owner, std::span<char> bytes) noexcept : owner_(&owner), bytes_(bytes) {}
    BodyMemory* owner_ = nullptr;
    std::span<char> bytes_;
  };

  BodyMemory() = default;
  BodyMemory(const BodyMemory&) = delete;
  BodyMemory& operator=(const BodyMemory&) = delete;
  ~BodyMemory();

  /// At least `size` bytes; data() is null where there is no memory.
  [[nodiscard]] Lease take(std::size_t size) noexcept;

  /// The worker's, as long as its process.
  static BodyMemory& of_worker() noexcept;

 private:
  void give_back(std::span<char> bytes) noexcept;

  static constexpr std::size_t most_kept = 4;
  std::array<std::span<char>, most_kept> kept_;
  std::size_t kept_count_ = 0;
};

}  // namespace agw::nginx
