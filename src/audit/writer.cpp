#include "agw/audit/writer.h"

#include <utility>

namespace agw::audit {
namespace {

/// Lines wait this long at most before they are written together.
constexpr Milliseconds batch_delay{50};
constexpr std::size_t batch_bytes = 256U * 1024;
/// What a worker keeps while the file can't be written. Beyond it calls are denied.
constexpr std::size_t queue_bytes = 1024U * 1024;

}  // namespace

struct Writer::State : std::enable_shared_from_this<Writer::State> {
  explicit State(Host given)
      : host(given),
        written(given.metrics.cell("agent_audit_lines_total")),
        failed(given.metrics.cell("agent_audit_write_failures_total")) {}

  void queue(const Event& event, const Completion& completion) {
    if (host.file == nullptr) return;
    append_line(lines, event, completion);
    ++count;
    if (lines.size() >= batch_bytes && healthy) flush();
    if (!lines.empty() && !timer_runs) {
      timer_runs = true;
      host.loop.spawn(flush_later(shared_from_this()));
    }
  }

  void flush() noexcept {
    if (lines.empty() || host.file == nullptr) return;
    if (!host.file->append(lines)) {
      failed.fetch_add(1, std::memory_order_relaxed);
      if (std::exchange(healthy, false))
        host.log.write(LogLevel::alert,
                       "agent_audit: the audit log can't be written; calls are denied when the queue is full");
      return;
    }
    written.fetch_add(count, std::memory_order_relaxed);
    if (!std::exchange(healthy, true))
      host.log.write(LogLevel::notice, "agent_audit: the audit log can be written again");
    lines.clear();
    count = 0;
  }

  /// Ends when the queue is empty, so that an idle worker has no timer.
  static Task<void> flush_later(std::shared_ptr<State> state) {
    while (!state->lines.empty()) {
      co_await state->host.loop.sleep(batch_delay);
      state->flush();
    }
    state->timer_runs = false;
  }

  [[nodiscard]] bool full() const { return !healthy && lines.size() >= queue_bytes; }

  Host host;
  Metrics::Cell& written;
  Metrics::Cell& failed;
  std::string lines;
  std::uint64_t count = 0;
  bool healthy = true;
  bool timer_runs = false;
};

Writer::Writer(Host host) : state_(std::make_shared<State>(host)) {}

Writer::~Writer() { flush(); }

Result<Writer::Record, Reason> Writer::begin(std::unique_ptr<Event> event) {
  // A full queue gets one more try: the disk may have room again.
  if (state_->full()) state_->flush();
  if (state_->full()) return fail(Reason::audit_unavailable);
  return Record(this, std::move(event));
}

void Writer::note(std::unique_ptr<Event> event) noexcept {
  Completion completion;
  completion.outcome = Outcome::ok;
  Record(this, std::move(event)).finish(completion);
}

void Writer::flush() noexcept { state_->flush(); }

Writer::Record::Record(Record&& other) noexcept
    : writer_(std::exchange(other.writer_, nullptr)), event_(std::move(other.event_)) {}

Writer::Record& Writer::Record::operator=(Record&& other) noexcept {
  if (this == &other) return *this;
  if (open()) finish(Completion{.outcome = Outcome::aborted});
  writer_ = std::exchange(other.writer_, nullptr);
  event_ = std::move(other.event_);
  return *this;
}

Writer::Record::~Record() {
  if (open()) finish(Completion{.outcome = Outcome::aborted});
}

void Writer::Record::finish(const Completion& completion) noexcept {
  if (!open()) return;
  const auto event = std::move(event_);
  try {
    writer_->state_->queue(*event, completion);
  } catch (...) {
    writer_->state_->host.log.write(LogLevel::alert, "agent_audit: no memory for an audit line");
  }
}

}  // namespace agw::audit
