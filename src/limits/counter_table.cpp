#include "agw/limits/counter_table.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <new>

#include "agw/base/digest.h"
#include "agw/io/shared_table.h"

namespace agw::limits {
namespace {

constexpr std::size_t counters_per_chain = 4;
constexpr std::size_t fewest_chains = 64;

}  // namespace

CounterKey counter_key(std::string_view tenant, std::string_view name) noexcept {
  std::array<char, 512> text{};
  std::size_t size = 0;
  const auto add = [&](std::string_view part) {
    std::copy(part.begin(), part.end(), text.data() + size);
    size += part.size();
  };
  if (tenant.size() + 1 + name.size() <= text.size()) {
    // Neither part has a line break: both are made of encoded parts.
    add(tenant);
    add("\n");
    add(name);
  } else {
    for (const Sha256& part : {sha256(tenant), sha256(name)})
      add({reinterpret_cast<const char*>(part.data()), part.size()});
  }
  const Sha256 digest = sha256({text.data(), size});
  CounterKey out;
  std::copy_n(digest.begin(), out.size(), out.begin());
  return out;
}

struct CounterTable::Hold {
  Hold* next;
  std::uint64_t id;
  std::int64_t until;
};

struct CounterTable::Counter {
  Counter* next;
  CounterKey key;
  Level level;
  Hold* holds;
  std::int64_t holding;  // how many
};

struct CounterTable::Root {
  std::size_t chains;  // a power of two
  std::size_t used;    // bytes
  std::size_t room;    // bytes that may be used
  std::size_t next_chain;
  std::int64_t swept;
  std::size_t counters;
  std::size_t holds;
  Counter** heads;

