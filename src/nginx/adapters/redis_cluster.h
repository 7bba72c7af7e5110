// The core's Redis where it is a Cluster: each tenant's connection goes to the node that has its keys.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agw/grants/cluster.h"
#include "agw/status/report.h"

#include "redis.h"

namespace agw::nginx {

/// Of one worker. The seeds are asked with the user and the password of the rest. Nodes that are named on the way, as
/// where a slot is moved to, have a connection when they are asked for the first time.
class RedisCluster final : public status::Source, private grants::Nodes {
 public:
  using Host = NginxRedis::Host;
  /// `tenants`: encoded, as in keys.
  RedisCluster(Host host, const RedisSettings& settings, const std::vector<std::string>& tenants);

  /// For who asks about several tenants.
  [[nodiscard]] Redis& all() noexcept { return all_; }
  /// One of those that were given.
  [[nodiscard]] grants::SlotRedis& of(const std::string& tenant) { return tenants_.at(tenant)->redis; }
  /// Another connection to where that one's keys are.
  [[nodiscard]] std::unique_ptr<NginxRedis> channel(const std::string& tenant);
  /// Connected where some tenant is.
  void tell(status::Report& report) const override;

 private:
  struct Tenant {
    Tenant(RedisCluster& cluster, const std::string& name);
    grants::SlotGuide& guide;
    NginxRedis connection;
    grants::SlotRedis redis;
  };
  [[nodiscard]] NginxRedis::Host host_for(grants::MasterGuide* guide) noexcept;
  [[nodiscard]] RedisSettings settings_for(const grants::RedisPlace& place) const;
  [[nodiscard]] std::vector<grants::Cluster::Seed> seeds();
  [[nodiscard]] Redis& at(const grants::RedisPlace& place) override;

  /// Answers nothing.
  class Nowhere final : public Redis {
    Task<Result<std::vector<RedisReply>, RedisError>> pipeline(std::vector<RedisCommand>) override {
      co_return fail(RedisError::connect);
    }
  };
  static constexpr std::size_t most_nodes = 64;

  Host host_;
  RedisSettings settings_;
  std::vector<std::unique_ptr<NginxRedis>> seeds_;
  grants::Cluster cluster_;
  std::map<std::string, std::unique_ptr<NginxRedis>> nodes_;  // by their place
  std::map<std::string, std::unique_ptr<Tenant>> tenants_;
  grants::TenantsRedis all_;
  Nowhere nowhere_;
};

}  // namespace agw::nginx
