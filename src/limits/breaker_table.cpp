#include "agw/limits/breaker_table.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <limits>
#include <new>
#include <utility>

#include "agw/io/shared_table.h"

namespace agw::limits {
namespace {

constexpr std::int64_t never = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t parts = 16;
constexpr std::size_t ways = 16;
constexpr std::size_t share_of_memory = 16;

std::int64_t milliseconds(SteadyTime time) noexcept { return time.time_since_epoch().count(); }

struct Part {
  std::uint32_t counted = 0;
  std::uint32_t bad = 0;
};

}  // namespace

struct BreakerTable::Entry {
  CounterKey key{};
  bool used = false;
  BreakerSubject subject = BreakerSubject::agent;
  BreakerState state = BreakerState::closed;
  std::int64_t window = 0;
  std::int64_t newest = 0;     // the part of time that was counted last
  std::int64_t tripped = 0;
  std::int64_t until = 0;      // open: when it ends, or `never`
  std::uint64_t trying = 0;    // half open: the call that tries
  std::int64_t try_until = 0;  // 0: nobody does
  std::array<Part, parts> counts{};

  [[nodiscard]] std::int64_t part_of(std::int64_t now) const noexcept { return now * parts / window; }
  [[nodiscard]] static std::size_t place(std::int64_t part) noexcept { return static_cast<std::size_t>(part % parts); }

