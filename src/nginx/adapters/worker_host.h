// Everything of nginx's and the system's that one worker uses, made and taken down in order.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agw/grants/sentinel.h"

#include "basics.h"
#include "http_client.h"
#include "inotify.h"
#include "loop.h"
#include "names.h"
#include "redis.h"
#include "redis_cluster.h"
#include "shared_zone.h"
#include "thread_background.h"

namespace agw::nginx {

/// Made in init_process, destroyed in exit_process; nothing of it is static. Tasks of requests must
/// be gone or never run again when it is destroyed; the worker's own are cancelled by it.
class WorkerHost {
 public:
  struct Settings {
    ngx_shm_zone_t* zone = nullptr;                 ///< by SharedZone::declare; required
    const HostPins* pins = nullptr;                 ///< made at load; may be null
    std::optional<RedisSettings> redis;             ///< where the store is Redis
    std::vector<std::string> tenants;               ///< encoded; for a Cluster, which has each somewhere else
  };

  /// Whether this process handles requests: nginx's cache processes run init_process too.
  [[nodiscard]] static bool wanted() noexcept;

  /// Throws if the process can't have what it needs.
  WorkerHost(ngx_cycle_t* cycle, Settings settings);
  WorkerHost(const WorkerHost&) = delete;
  WorkerHost& operator=(const WorkerHost&) = delete;
  ~WorkerHost();

  [[nodiscard]] NginxLoop& loop() noexcept { return loop_; }
  [[nodiscard]] NginxClock& clock() noexcept { return clock_; }
  [[nodiscard]] NginxLog& log() noexcept { return log_; }
  [[nodiscard]] NginxRandom& random() noexcept { return random_; }
  [[nodiscard]] SharedZone& zone() noexcept { return zone_; }
  [[nodiscard]] CurlHttpClient& http() noexcept { return http_; }
  [[nodiscard]] ThreadBackground& background() noexcept { return background_; }
  /// Null unless the settings had one. Of a Cluster: for commands that name their tenant by a key.
  [[nodiscard]] Redis* redis() noexcept { return cluster_ ? &cluster_->all() : redis_.get(); }
  /// Null unless it is one.
  [[nodiscard]] RedisCluster* cluster() noexcept { return cluster_.get(); }
  /// What that says of itself; null unless there is one.
  [[nodiscard]] const status::Source* redis_status() const noexcept {
    if (cluster_) return cluster_.get();
    return redis_.get();
  }

  /// Another connection to that Redis, or another Redis. Where Sentinels know which it is, they are this worker's.
  [[nodiscard]] std::unique_ptr<NginxRedis> connect_redis(RedisSettings settings);
  /// `known`: file_identity() from before the file was last read.
  [[nodiscard]] std::unique_ptr<InotifyWatch> watch(std::string path, const FileIdentity& known);

  /// Cancels the worker's own tasks: to be called before what they use is destroyed by others.
  void cancel_tasks() noexcept { loop_.cancel_spawned(); }

 private:
  static const HostPins no_pins;
  void begin_sentinels(const RedisSettings& settings);

  // In the order of need: what stands below may use what stands above.
  NginxLog log_;
  NginxClock clock_;
  NginxRandom random_;
  NginxLoop loop_;
  SharedZone zone_;
  Names names_;
  ThreadBackground background_;
  Inotify inotify_;
  CurlHttpClient http_;
  std::vector<std::unique_ptr<NginxRedis>> sentinel_connections_;
  std::unique_ptr<grants::Sentinels> sentinels_;
  std::unique_ptr<NginxRedis> redis_;
  std::unique_ptr<RedisCluster> cluster_;
  ngx_log_t* nginx_log_;
};

}  // namespace agw::nginx
