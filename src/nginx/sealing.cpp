#include "sealing.h"

#include <cerrno>
#include <exception>
#include <stdexcept>

#include <fcntl.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agw/io/files.h"

#include "adapters/journal_file.h"
#include "telling.h"
#include "text.h"

namespace agw::nginx {
namespace {

constexpr ngx_msec_t idle_ms = 50;
constexpr ngx_msec_t busy_ms = 10;
constexpr std::size_t busy_events = 64;
/// A file that can't be written must not keep the master from its end.
constexpr int last_tries = 20;
constexpr std::size_t max_key = 64U * 1024;
/// How much nicer the helper is than the workers.
constexpr int niceness = 5;

/// Outlives every configuration: running workers write into it across reloads.
std::unique_ptr<JournalFile>& journal() noexcept {
  static std::unique_ptr<JournalFile> file;
  return file;
}

/// What a worker has whose master could make no journal: nothing can be recorded.
class NoJournal final : public JournalMemory {
 public:
  std::span<std::byte> control() noexcept override { return {}; }
  std::size_t segments() const noexcept override { return 0; }
  std::span<std::byte> segment(std::size_t) noexcept override { return {}; }
  bool take(std::size_t) noexcept override { return false; }
  void release(std::size_t) noexcept override {}
  bool owned(std::size_t) noexcept override { return true; }
  bool take_control() noexcept override { return false; }
};

/// What the helper process has.
struct Helper {
  Helper(ngx_cycle_t* cycle, const MainConf& conf)
      : sealing(cycle, conf, *journal()), telling(conf, status::Kind::sealer, {&sealing.status()}) {}
  SealingProcess sealing;
  Telling telling;
};

const ngx_core_conf_t& core_conf(const ngx_cycle_t* cycle) noexcept {
  return *reinterpret_cast<const ngx_core_conf_t*>(ngx_get_conf(cycle->conf_ctx, ngx_core_module));
}

/// The helper runs as the workers' user and reads back what it wrote: the file is made its own, as
/// nginx does with every log at USR1. Who did what is not for everybody.
void give_to_workers(const ngx_cycle_t* cycle, const ngx_open_file_t& file) noexcept {
  struct stat info{};
  if (::fstat(file.fd, &info) != 0 || !S_ISREG(info.st_mode)) return;
  static_cast<void>(::fchmod(file.fd, S_IRUSR | S_IWUSR));
  const auto user = core_conf(cycle).user;
  if (::geteuid() != 0 || user == static_cast<ngx_uid_t>(NGX_CONF_UNSET_UINT) || info.st_uid == user) return;
  if (::fchown(file.fd, user, static_cast<gid_t>(-1)) != 0)
    ngx_log_error(NGX_LOG_WARN, cycle->log, ngx_errno, "agent_audit: \"%V\" can't be given to the workers' user",
                  &file.name);
}

void yield() noexcept { static_cast<void>(::sched_yield()); }

/// Lines can wait, calls can't: a worker isn't interrupted when the helper wakes (SCHED_BATCH), and takes the core from
/// it the sooner. It still gets a quarter of a core that one worker uses up, twice of what it needs. Whoever forbids it
/// has the helper as it was.
void be_patient(ngx_log_t* log) noexcept {
  const sched_param none{};
  errno = 0;
  const int now = ::getpriority(PRIO_PROCESS, 0);
  if (::sched_setscheduler(0, SCHED_BATCH, &none) != 0 || errno != 0 ||
      ::setpriority(PRIO_PROCESS, 0, now + niceness) != 0)
    ngx_log_error(NGX_LOG_NOTICE, log, ngx_errno, "agent_audit: the sealer runs with the workers' priority");
}

ngx_msec_t manage(void*) noexcept try {
  // In nginx's cache manager process. It ends by exit(), with the process.
  static std::unique_ptr<Helper> helper;
  auto* const cycle = const_cast<ngx_cycle_t*>(ngx_cycle);
  const MainConf* const conf = main_conf(cycle);
  if (conf == nullptr || conf->audit_file == nullptr || journal() == nullptr) return 1000;
  if (!helper) {
    helper = std::make_unique<Helper>(cycle, *conf);
    bool alone = true;
    const auto* const* paths = static_cast<ngx_path_t* const*>(cycle->paths.elts);
    for (ngx_uint_t i = 0; i < cycle->paths.nelts; ++i)
      alone = alone && (paths[i]->manager == nullptr || paths[i]->manager == manage);
    // A cache's manager that shares the process must not be kept from its own work.
    if (alone) {
      ngx_setproctitle(const_cast<char*>("audit sealer process"));
      be_patient(cycle->log);
    }
  }
  const ngx_msec_t rest = helper->sealing.pass();
  helper->telling.tell_if_due();
  return rest;
} catch (const std::exception& error) {
  ngx_log_error(NGX_LOG_ALERT, ngx_cycle->log, 0, "agent_audit: the sealer can't start: %s", error.what());
  return 1000;
}

/// nginx starts one process for all paths that have a manager, and starts it again when it dies.
bool ask_for_helper(ngx_cycle_t* cycle) noexcept {
  auto* const path = static_cast<ngx_path_t*>(ngx_pcalloc(cycle->pool, sizeof(ngx_path_t)));
  if (path == nullptr) return false;
  ngx_str_set(&path->name, "agent_audit");
  path->manager = manage;
  auto** const slot = static_cast<ngx_path_t**>(ngx_array_push(&cycle->paths));
  if (slot == nullptr) return false;
  *slot = path;
  return true;
}

void make_journal(ngx_cycle_t* cycle, const MainConf& conf) {
  if (!journal()) {
    if (conf.state_dir.empty()) {
      journal() = JournalFile::anonymous(conf.audit_journal_bytes);
    } else {
      auto found = JournalFile::open(conf.state_dir, conf.audit_journal_bytes);
      for (auto& orphan : found.orphans) {
        SealingProcess sealing(cycle, conf, *orphan);
        if (sealing.close()) {
          orphan->remove();
        } else {
          ngx_log_error(NGX_LOG_WARN, cycle->log, 0,
                        "agent_audit: what another server left in its journal can't be written now");
        }
      }
      journal() = std::move(found.own);
    }
  }
  // One more than there are workers: one that died may not be taken care of yet.
  const auto workers = core_conf(cycle).worker_processes;
  journal()->reserve(static_cast<std::size_t>(workers < 1 ? 1 : workers) + 1);
}

void want_chain(const MainConf& conf) {
  Secret root;
  if (!conf.audit_key_file.empty()) {
    WatchedFile key(conf.audit_key_file, max_key);
    const auto content = key.read();
    if (!content) throw std::runtime_error(conf.audit_key_file + " can't be read");
    root = (*content)->clone();
  }
  NginxRandom random;
  audit::want_chain(*journal(), root.reveal(), random);
}

/// False after an exception, which is logged.
template <class Do>
bool step(ngx_cycle_t* cycle, Do&& act) noexcept try {
  act();
  return true;
} catch (const std::exception& error) {
  ngx_log_error(NGX_LOG_EMERG, cycle->log, 0, "agent_audit: %s", error.what());
  return false;
}

}  // namespace

SealingProcess::SealingProcess(ngx_cycle_t* cycle, const MainConf& conf, JournalMemory& memory)
    : log_(cycle->log),
      zone_(*conf.zone, log_),
      file_(*conf.audit_file, cycle->log),
      sealer_({memory, file_, clock_, random_, log_, zone_, conf.audit_sync, yield}) {
  file_.before_reopen([this] { static_cast<void>(sealer_.pass()); });
}

SealingProcess::~SealingProcess() { file_.before_reopen(nullptr); }

ngx_msec_t SealingProcess::pass() noexcept { return sealer_.pass() > busy_events ? busy_ms : idle_ms; }

bool prepare_sealing(ngx_cycle_t* cycle, const MainConf& conf) noexcept {
  if (conf.audit_file == nullptr) return true;
  give_to_workers(cycle, *conf.audit_file);
  // Each for itself: at a reload that can't have one of them, what is there goes on with the others.
  const bool journal_made = step(cycle, [&] { make_journal(cycle, conf); });
  const bool chain_wanted = journal() != nullptr && step(cycle, [&] { want_chain(conf); });
  const bool helped = core_conf(cycle).master == 0 || ask_for_helper(cycle);
  return journal_made && chain_wanted && helped;
}

JournalMemory& audit_journal() noexcept {
  static NoJournal none;
  if (journal()) return *journal();
  return none;
}

void end_sealing(ngx_cycle_t* cycle) noexcept try {
  const MainConf* const conf = main_conf(cycle);
  if (conf == nullptr || conf->audit_file == nullptr || !journal()) return;
  SealingProcess sealing(cycle, *conf, *journal());
  for (int i = 0; i < last_tries; ++i) {
    if (sealing.close()) return journal()->shrink();
    ngx_msleep(idle_ms);
    ngx_time_update();
  }
  ngx_log_error(NGX_LOG_WARN, cycle->log, 0,
                "agent_audit: lines that can't be written stay in the journal for the next start");
} catch (const std::exception& error) {
  ngx_log_error(NGX_LOG_ALERT, cycle->log, 0, "agent_audit: the journal stays for the next start: %s", error.what());
}

}  // namespace agw::nginx