  /// What lies a window back is forgotten. (A worker whose clock is a little behind counts where the others are.)
  void slide(std::int64_t now) noexcept {
    const std::int64_t part = part_of(now);
    if (part <= newest) return;
    const std::int64_t forgotten = std::min(part - newest, parts);
    for (std::int64_t i = 0; i < forgotten; ++i) counts[place(part - i)] = {};
    newest = part;
  }
  void add(Mark mark, std::int64_t now) noexcept {
    slide(now);
    Part& part = counts[place(newest)];
    if (part.counted == std::numeric_limits<std::uint32_t>::max()) return;
    ++part.counted;
    if (mark == Mark::bad) ++part.bad;
  }
  [[nodiscard]] std::pair<std::int64_t, std::int64_t> sums() const noexcept {
    std::pair<std::int64_t, std::int64_t> out;
    for (const Part& part : counts) {
      out.first += part.counted;
      out.second += part.bad;
    }
    return out;
  }
  /// Nothing in it means anything any more.
  [[nodiscard]] bool is_over(std::int64_t now) const noexcept {
    if (state == BreakerState::closed) return part_of(now) - newest >= parts;
    return state == BreakerState::open && subject == BreakerSubject::agent && until <= now;
  }
};

struct BreakerTable::Set {
  std::array<Entry, ways> entries;
};

struct BreakerTable::Root {
  std::atomic<std::uint64_t> not_closed;  // raised before one opens, lowered after it closed: never too low
  std::size_t sets;
  Set* first;
};

/// Under the lock. Null: there is no room for a table at all.
BreakerTable::Root* BreakerTable::root() noexcept {
  if (root_ != nullptr) return root_;
  root_ = static_cast<Root*>(memory_.root());
  if (root_ != nullptr) return root_;
  const std::size_t wanted = std::max<std::size_t>(memory_.size() / share_of_memory / sizeof(Set), 1);
  const TableRoom room = make_room(memory_, sizeof(Root), sizeof(Set), wanted, 1);
  if (room.root == nullptr) return nullptr;
  auto* first = static_cast<Set*>(room.pieces);
  for (std::size_t i = 0; i < room.count; ++i) new (first + i) Set();
  auto* made = new (room.root) Root{{0}, room.count, first};
  publish();
  memory_.root() = made;
  root_ = made;
  return made;
}

bool BreakerTable::all_closed() noexcept {
  if (root_ == nullptr) {
    const TableLock lock(memory_);
    root_ = static_cast<Root*>(memory_.root());
    if (root_ == nullptr) return true;
  }
  return root_->not_closed.load(std::memory_order_acquire) == 0;
}

BreakerTable::Entry* BreakerTable::find(const CounterKey& key) noexcept {
  std::uint64_t bits = 0;
  std::memcpy(&bits, key.data(), sizeof bits);
  for (Entry& entry : root_->first[bits % root_->sets].entries)
    if (entry.used && entry.key == key) return &entry;
  return nullptr;
}

BreakerTable::Entry* BreakerTable::find_or_add(const Watched& watched, std::int64_t now) noexcept {
  if (Entry* known = find(watched.key)) return known;
  std::uint64_t bits = 0;
  std::memcpy(&bits, watched.key.data(), sizeof bits);
  auto& entries = root_->first[bits % root_->sets].entries;
  const auto found = std::find_if(entries.begin(), entries.end(),
                                  [&](const Entry& entry) { return !entry.used || entry.is_over(now); });
  if (found == entries.end()) return nullptr;
  Entry& entry = *found;
  if (entry.used) close(entry);
  entry.used = false;
  publish();
  entry = Entry{};
  entry.key = watched.key;
  entry.subject = watched.breaker->subject;
  entry.window = watched.breaker->window.count();
  entry.newest = entry.part_of(now);
  publish();
  entry.used = true;
  return &entry;
}

void BreakerTable::close(Entry& entry) noexcept {
  if (entry.state == BreakerState::closed) return;
  entry.counts = {};
  entry.try_until = 0;
  publish();
  entry.state = BreakerState::closed;
  publish();
  root_->not_closed.fetch_sub(1, std::memory_order_release);
}

void BreakerTable::open(Entry& entry, const Breaker& breaker, std::int64_t now) noexcept {
  if (entry.state == BreakerState::closed) {
    root_->not_closed.fetch_add(1, std::memory_order_release);
    entry.tripped = now;
  }
  entry.until = breaker.open_for ? now + breaker.open_for->count() : never;
  publish();
  entry.state = BreakerState::open;
}

/// An agent's that is open until a moment that is over.
bool BreakerTable::ends(Entry& entry, std::int64_t now) noexcept {
  const bool over = entry.state == BreakerState::open && entry.subject == BreakerSubject::agent && entry.until <= now;
  if (over) close(entry);
  return over;
}

Gate BreakerTable::ask(const Watch& watch, std::optional<Milliseconds> closed_ago, SteadyTime moment) {
  const std::int64_t now = milliseconds(moment);
  Gate out;
  out.closed.reserve(watch.breakers.size());
  std::vector<std::pair<Entry*, Milliseconds>> to_try;
  to_try.reserve(watch.breakers.size());
  const TableLock lock(memory_);
  if (root() == nullptr) return out;
  for (std::size_t i = 0; i < watch.breakers.size(); ++i) {
    Entry* entry = find(watch.breakers[i].key);
    if (entry == nullptr || entry->state == BreakerState::closed) continue;
    if (entry->subject == BreakerSubject::agent) {
      const bool by_hand = closed_ago && closed_ago->count() < now - entry->tripped;
      if (by_hand) close(*entry);
      if (by_hand || ends(*entry, now)) {
        out.closed.push_back(i);
        out.by_hand = out.by_hand || by_hand;
        continue;
      }
    } else {
      const bool pause_is_over = entry->state == BreakerState::open && entry->until <= now;
      const bool nobody_tries = entry->state == BreakerState::half_open && entry->try_until <= now;
      const bool is_mine = entry->state == BreakerState::half_open && entry->trying == watch.id;
      if (pause_is_over || nobody_tries || is_mine) {
        const Milliseconds pause = watch.breakers[i].breaker->open_for.value_or(longest_try);
        to_try.emplace_back(entry, std::clamp(pause, shortest_try, longest_try));
        continue;
      }
    }
    if (out.held_by) continue;
    out.held_by = i;
    const std::int64_t end = entry->state == BreakerState::half_open ? now + 1'000 : entry->until;
    if (end != never) out.wait = Milliseconds(std::max<std::int64_t>(end - now, 1));
  }
  // Only a call that reaches the backend can try it.
  if (out.held_by) return out;
  for (const auto& [entry, patience] : to_try) {
    entry->trying = watch.id;
    entry->try_until = now + patience.count();
    publish();
    entry->state = BreakerState::half_open;
    out.tries = true;
  }
  return out;
}

std::optional<Turn> BreakerTable::mark(const Watched& watched, Mark mark, std::uint64_t id, std::int64_t now,
                                       bool& no_room) noexcept {
  const Breaker& breaker = *watched.breaker;
  Entry* entry = mark == Mark::none ? find(watched.key) : find_or_add(watched, now);
  if (entry == nullptr) {
    no_room = no_room || mark != Mark::none;
    return std::nullopt;
  }
  if (entry->state == BreakerState::half_open) {
    // Only the call that tries tells; all others began before.
    if (entry->trying != id || entry->try_until == 0) return std::nullopt;
    entry->try_until = 0;
    if (mark == Mark::bad) open(*entry, breaker, now);
    if (mark != Mark::good) return std::nullopt;
    close(*entry);
    return Turn{0, BreakerState::closed, 1, 0};
  }
  const bool ended = ends(*entry, now);
  if (entry->state == BreakerState::open || mark == Mark::none)
    return ended ? std::optional(Turn{0, BreakerState::closed, 0, 0}) : std::nullopt;
  entry->add(mark, now);
  const auto [counted, bad] = entry->sums();
  if (mark == Mark::bad && counted >= breaker.least && bad * 100 >= breaker.percent * counted) {
    open(*entry, breaker, now);
    return Turn{0, BreakerState::open, counted, bad};
  }
  return ended ? std::optional(Turn{0, BreakerState::closed, 0, 0}) : std::nullopt;
}

Counted BreakerTable::count(const Watch& watch, std::span<const Mark> marks, SteadyTime moment) {
  const std::int64_t now = milliseconds(moment);
  Counted out;
  out.turns.reserve(watch.breakers.size());
  const TableLock lock(memory_);
  if (root() == nullptr) {
    out.no_room = true;
    return out;
  }
  for (std::size_t i = 0; i < std::min(marks.size(), watch.breakers.size()); ++i) {
    auto turn = mark(watch.breakers[i], marks[i], watch.id, now, out.no_room);
    if (!turn) continue;
    turn->which = i;
    out.turns.push_back(*turn);
  }
  return out;
}

BreakerState BreakerTable::state(const CounterKey& key) noexcept {
  const TableLock lock(memory_);
  if (root() == nullptr) return BreakerState::closed;
  const Entry* entry = find(key);
  return entry == nullptr ? BreakerState::closed : entry->state;
}

std::size_t BreakerTable::open_agents(SteadyTime moment) noexcept {
  if (all_closed()) return 0;
  const std::int64_t now = milliseconds(moment);
  std::size_t out = 0;
  // A set at a time: calls don't wait for the whole of it.
  for (std::size_t i = 0; i < root_->sets; ++i) {
    const TableLock lock(memory_);
    for (const Entry& entry : root_->first[i].entries)
      if (entry.used && entry.subject == BreakerSubject::agent && entry.state == BreakerState::open &&
          entry.until > now)
        ++out;
  }
  return out;
}

}  // namespace agw::limits
