// Grants that nobody has used for long.
#include <map>
#include <set>

#include "agw/grants/last_use.h"
#include "agw/grants/redis_codec.h"

#include "arguments.h"
#include "commands.h"
#include "failure.h"
#include "grant_text.h"
#include "json_text.h"
#include "policy_error.h"
#include "policy_source.h"
#include "printable.h"
#include "store_connections.h"
#include "table.h"

namespace agw::agwctl {
namespace {

using grants::Day;
constexpr std::size_t batch = 500;

/// What workers have kept of one tenant.
struct Seen {
  std::optional<Day> since;  ///< nothing: no use was ever kept
  std::map<std::string, std::map<std::string, Day>> grants;  ///< by holder and id
  std::map<std::string, std::map<std::string, Day>> held;    ///< by agent, and the bundle or tier that it used
};

std::map<std::string, Day> days_of(const std::string& key, const RedisReply& reply) {
  const auto fields = grants::read_fields(key, reply);
  if (!fields) throw Failure(fields.error().detail);
  std::map<std::string, Day> out;
  for (const auto& [id, text] : *fields) {
    const auto day = grants::read_day(text);
    if (!day)
      throw Failure(
          std::string("key ").append(key).append(", field ").append(id).append(": is not a day, as 2026-11-21"));
    out.emplace(id, *day);
  }
  return out;
}

std::set<std::string> holders_of(const grants::TenantPolicy& tenant) {
  std::set<std::string> out;
  for (const auto& [holder, grants] : tenant.grants) out.insert(holder);
  for (const auto& [holder, grants] : tenant.entitlements) out.insert(holder);
  for (const auto& [name, bundle] : tenant.bundles) out.insert("bundle:" + name);
  return out;
}

Seen seen_in_redis(RedisConnection& redis, const std::string& name, const grants::TenantPolicy& tenant) {
  Seen out;
  const auto since = redis.ask({{"GET", grants::seen_key(name, "since")}});
  if (since.front().type == RedisReply::Type::error)
    throw Failure("key " + grants::seen_key(name, "since") + ": can't be read");
  if (since.front().type == RedisReply::Type::text) out.since = grants::read_day(since.front().text);
  std::vector<std::pair<std::string, std::map<std::string, Day>*>> keys;
  for (const auto& holder : holders_of(tenant)) keys.emplace_back(grants::seen_key(name, holder), &out.grants[holder]);
  for (const auto& [id, agent] : tenant.agents) keys.emplace_back(grants::seen_key(name, "of:" + id), &out.held[id]);
  for (std::size_t begin = 0; begin < keys.size(); begin += batch) {
    const std::size_t end = std::min(keys.size(), begin + batch);
    std::vector<RedisCommand> commands;
    for (std::size_t i = begin; i < end; ++i) commands.push_back({"HGETALL", keys[i].first});
    const auto replies = redis.ask(commands);
    for (std::size_t i = begin; i < end; ++i) *keys[i].second = days_of(keys[i].first, replies[i - begin]);
  }
  return out;
}

/// `last_use.jsonl` of nginx's agent_state: the first line says since when.
std::map<std::string, Seen> seen_in_file(const std::string& state, const grants::Policy& policy) {
  const std::string path = state + "/last_use.jsonl";
  std::string text;
  try {
    text = read_text(path);
  } catch (const Failure&) {
    throw Failure(path + " can't be read; nginx writes it in its agent_state, name that by --state");
  }
  constexpr std::string_view head = R"({"since":")";
  std::optional<Day> since;
  if (text.starts_with(head) && text.size() > head.size() + 10) since = grants::read_day(text.substr(head.size(), 10));
  std::map<std::string, Seen> out;
  for (const auto& [name, tenant] : policy.tenants) out[name].since = since;
  for (const auto& use : grants::last_uses(text, Day())) {
    Seen& seen = out[use.tenant];
    const auto keep = [&](Day& day) { day = std::max(day, use.day); };
    keep(seen.grants[use.holder][use.id]);
    if (!use.agent.empty()) keep(seen.held[use.agent][use.holder]);
  }
  return out;
}

class Review {
 public:
  Review(const StaleOptions& options, WallTime now)
      : options_(options), now_(now), today_(std::chrono::floor<std::chrono::days>(now)) {}

