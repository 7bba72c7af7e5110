// Shared memory of one process, with as much room as a test gives it.
#pragma once

#include <cstdlib>
#include <map>

#include "agw/io/shared_memory.h"

namespace agw::test {

class HeapMemory final : public SharedMemory {
 public:
  explicit HeapMemory(std::size_t size = std::size_t{1} << 20) : size_(size) {}
  HeapMemory(const HeapMemory&) = delete;
  HeapMemory& operator=(const HeapMemory&) = delete;
  ~HeapMemory() override {
    for (const auto& [memory, size] : taken_) std::free(memory);
  }
  void lock() noexcept override { ++locks; }
  void unlock() noexcept override { --locks; }
  [[nodiscard]] void* allocate(std::size_t size) noexcept override {
    if (locks != 1 || used + size > size_) return nullptr;
    void* memory = std::malloc(size);
    taken_[memory] = size;
    used += size;
    return memory;
  }
  void release(void* memory) noexcept override {
    used -= taken_.at(memory);
    taken_.erase(memory);
    std::free(memory);
  }
  [[nodiscard]] void*& root() noexcept override { return root_; }
  [[nodiscard]] std::size_t size() const noexcept override { return size_; }

  std::size_t used = 0;
  int locks = 0;

 private:
  std::size_t size_;
  void* root_ = nullptr;
  std::map<void*, std::size_t> taken_;
};

}  // namespace agw::test
