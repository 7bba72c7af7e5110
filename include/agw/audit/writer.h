// The worker's side: the decision into the journal before the backend is asked, the outcome later.
#pragma once

#include <cstdint>
#include <memory>

#include "agw/audit/event.h"
#include "agw/base/result.h"
#include "agw/io/journal_memory.h"
#include "agw/io/log.h"
#include "agw/io/zone.h"

namespace agw::audit {

/// What happens to a call whose event has no room in the journal.
enum class OnError : std::uint8_t { deny, proceed };

/// One per worker. begin() and finish() touch memory only: no lock, no system call, no allocation.
/// What they leave there is written by the Sealer, also when this process dies.
class Writer {
 public:
  struct Host {
    JournalMemory* journal;  ///< null: agent_audit off
    Log& log;
    Metrics& metrics;
    OnError on_error = OnError::deny;
  };
  explicit Writer(Host host);
  /// Gives its segment back: what is finished is the sealer's.
  ~Writer();
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  /// An event that waits for its outcome. Destroying it finishes it as aborted.
  class Record {
   public:
    Record() = default;
    Record(Record&& other) noexcept : writer_(other.writer_), slot_(other.slot_) { other.writer_ = nullptr; }
    Record& operator=(Record&& other) noexcept;
    ~Record() {
      if (open()) finish(Completion{.outcome = Outcome::aborted});
    }
    [[nodiscard]] bool open() const noexcept { return writer_ != nullptr; }
    void finish(const Completion& completion) noexcept;

   private:
    friend class Writer;
    Record(Writer* writer, std::uint32_t slot) noexcept : writer_(writer), slot_(slot) {}
    Writer* writer_ = nullptr;
    std::uint32_t slot_ = 0;
  };

  /// audit_unavailable when the journal is full, because lines can't be written or not so fast;
  /// under OnError::proceed the call is counted as lost instead.
  [[nodiscard]] Result<Record, Reason> begin(const Event& event) noexcept;
  /// An event without a call (policy.change). False: it isn't in the journal.
  bool note(const Event& event) noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace agw::audit
