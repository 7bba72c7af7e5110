#include "telling.h"

#include <chrono>
#include <ctime>
#include <exception>

#include <unistd.h>

namespace agw::nginx {
namespace {

/// Outlives every configuration: processes of several ones tell in one file.
std::shared_ptr<StatusFile>& file() noexcept {
  static std::shared_ptr<StatusFile> file;
  return file;
}

/// Of this server, so far. One that failed to load counts too: only which is newer means something.
std::uint64_t& generations() noexcept {
  static std::uint64_t count = 0;
  return count;
}

std::int64_t wall_now() noexcept {
  return std::chrono::floor<Milliseconds>(std::chrono::system_clock::now()).time_since_epoch().count();
}

std::int64_t boot_now() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return static_cast<std::int64_t>(now.tv_sec) * 1000 + now.tv_nsec / 1'000'000;
}

std::uint32_t workers_of(const ngx_cycle_t* cycle) noexcept {
  const auto& core = *reinterpret_cast<const ngx_core_conf_t*>(ngx_get_conf(cycle->conf_ctx, ngx_core_module));
  if (core.master == 0 || core.worker_processes < 1) return 1;
  return static_cast<std::uint32_t>(core.worker_processes);
}

status::Process process_of(const MainConf& conf, status::Kind kind) noexcept {
  status::Process out;
  out.kind = kind;
  out.number = kind == status::Kind::worker ? static_cast<std::uint32_t>(ngx_worker) : 0;
  out.pid = static_cast<std::int32_t>(::getpid());
  // A process that is its own master has none.
  out.master = static_cast<std::int32_t>(ngx_process == NGX_PROCESS_SINGLE ? ::getpid() : ::getppid());
  out.since = wall_now();
  out.generation = conf.generation;
  out.configured = conf.loaded;
  out.workers = workers_of(const_cast<ngx_cycle_t*>(ngx_cycle));
  out.audited = conf.audit_file != nullptr ? 1 : 0;
  return out;
}

}  // namespace

void prepare_telling(ngx_cycle_t* cycle, const MainConf& conf) noexcept try {
  conf.generation = ++generations();
  conf.loaded = wall_now();
  if (conf.state_dir.empty()) return;
  auto opened = StatusFile::open(conf.state_dir, file());
  if (opened != file()) opened->forget_dead();
  // For each worker, the sealer, and one of each that died and isn't taken care of yet.
  opened->reserve(workers_of(cycle) + 3);
  file() = opened;
  conf.status = std::move(opened);
} catch (const std::exception& error) {
  ngx_log_error(NGX_LOG_ERR, cycle->log, 0, "agent_state: agwctl status will know nothing: %s", error.what());
}

Telling::Telling(const MainConf& conf, status::Kind kind, std::vector<const status::Source*> sources)
    : process_(process_of(conf, kind)), claim_(conf.status, process_), sources_(std::move(sources)) {}

void Telling::tell_if_due() noexcept {
  if (boot_now() - told_ >= interval.count()) tell();
}

void Telling::tell() noexcept try {
  if (claim_.page() == nullptr) return;
  told_ = boot_now();
  status::Report report;
  report.process = process_;
  report.told = told_;
  report.draining = ngx_exiting != 0 || ngx_quit != 0 ? 1 : 0;
  for (const status::Source* source : sources_) source->tell(report);
  claim_.page()->write(report);
} catch (...) {
  // No memory: the page stays as it was, and is seen to be old if that lasts.
  told_ = 0;
}

Task<void> Telling::run(Loop& loop) {
  for (;;) {
    tell();
    co_await loop.sleep(interval);
  }
}

}  // namespace agw::nginx
