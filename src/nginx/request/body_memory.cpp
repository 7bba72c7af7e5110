#include "body_memory.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <utility>

namespace agw::nginx {
namespace {

constexpr std::size_t smallest = 16U * 1024;
constexpr std::size_t largest_kept = 2U * 1024 * 1024;
#if defined(__SANITIZE_ADDRESS__) || (defined(__has_feature) && __has_feature(address_sanitizer))
constexpr std::size_t most_kept = 0;  // what is used again hides who uses it after its end
#else
constexpr std::size_t most_kept = 4;
#endif

}  // namespace

BodyMemory::Lease::Lease(Lease&& other) noexcept
    : owner_(std::exchange(other.owner_, nullptr)), bytes_(std::exchange(other.bytes_, {})) {}

BodyMemory::Lease& BodyMemory::Lease::operator=(Lease&& other) noexcept {
  std::swap(owner_, other.owner_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

BodyMemory::Lease::~Lease() {
  if (bytes_.data() != nullptr) owner_->give_back(bytes_);
}

BodyMemory::~BodyMemory() {
  for (const std::span<char> bytes : kept_) std::free(bytes.data());
}

BodyMemory::Lease BodyMemory::take(std::size_t size) noexcept {
  const auto fits = [size](const std::span<char>& bytes) { return bytes.size() >= size; };
  if (const auto found = std::find_if(kept_.begin(), kept_.end(), fits); found != kept_.end()) {
    const std::span<char> bytes = *found;
    kept_.erase(found);
    return {*this, bytes};
  }
  // Larger ones are as large as they must be: nobody takes them again.
  const std::size_t capacity = size > largest_kept || most_kept == 0 ? size : std::bit_ceil(std::max(size, smallest));
  auto* const bytes = static_cast<char*>(std::malloc(capacity));
  return {*this, {bytes, bytes == nullptr ? 0 : capacity}};
}

void BodyMemory::give_back(std::span<char> bytes) noexcept {
  try {
    if (bytes.size() <= largest_kept && kept_.size() < most_kept) return kept_.push_back(bytes);
  } catch (...) {
    // No memory to remember it: it goes back.
  }
  std::free(bytes.data());
}

BodyMemory& BodyMemory::of_worker() noexcept {
  static BodyMemory memory;
  return memory;
}

}  // namespace agw::nginx
