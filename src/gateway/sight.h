// What one caller may see at a location.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <string_view>
#include <vector>

#include "agw/gateway/call.h"
#include "agw/gateway/location.h"
#include "agw/grants/store.h"
#include "agw/io/clock.h"
#include "agw/response/listing.h"

namespace agw::gateway {

/// What was found for a caller's facts, so that a list of hundreds of items costs one evaluation for each route and not
/// more while the facts stay. One per worker, bounded. What is visible hangs on nothing but location, principal and
/// facts: not on the time, and not on what a call would be about.
class RouteSights {
 public:
  enum class Seen : std::uint8_t { unknown, visible, hidden };
  static constexpr std::size_t most = 64;

  /// One for each of the location's routes; valid until the next call.
  [[nodiscard]] std::vector<Seen>& of(const Location& location, const PrincipalPtr& principal,
                                      const policy::FactsPtr& facts);

 private:
  struct Entry {
    const Location* location;
    std::weak_ptr<const Principal> principal;
    std::weak_ptr<const policy::Facts> facts;
    std::vector<Seen> seen;
  };
  std::list<Entry> entries_;  ///< the last used one first
};

/// A stream may have been opened long ago: what it shows is judged by what is known now, where that is at hand, else by
/// what `known` says.
[[nodiscard]] policy::FactsPtr facts_now(const Call& call, grants::Store& store, policy::FactsPtr known);

/// By the function that judges calls. An item that the location doesn't name is shown where it only observes.
class CallerSight final : public response::Sight {
 public:
  /// Everything outlives it.
  CallerSight(const Call& call, const policy::FactsPtr& facts, RouteSights& sights, WallTime now);

  [[nodiscard]] bool shows(response::Listed what, std::string_view name) const override;
  [[nodiscard]] bool hides(response::Listed what, std::string_view name) const override;

 private:
  [[nodiscard]] bool sees(const OperationRoute& route) const;

  const Call& call_;
  const policy::FactsPtr& facts_;
  std::vector<RouteSights::Seen>* seen_ = nullptr;  ///< null: nobody is known who could see anything
  WallTime now_;
};

}  // namespace agw::gateway
