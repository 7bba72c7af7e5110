// The other side of the journal: joins, chains and writes what workers have finished.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "agw/io/clock.h"
#include "agw/io/journal_memory.h"
#include "agw/io/log.h"
#include "agw/io/log_file.h"
#include "agw/io/random.h"
#include "agw/io/zone.h"
#include "agw/status/report.h"

namespace agw::audit {

/// When the file's content is forced to the disk: never by us; once a second; before the room in
/// the journal is given back.
enum class Sync : std::uint8_t { none, interval, always };

/// What the control block of a journal must hold at least.
[[nodiscard]] std::size_t control_bytes() noexcept;

/// By the master, before workers and sealer start: the journal's lines are to be chained under this
/// key (empty: numbered, without MACs). A chain that is open and has this key goes on; else a new
/// one begins. `root` isn't kept.
void want_chain(JournalMemory& journal, std::string_view root, Random& random);

/// One at a time per journal; a successor goes on where the last one was stopped, at any point. It
/// may block on the file: never in a worker that has calls.
class Sealer final : public status::Source {
 public:
  struct Host {
    JournalMemory& journal;
    LogFile& file;
    Clock& clock;
    Random& random;
    Log& log;
    Metrics& metrics;
    Sync sync = Sync::interval;
    /// Lets others have the processor for a moment; between two batches, while the journal has plenty of room. Null:
    /// nobody waits for it.
    void (*yield)() noexcept = nullptr;
  };
  /// Throws if OpenSSL has no HMAC.
  explicit Sealer(Host host);
  ~Sealer() override;
  Sealer(const Sealer&) = delete;
  Sealer& operator=(const Sealer&) = delete;

  /// Writes what is finished, and what dead workers have left. How many events were written;
  /// nothing while another sealer has the journal or the file can't be written.
  std::size_t pass() noexcept;
  /// At an orderly end, when no worker is left: a last pass, and the chain's closing record. False
  /// if something is still in the journal.
  [[nodiscard]] bool close() noexcept;
  void tell(status::Report& report) const override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace agw::audit
