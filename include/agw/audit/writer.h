// Decision first, outcome later, one line.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "agw/audit/event.h"
#include "agw/base/result.h"
#include "agw/io/append_file.h"
#include "agw/io/log.h"
#include "agw/io/loop.h"
#include "agw/io/zone.h"

namespace agw::audit {

/// One per worker. begin() holds the event before the backend is asked; finish() completes and
/// queues its line; lines are written in batches. Destroying an open Record finishes it as aborted.
class Writer {
 public:
  struct Host {
    Loop& loop;
    AppendFile* file;  ///< null: agent_audit off
    Log& log;
    Metrics& metrics;
  };
  explicit Writer(Host host);
  ~Writer();
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  class Record {
   public:
    Record() = default;
    Record(Record&& other) noexcept;
    Record& operator=(Record&& other) noexcept;
    ~Record();
    [[nodiscard]] bool open() const noexcept { return event_ != nullptr; }
    void finish(const Completion& completion) noexcept;

   private:
    friend class Writer;
    Record(Writer* writer, std::unique_ptr<Event> event) noexcept : writer_(writer), event_(std::move(event)) {}
    Writer* writer_ = nullptr;
    std::unique_ptr<Event> event_;
  };

  /// audit_unavailable when lines can't be written and the queue is at its limit.
  [[nodiscard]] Result<Record, Reason> begin(std::unique_ptr<Event> event);
  /// An event without a call (policy.change).
  void note(std::unique_ptr<Event> event) noexcept;
  /// Writes what is queued; at exit and before the file is reopened.
  void flush() noexcept;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace agw::audit
