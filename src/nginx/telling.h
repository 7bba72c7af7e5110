// What the server's processes tell of themselves in agent_state, for `agwctl status`.
#pragma once

#include <memory>
#include <vector>

#include "agw/base/task.h"
#include "agw/base/time.h"
#include "agw/io/loop.h"
#include "agw/status/report.h"

#include "adapters/status_file.h"
#include "config/conf.h"
#include "nginx.h"

namespace agw::nginx {

/// In the master (or the single process), at each load, after agent_state was made: there are pages for the processes
/// that come. Without them nothing but `agwctl status` fails: what is wrong is logged.
void prepare_telling(ngx_cycle_t* cycle, const MainConf& conf) noexcept;

/// One process's page, written again and again off the calls' path. Without agent_state nothing happens.
class Telling {
 public:
  static constexpr Milliseconds interval{250};

  /// `sources` must outlive it.
  Telling(const MainConf& conf, status::Kind kind, std::vector<const status::Source*> sources);

  void tell() noexcept;
  /// For who comes by more often.
  void tell_if_due() noexcept;
  /// The same for ever, in a worker's loop.
  [[nodiscard]] Task<void> run(Loop& loop);
  /// Whether there is a page.
  [[nodiscard]] bool wanted() noexcept { return claim_.page() != nullptr; }

 private:
  status::Process process_;
  StatusFile::Claim claim_;
  std::vector<const status::Source*> sources_;
  std::int64_t told_ = 0;
};

}  // namespace agw::nginx
