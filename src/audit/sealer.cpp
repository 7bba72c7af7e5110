#include "agw/audit/sealer.h"

#include <algorithm>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "agw/base/encoding.h"
#include "agw/base/secret.h"
#include "agw/json/document.h"

#include "control.h"
#include "records.h"
#include "segment.h"

namespace agw::audit {
namespace {

/// What is written at once: many lines, few system calls; and no more than a tenth of a millisecond's work, since a
/// worker that is woken meanwhile may have to wait for it.
constexpr std::size_t batch_bytes = 256U * 1024;
constexpr std::size_t batch_events = 64;
/// Where each batch is forced to the disk it holds as much as there is: the disk's wait is the same for one line, and
/// what comes meanwhile needs its room in the journal.
constexpr std::size_t synced_batch_bytes = 1024U * 1024;
/// Where more of a worker's journal than this part is in use, sealing goes on until it is empty: who yields on a busy
/// core comes back milliseconds later.
constexpr std::uint64_t yielding_part = 8;
constexpr Milliseconds sync_interval{1000};
constexpr std::uint64_t never = ~std::uint64_t{0};

}  // namespace

struct Sealer::State {
  explicit State(Host given)
      : host(given),
        written(given.metrics.cell("agent_audit_lines_total")),
        failed(given.metrics.cell("agent_audit_write_failures_total")),
        used(given.metrics.cell("agent_audit_journal_used_slots")),
        room(given.metrics.cell("agent_audit_journal_slots")),
        recovered(given.metrics.cell("agent_audit_recovered_total")),
        lost(given.metrics.cell("agent_audit_lost_total")),
        damaged(given.metrics.cell("agent_audit_damaged_total")),
        syncs(given.metrics.cell("agent_audit_syncs_total")) {}

  std::size_t pass();
  bool ready();
  bool answer_start();
  std::size_t look(std::size_t index);
  std::size_t collect(Segment& here, std::size_t index, std::uint32_t end);
  bool readable(Segment& segment, std::uint32_t slot);
  std::size_t write_events();
  bool seal_record(BatchKind kind, std::uint64_t count);
  bool seal();
  bool resume();
  [[nodiscard]] std::size_t found_again(const LogFile::State& file, const std::string& text);
  void commit(const ChainState& next);
  void free_events();
  bool put(std::string_view text, std::size_t from);
  ChainState render(std::string& out);
  void add_line(std::string& out, std::size_t begin, ChainState& state);
  bool after_line(const LogFile::State& file);
  void healthy(bool now);
  void sync_by_interval();

  [[nodiscard]] std::optional<Segment> segment(std::size_t index) {
    if (index >= host.journal.segments()) return std::nullopt;
    return Segment::view(host.journal.segment(index));
  }

  Host host;
  Control* control = nullptr;  ///< null until the journal is ours
  LineMac mac;
  json::Document document;
  std::vector<EventRef> found;
  std::vector<std::uint64_t> quiet;  ///< of each segment: its owners() when it was seen empty
  std::string text;
  std::string joined;
  std::uint64_t own_end = 0;  ///< where the file ended after our last batch
  std::uint64_t unreadable = 0;
  bool works = true;
  bool unsynced = false;
  SteadyTime synced{};
  status::Journal told;

