// What must be one for all workers.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "agw/base/time.h"

namespace agw {

/// A named byte string that every worker sees (a key set, server metadata).
struct SharedBlob {
  std::string bytes;
  std::uint64_t generation = 0;  ///< grows with every write of that name
  WallTime written{};
};

/// How far a store of truth had come when it was asked.
struct Progress {
  std::uint64_t lineage = 0;    ///< which store: a digest of its incarnation
  std::uint64_t confirmed = 0;  ///< when an operator last said that its content is the truth; 0: never
  std::uint64_t version = 0;

  /// No step back from `known`: the same store, no older; or one that was confirmed since.
  [[nodiscard]] bool follows(const Progress& known) const noexcept {
    if (confirmed != known.confirmed) return confirmed > known.confirmed;
    return lineage == known.lineage && version >= known.version;
  }
};

class Zone {
 public:
  virtual ~Zone() = default;

  /// Cheap (one short lock): the generation last written under `name`, 0 if none.
  [[nodiscard]] virtual std::uint64_t generation(std::string_view name) const noexcept = 0;
  /// The same number, to be read on every call without a look-up; null while nothing was written
  /// under `name`. Valid as long as the zone.
  [[nodiscard]] virtual const std::atomic<std::uint64_t>* generation_cell(std::string_view name) const noexcept = 0;
  [[nodiscard]] virtual std::optional<SharedBlob> read(std::string_view name) const = 0;
  /// False if the zone is full: the caller keeps its own copy and says so in the log.
  virtual bool write(std::string_view name, std::string_view bytes, WallTime now) = 0;

  /// True for one caller of all workers until `hold` is over or release(): one refresh in flight.
  /// A holder that was killed loses it when `hold` ends.
  [[nodiscard]] virtual bool try_lease(std::string_view name, Milliseconds hold) noexcept = 0;
  virtual void release(std::string_view name) noexcept = 0;
  /// True if `seen` follows what any worker has seen under `name` (or is the first); then it is what
  /// the next one must follow. Never evicted.
  [[nodiscard]] virtual bool advance(std::string_view name, const Progress& seen) noexcept = 0;
};

/// Counters in the zone, one cell per Prometheus series, summed over workers by being shared.
class Metrics {
 public:
  using Cell = std::atomic<std::uint64_t>;
  virtual ~Metrics() = default;
  /// `series` is the whole sample key: `agent_decisions_total{operation="a/b",reason="allowed"}`.
  /// Its label values come from configuration or closed lists, never from a client. The cell stays
  /// valid while the process lives; keep the reference, the look-up is not for the hot path.
  /// When the zone is full, a worker-local cell is returned and the loss is logged once.
  [[nodiscard]] virtual Cell& cell(std::string_view series) = 0;
};

}  // namespace agw
