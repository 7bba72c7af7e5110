// routes.json in agent_state, for agwctl.
#include <cerrno>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agw/grants/last_use.h"
#include "agw/policy/route_file.h"

#include "compile.h"

namespace agw::nginx {
namespace {

std::string_view text_of(gateway::Mode mode) {
  switch (mode) {
    case gateway::Mode::enforce: return "enforce";
    case gateway::Mode::observe: return "observe";
    case gateway::Mode::off: return "off";
  }
  return "off";
}

policy::RouteFile route_file(const MainConf& main) {
  policy::RouteFile out;
  out.store = main.store.kind == StoreConfig::Kind::file ? "file:" + main.store.path : main.store.redis.text();
  for (const gateway::Location* location : main.locations)
    for (const gateway::OperationRoute& route : location->routes) {
      policy::RouteRecord record;
      record.location = location->label;
      record.kind = location->kind == gateway::Kind::mcp ? "mcp" : "rest";
      record.mode = text_of(route.mode);
      record.disclosure = location->disclosure == gateway::Disclosure::hide ? "hide" : "explain";
      record.delegation = location->delegation;
      record.tool = route.tool;
      record.prompt = route.prompt;
      record.uri = route.uri;
      record.method = route.method;
      record.path = route.path;
      record.route = route.policy;
      out.routes.push_back(std::move(record));
    }
  return out;
}

/// A reader sees the old file or the new one, never a part.
bool replace_file(const std::string& path, const std::string& content) {
  const std::string next = path + ".new";
  const int fd = ::open(next.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return false;
  std::size_t written = 0;
  while (written < content.size()) {
    const ssize_t put = ::write(fd, content.data() + written, content.size() - written);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) break;
    written += static_cast<std::size_t>(put);
  }
  const bool whole = written == content.size() && ::fsync(fd) == 0;
  return ::close(fd) == 0 && whole && ::rename(next.c_str(), path.c_str()) == 0;
}

/// Beyond this what stood in the file several times stands there once after a start.
constexpr std::size_t roomy_uses = 1U << 20;

std::string read_all(const std::string& path) {
  std::string out;
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return out;
  char block[65536];
  for (ssize_t got = 0; (got = ::read(fd, block, sizeof block)) > 0;) out.append(block, static_cast<std::size_t>(got));
  ::close(fd);
  return out;
}

/// Its first line says since when: what was used before isn't known.
std::shared_ptr<const AppendedFile> open_uses(const std::string& path) {
  const auto today = std::chrono::floor<std::chrono::days>(std::chrono::system_clock::now());
  std::string text = read_all(path);
  std::string since = R"({"since":")" + grants::day_text(today) + "\"}\n";
  if (text.size() > roomy_uses) {
    since = text.substr(0, text.find('\n') + 1);
    std::string next = since;
    for (const auto& use : grants::last_uses(text, today - grants::RedisUses::kept_for)) next += grants::use_line(use);
    if (!replace_file(path, next)) return nullptr;
  } else if (text.empty() && !replace_file(path, since)) {
    return nullptr;
  }
  const int fd = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
  return fd < 0 ? nullptr : std::make_shared<const AppendedFile>(fd);
}

}  // namespace

AppendedFile::~AppendedFile() { ::close(fd_); }

bool AppendedFile::append(std::string_view text) const noexcept {
  ssize_t put = 0;
  do put = ::write(fd_, text.data(), text.size());
  while (put < 0 && errno == EINTR);
  return put == static_cast<ssize_t>(text.size());
}

bool write_state(const MainConf& main, ngx_log_t* log) noexcept try {
  if (main.state_dir.empty()) return true;
  if (::mkdir(main.state_dir.c_str(), 0700) != 0 && errno != EEXIST) {
    ngx_log_error(NGX_LOG_EMERG, log, ngx_errno, "agent_state: %s can't be made", main.state_dir.c_str());
    return false;
  }
  std::string path = main.state_dir + "/routes.json";
  bool written = replace_file(path, policy::write_routes(route_file(main)));
  if (written && main.store.kind == StoreConfig::Kind::file) {
    path = main.state_dir + "/last_use.jsonl";
    main.last_uses = open_uses(path);
    written = main.last_uses != nullptr;
  }
  if (written) return true;
  ngx_log_error(NGX_LOG_EMERG, log, ngx_errno, "agent_state: %s can't be written", path.c_str());
  return false;
} catch (...) {
  ngx_log_error(NGX_LOG_EMERG, log, 0, "agent_state: out of memory");
  return false;
}

}  // namespace agw::nginx
