// Where the audit journal is made, sealed and left: the master, a helper process, the next start.
#pragma once

#include <memory>

#include "agw/audit/sealer.h"
#include "agw/io/journal_memory.h"

#include "adapters/basics.h"
#include "adapters/open_file.h"
#include "adapters/shared_zone.h"
#include "config/conf.h"
#include "nginx.h"

namespace agw::nginx {

/// One process's sealer, with what it needs of nginx.
class SealingProcess {
 public:
  /// Throws if it can't be had.
  SealingProcess(ngx_cycle_t* cycle, const MainConf& conf, JournalMemory& journal);
  SealingProcess(const SealingProcess&) = delete;
  SealingProcess& operator=(const SealingProcess&) = delete;
  ~SealingProcess();

  /// Milliseconds until the next one: soon after many lines, so that the journal stays small enough
  /// for the processor's caches.
  ngx_msec_t pass() noexcept;
  [[nodiscard]] bool close() noexcept { return sealer_.close(); }
  [[nodiscard]] const status::Source& status() const noexcept { return sealer_; }

 private:
  NginxLog log_;
  NginxClock clock_;
  NginxRandom random_;
  SharedZone zone_;
  OpenFile file_;
  audit::Sealer sealer_;
};

/// In the master (or the single process), at each load, after agent_state was made: the journal is
/// there and has room for the workers, the chain's key is read, what other servers left is sealed,
/// nginx will start the helper process. False after an error, which is logged.
[[nodiscard]] bool prepare_sealing(ngx_cycle_t* cycle, const MainConf& conf) noexcept;

/// The journal of this process's server. A worker that has none denies.
[[nodiscard]] JournalMemory& audit_journal() noexcept;

/// In the master, when no worker is left: seals the rest, closes the chain.
void end_sealing(ngx_cycle_t* cycle) noexcept;

}  // namespace agw::nginx
