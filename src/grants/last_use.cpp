#include "agw/grants/last_use.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <new>
#include <utility>

#include "agw/base/encoding.h"
#include "agw/base/time.h"
#include "agw/grants/redis_codec.h"
#include "agw/json/tree.h"

namespace agw::grants {
namespace {

constexpr std::size_t commands_at_once = 500;
constexpr std::size_t day_size = 10;

/// Whose grants many agents have in common.
bool is_shared(std::string_view holder) { return holder.starts_with("bundle:") || holder.starts_with("tier:"); }

std::string text_of(const json_t* object, const char* key) {
  const json_t* value = json_object_get(object, key);
  return json_is_string(value) ? std::string(json_string_value(value), json_string_length(value)) : std::string();
}

std::vector<RedisCommand> commands_of(const std::vector<Use>& uses) {
  std::map<std::string, std::map<std::string, std::string>> fields;
  std::map<std::string, Day> tenants;
  for (const Use& use : uses) {
    const std::string day = day_text(use.day);
    fields[seen_key(use.tenant, use.holder)][use.id] = day;
    if (!use.agent.empty()) fields[seen_key(use.tenant, "of:" + use.agent)][use.holder] = day;
    const auto [first, added] = tenants.emplace(use.tenant, use.day);
    if (!added) first->second = std::min(first->second, use.day);
  }
  std::vector<RedisCommand> out;
  out.reserve(tenants.size() + 2 * fields.size());
  for (const auto& [tenant, day] : tenants) out.push_back({"SET", seen_key(tenant, "since"), day_text(day), "NX"});
  const std::string seconds = std::to_string(std::chrono::seconds(RedisUses::kept_for).count());
  for (const auto& [key, days] : fields) {
    RedisCommand set{"HSET", key};
    for (const auto& [id, day] : days) set.insert(set.end(), {id, day});
    out.push_back(std::move(set));
    out.push_back({"EXPIRE", key, seconds});
  }
  return out;
}

}  // namespace

std::string day_text(Day day) { return format_rfc3339(WallTime(day)).substr(0, day_size); }

std::optional<Day> read_day(std::string_view text) {
  if (text.size() != day_size) return std::nullopt;
  const auto time = parse_rfc3339(std::string(text) + "T00:00:00Z");
  if (!time) return std::nullopt;
  return std::chrono::floor<std::chrono::days>(*time);
}

std::string seen_key(std::string_view tenant, std::string_view holder) {
  return volatile_key(tenant, "seen:" + std::string(holder));
}

Task<std::optional<std::string>> RedisUses::keep(std::vector<Use> uses) {
  std::vector<RedisCommand> commands = commands_of(uses);
  for (std::size_t at = 0; at < commands.size(); at += commands_at_once) {
    const auto from = commands.begin() + static_cast<std::ptrdiff_t>(at);
    const auto to = commands.begin() + static_cast<std::ptrdiff_t>(std::min(commands.size(), at + commands_at_once));
    std::vector<RedisCommand> part(std::make_move_iterator(from), std::make_move_iterator(to));
    const auto replies = co_await redis_.pipeline(std::move(part));
    if (!replies) co_return std::string(to_string(replies.error()));
    for (const RedisReply& reply : *replies)
      if (reply.type == RedisReply::Type::error) co_return reply.text.substr(0, reply.text.find(' '));
  }
  co_return std::nullopt;
}

std::string use_line(const Use& use) {
  std::string out = R"({"day":")" + day_text(use.day) + R"(","tenant":)" + json_quoted(use.tenant);
  out += R"(,"holder":)" + json_quoted(use.holder) + R"(,"id":)" + json_quoted(use.id);
  if (!use.agent.empty()) out += R"(,"agent":)" + json_quoted(use.agent);
  return out + "}\n";
}

std::optional<Use> read_use_line(std::string_view line) {
  const json::Tree json = json::read_tree(line);
  if (!json) return std::nullopt;
  const auto day = read_day(text_of(json.get(), "day"));
  Use out{text_of(json.get(), "tenant"), text_of(json.get(), "holder"), text_of(json.get(), "id"),
          text_of(json.get(), "agent"), day.value_or(Day())};
  if (!day || out.tenant.empty() || out.holder.empty() || out.id.empty()) return std::nullopt;
  return out;
}

std::vector<Use> last_uses(std::string_view text, Day oldest) {
  std::map<std::array<std::string, 4>, Use> latest;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    auto use = read_use_line(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (!use || use->day < oldest) continue;
    const auto [known, added] = latest.try_emplace({use->tenant, use->holder, use->id, use->agent}, *use);
    if (!added) known->second.day = std::max(known->second.day, use->day);
  }
  std::vector<Use> out;
  out.reserve(latest.size());
  for (auto& [key, use] : latest) out.push_back(std::move(use));
  return out;
}

Task<std::optional<std::string>> FileUses::keep(std::vector<Use> uses) {
  // What was cut off must not take the next line with it.
  auto text = std::make_shared<std::string>(std::exchange(cut_, false) ? "\n" : "");
  for (const Use& use : uses) *text += use_line(use);
  auto done = std::make_shared<bool>(false);
  std::function<void()> job = [text, done, append = append_] { *done = append(*text); };
  co_await background_.run(std::move(job));
  if (*done) co_return std::nullopt;
  cut_ = true;
  co_return std::string("the file in agent_state can't be written");
}

LastUse::LastUse(Host host)
    : host_(host),
      kept_(host.metrics.cell(R"(agent_last_uses_total{result="kept"})")),
      failed_(host.metrics.cell(R"(agent_last_uses_total{result="failed"})")),
      dropped_(host.metrics.cell(R"(agent_last_uses_total{result="dropped"})")) {}

void LastUse::turn_day(WallTime now) noexcept {
  day_begin_ = std::chrono::floor<std::chrono::days>(now);
  today_.clear();
  recent_.fill(Recent());
}

void LastUse::learn(Recent& recent, const PrincipalPtr& principal, const policy::FactsPtr& facts,
                    const Decision& decision) noexcept {
  try {
    add(*principal, decision.granted);
    add(*principal, decision.entitled);
    recent = {principal, facts, decision.granted.grant, decision.entitled.grant};
  } catch (const std::bad_alloc&) {
    dropped_.fetch_add(1, std::memory_order_relaxed);
  }
}

void LastUse::add(const Principal& principal, const Basis& basis) {
  if (basis.grant == nullptr || basis.holder.empty()) return;
  const bool shared = is_shared(basis.holder);
  std::string key = principal.tenant;
  ((key += '\n') += basis.holder) += '\n';
  key += basis.grant->id;
  if (shared) (key += '\n') += principal.agent;
  if (today_.contains(key)) return;
  if (waiting_.size() >= most_waiting) {
    dropped_.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  if (today_.size() >= 2 * most_waiting) today_.clear();
  waiting_.push_back({principal.tenant, std::string(basis.holder), basis.grant->id,
                      shared ? principal.agent : std::string(), std::chrono::floor<std::chrono::days>(day_begin_)});
  today_.emplace(std::move(key), true);
}

Task<void> LastUse::flush() {
  // Addresses are held for an interval at most: a policy that was edited isn't kept for long.
  recent_.fill(Recent());
  if (waiting_.empty()) co_return;
  const std::size_t count = waiting_.size();
  auto keeping = host_.record.keep(waiting_);
  const auto wrong = co_await std::move(keeping);
  if (!wrong) {
    waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(count));
    kept_.fetch_add(count, std::memory_order_relaxed);
    said_.clear();
    co_return;
  }
  failed_.fetch_add(1, std::memory_order_relaxed);
  if (std::exchange(said_, *wrong) != *wrong)
    host_.log.write(LogLevel::error, "agent_store: the last uses of grants can't be kept, they wait: " + *wrong);
}

Task<void> LastUse::run() {
  for (;;) {
    co_await host_.loop.sleep(interval);
    try {
      auto flushing = flush();
      co_await std::move(flushing);
    } catch (const std::bad_alloc&) {
      failed_.fetch_add(1, std::memory_order_relaxed);
    }
  }
}

}  // namespace agw::grants