  void tenant(const std::string& name, const grants::TenantPolicy& policy, const Seen& seen) {
    const std::string words = "tenant " + name + ": ";
    if (!seen.since) {
      notes_.push_back(words + "no use has been recorded yet: nothing can be said");
      return;
    }
    if (!is_long_ago(*seen.since)) {
      notes_.push_back(words + "uses are recorded since " + grants::day_text(*seen.since) +
                       " only: what wasn't used for " + std::to_string(options_.days) + " days can't be said yet");
      return;
    }
    for (const auto& [holder, grants] : policy.grants) judge(name, holder, grants, seen);
    for (const auto& [bundle, content] : policy.bundles) judge(name, "bundle:" + bundle, content.grants, seen);
    for (const auto& [holder, grants] : policy.entitlements) judge(name, holder, grants, seen);
    for (const auto& [id, agent] : policy.agents)
      for (const auto& bundle : agent.bundles) judge_bundle(name, id, with_parents(policy.bundles, {bundle}), seen);
  }

  int close(std::ostream& out) {
    if (options_.json) {
      JsonObject all;
      all.number("days", options_.days).raw("unused", json_array(rows_)).list("notes", notes_);
      out << all.str() << "\n";
    } else {
      if (!rows_.empty()) table_.print(out);
      if (rows_.empty() && notes_.empty()) out << "every grant was used in the last " << options_.days << " days\n";
      for (const auto& note : notes_) out << "note: " << printable(note) << "\n";
    }
    return rows_.empty() ? exit_ok : exit_denied;
  }

 private:
  [[nodiscard]] bool is_long_ago(Day day) const {
    return today_ - day >= std::chrono::days(static_cast<int>(options_.days));
  }

  static std::optional<Day> last(const std::map<std::string, std::map<std::string, Day>>& seen,
                                 const std::string& holder, const std::string& id) {
    const auto found = seen.find(holder);
    if (found == seen.end()) return std::nullopt;
    const auto use = found->second.find(id);
    return use == found->second.end() ? std::nullopt : std::optional(use->second);
  }

  void judge(const std::string& tenant, const std::string& holder, const std::vector<Grant>& grants, const Seen& seen) {
    for (const Grant& grant : grants) {
      // A denial is there to be unused; what begins or is over is another matter.
      if (grant.effect == Effect::deny || (grant.until && *grant.until <= now_)) continue;
      if (grant.since && !is_long_ago(std::chrono::floor<std::chrono::days>(*grant.since))) continue;
      const auto used = last(seen.grants, holder, grant.id);
      if (used && !is_long_ago(*used)) continue;
      add(tenant, holder, grant.id, grant_text(grant, false), used);
    }
  }

  /// `line`: the bundle, then its parents: who uses what it inherits uses it.
  void judge_bundle(const std::string& tenant, const std::string& agent, const std::vector<std::string>& line,
                    const Seen& seen) {
    std::optional<Day> used;
    for (const auto& bundle : line)
      if (const auto day = last(seen.held, agent, "bundle:" + bundle)) used = std::max(used.value_or(*day), *day);
    if (used && !is_long_ago(*used)) return;
    add(tenant, "agent:" + agent, "bundle:" + line.front(), "the whole bundle", used);
  }

  void add(const std::string& tenant, const std::string& holder, const std::string& what, const std::string& words,
           std::optional<Day> used) {
    const std::string day = used ? grants::day_text(*used) : "";
    table_.add({tenant, holder, what, used ? day : "never", words});
    JsonObject row;
    row.text("tenant", tenant).text("holder", holder).text(what.starts_with("bundle:") ? "bundle" : "id", what);
    rows_.push_back(row.text("says", words).text_if("last_used", day).str());
  }

  const StaleOptions& options_;
  WallTime now_;
  Day today_;
  Table table_{{"TENANT", "HOLDER", "GRANT", "LAST USED", "WHAT"}};
  std::vector<std::string> rows_;
  std::vector<std::string> notes_;
};

}  // namespace

int list_stale(const StaleOptions& options, std::ostream& out) {
  if (options.days == 0 || options.days > 400)
    throw Failure("--days: must be from 1 to 400, as 30, 60 or 90; uses are kept for 400 days", exit_usage);
  const PolicySource source = read_source(options.source, options.tenants);
  const auto& policy = source.policy->source();
  constexpr std::string_view file = "file:";
  StoreOptions store = options.source.store;
  store.store = source.store;
  std::map<std::string, Seen> kept;
  std::optional<StoreConnections> redis;
  if (store.store.starts_with(file)) {
    kept = seen_in_file(options.source.state.value_or("/var/lib/nginx/agent"), policy);
  } else {
    redis.emplace(redis_options(store));
  }
  Review review(options, time_of("--at", options.at).value_or(now()));
  for (const auto& [name, tenant] : policy.tenants) {
    if (!is_chosen(options.tenants, name)) continue;
    review.tenant(name, tenant, redis ? seen_in_redis(redis->of(name), name, tenant) : kept[name]);
  }
  return review.close(out);
}

}  // namespace agw::agwctl