  [[nodiscard]] std::size_t index(const CounterKey& key) const noexcept {
    std::uint64_t bits = 0;
    std::memcpy(&bits, key.data(), sizeof bits);
    return bits & (chains - 1);
  }
};

/// What one want has found, between looking and taking.
struct CounterTable::Pick {
  Counter* counter = nullptr;
  Hold* hold = nullptr;  // allocated, not linked yet
  Step step;
};

CounterTable::Root* CounterTable::root() noexcept {
  if (void* known = memory_.root()) return static_cast<Root*>(known);
  const std::size_t room = memory_.size() / 2;
  const std::size_t wanted =
      std::bit_floor(std::max<std::size_t>(room / sizeof(Counter) / counters_per_chain, fewest_chains));
  const TableRoom made_room = make_room(memory_, sizeof(Root), sizeof(Counter*), wanted, fewest_chains);
  if (made_room.root == nullptr) return nullptr;
  auto** heads = static_cast<Counter**>(made_room.pieces);
  std::fill_n(heads, made_room.count, nullptr);
  auto* made = new (made_room.root) Root{made_room.count, 0, room, 0, 0, 0, 0, heads};
  publish();
  memory_.root() = made;
  return made;
}

CounterTable::Counter* CounterTable::find(Root& root, const CounterKey& key) noexcept {
  for (Counter* counter = root.heads[root.index(key)]; counter != nullptr; counter = counter->next)
    if (counter->key == key) return counter;
  return nullptr;
}

void CounterTable::release(Root& root, void* memory, std::size_t size) noexcept {
  release_entry(memory_, root, memory, size);
}

void CounterTable::drop_expired(Root& root, Counter& counter, std::int64_t now) noexcept {
  for (Hold** link = &counter.holds; *link != nullptr;) {
    Hold* hold = *link;
    if (hold->until > now) {
      link = &hold->next;
      continue;
    }
    *link = hold->next;
    --counter.holding;
    --root.holds;
    publish();
    release(root, hold, sizeof(Hold));
  }
}

void CounterTable::sweep_chain(Root& root, std::size_t index, std::int64_t now) noexcept {
  for (Counter** link = &root.heads[index]; *link != nullptr;) {
    Counter* counter = *link;
    if (counter->holds != nullptr) drop_expired(root, *counter, now);
    // What this very call has found is needed, though nothing may have been counted in it yet.
    const bool picked =
        std::any_of(picked_.begin(), picked_.end(), [&](const Pick& pick) { return pick.counter == counter; });
    if (picked || counter->holds != nullptr || counter->level.expires > now) {
      link = &counter->next;
      continue;
    }
    *link = counter->next;
    --root.counters;
    publish();
    release(root, counter, sizeof(Counter));
  }
}

void* CounterTable::allocate(Root& root, std::size_t size, std::int64_t now) noexcept {
  return allocate_entry(memory_, root, size, now, [&](std::size_t chain) { sweep_chain(root, chain, now); });
}

CounterTable::Counter* CounterTable::find_or_add(Root& root, const CounterKey& key, std::int64_t now) noexcept {
  if (Counter* known = find(root, key)) return known;
  void* memory = allocate(root, sizeof(Counter), now);
  if (memory == nullptr) return nullptr;
  Counter*& head = root.heads[root.index(key)];
  auto* counter = new (memory) Counter{head, key, {}, nullptr, 0};
  publish();
  head = counter;
  ++root.counters;
  return counter;
}

/// False: there is no room.
bool CounterTable::check(Root& root, const Want& want, Pick& pick, std::int64_t now) noexcept {
  pick.counter = find_or_add(root, want.key, now);
  if (pick.counter == nullptr) return false;
  if (want.limit->kind != LimitKind::concurrent) {
    pick.step = limits::take(*want.limit, pick.counter->level, want.amount, now);
    return true;
  }
  Counter& counter = *pick.counter;
  if (counter.holding >= want.limit->amount) drop_expired(root, counter, now);
  pick.step.taken = counter.holding < want.limit->amount;
  pick.step.standing.remaining = std::max<std::int64_t>(want.limit->amount - counter.holding - 1, 0);
  pick.step.wait = Milliseconds(pick.step.taken ? 0 : 1'000);
  if (!pick.step.taken) return true;
  pick.hold = static_cast<Hold*>(allocate(root, sizeof(Hold), now));
  return pick.hold != nullptr;
}

void CounterTable::apply(const Want& want, Pick& pick, const HoldId& hold) noexcept {
  if (want.limit->kind != LimitKind::concurrent) {
    pick.counter->level = pick.step.next;
    return;
  }
  pick.hold = new (pick.hold) Hold{pick.counter->holds, hold.id, hold.until};
  publish();
  pick.counter->holds = pick.hold;
  ++pick.counter->holding;
  pick.hold = nullptr;
}

Outcome CounterTable::take(std::span<const Want> wants, const HoldId& hold, std::int64_t now) {
  Outcome out;
  std::vector<Pick> picks(wants.size());
  out.standings.resize(wants.size());
  const TableLock lock(memory_);
  Root* const table = root();
  if (table == nullptr) {
    out.kind = Taking::no_room;
    return out;
  }
  out.kind = Taking::taken;
  picked_ = picks;
  for (std::size_t i = 0; i < wants.size() && out.kind == Taking::taken; ++i) {
    if (!check(*table, wants[i], picks[i], now)) {
      out.kind = Taking::no_room;
    } else if (!picks[i].step.taken) {
      out.kind = Taking::refused;
      out.refused_by = i;
      out.wait = picks[i].step.wait;
    }
  }
  for (std::size_t i = 0; i < wants.size(); ++i) {
    Pick& pick = picks[i];
    out.standings[i] = pick.step.standing;
    if (out.kind == Taking::taken) {
      out.wait = std::max(out.wait, pick.step.wait);
      if (wants[i].limit->kind == LimitKind::concurrent) ++table->holds;
      apply(wants[i], pick, hold);
    } else if (pick.counter != nullptr && !pick.step.taken && wants[i].limit->kind != LimitKind::concurrent) {
      // Nothing was taken; but a clock that was set back is noticed, so that it goes on from there.
      pick.counter->level = pick.step.next;
    } else if (pick.hold != nullptr) {
      release(*table, pick.hold, sizeof(Hold));
    }
  }
  picked_ = {};
  sweep_chain(*table, table->next_chain++ & (table->chains - 1), now);
  if (out.kind != Taking::taken) {
    for (auto& standing : out.standings) standing.crossed = 0;
  }
  return out;
}

std::vector<Standing> CounterTable::settle(std::span<const Want> wants, std::int64_t now) {
  std::vector<Standing> out(wants.size());
  const TableLock lock(memory_);
  Root* const table = root();
  for (std::size_t i = 0; i < wants.size() && table != nullptr; ++i) {
    Counter* counter = find_or_add(*table, wants[i].key, now);
    if (counter == nullptr || wants[i].limit->kind == LimitKind::concurrent) continue;
    const Step step = limits::take(*wants[i].limit, counter->level, wants[i].amount, now, Charging::settled);
    counter->level = step.next;
    out[i] = step.standing;
  }
  return out;
}

void CounterTable::give_back(std::span<const CounterKey> keys, std::uint64_t id) noexcept {
  const TableLock lock(memory_);
  Root* const table = root();
  for (std::size_t i = 0; i < keys.size() && table != nullptr; ++i) {
    Counter* counter = find(*table, keys[i]);
    for (Hold** link = counter == nullptr ? nullptr : &counter->holds; link != nullptr && *link != nullptr;
         link = &(*link)->next) {
      Hold* hold = *link;
      if (hold->id != id) continue;
      *link = hold->next;
      --counter->holding;
      --table->holds;
      publish();
      release(*table, hold, sizeof(Hold));
      break;
    }
  }
}

bool CounterTable::renew(std::span<const CounterKey> keys, const HoldId& hold) noexcept {
  const TableLock lock(memory_);
  Root* const table = root();
  bool all = table != nullptr;
  for (std::size_t i = 0; i < keys.size() && table != nullptr; ++i) {
    Counter* counter = find(*table, keys[i]);
    Hold* held = counter == nullptr ? nullptr : counter->holds;
    while (held != nullptr && held->id != hold.id) held = held->next;
    if (held != nullptr)
      held->until = hold.until;
    else
      all = false;
  }
  return all;
}

CounterTable::Counts CounterTable::counts() noexcept {
  const TableLock lock(memory_);
  Root* const table = root();
  if (table == nullptr) return {};
  return {table->counters, table->holds};
}

}  // namespace agw::limits
