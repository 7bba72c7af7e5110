#include "support/allocations.h"

#include <cstdlib>
#include <new>

namespace {

struct Failing {
  bool wanted = false;
  bool forever = false;
  bool happened = false;
  std::size_t left = 0;
};

thread_local Failing failing;

bool fails() noexcept {
  if (!failing.wanted || agw::test::WorkingAllocations::here > 0) return false;
  if (failing.left > 0) {
    --failing.left;
    return false;
  }
  if (failing.happened && !failing.forever) return false;
  failing.happened = true;
  return true;
}

void* allocate(std::size_t size) {
  if (fails()) throw std::bad_alloc();
  if (void* memory = std::malloc(size == 0 ? 1 : size)) return memory;
  throw std::bad_alloc();
}

void* allocate(std::size_t size, std::align_val_t alignment) {
  if (fails()) throw std::bad_alloc();
  const auto step = static_cast<std::size_t>(alignment);
  if (void* memory = std::aligned_alloc(step, (size + step - 1) / step * step)) return memory;
  throw std::bad_alloc();
}

}  // namespace

void* operator new(std::size_t size) { return allocate(size); }
void* operator new[](std::size_t size) { return allocate(size); }
void* operator new(std::size_t size, std::align_val_t alignment) { return allocate(size, alignment); }
void* operator new[](std::size_t size, std::align_val_t alignment) { return allocate(size, alignment); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return fails() ? nullptr : std::malloc(size == 0 ? 1 : size);
}
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept {
  return fails() ? nullptr : std::malloc(size == 0 ? 1 : size);
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }

namespace agw::test {

FailingAllocations::FailingAllocations(std::size_t after, How how) noexcept {
  failing.forever = how == How::from_then_on;
  failing.happened = false;
  failing.left = after;
  failing.wanted = true;
}

FailingAllocations::~FailingAllocations() { failing.wanted = false; }

bool FailingAllocations::happened() noexcept { return failing.happened; }

}  // namespace agw::test
