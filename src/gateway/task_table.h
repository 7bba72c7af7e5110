// Which sealed id stands for which task, in memory that workers share.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

#include "agw/base/digest.h"
#include "agw/io/shared_memory.h"

namespace agw::gateway {

/// A sixteenth of the memory, taken when the first task is kept; nothing is allocated afterwards. What was not used for
/// longest makes room. A worker that is killed while it writes leaves an empty slot. What is read here is believed only
/// as far as it opens.
class TaskTable {
 public:
  static constexpr std::size_t longest_sealed = 996;

  explicit TaskTable(SharedMemory& memory) noexcept : memory_(memory) {}

  void put(const Sha256& name, std::string_view sealed) noexcept;
  /// Empty: unknown.
  [[nodiscard]] std::string get(const Sha256& name);

 private:
  struct Slot;
  struct Root;
  [[nodiscard]] Root* root() noexcept;
  [[nodiscard]] static Slot* find(Root& root, const Sha256& name) noexcept;

  SharedMemory& memory_;
};

}  // namespace agw::gateway