  Metrics::Cell& written;
  Metrics::Cell& failed;
  Metrics::Cell& used;
  Metrics::Cell& room;
  Metrics::Cell& recovered;
  Metrics::Cell& lost;
  Metrics::Cell& damaged;
  Metrics::Cell& syncs;
};

Sealer::Sealer(Host host) : state_(std::make_unique<State>(host)) {}

Sealer::~Sealer() = default;

std::size_t Sealer::pass() noexcept try { return state_->pass(); } catch (...) {
  state_->host.file.end();
  state_->host.log.write(LogLevel::alert, "agent_audit: the sealer failed; it tries again");
  return 0;
}

bool Sealer::close() noexcept try {
  State& state = *state_;
  state.pass();
  if (state.control == nullptr || state.control->phase() != Phase::idle || !state.found.empty()) return false;
  if (state.control->states[state.control->current()].open == 0) return true;
  const bool closed = state.seal_record(BatchKind::close, 0);
  if (closed && state.unsynced && state.host.sync != Sync::none) static_cast<void>(state.host.file.sync());
  return closed;
} catch (...) {
  state_->host.file.end();
  return false;
}

void Sealer::tell(status::Report& report) const {
  report.journal = state_->told;
  report.journal.written = state_->works ? 1 : 0;
}

/// Whether this process seals, nothing is half done, and a chain is open.
bool Sealer::State::ready() {
  if (control == nullptr) {
    if (!host.journal.take_control()) return false;
    control = Control::view(host.journal.control());
    if (control == nullptr) return false;
  }
  if (control->phase() == Phase::written) free_events();
  if (control->phase() == Phase::writing && !resume()) return false;
  return answer_start() && control->states[control->current()].open != 0;
}

/// Closes the chain that is and opens the one that the master wants.
bool Sealer::State::answer_start() {
  const std::uint64_t number = control->start.number.load(std::memory_order_acquire);
  const ChainState& now = control->states[control->current()];
  if (now.start == number || number % 2 != 0) return true;
  if (now.open != 0 && !seal_record(BatchKind::close, 0)) return false;
  Batch& batch = control->batch;
  batch.chain = control->start.chain;
  batch.key_id = control->start.key_id;
  batch.key = control->start.key;
  // The master may have changed its mind in between: the next pass sees what it wants now.
  std::atomic_thread_fence(std::memory_order_acquire);
  if (control->start.number.load(std::memory_order_relaxed) != number) return false;
  return seal_record(BatchKind::open, number);
}

std::size_t Sealer::State::pass() {
  found.clear();
  unreadable = 0;
  const bool sealing = ready();
  if (control == nullptr) return 0;
  std::uint64_t taken = 0;
  std::uint64_t fullest = 0;
  std::uint64_t slots = 0;
  std::uint64_t passed = 0;
  std::vector<std::pair<std::size_t, std::uint64_t>> untold;
  for (std::size_t i = 0; i < host.journal.segments(); ++i) {
    auto here = segment(i);
    if (!here) continue;
    slots += here->slots();
    const std::size_t here_taken = look(i);
    taken += here_taken;
    fullest = std::max<std::uint64_t>(fullest, here_taken);
    recovered.fetch_add(here->recovered().exchange(0, std::memory_order_relaxed), std::memory_order_relaxed);
    if (const std::uint64_t more = here->lost().load(std::memory_order_relaxed); more != 0) {
      passed += more;
      untold.emplace_back(i, more);
    }
  }
  told.segments = host.journal.segments();
  told.slots = slots;
  told.used = taken;
  told.fullest = fullest;
  told.sealing = sealing ? 1 : 0;
  room.store(slots, std::memory_order_relaxed);
  used.store(taken, std::memory_order_relaxed);
  if (!sealing) return 0;
  const std::size_t events = write_events();
  if (passed > 0 && works && seal_record(BatchKind::lost, passed)) {
    for (const auto& [index, count] : untold) segment(index)->lost().fetch_sub(count, std::memory_order_relaxed);
    lost.fetch_add(passed, std::memory_order_relaxed);
  }
  if (unreadable > 0 && works) {
    damaged.fetch_add(unreadable, std::memory_order_relaxed);
    static_cast<void>(seal_record(BatchKind::damaged, unreadable));
  }
  sync_by_interval();
  return events;
}

/// Adds what is finished in a segment to `found`, in order, and takes care of what a dead worker
/// left. How many slots are in use.
std::size_t Sealer::State::look(std::size_t index) {
  auto here = segment(index);
  // Where nobody came since it was seen empty there is nothing. Read first: who comes from now on
  // makes another number of it.
  const std::uint64_t owners = here->owners();
  const bool alive = host.journal.owned(index);
  quiet.resize(std::max(quiet.size(), index + 1), never);
  if (!alive && quiet[index] == owners) return 0;
  const auto first = static_cast<std::ptrdiff_t>(found.size());
  std::size_t taken = collect(*here, index, alive ? here->limit() : here->slots());
  if (!alive && taken > found.size() - static_cast<std::size_t>(first) && host.journal.take(index)) {
    const std::size_t unfinished = here->recover();
    host.journal.release(index);
    if (unfinished > 0)
      host.log.write(LogLevel::warn, "agent_audit: " + std::to_string(unfinished) +
                                         " calls of a worker that died are recorded with outcome unknown");
    found.resize(static_cast<std::size_t>(first));
    taken = collect(*here, index, here->slots());
  }
  std::sort(found.begin() + first, found.end(), [](const auto& a, const auto& b) { return a.number < b.number; });
  if (alive) return taken;
  if (taken == 0) quiet[index] = owners;
  // The remains of a process that ended in the middle of something are believed only if they are whole.
  const auto bad = std::remove_if(found.begin() + first, found.end(), [&](const EventRef& event) {
    if (readable(*here, event.slot)) return false;
    here->free(event.slot);
    ++unreadable;
    return true;
  });
  found.erase(bad, found.end());
  return taken;
}

std::size_t Sealer::State::collect(Segment& here, std::size_t index, std::uint32_t end) {
  std::size_t taken = 0;
  for (std::uint32_t i = 0; i < end; ++i) {
    const std::uint64_t word = here.state(i).load(std::memory_order_acquire);
    if (word == slot_free) continue;
    ++taken;
    if (word >= slot_finished) found.push_back({static_cast<std::uint32_t>(index), i, word});
  }
  return taken;
}

bool Sealer::State::readable(Segment& segment, std::uint32_t slot) {
  joined.clear();
  if (!segment.read(slot, joined)) return false;
  joined += '}';
  return joined.starts_with(R"({"v":1,"id":")") && document.read(joined, {}).has_value();
}

std::size_t Sealer::State::write_events() {
  std::size_t events = 0;
  const bool synced_each = host.sync == Sync::always;
  const std::size_t most_events = synced_each ? max_batch : batch_events;
  const std::size_t most_bytes = synced_each ? synced_batch_bytes : batch_bytes;
  for (std::size_t at = 0; at < found.size();) {
    Batch& batch = control->batch;
    batch.kind = BatchKind::events;
    batch.size = 0;
    std::size_t bytes = 0;
    for (; at < found.size() && batch.size < most_events && bytes < most_bytes; ++at) {
      auto here = segment(found[at].segment);
      batch.events[batch.size++] = found[at];
      bytes += here->slot(found[at].slot).size;
    }
    if (!seal()) {
      found.erase(found.begin(), found.begin() + static_cast<std::ptrdiff_t>(at - batch.size));
      return events;
    }
    events += batch.size;
    const bool roomy = told.fullest < told.slots / told.segments / yielding_part;
    if (at < found.size() && roomy && host.yield != nullptr) host.yield();
  }
  found.clear();
  return events;
}

bool Sealer::State::seal_record(BatchKind kind, std::uint64_t count) {
  Batch& batch = control->batch;
  batch.kind = kind;
  batch.size = 0;
  batch.count = count;
  batch.time = host.clock.now().time_since_epoch().count();
  batch.id.set(host.random.hex(16));
  return seal();
}

/// Ends a line that begins at `begin`, in a state that it changes.
void Sealer::State::add_line(std::string& out, std::size_t begin, ChainState& state) {
  ++state.seq;
  const std::string_view key = state.key_id.text();
  append_tail(out, state.chain.text(), state.seq, key, state.step);
  if (!key.empty()) {
    state.mac = mac.of(state.mac, std::string_view(out).substr(begin));
    append_mac(out, state.mac);
  }
  out += "}\n";
}

/// The batch's bytes and the chain's state behind them: the same each time it is called.
ChainState Sealer::State::render(std::string& out) {
  const ChainState& before = control->states[control->current()];
  const Batch& batch = control->batch;
  ChainState state = before;
  if (batch.kind == BatchKind::open) {
    state = ChainState{};
    state.chain = batch.chain;
    state.key_id = batch.key_id;
    state.key = batch.key;
    state.start = batch.count;
    state.open = 1;
  }
  if (batch.kind == BatchKind::close) state.open = 0;
  if (!state.key_id.text().empty()) mac.set_key(state.key);
  if (batch.kind != BatchKind::events) {
    append_record(out, batch, before);
    add_line(out, 0, state);
  }
  for (std::size_t i = 0; i < std::min<std::size_t>(batch.size, max_batch); ++i) {
    const EventRef& event = batch.events[i];
    auto here = segment(event.segment);
    if (!here || event.slot >= here->slots() || here->state(event.slot).load(std::memory_order_acquire) != event.number)
      continue;
    const std::size_t begin = out.size();
    if (!here->read(event.slot, out) || out.find('\n', begin) != std::string::npos) {
      out.resize(begin);
      ++unreadable;
      continue;
    }
    add_line(out, begin, state);
  }
  state.key = next_key(state.key);
  ++state.step;
  return state;
}

bool Sealer::State::after_line(const LogFile::State& file) {
  if (!file.regular || file.size == 0 || file.size == own_end) return true;
  const std::string last = host.file.read(file.identity, file.size - 1, 1);
  return last.empty() || last == "\n";
}

bool Sealer::State::seal() {
  const auto file = host.file.begin();
  if (!file) return false;
  std::uint64_t size = file->size;
  // Half a line of somebody else's must not run into ours.
  if (!after_line(*file)) {
    if (host.file.append("\n") != 1) {
      host.file.end();
      healthy(false);
      return false;
    }
    ++size;
  }
  text.clear();
  const ChainState next = render(text);
  Batch& batch = control->batch;
  batch.file = file->identity;
  batch.offset = size;
  batch.written = 0;
  const std::size_t current = control->current();
  control->set(Phase::writing, current);
  if (!put(text, 0)) {
    // All of it or nothing: what can't be cut off stays, and is completed later.
    if (batch.written == 0 || (file->regular && host.file.cut(file->identity, size)))
      control->set(Phase::idle, current);
    host.file.end();
    healthy(false);
    return false;
  }
  own_end = size + text.size();
  commit(next);
  return true;
}

/// Writes from an offset; false leaves in the batch how far it came.
bool Sealer::State::put(std::string_view bytes, std::size_t from) {
  const std::size_t taken = host.file.append(bytes.substr(from));
  control->batch.written = from + taken;
  if (control->batch.written < bytes.size()) return false;
  if (host.sync == Sync::always && !bytes.empty()) {
    if (!host.file.sync()) return false;
    syncs.fetch_add(1, std::memory_order_relaxed);
  }
  unsynced = true;
  return true;
}

void Sealer::State::commit(const ChainState& next) {
  const std::size_t other = 1 - control->current();
  control->states[other] = next;
  const Batch& batch = control->batch;
  const std::uint64_t lines = batch.kind == BatchKind::events ? batch.size : 1;
  control->set(Phase::written, other);
  // The key that made these lines is nowhere any more.
  wipe(reinterpret_cast<char*>(control->states[1 - other].key.data()), sizeof(ChainKey));
  if (batch.kind == BatchKind::open) {
    wipe(reinterpret_cast<char*>(control->start.key.data()), sizeof(ChainKey));
    wipe(reinterpret_cast<char*>(control->batch.key.data()), sizeof(ChainKey));
  }
  free_events();
  host.file.end();
  written.fetch_add(lines, std::memory_order_relaxed);
  told.lines += lines;
  told.sealed = host.clock.now().time_since_epoch().count();
  healthy(true);
}

void Sealer::State::free_events() {
  const Batch& batch = control->batch;
  for (std::size_t i = 0; batch.kind == BatchKind::events && i < std::min<std::size_t>(batch.size, max_batch); ++i) {
    const EventRef& event = batch.events[i];
    auto here = segment(event.segment);
    if (here && event.slot < here->slots() && here->state(event.slot).load(std::memory_order_acquire) == event.number)
      here->free(event.slot);
  }
  control->set(Phase::idle, control->current());
}

/// How many bytes of the batch are in the file: what was killed in the middle of a write goes on
/// where it was.
std::size_t Sealer::State::found_again(const LogFile::State& file, const std::string& bytes) {
  const Batch& batch = control->batch;
  const bool here = file.identity == batch.file;
  if (here && !file.regular) return std::min<std::size_t>(batch.written, bytes.size());
  const std::string there = host.file.read(batch.file, batch.offset, bytes.size());
  const auto [end, ignored] = std::mismatch(bytes.begin(), bytes.end(), there.begin(), there.end());
  const auto same = static_cast<std::size_t>(end - bytes.begin());
  const bool at_end = same == there.size();
  if (same == bytes.size() || (here && at_end)) return same;
  // The file was rotated, or others have written behind it: whole lines are there, a torn one is written again.
  const std::size_t lines = same == 0 ? 0 : bytes.rfind('\n', same - 1) + 1;
  if (at_end && lines < same) static_cast<void>(host.file.cut(batch.file, batch.offset + lines));
  return lines;
}

bool Sealer::State::resume() {
  const auto file = host.file.begin();
  if (!file) return false;
  text.clear();
  const ChainState next = render(text);
  const std::size_t from = found_again(*file, text);
  if (from == 0) {
    control->batch.file = file->identity;
    control->batch.offset = file->size;
  }
  const bool elsewhere = from > 0 && control->batch.file != file->identity;
  if (!put(text, from)) {
    // What is in the file before can be found again, what is in this one as well couldn't.
    if (elsewhere) static_cast<void>(host.file.cut(file->identity, file->size));
    host.file.end();
    healthy(false);
    return false;
  }
  commit(next);
  return true;
}

void Sealer::State::healthy(bool now) {
  if (!now) failed.fetch_add(1, std::memory_order_relaxed);
  if (std::exchange(works, now) == now) return;
  now ? host.log.write(LogLevel::notice, "agent_audit: the audit log can be written again")
      : host.log.write(LogLevel::alert,
                       "agent_audit: the audit log can't be written; events wait in the journal until it is full");
}

void Sealer::State::sync_by_interval() {
  if (host.sync != Sync::interval || !unsynced) return;
  const SteadyTime now = host.clock.steady();
  if (now - synced < sync_interval) return;
  synced = now;
  unsynced = false;
  if (host.file.sync()) {
    syncs.fetch_add(1, std::memory_order_relaxed);
  } else {
    failed.fetch_add(1, std::memory_order_relaxed);
  }
}

}  // namespace agw::audit
