#include "task_table.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <new>
#include <span>

#include "agw/io/shared_table.h"

namespace agw::gateway {
namespace {

constexpr std::size_t ways = 8;
constexpr std::size_t share_of_memory = 16;

}  // namespace

struct TaskTable::Slot {
  Sha256 name;
  std::uint64_t used;
  std::uint32_t size;  // 0: empty
  std::array<char, longest_sealed> sealed;
};

struct TaskTable::Root {
  std::uint64_t uses;
  std::size_t sets;
  Slot* slots;
};

TaskTable::Root* TaskTable::root() noexcept {
  void*& place = memory_.root();
  if (place != nullptr) return static_cast<Root*>(place);
  constexpr std::size_t set_size = ways * sizeof(Slot);
  const std::size_t sets = std::max<std::size_t>(memory_.size() / share_of_memory / set_size, 1);
  const TableRoom room = make_room(memory_, sizeof(Root), set_size, sets, 1);
  if (room.root == nullptr) return nullptr;
  auto* const slots = static_cast<Slot*>(room.pieces);
  for (std::size_t i = 0; i < room.count * ways; ++i) slots[i].size = 0;
  auto* const root = new (room.root) Root{0, room.count, slots};
  publish();
  place = root;
  return root;
}

/// The task's own slot, or else the one that makes room.
TaskTable::Slot* TaskTable::find(Root& root, const Sha256& name) noexcept {
  std::uint64_t hash = 0;
  std::memcpy(&hash, name.data(), sizeof hash);
  const std::span<Slot> set(root.slots + (hash % root.sets) * ways, ways);
  const auto own = std::ranges::find_if(set, [&](const Slot& slot) { return slot.size > 0 && slot.name == name; });
  if (own != set.end()) return &*own;
  return &*std::ranges::min_element(set, {}, [](const Slot& slot) { return slot.size == 0 ? 0 : slot.used; });
}

void TaskTable::put(const Sha256& name, std::string_view sealed) noexcept {
  if (sealed.empty() || sealed.size() > longest_sealed) return;
  const TableLock lock(memory_);
  Root* const table = root();
  if (table == nullptr) return;
  Slot& slot = *find(*table, name);
  slot.size = 0;
  publish();
  slot.name = name;
  slot.used = ++table->uses;
  std::memcpy(slot.sealed.data(), sealed.data(), sealed.size());
  publish();
  slot.size = static_cast<std::uint32_t>(sealed.size());
}

std::string TaskTable::get(const Sha256& name) {
  std::string out;
  // Under the lock nothing asks for memory.
  out.reserve(longest_sealed);
  const TableLock lock(memory_);
  if (memory_.root() == nullptr) return out;
  Root& table = *static_cast<Root*>(memory_.root());
  Slot& slot = *find(table, name);
  if (slot.size == 0 || slot.size > longest_sealed || slot.name != name) return out;
  slot.used = ++table.uses;
  out.assign(slot.sealed.data(), slot.size);
  return out;
}

}  // namespace agw::gateway
