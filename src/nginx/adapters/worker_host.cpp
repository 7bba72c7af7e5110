#include "worker_host.h"

#include <algorithm>
#include <stdexcept>

namespace agw::nginx {

const HostPins WorkerHost::no_pins;

bool WorkerHost::wanted() noexcept { return ngx_process == NGX_PROCESS_WORKER || ngx_process == NGX_PROCESS_SINGLE; }

WorkerHost::WorkerHost(ngx_cycle_t* cycle, Settings settings)
    : log_(cycle->log),
      loop_(cycle->log),
      zone_(settings.zone != nullptr ? *settings.zone : throw std::invalid_argument("a worker needs a shared zone"),
            log_),
      names_(loop_, http_resolver(cycle), settings.pins != nullptr ? *settings.pins : no_pins),
      background_(loop_),
      inotify_(cycle->log),
      http_(loop_, names_, clock_, log_),
      nginx_log_(cycle->log) {
  if (!settings.redis) return;
  if (!settings.redis->address.seeds.empty()) {
    cluster_ = std::make_unique<RedisCluster>(RedisCluster::Host{loop_, names_, clock_, random_, log_}, *settings.redis,
                                              settings.tenants);
    return;
  }
  begin_sentinels(*settings.redis);
  redis_ = connect_redis(std::move(*settings.redis));
}

void WorkerHost::begin_sentinels(const RedisSettings& settings) {
  if (settings.address.sentinels.empty()) return;
  std::vector<Redis*> asked;
  for (const auto& place : settings.address.sentinels) {
    RedisSettings own;
    own.address.host = place.host;
    own.address.port = place.port;
    own.address.tls = settings.address.tls;
    own.ca_file = settings.ca_file;
    own.password_file = settings.sentinel_password_file;
    // One that hangs leaves time for the connection to the master.
    own.timeout = std::max(settings.timeout / 2, Milliseconds(1));
    sentinel_connections_.push_back(
        std::make_unique<NginxRedis>(NginxRedis::Host{loop_, names_, clock_, random_, log_}, std::move(own)));
    asked.push_back(sentinel_connections_.back().get());
  }
  sentinels_ = std::make_unique<grants::Sentinels>(loop_, std::move(asked), settings.address.master);
  loop_.keep([this] { return sentinels_->watch(); });
}

WorkerHost::~WorkerHost() {
  // Their frames use everything below.
  loop_.cancel_spawned();
}

std::unique_ptr<NginxRedis> WorkerHost::connect_redis(RedisSettings settings) {
  auto* followed = settings.address.sentinels.empty() ? nullptr : sentinels_.get();
  return std::make_unique<NginxRedis>(NginxRedis::Host{loop_, names_, clock_, random_, log_, followed},
                                      std::move(settings));
}

std::unique_ptr<InotifyWatch> WorkerHost::watch(std::string path, const FileIdentity& known) {
  return std::make_unique<InotifyWatch>(inotify_, std::move(path), known, nginx_log_);
}

}  // namespace agw::nginx
