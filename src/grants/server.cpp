#include "server.h"

#include <charconv>
#include <utility>

namespace agw::grants {
namespace {

/// A line `name:value` of INFO's answer.
std::string_view line_of(std::string_view info, std::string_view name) {
  while (!info.empty()) {
    const auto end = info.find('\n');
    std::string_view line = info.substr(0, end);
    info.remove_prefix(end == std::string_view::npos ? info.size() : end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.starts_with(name) && line.substr(name.size()).starts_with(':')) return line.substr(name.size() + 1);
  }
  return {};
}

/// 0: none, or no number (`-1`).
std::uint64_t number_of(std::string_view info, std::string_view name) {
  const std::string_view text = line_of(info, name);
  std::uint64_t out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size() ? out : 0;
}

}  // namespace

std::vector<RedisCommand> server_questions() {
  return {{"INFO", "server"}, {"INFO", "replication"}, {"INFO", "memory"}};
}

ServerFacts read_server(std::span<const RedisReply> replies) {
  ServerFacts out;
  for (const RedisReply& reply : replies) {
    if (reply.type == RedisReply::Type::text) continue;
    out.fault = reply.type == RedisReply::Type::error && reply.text.starts_with("NOPERM")
                    ? "Redis refuses INFO: the gateway's user needs +info"
                    : "Redis doesn't answer INFO";
    return out;
  }
  if (replies.size() != server_answers) {
    out.fault = "Redis doesn't answer INFO";
    return out;
  }
  out.run_id = line_of(replies[0].text, "run_id");
  const std::string_view threads = line_of(replies[0].text, "io_threads_active");
  out.threads = !threads.empty() && threads != "0";
  const std::string_view role = line_of(replies[1].text, "role");
  out.replid = line_of(replies[1].text, "master_replid");
  out.former = line_of(replies[1].text, "master_replid2");
  out.offset = number_of(replies[1].text, "master_repl_offset");
  out.continued_from = number_of(replies[1].text, "second_repl_offset");
  const std::string_view limit = line_of(replies[2].text, "maxmemory");
  const std::string_view policy = line_of(replies[2].text, "maxmemory_policy");
  if (out.run_id.empty() || role.empty() || out.replid.empty() || limit.empty() || policy.empty()) {
    out.fault = "Redis doesn't say what it is (INFO)";
  } else if (role != "master") {
    out.fault = replica_fault;
  } else if (limit != "0" && policy != "noeviction") {
    out.fault = "Redis evicts what it holds; set maxmemory-policy noeviction";
  }
  return out;
}

bool Server::take(ServerFacts facts, std::uint64_t before, std::uint64_t after, SteadyTime sent) {
  const bool another = !facts_.run_id.empty() && (facts.run_id != facts_.run_id || facts.replid != facts_.replid);
  facts_ = std::move(facts);
  // What was answered while connections changed says nothing of the one that is there now.
  connection_ = before == after ? after : 0;
  looked_ = sent;
  ++looks_;
  return another;
}

}  // namespace agw::grants
