#include "redis_cluster.h"

#include <algorithm>
#include <utility>

namespace agw::nginx {
namespace {

/// For one that is led to its Redis.
RedisSettings led(const RedisSettings& settings) {
  RedisSettings out = settings;
  out.address.seeds.clear();
  return out;
}

}  // namespace

RedisCluster::Tenant::Tenant(RedisCluster& cluster, const std::string& name)
    : guide(cluster.cluster_.guide(grants::slot_of(name))),
      connection(cluster.host_for(&guide), cluster.settings_),
      redis({cluster.host_.loop, cluster.host_.clock, connection, connection, guide, cluster, cluster.host_.log}, name,
            cluster.settings_.timeout) {}

RedisCluster::RedisCluster(Host host, const RedisSettings& settings, const std::vector<std::string>& tenants)
    : host_(host), settings_(settings), cluster_(host_.loop, host_.clock, seeds()), all_(host_.loop) {
  for (const std::string& name : tenants) {
    auto& tenant = tenants_[name];
    tenant = std::make_unique<Tenant>(*this, name);
    all_.add(name, tenant->redis);
  }
  host_.loop.keep([this] { return cluster_.watch(); });
}

NginxRedis::Host RedisCluster::host_for(grants::MasterGuide* guide) noexcept {
  return {host_.loop, host_.names, host_.clock, host_.random, host_.log, guide};
}

RedisSettings RedisCluster::settings_for(const grants::RedisPlace& place) const {
  RedisSettings out = led(settings_);
  out.address.host = place.host;
  out.address.port = place.port;
  // One that hangs leaves time for the others.
  out.timeout = std::max(settings_.timeout / 2, Milliseconds(1));
  return out;
}

std::vector<grants::Cluster::Seed> RedisCluster::seeds() {
  std::vector<grants::Cluster::Seed> out;
  for (const auto& place : settings_.address.seeds) {
    seeds_.push_back(std::make_unique<NginxRedis>(host_for(nullptr), settings_for(place)));
    out.push_back({seeds_.back().get(), place.host});
  }
  return out;
}

std::unique_ptr<NginxRedis> RedisCluster::channel(const std::string& tenant) {
  return std::make_unique<NginxRedis>(host_for(&tenants_.at(tenant)->guide), settings_);
}

Redis& RedisCluster::at(const grants::RedisPlace& place) {
  const std::string name = place.text();
  if (const auto known = nodes_.find(name); known != nodes_.end()) return *known->second;
  // A Cluster has a few; what names more than that fills no memory. Its answer would be no better than none.
  if (nodes_.size() >= most_nodes) return nowhere_;
  return *nodes_.emplace(name, std::make_unique<NginxRedis>(host_for(nullptr), settings_for(place))).first->second;
}

void RedisCluster::tell(status::Report& report) const {
  status::Flag connected = 0;
  for (const auto& [name, tenant] : tenants_) {
    tenant->connection.tell(report);
    connected = std::max(connected, report.store.connected);
  }
  report.store.connected = connected;
}

}  // namespace agw::nginx
