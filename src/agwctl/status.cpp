// How every process of the running nginx is, by the pages in agent_state: neither nginx nor Redis is asked.
#include <array>
#include <cerrno>
#include <ctime>
#include <fstream>
#include <optional>
#include <span>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agw/base/descriptor.h"
#include "agw/status/page.h"

#include "arguments.h"
#include "commands.h"
#include "failure.h"
#include "status_view.h"

namespace agw::agwctl {
namespace {

using status::page_bytes;
constexpr std::size_t most_pages = 1024;
/// A page turns four times a second, reading it takes microseconds.
constexpr int most_tries = 100;

using PageBytes = std::array<std::byte, page_bytes>;

std::size_t read_at(int fd, std::span<std::byte> out, std::size_t at) {
  ssize_t got = 0;
  do got = ::pread(fd, out.data(), out.size(), static_cast<off_t>(at));
  while (got < 0 && errno == EINTR);
  return got < 0 ? 0 : static_cast<std::size_t>(got);
}

/// A report that nobody wrote to while it was read.
std::optional<status::Report> whole_report(int fd, std::size_t at, status::Head head) {
  PageBytes page;
  for (int i = 0; i < most_tries; ++i) {
    const std::size_t got = read_at(fd, page, at);
    auto report = status::read_report(std::span(page).first(got), head);
    std::array<std::byte, status::head_bytes> again{};
    const std::size_t looked = read_at(fd, again, at);
    const auto after = status::read_head(std::span(again).first(looked)).head;
    if (!after) return std::nullopt;
    if (after->turn == head.turn) return report;
    head = *after;
  }
  return std::nullopt;
}

bool is_owned(int fd, std::size_t at) {
  struct flock lock{};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  lock.l_start = static_cast<off_t>(at);
  lock.l_len = static_cast<off_t>(page_bytes);
  return ::fcntl(fd, F_GETLK, &lock) != 0 || lock.l_type != F_UNLCK;
}

/// By /proc: what a debugger or SIGSTOP holds can't say it itself.
bool is_stopped(std::int32_t pid) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  std::getline(in, text);
  const std::size_t name_end = text.rfind(") ");
  if (name_end == std::string::npos || name_end + 2 >= text.size()) return false;
  const char state = text[name_end + 2];
  return state == 'T' || state == 't';
}

Reading read_status(int fd) {
  Reading out;
  struct stat info{};
  if (::fstat(fd, &info) != 0) return out;
  const std::size_t pages = std::min(static_cast<std::size_t>(info.st_size) / page_bytes, most_pages);
  for (std::size_t i = 0; i < pages; ++i) {
    const std::size_t at = i * page_bytes;
    // Asked first: who ends in order says so before the page is free.
    const bool owned = is_owned(fd, at);
    std::array<std::byte, status::head_bytes> bytes{};
    const std::size_t got = read_at(fd, bytes, at);
    const auto found = status::read_head(std::span(bytes).first(got));
    if (found.strange && owned) ++out.strange;
    if (!found.head || found.head->state != status::State::running) continue;
    const auto report = whole_report(fd, at, *found.head);
    if (!report) continue;
    Told told{Told::Life::runs, *report};
    if (!owned) told.life = Told::Life::dead;
    if (owned && is_stopped(report->process.pid)) told.life = Told::Life::stopped;
    out.processes.push_back(told);
  }
  timespec boot{};
  ::clock_gettime(CLOCK_BOOTTIME, &boot);
  out.boot_now = static_cast<std::int64_t>(boot.tv_sec) * 1000 + boot.tv_nsec / 1'000'000;
  out.now = now();
  return out;
}

}  // namespace

int show_status(const StatusOptions& options, std::ostream& out) {
  const std::string path = options.state + "/status.pages";
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) {
    if (errno == EACCES || errno == EPERM)
      throw Failure(path + " can't be read: only root may, as nginx's master does");
    throw Failure("there is no " + path + ": nginx tells of itself where it has an agent_state; write \"agent_state " +
                  options.state + ";\" into the http block of nginx.conf and reload, or name its directory by --state");
  }
  const Descriptor file(fd);
  return print_status(read_status(file.get()), options.state, options.json, out);
}

}  // namespace agw::agwctl
