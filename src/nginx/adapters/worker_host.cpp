#include "worker_host.h"

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
  if (settings.redis) redis_ = connect_redis(std::move(*settings.redis));
}

WorkerHost::~WorkerHost() {
  // Their frames use everything below.
  loop_.cancel_spawned();
}

std::unique_ptr<NginxRedis> WorkerHost::connect_redis(RedisSettings settings) {
  return std::make_unique<NginxRedis>(NginxRedis::Host{loop_, names_, clock_, random_, log_}, std::move(settings));
}

std::unique_ptr<InotifyWatch> WorkerHost::watch(std::string path, const FileIdentity& known) {
  return std::make_unique<InotifyWatch>(inotify_, std::move(path), known, nginx_log_);
}

}  // namespace agw::nginx
