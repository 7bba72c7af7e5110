#include "keys.h"

#include <algorithm>
#include <array>
#include <set>

#include "agw/base/encoding.h"
#include "agw/grants/cluster.h"

#include "failure.h"
#include "grant_text.h"
#include "printable.h"

namespace agw::agwctl {
namespace {

/// Commands of one trip, and fields of one command: what a server answers without a long pause.
constexpr std::size_t batch = 500;

std::set<std::string> scan(RedisConnection& redis, const std::string& pattern) {
  std::set<std::string> out;
  std::string cursor = "0";
  do {
    const auto replies = redis.ask({{"SCAN", cursor, "MATCH", pattern, "COUNT", "1000"}});
    const RedisReply& page = replies.front();
    const bool whole = page.type == RedisReply::Type::array && page.elements.size() == 2 &&
                       page.elements[1].type == RedisReply::Type::array;
    if (!whole) throw Failure("the keys can't be listed: SCAN is refused");
    cursor = page.elements[0].text;
    for (const RedisReply& key : page.elements[1].elements) out.insert(key.text);
  } while (cursor != "0");
  return out;
}

grants::Fields fields_or_throw(const std::string& key, const RedisReply& reply) {
  auto fields = grants::read_fields(key, reply);
  if (!fields) throw Failure(fields.error().detail);
  return *std::move(fields);
}

}  // namespace

bool is_of_policy_file(std::string_view name) noexcept {
  static constexpr std::array<std::string_view, 11> prefixes{
      "agent:",  "user:",   "grants:", "entitlements:", "delegation:", "breaker:",
      "client:", "issuer:", "tier:",   "bundle:",       "operation:"};
  if (name == "tenant" || name == "tiers" || name == "members" || name == "limits") return true;
  return std::any_of(prefixes.begin(), prefixes.end(), [&](std::string_view each) { return name.starts_with(each); });
}

std::vector<std::string> tenants_of(RedisConnection& redis) {
  constexpr std::string_view before = "agw:p:{";
  constexpr std::string_view after = "}:meta";
  std::vector<std::string> out;
  for (const std::string& key : scan(redis, "agw:p:{*}:meta")) {
    if (!key.starts_with(before) || !key.ends_with(after)) continue;
    std::string name = key.substr(before.size(), key.size() - before.size() - after.size());
    if (is_encoded_part(name) && !name.empty()) out.push_back(std::move(name));
  }
  return out;
}

std::vector<std::string> keys_matching(RedisConnection& redis, const std::string& pattern) {
  const auto found = scan(redis, pattern);
  return {found.begin(), found.end()};
}

std::optional<grants::Meta> meta_of(RedisConnection& redis, const std::string& tenant) {
  const std::string key = grants::policy_key(tenant, "meta");
  const auto replies = redis.ask({{"HGETALL", key}});
  auto meta = grants::read_meta(key, fields_or_throw(key, replies.front()));
  if (!meta) throw Failure(meta.error().detail);
  return *std::move(meta);
}

Keys keys_of(RedisConnection& redis, const std::string& tenant) {
  const std::string prefix = grants::policy_key(tenant, "");
  std::vector<std::string> names;
  for (const std::string& key : scan(redis, prefix + "*"))
    if (is_of_policy_file(std::string_view(key).substr(prefix.size()))) names.push_back(key.substr(prefix.size()));
  // While a slot is being moved some of its keys are listed elsewhere.
  if (redis.of_cluster()) static_cast<void>(redis.ask({{"EXISTS", grants::probe_key(tenant)}}));
  Keys out;
  for (std::size_t begin = 0; begin < names.size(); begin += batch) {
    const std::size_t end = std::min(names.size(), begin + batch);
    std::vector<RedisCommand> commands;
    for (std::size_t i = begin; i < end; ++i) commands.push_back({"HGETALL", prefix + names[i]});
    const auto replies = redis.ask(commands);
    for (std::size_t i = begin; i < end; ++i) {
      auto fields = fields_or_throw(prefix + names[i], replies[i - begin]);
      if (!fields.empty()) out.emplace(names[i], std::move(fields));
    }
  }
  return out;
}

std::vector<Change> changes_between(const Keys& before, const Keys& after) {
  std::vector<Change> out;
  for (const auto& [name, fields] : before) {
    if (after.contains(name)) continue;
    Change change;
    change.name = name;
    for (const auto& [field, value] : fields)
      if (!grants::is_pulled_by_hand(name, field)) change.removed.push_back(field);
    // Nobody comes back by being left out of a file. A tier that isn't there admits nobody.
    if (change.removed.size() == fields.size() || name.starts_with("tier:")) {
      change.removed.clear();
      change.deleted = true;
    } else if (change.removed.empty()) {
      continue;
    }
    out.push_back(std::move(change));
  }
  for (const auto& [name, fields] : after) {
    Change change;
    change.name = name;
    const auto old = before.find(name);
    change.created = old == before.end();
    for (const auto& [field, value] : fields) {
      if (change.created || !old->second.contains(field) || old->second.find(field)->second != value)
        change.written.emplace(field, value);
    }
    if (!change.created)
      for (const auto& [field, value] : old->second) {
        // What is pulled by hand is released by hand, whatever the policy file says.
        if (!fields.contains(field) && !grants::is_pulled_by_hand(name, field)) change.removed.push_back(field);
      }
    if (!change.written.empty() || !change.removed.empty()) out.push_back(std::move(change));
  }
  std::sort(out.begin(), out.end(), [](const Change& a, const Change& b) { return a.name < b.name; });
  return out;
}

std::string describe(const std::vector<Change>& changes, const Keys& before) {
  std::string out;
  for (const Change& change : changes) {
    const auto line = [&](std::string_view sign, std::string_view field, std::string_view value) {
      out += "      ";
      out += sign;
      const auto words = grant_field_text(change.name, field, value);
      out += printable(field) + ": " + printable(words ? std::string_view(*words) : value) + "\n";
    };
    out += change.created ? "  + " : change.deleted ? "  - " : "  ~ ";
    out += printable(change.name) + "\n";
    const auto old = before.find(change.name);
    if (change.deleted && old != before.end())
      for (const auto& [field, value] : old->second) line("- ", field, value);
    for (const std::string& field : change.removed) line("- ", field, old->second.find(field)->second);
    for (const auto& [field, value] : change.written) {
      if (!change.created)
        if (const auto was = old->second.find(field); was != old->second.end()) line("- ", field, was->second);
      line("+ ", field, value);
    }
  }
  return out;
}

std::vector<RedisCommand> commands_for(const std::string& tenant, const std::vector<Change>& changes) {
  std::vector<RedisCommand> out;
  const auto add = [&out](std::string_view verb, const std::string& key) -> RedisCommand& {
    return out.emplace_back(RedisCommand{std::string(verb), key});
  };
  for (const Change& change : changes) {
    const std::string key = grants::policy_key(tenant, change.name);
    if (change.deleted) {
      add("DEL", key);
      continue;
    }
    if (change.text) {
      RedisCommand& set = add("SET", key);
      set.push_back(*change.text);
      if (change.lasts) set.insert(set.end(), {"PX", std::to_string(change.lasts->count())});
      continue;
    }
    for (std::size_t i = 0; i < change.removed.size(); ++i) {
      if (i % batch == 0) add("HDEL", key);
      out.back().push_back(change.removed[i]);
    }
    std::size_t count = 0;
    for (const auto& [field, value] : change.written) {
      if (count++ % batch == 0) add("HSET", key);
      out.back().push_back(field);
      out.back().push_back(value);
    }
  }
  return out;
}

}  // namespace agw::agwctl
