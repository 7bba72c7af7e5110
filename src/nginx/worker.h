// What one worker process has: the host's adapters, the core's services, the gateway.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "agw/base/task.h"
#include "agw/gateway/gateway.h"

#include "adapters/worker_host.h"
#include "nginx.h"

namespace agw::nginx {

/// From init_process to exit_process. Without a governed location there is none.
class Worker {
 public:
  Worker(ngx_cycle_t* cycle);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  [[nodiscard]] gateway::Gateway& gateway() noexcept;
  [[nodiscard]] WorkerHost& host() noexcept;
  /// Brings the metrics of breakers up to date.
  void show_breakers();

  struct Readiness {
    bool ready = false;
    std::string body;  ///< JSON for load balancers and people
  };
  /// Whether key sets and store are usable now.
  [[nodiscard]] Task<Readiness> readiness();

  /// Indexes of cached variables that may hold the caller's credentials.
  [[nodiscard]] const std::vector<ngx_uint_t>& credential_variables() const noexcept;

 private:
  struct Services;
  std::unique_ptr<Services> services_;
};

/// The process's worker, or null.
[[nodiscard]] Worker* worker() noexcept;

ngx_int_t init_worker(ngx_cycle_t* cycle) noexcept;
void exit_worker(ngx_cycle_t* cycle) noexcept;

}  // namespace agw::nginx
