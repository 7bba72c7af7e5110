// The connections to one store: one for all tenants, or in a Cluster one to the node that has a tenant.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agw/grants/cluster.h"

#include "redis_connection.h"

namespace agw::agwctl {

class StoreConnections {
 public:
  /// Connects, but to the nodes of a Cluster only when a tenant asks; throws Failure.
  explicit StoreConnections(RedisOptions options);

  /// Where this tenant's keys are; lives as long as this object. Throws Failure.
  [[nodiscard]] RedisConnection& of(const std::string& tenant);
  /// All that have a meta record.
  [[nodiscard]] std::vector<std::string> tenants();

 private:
  /// Nothing where no majority of the seeds agrees.
  [[nodiscard]] const grants::RedisPlace* owner(grants::Slot slot) const;
  [[nodiscard]] RedisConnection& at(const grants::RedisPlace& place);

  RedisOptions options_;
  std::unique_ptr<RedisConnection> only_;
  std::vector<grants::Topology> views_;  ///< of the seeds that answered
  std::string trouble_;                  ///< of the last one that didn't
  std::map<std::string, std::unique_ptr<RedisConnection>> nodes_;
};

}  // namespace agw::agwctl
