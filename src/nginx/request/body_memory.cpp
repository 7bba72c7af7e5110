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
constexpr bool keeps = false;  // what is used again hides who uses it after its end
#else
constexpr bool keeps = true;
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
  for (std::size_t i = 0; i < kept_count_; ++i) std::free(kept_[i].data());
}

BodyMemory::Lease BodyMemory::take(std::size_t size) noexcept {
  for (std::size_t i = 0; i < kept_count_; ++i) {
    if (kept_[i].size() < size) continue;
    const std::span<char> bytes = kept_[i];
    kept_[i] = kept_[--kept_count_];
    return {*this, bytes};
  }
  // Larger ones are as large as they must be: nobody takes them again.
  const std::size_t capacity = size > largest_kept || !keeps ? size : std::bit_ceil(std::max(size, smallest));
  auto* const bytes = static_cast<char*>(std::malloc(capacity));
  return {*this, {bytes, bytes == nullptr ? 0 : capacity}};
}

void BodyMemory::give_back(std::span<char> bytes) noexcept {
  if (keeps && bytes.size() <= largest_kept && kept_count_ < kept_.size()) {
    kept_[kept_count_++] = bytes;
  } else {
    std::free(bytes.data());
  }
}

BodyMemory& BodyMemory::of_worker() noexcept {
  static BodyMemory memory;
  return memory;
}

}  // namespace agw::nginx
