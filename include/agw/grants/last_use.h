// When each grant last allowed a call, to the day.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "agw/base/digest.h"
#include "agw/base/task.h"
#include "agw/io/background.h"
#include "agw/io/clock.h"
#include "agw/io/log.h"
#include "agw/io/loop.h"
#include "agw/io/redis.h"
#include "agw/io/zone.h"
#include "agw/model/decision.h"
#include "agw/policy/facts.h"

namespace agw::grants {

using Day = std::chrono::sys_days;
/// `2026-11-21`.
[[nodiscard]] std::string day_text(Day day);
[[nodiscard]] std::optional<Day> read_day(std::string_view text);

/// One grant or entitlement that allowed a call.
struct Use {
  std::string tenant;
  std::string holder;  ///< `agent:…`, `tier:…`, `bundle:…`, `user:…`, `group:…`
  std::string id;
  std::string agent;  ///< who used it, of a tier's or a bundle's; else empty
  Day day{};
};

/// Where uses are kept.
class UseRecord {
 public:
  virtual ~UseRecord() = default;
  /// What went wrong, without values; nothing: they are kept.
  [[nodiscard]] virtual Task<std::optional<std::string>> keep(std::vector<Use> uses) = 0;
};

/// `agw:v:{t}:seen:<holder>` (id → day), `agw:v:{t}:seen:of:<agent>` (bundle or tier → day) and
/// `agw:v:{t}:seen:since`, the day of the first one; forgotten after `kept_for` without any.
class RedisUses final : public UseRecord {
 public:
  static constexpr std::chrono::days kept_for{400};
  explicit RedisUses(Redis& redis) : redis_(redis) {}
  [[nodiscard]] Task<std::optional<std::string>> keep(std::vector<Use> uses) override;

 private:
  Redis& redis_;
};
[[nodiscard]] std::string seen_key(std::string_view tenant, std::string_view holder);

/// Lines appended to a file: `{"day":…,"tenant":…,"holder":…,"id":…,"agent":…}`.
[[nodiscard]] std::string use_line(const Use& use);
/// Nothing if it isn't such a line, as one that was cut off.
[[nodiscard]] std::optional<Use> read_use_line(std::string_view line);

/// Of the lines of such a file each use once, on its last day, without those before `oldest`.
[[nodiscard]] std::vector<Use> last_uses(std::string_view text, Day oldest);

/// `append` writes bytes, blocking, from another thread; false: it couldn't.
class FileUses final : public UseRecord {
 public:
  FileUses(Background& background, std::function<bool(std::string_view)> append)
      : background_(background), append_(std::move(append)) {}
  [[nodiscard]] Task<std::optional<std::string>> keep(std::vector<Use> uses) override;

 private:
  Background& background_;
  std::function<bool(std::string_view)> append_;
  bool cut_ = false;  ///< the last line in the file may be half of one
};

/// One per worker. note() costs a few instructions when the same caller has used the same grants
/// in the last seconds, and a look-up otherwise; what is new today goes to the record from run().
/// A use that can't be kept is tried again; what a worker hadn't kept when it ended is noted anew
/// with the next call. Of several grants that allow one call the first that is found counts: those
/// that never count can be revoked and nothing changes.
class LastUse {
 public:
  struct Host {
    Loop& loop;
    Clock& clock;
    Metrics& metrics;
    Log& log;
    UseRecord& record;
  };
  static constexpr Milliseconds interval{5000};
  /// Uses that wait; more are dropped, and counted.
  static constexpr std::size_t most_waiting = 100'000;

  explicit LastUse(Host host);

  /// An allowed call. `facts` own what the decision's grants are of.
  void note(const PrincipalPtr& principal, const policy::FactsPtr& facts, const Decision& decision) noexcept {
    const auto now = host_.clock.now();
    if (now < day_begin_ || now - day_begin_ >= std::chrono::days(1)) [[unlikely]]
      turn_day(now);
    Recent& recent = recent_[place_of(principal.get(), decision.granted.grant, decision.entitled.grant)];
    if (recent.principal == principal && recent.granted == decision.granted.grant &&
        recent.entitled == decision.entitled.grant) [[likely]]
      return;
    learn(recent, principal, facts, decision);
  }

  /// For Loop::spawn; ends with the worker. This object outlives it.
  [[nodiscard]] Task<void> run();

 private:
  static constexpr std::size_t places = 1024;

  /// Holds what the addresses are of, so that they aren't another's meanwhile.
  struct Recent {
    PrincipalPtr principal;
    policy::FactsPtr facts;
    const Grant* granted = nullptr;
    const Grant* entitled = nullptr;
  };

  static std::size_t place_of(const void* one, const void* two, const void* three) noexcept {
    const auto bits = [](const void* at) { return reinterpret_cast<std::uintptr_t>(at) >> 4U; };
    const std::uint64_t mixed = (bits(one) * 0x9E3779B97F4A7C15ULL) ^ (bits(two) * 0xC2B2AE3D27D4EB4FULL) ^
                                (bits(three) * 0x165667B19E3779F9ULL);
    return static_cast<std::size_t>(mixed >> 54U);
  }
  void turn_day(WallTime now) noexcept;
  void learn(Recent& recent, const PrincipalPtr& principal, const policy::FactsPtr& facts,
             const Decision& decision) noexcept;
  void add(const Principal& principal, const Basis& basis);
  Task<void> flush();

  Host host_;
  WallTime day_begin_{};
  std::array<Recent, places> recent_;
  /// What was noted today.
  std::unordered_map<std::string, bool, StringHash, std::equal_to<>> today_;
  std::vector<Use> waiting_;
  Metrics::Cell& kept_;
  Metrics::Cell& failed_;
  Metrics::Cell& dropped_;
  std::string said_;
};

}  // namespace agw::grants
