// routes.json in agent_state, for agwctl.
#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

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

}  // namespace

bool write_state(const MainConf& main, ngx_log_t* log) noexcept try {
  if (main.state_dir.empty()) return true;
  if (::mkdir(main.state_dir.c_str(), 0700) != 0 && errno != EEXIST) {
    ngx_log_error(NGX_LOG_EMERG, log, ngx_errno, "agent_state: %s can't be made", main.state_dir.c_str());
    return false;
  }
  const std::string path = main.state_dir + "/routes.json";
  if (replace_file(path, policy::write_routes(route_file(main)))) return true;
  ngx_log_error(NGX_LOG_EMERG, log, ngx_errno, "agent_state: %s can't be written", path.c_str());
  return false;
} catch (...) {
  ngx_log_error(NGX_LOG_EMERG, log, 0, "agent_state: out of memory");
  return false;
}

}  // namespace agw::nginx
