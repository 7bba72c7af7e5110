#include "use_table.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <new>

#include "agw/io/shared_table.h"

namespace agw::limits {
namespace {

constexpr std::size_t uses_per_chain = 4;
constexpr std::size_t fewest_chains = 64;

}  // namespace

struct UseTable::Leave {
  Leave* next;
  CounterKey id;
};

struct UseTable::Use {
  Use* next;
  CounterKey token;
  CounterKey call;
  std::int64_t expires;
  Leave* leaves;
};

struct UseTable::Root {
  std::size_t chains;  // a power of two
  std::size_t used;    // bytes
  std::size_t room;    // bytes that may be used
  std::size_t next_chain;
  std::int64_t swept;
  std::int64_t born;
  std::size_t count;
  Use** heads;

  [[nodiscard]] std::size_t index(const CounterKey& key) const noexcept {
    std::uint64_t bits = 0;
    std::memcpy(&bits, key.data(), sizeof bits);
    return bits & (chains - 1);
  }
};

UseTable::UseTable(SharedMemory& memory, std::int64_t now) noexcept : memory_(memory) {
  const TableLock lock(memory_);
  static_cast<void>(root(now));
}

UseTable::Root* UseTable::root(std::int64_t now) noexcept {
  if (void* known = memory_.root()) return static_cast<Root*>(known);
  const std::size_t room = memory_.size() / 8;
  const std::size_t wanted = std::bit_floor(std::max<std::size_t>(room / sizeof(Use) / uses_per_chain, fewest_chains));
  const TableRoom made_room = make_room(memory_, sizeof(Root), sizeof(Use*), wanted, fewest_chains);
  if (made_room.root == nullptr) return nullptr;
  auto** heads = static_cast<Use**>(made_room.pieces);
  std::fill_n(heads, made_room.count, nullptr);
  auto* made = new (made_room.root) Root{made_room.count, 0, room, 0, 0, now, 0, heads};
  publish();
  memory_.root() = made;
  return made;
}

void UseTable::release(Root& root, void* memory, std::size_t size) noexcept {
  release_entry(memory_, root, memory, size);
}

void UseTable::sweep_chain(Root& root, std::size_t index, std::int64_t now) noexcept {
  for (Use** link = &root.heads[index]; *link != nullptr;) {
    Use* use = *link;
    if (use->expires > now) {
      link = &use->next;
      continue;
    }
    *link = use->next;
    --root.count;
    publish();
    for (Leave* leave = use->leaves; leave != nullptr;) {
      Leave* const next = leave->next;
      release(root, leave, sizeof(Leave));
      leave = next;
    }
    release(root, use, sizeof(Use));
  }
}

void* UseTable::allocate(Root& root, std::size_t size, std::int64_t now) noexcept {
  return allocate_entry(memory_, root, size, now, [&](std::size_t chain) { sweep_chain(root, chain, now); });
}

Using UseTable::add(Root& root, const UseEntry& entry, std::int64_t now) noexcept {
  void* const memory = allocate(root, sizeof(Use), now);
  if (memory == nullptr) return Using::no_room;
  Leave* leave = nullptr;
  if (entry.leave) {
    void* const place = allocate(root, sizeof(Leave), now);
    if (place == nullptr) {
      release(root, memory, sizeof(Use));
      return Using::no_room;
    }
    leave = new (place) Leave{nullptr, *entry.leave};
  }
  Use*& head = root.heads[root.index(entry.token)];
  auto* use = new (memory) Use{head, entry.token, entry.call, entry.expires, leave};
  publish();
  head = use;
  ++root.count;
  return Using::first;
}

Using UseTable::come_again(Root& root, Use& use, const UseEntry& entry, std::size_t most_leaves) noexcept {
  if (!entry.leave || use.call != entry.call) return Using::used;
  std::size_t known = 0;
  for (const Leave* leave = use.leaves; leave != nullptr; leave = leave->next, ++known)
    if (leave->id == *entry.leave) return Using::used;
  if (known >= most_leaves) return Using::used;
  // No sweep here: it could take away what is being looked at, once that has expired.
  if (root.used + sizeof(Leave) > root.room) return Using::no_room;
  void* const memory = memory_.allocate(sizeof(Leave));
  if (memory == nullptr) return Using::no_room;
  root.used += sizeof(Leave);
  auto* leave = new (memory) Leave{use.leaves, *entry.leave};
  publish();
  use.leaves = leave;
  use.expires = std::max(use.expires, entry.expires);
  return Using::again;
}

Using UseTable::use(const UseEntry& entry, std::size_t most_leaves, std::int64_t now) noexcept {
  const TableLock lock(memory_);
  Root* const table = root(now);
  if (table == nullptr) return Using::no_room;
  if (entry.issued < table->born) return Using::predates;
  for (Use* use = table->heads[table->index(entry.token)]; use != nullptr; use = use->next)
    if (use->token == entry.token) return come_again(*table, *use, entry, most_leaves);
  const Using outcome = add(*table, entry, now);
  sweep_chain(*table, table->next_chain++ & (table->chains - 1), now);
  return outcome;
}

std::size_t UseTable::count() noexcept {
  const TableLock lock(memory_);
  const auto* const table = static_cast<const Root*>(memory_.root());
  return table == nullptr ? 0 : table->count;
}

}  // namespace agw::limits
