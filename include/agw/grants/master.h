// Where the master is: whoever knows it, and whoever wants to.
#pragma once

#include <optional>
#include <string_view>

#include "agw/base/task.h"
#include "agw/grants/redis_url.h"

namespace agw::grants {

/// Hears who the master is, each time that a majority says so.
class MasterFollower {
 public:
  virtual ~MasterFollower() = default;
  virtual void master_is(const RedisPlace& place) noexcept = 0;
};

/// Sentinels, or the nodes of a Cluster.
class MasterGuide {
 public:
  virtual ~MasterGuide() = default;
  /// Nothing: no majority names one.
  [[nodiscard]] virtual Task<std::optional<RedisPlace>> master() = 0;
  /// What is said in the log then.
  [[nodiscard]] virtual std::string_view lost() const noexcept = 0;
  /// Whether one that isn't the master any more says so itself: then what it was asked is worth waiting for.
  [[nodiscard]] virtual bool hands_over() const noexcept = 0;
  virtual void follow(MasterFollower& follower) = 0;
  virtual void leave(MasterFollower& follower) noexcept = 0;
};

}  // namespace agw::grants
