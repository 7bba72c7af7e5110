// How far a store had come, as all workers remember it, and whether what it says now follows that.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "agw/grants/cluster.h"
#include "agw/grants/redis_codec.h"
#include "agw/io/clock.h"
#include "agw/io/zone.h"

#include "server.h"

namespace agw::grants {

/// Of what a tenant's policy was read, up to the last write that may have been one of policy.
struct History {
  std::string replid;
  std::uint64_t offset = 0;
  std::uint64_t confirmed = 0;

  [[nodiscard]] std::string text() const;
  [[nodiscard]] static std::optional<History> read(std::string_view text);
};

/// Whether a server whose history is another than the known one has all of it: it took it up where the known one had
/// come to at most (a replica that was promoted), or an operator has said since that its content is the truth.
[[nodiscard]] bool continues(const ServerFacts& server, std::uint64_t confirmed, const History& known) noexcept;

/// Of a tenant in a Cluster, whose slot may move to a node with a history of its own: what is said of it beside its
/// keys.
struct Lineage {
  std::uint64_t witness = 0;  ///< the highest that was seen
  std::uint64_t confirmed = 0;
  std::string moving_to;  ///< where some of its keys are

  [[nodiscard]] std::string text() const;
  [[nodiscard]] static std::optional<Lineage> read(std::string_view text);
};

/// Whether what a slot's owner has is all that there was. The witness is raised after a write was heard of: in one
/// history, and where keys are moved one by one, it stands for all that was written before it. Keys that were being
/// moved must have come to where they went: else some of them lie where nobody asks.
[[nodiscard]] bool continues(const SlotState& slot, std::uint64_t confirmed, const Lineage& known) noexcept;

/// Counts the writes of policy that were heard of.
class Writes {
 public:
  virtual ~Writes() = default;
  /// Nothing: it can't be told whether there was one.
  [[nodiscard]] virtual std::optional<std::uint64_t> heard() const noexcept = 0;
};

/// One per store and worker; the memory itself lies in the zone.
class Past {
 public:
  explicit Past(Zone& zone) : zone_(zone) {}
  /// Where which Redis it is may change, its history counts, too. `writes`: how far it must have come is how far it had
  /// when the last of them was heard of, so that what else is written (counters, Sentinels' hellos) may be lost.
  Past(Zone& zone, const Server& server, const Clock& clock, const Writes& writes)
      : zone_(zone), server_(&server), clock_(&clock), writes_(&writes) {}

  /// In a Cluster its slot says whether it goes on.
  Past(Zone& zone, const Server& server, const Clock& clock, const Writes& writes, const SlotState* slot)
      : Past(zone, server, clock, writes) {
    slot_ = slot;
  }

  /// The highest witness that any worker has seen, and one that was raised just now.
  [[nodiscard]] std::uint64_t witness(const std::string& tenant) const;
  void raised(const std::string& tenant, std::uint64_t witness);

  /// False: the store holds another or an older policy than some worker has seen, or isn't known to hold all of it.
  [[nodiscard]] bool admits(const std::string& tenant, const Meta& meta);

 private:
  [[nodiscard]] bool continued(const std::string& tenant, std::uint64_t confirmed);
  [[nodiscard]] bool slot_continued(const std::string& tenant, std::uint64_t confirmed);
  [[nodiscard]] std::optional<Lineage> lineage(const std::string& tenant) const;
  void remember(const std::string& tenant, Lineage lineage);

  struct Checked {
    std::uint64_t look = ~std::uint64_t{0};
    std::optional<std::uint64_t> writes;
    std::uint64_t confirmed = 0;
    History history;  ///< what is remembered where the zone has no room for it
    std::optional<Lineage> lineage;
  };

  Zone& zone_;
  const Server* server_ = nullptr;
  const Clock* clock_ = nullptr;
  const Writes* writes_ = nullptr;
  const SlotState* slot_ = nullptr;
  std::unordered_map<std::string, Checked> checked_;
};

}  // namespace agw::grants
