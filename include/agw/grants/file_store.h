// Truth in a policy file on one machine.
#pragma once

#include <memory>
#include <string>

#include "agw/grants/policy_file.h"
#include "agw/grants/store.h"
#include "agw/io/background.h"
#include "agw/io/clock.h"
#include "agw/io/file_watch.h"
#include "agw/io/log.h"
#include "agw/io/loop.h"
#include "agw/io/single_flight.h"
#include "agw/io/zone.h"
#include "agw/status/report.h"

namespace agw::grants {

/// What became of an edit, for log, metric and audit (`policy.change` and `policy.broken`).
class PolicyListener {
 public:
  virtual ~PolicyListener() = default;
  virtual void policy_loaded(const std::string& path) noexcept = 0;
  virtual void policy_broken(const std::string& path, const PolicyError& error) noexcept = 0;
};

/// An edit takes effect on the next call: facts() asks the watch; after a change the file is read
/// and compiled in a thread while calls that arrive meanwhile wait for it. A broken edit keeps the
/// last good policy and is reported once per edit. Where edits are announced they are read at once,
/// so that every worker knows each good one. A worker that finds a broken file and hasn't read the
/// good one before it, which another worker has, denies (store_unavailable): what it holds may
/// grant what has been revoked.
class FileStore final : public Store, public status::Source {
 public:
  struct Host {
    Loop& loop;
    Background& background;
    FileWatch& watch;
    Zone& zone;
    Clock& clock;
    Log& log;
    PolicyListener& listener;
  };
  /// `initial`: compiled by the master at load and inherited by fork.
  FileStore(Host host, std::shared_ptr<const CompiledPolicy> initial);
  ~FileStore() override;
  [[nodiscard]] ValueTask<Result<policy::FactsPtr, StoreFailure>> facts(const PrincipalPtr& principal,
                                                                        std::string_view operation) override;
  [[nodiscard]] ValueTask<StoreHealth> health() override;
  void tell(status::Report& report) const override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace agw::grants
