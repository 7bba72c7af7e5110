#include "agw/grants/break_glass.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <unordered_map>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agw/base/descriptor.h"
#include "agw/base/encoding.h"
#include "agw/json/tree.h"
#include "agw/model/pattern.h"

#include "json_reader.h"

namespace agw::grants {
namespace {

constexpr std::size_t most_bytes = 65536;
constexpr std::size_t longest_reason = 500;
constexpr Milliseconds between_warnings{60'000};

using Read = Result<BreakGlassAgents, std::string>;

BreakGlassAgent read_agent(const Node& node, WallTime now) {
  node.expect_object({"agent", "until", "reason"});
  BreakGlassAgent out{node.required("agent").text(), node.required("until").time(), node.required("reason").text()};
  if (!is_principal_id(out.agent))
    node.required("agent").fail_with(
        "must be ISSUER|CLIENT, as company|rescue, percent-encoded outside [A-Za-z0-9._@-]");
  if (out.until > now + longest_break_glass)
    node.required("until").fail_with(
        "is more than 24 hours ahead; write an earlier time, and another when it is needed");
  if (out.reason.find_first_not_of(" \t\r\n") == std::string::npos || out.reason.size() > longest_reason)
    node.required("reason").fail_with("must say why, in at most 500 bytes");
  return out;
}

std::string failed(const char* what) { return std::string(what) + ": " + std::strerror(errno); }

}  // namespace

Read parse_break_glass(std::string_view json, WallTime now) {
  json::TreeError error;
  const json::Tree root = json::read_tree(json, &error);
  if (!root) return fail("line " + std::to_string(error.line) + ": is not valid JSON: " + error.message);
  try {
    const Node node(root.get(), "");
    node.expect_object({"agents"});
    BreakGlassAgents out;
    node.required("agents").each_element([&](const Node& item) {
      BreakGlassAgent agent = read_agent(item, now);
      const auto same = [&](const BreakGlassAgent& other) { return other.agent == agent.agent; };
      if (std::any_of(out.begin(), out.end(), same)) item.fail_with("names " + agent.agent + " a second time");
      if (out.size() == most_break_glass_agents) item.fail_with("is one too many: at most 64 agents break the glass");
      out.push_back(std::move(agent));
    });
    return out;
  } catch (const Malformed& malformed) {
    return fail(malformed.error.path + (malformed.error.path.empty() ? "" : " ") + malformed.error.message);
  }
}

Read read_break_glass(const std::string& path, WallTime now) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  if (fd < 0) return fail(failed("can't be opened"));
  const Descriptor file(fd);
  struct stat info{};
  if (::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) return fail("is not a regular file");
  // Whoever could write to it could let an agent through a stop.
  if ((info.st_mode & 022U) != 0) return fail("may be written to by others; run: chmod go-w " + path);
  if (info.st_uid != 0 && info.st_uid != ::geteuid()) return fail("belongs to another user; run: chown root " + path);
  std::string text;
  std::array<char, 4096> block{};
  while (true) {
    const ssize_t got = ::read(fd, block.data(), block.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail(failed("can't be read"));
    if (got == 0) break;
    text.append(block.data(), static_cast<std::size_t>(got));
    if (text.size() > most_bytes) return fail("is larger than 64 KiB");
  }
  return parse_break_glass(text, now);
}

struct BreakGlass::State {
  State(Host given, BreakGlassAgents read) : host(given), agents(std::move(read)) {
    host.watch.on_announcement([this] { hear(); });
    // Nothing announces what was edited after the load and before this worker watched.
    if (host.watch.changed()) hear();
  }

  void hear() {
    if (std::exchange(reading, true)) return;
    host.loop.spawn(load());
  }

  Task<void> load() {
    try {
      do {
        // The edit that was announced is the one that is read.
        static_cast<void>(host.watch.changed());
        auto reading_file = read_file();
        co_await std::move(reading_file);
      } while (host.watch.changed());
    } catch (...) {
      // No memory: what was known may be over by now.
      agents.clear();
    }
    reading = false;
  }

  Task<void> read_file() {
    auto result = std::make_shared<std::optional<Read>>();
    std::function<void()> job = [result, path = host.watch.path(), now = host.clock.now()] {
      try {
        result->emplace(read_break_glass(path, now));
      } catch (...) {
        result->emplace(fail(std::string("can't be read: not enough memory")));
      }
    };
    co_await host.background.run(std::move(job));
    take(**result);
  }

  void take(Read& read) {
    agents.clear();
    broken.clear();
    if (read) {
      agents = *std::move(read);
      std::erase_if(warned, [&](const auto& one) {
        return std::none_of(agents.begin(), agents.end(), [&](const auto& agent) { return agent.agent == one.first; });
      });
      host.log.write(LogLevel::notice, "agent_break_glass: " + host.watch.path() + " has been read");
      return;
    }
    broken = std::move(read.error());
    host.log.write(LogLevel::error,
                   "agent_break_glass: " + host.watch.path() + ": " + broken + "; a stop holds for every agent");
  }

  [[nodiscard]] bool holds_for(const std::string& agent) {
    // An edit that isn't announced is seen here, where calls are stopped.
    if (host.watch.changed()) hear();
    const WallTime now = host.clock.now();
    const auto named = [&](const BreakGlassAgent& one) { return one.agent == agent && now < one.until; };
    const auto found = std::find_if(agents.begin(), agents.end(), named);
    if (found == agents.end()) return false;
    warn(*found, now);
    return true;
  }

  void warn(const BreakGlassAgent& agent, WallTime now) {
    WallTime& due = warned[agent.agent];
    if (now < due) return;
    due = now + between_warnings;
    host.log.write(LogLevel::warn, "agent_break_glass: " + agent.agent + " passes a stop until " +
                                       format_rfc3339(agent.until) + ": " + agent.reason);
  }

  Host host;
  BreakGlassAgents agents;
  std::string broken;
  /// When each is told of again; of those alone that the file names.
  std::unordered_map<std::string, WallTime> warned;
  bool reading = false;
};

BreakGlass::BreakGlass(Host host, BreakGlassAgents agents) : state_(std::make_unique<State>(host, std::move(agents))) {}
BreakGlass::~BreakGlass() { state_->host.watch.on_announcement({}); }

bool BreakGlass::holds_for(const std::string& agent) { return state_->holds_for(agent); }

void BreakGlass::tell(status::Report& report) const {
  const WallTime now = state_->host.clock.now();
  for (const BreakGlassAgent& agent : state_->agents)
    if (now < agent.until) ++report.break_glass;
  report.break_glass_fault.set(state_->broken);
}

}  // namespace agw::grants
