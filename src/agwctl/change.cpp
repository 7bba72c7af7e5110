#include "change.h"

#include <algorithm>
#include <chrono>
#include <set>

#include <openssl/rand.h>

#include "agw/base/encoding.h"

#include "arguments.h"
#include "failure.h"
#include "json_text.h"
#include "store_connections.h"

namespace agw::agwctl {
namespace {

constexpr std::size_t named_in_stream = 50;
constexpr std::size_t longest_reason = 1000;
constexpr int most_attempts = 10;

std::string new_incarnation() {
  std::string bytes(16, '\0');
  if (RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(bytes.size())) != 1)
    throw Failure("the system has no randomness to give");
  return hex_encode(bytes);
}

std::string unix_seconds() {
  const auto now = std::chrono::floor<Seconds>(std::chrono::system_clock::now());
  return std::to_string(now.time_since_epoch().count());
}

/// What the stream of changes says was changed: names of records, not their content.
std::string summary(const std::vector<Change>& changes) {
  std::string out;
  for (std::size_t i = 0; i < changes.size() && i < named_in_stream; ++i) {
    const Change& change = changes[i];
    out += i > 0 ? " " : "";
    out += (change.created ? "+" : change.deleted ? "-" : "~") + change.name;
  }
  if (changes.size() > named_in_stream) out += " and " + std::to_string(changes.size() - named_in_stream) + " more";
  return out;
}

void expect_text(const char* option, const std::string& text) {
  if (text.size() > longest_reason) throw Failure(std::string(option) + " is longer than 1000 bytes", exit_usage);
  if (!is_utf8(text)) throw Failure(std::string(option) + " is not valid UTF-8", exit_usage);
}

/// An error reply's first word: the rest may quote what was written.
std::string first_word(const std::string& text) { return text.substr(0, text.find(' ')); }

std::string change_json(const Change& change, const Keys& before) {
  const auto old = before.find(change.name);
  JsonObject removed;
  JsonObject written;
  if (change.deleted && old != before.end())
    for (const auto& [field, value] : old->second) removed.text(field, value);
  for (const auto& field : change.removed) removed.text(field, old->second.find(field)->second);
  for (const auto& [field, value] : change.written) {
    if (old != before.end())
      if (const auto was = old->second.find(field); was != old->second.end()) removed.text(field, was->second);
    written.text(field, value);
  }
  return JsonObject()
      .text("key", change.name)
      .text("change", change.created   ? "created"
                      : change.deleted ? "deleted"
                                       : "changed")
      .raw("removed", removed.str())
      .raw("written", written.str())
      .str();
}

}  // namespace

void expect_reason(const WriteOptions& options) {
  expect_text("--reason", options.reason);
  expect_text("--author", options.author);
  expect_text("--ticket", options.ticket);
  if (options.dry_run) return;
  if (options.reason.find_first_not_of(" \t\r\n") == std::string::npos)
    throw Failure(
        "--reason is missing: every change is recorded with its reason; write for example "
        "--reason \"pilot of the support team\"",
        exit_usage);
  if (options.author.empty()) throw Failure("--author is empty; leave it out for your login name", exit_usage);
}

TenantChange::TenantChange(RedisConnection& redis, std::string tenant) : redis_(redis), tenant_(std::move(tenant)) {
  static_cast<void>(redis_.ask({{"WATCH", grants::policy_key(tenant_, "meta")}}));
  meta_ = meta_of(redis_, tenant_);
}

Keys TenantChange::read_all() {
  before_ = keys_of(redis_, tenant_);
  return before_;
}

const grants::Fields& TenantChange::read(const std::string& name) {
  const std::string key = grants::policy_key(tenant_, name);
  const auto replies = redis_.ask({{"WATCH", key}, {"HGETALL", key}});
  auto fields = grants::read_fields(key, replies.back());
  if (!fields) throw Failure(fields.error().detail);
  static const grants::Fields absent;
  before_.erase(name);
  if (fields->empty()) return absent;
  return before_.emplace(name, *std::move(fields)).first->second;
}

bool TenantChange::exists(const std::string& name) {
  const std::string key = grants::policy_key(tenant_, name);
  const auto replies = redis_.ask({{"WATCH", key}, {"EXISTS", key}});
  if (replies.back().type != RedisReply::Type::integer) throw Failure("key " + key + ": can't be read");
  return replies.back().integer > 0;
}

void TenantChange::abandon() { static_cast<void>(redis_.ask({{"UNWATCH"}})); }

bool TenantChange::commit(const std::vector<Change>& changes, const WriteOptions& options) {
  replicas_ = connected_replicas();
  if (options.replicas && replicas_ && *replicas_ < *options.replicas)
    throw Failure("tenant " + tenant_ + ": nothing is written: " + std::to_string(*replicas_) +
                  " replicas are connected, --replicas wants " + std::to_string(*options.replicas));
  const std::string version = std::to_string(this->version() + 1);
  std::vector<RedisCommand> commands{{"MULTI"}};
  for (auto& command : commands_for(tenant_, changes)) commands.push_back(std::move(command));
  RedisCommand raise{"HSET", grants::policy_key(tenant_, "meta"), "version", version};
  if (!meta_) raise.insert(raise.end(), {"schema", "1", "incarnation", new_incarnation(), "born", unix_seconds()});
  commands.push_back(std::move(raise));
  RedisCommand entry{"XADD",
                     grants::volatile_key(tenant_, "changes"),
                     "*",
                     "version",
                     version,
                     "by",
                     options.author,
                     "reason",
                     options.reason,
                     "what",
                     summary(changes)};
  if (!options.ticket.empty()) entry.insert(entry.end(), {"ticket", options.ticket});
  commands.push_back(std::move(entry));
  commands.push_back({"EXEC"});
  const auto replies = redis_.ask(commands);
  for (const RedisReply& reply : replies)
    if (reply.type == RedisReply::Type::error && !reply.text.starts_with("EXECABORT"))
      throw Failure("tenant " + tenant_ + ": Redis refuses to write: " + first_word(reply.text));
  const RedisReply& done = replies.back();
  if (done.type == RedisReply::Type::nil) return false;
  if (done.type != RedisReply::Type::array) throw Failure("tenant " + tenant_ + ": the transaction was refused");
  for (const RedisReply& reply : done.elements)
    if (reply.type == RedisReply::Type::error)
      throw Failure("tenant " + tenant_ + ": a command failed inside the transaction: " + first_word(reply.text) +
                    "; compare with agwctl apply --dry-run");
  return true;
}

/// Nothing without the right to ask: then the operator's own settings (--replicas, min-replicas-to-write) have to do.
std::optional<std::size_t> TenantChange::connected_replicas() {
  const auto role = redis_.ask({{"ROLE"}});
  const RedisReply& reply = role.front();
  if (reply.type != RedisReply::Type::array || reply.elements.size() != 3) return std::nullopt;
  return reply.elements[2].elements.size();
}

void TenantChange::await_replicas(const WriteOptions& options) {
  const std::size_t wanted = options.replicas ? *options.replicas : replicas_.value_or(0);
  if (wanted == 0) return;
  const auto waited = redis_.ask({{"WAIT", std::to_string(wanted), "5000"}});
  const RedisReply& reply = waited.front();
  if (reply.type == RedisReply::Type::error)
    throw Failure("tenant " + tenant_ +
                  ": written, but Redis doesn't say which replicas have it: " + first_word(reply.text));
  if (reply.integer < static_cast<std::int64_t>(wanted))
    throw Failure("tenant " + tenant_ + ": written, but only " + std::to_string(reply.integer) + " of " +
                  std::to_string(wanted) + " replicas have it");
}

void ChangeReport::nothing(const TenantChange& change) {
  if (!options_.json) {
    out_ << "tenant " << change.tenant() << ": nothing changes, version " << change.version() << "\n";
    return;
  }
  entries_.push_back({JsonObject()
                          .text("tenant", change.tenant())
                          .number("from", change.version())
                          .number("to", change.version())
                          .raw("changes", "[]")
                          .str(),
                      false});
}

void ChangeReport::changes(const TenantChange& change, const std::vector<Change>& changes) {
  const std::uint64_t version = change.version();
  if (!options_.json) {
    out_ << "tenant " << change.tenant() << ": " << (change.meta() ? "version " + std::to_string(version) : "new")
         << " → version " << version + 1 << (options_.dry_run ? " (dry run)" : "") << "\n"
         << describe(changes, change.before());
    return;
  }
  std::vector<std::string> list;
  list.reserve(changes.size());
  for (const Change& each : changes) list.push_back(change_json(each, change.before()));
  entries_.push_back({JsonObject()
                          .text("tenant", change.tenant())
                          .number("from", version)
                          .number("to", version + 1)
                          .raw("changes", json_array(list))
                          .str(),
                      false});
}

void ChangeReport::written() {
  if (!entries_.empty()) entries_.back().written = true;
}

ChangeReport::~ChangeReport() {
  if (!options_.json || entries_.empty()) return;
  std::vector<std::string> list;
  list.reserve(entries_.size());
  for (auto& [json, written] : entries_)
    list.push_back(json.substr(0, json.size() - 1) + ",\"written\":" + (written ? "true}" : "false}"));
  out_ << JsonObject().flag("dry_run", options_.dry_run).raw("tenants", json_array(list)).str() << "\n";
}

namespace {

/// Anew if somebody else was faster, unless `if_version` is set.
void change_one(StoreConnections& stores, const WriteOptions& options, const std::string& tenant,
                std::optional<std::uint64_t> if_version, const Plan& plan, ChangeReport& report) {
  RedisConnection& redis = stores.of(tenant);
  for (int attempt = 0; attempt < most_attempts; ++attempt) {
    TenantChange change(redis, tenant);
    if (!change.meta())
      throw Failure("tenant " + tenant + " has no policy in this store; write one with agwctl apply FILE");
    if (if_version && *if_version != change.version())
      throw Failure("tenant " + tenant + ": nothing is written: the policy is at version " +
                    std::to_string(change.version()) + ", not " + std::to_string(*if_version) +
                    "; somebody changed it meanwhile");
    const auto changes = plan(change);
    if (changes.empty() || options.dry_run) {
      change.abandon();
      if (changes.empty()) {
        report.nothing(change);
      } else {
        report.changes(change, changes);
      }
      return;
    }
    // Told once it is known to hold: somebody else's change makes it another.
    if (!change.commit(changes, options)) continue;
    report.changes(change, changes);
    report.written();
    change.await_replicas(options);
    return;
  }
  throw Failure("tenant " + tenant + ": nothing is written: the policy changes all the time; try again");
}

/// Changes those of `tenants` that aren't in `done` yet, and adds what went wrong to `failed`.
void change_each(StoreConnections& stores, const WriteOptions& options, const std::vector<std::string>& tenants,
                 std::optional<std::uint64_t> if_version, const Plan& plan, ChangeReport& report,
                 std::set<std::string>& done, std::string& failed) {
  for (const std::string& tenant : tenants) {
    if (!done.insert(tenant).second) continue;
    try {
      change_one(stores, options, tenant, if_version, plan, report);
    } catch (const Failure& failure) {
      failed += (failed.empty() ? "" : "\n") + std::string(failure.what());
    }
  }
}

}  // namespace

int change_tenant(const WriteOptions& options, const std::string& tenant, std::optional<std::uint64_t> if_version,
                  const Plan& plan, std::ostream& out) {
  expect_reason(options);
  expect_tenant(tenant);
  StoreConnections stores(redis_options(options.store));
  ChangeReport report(options, out);
  change_one(stores, options, tenant, if_version, plan, report);
  return exit_ok;
}

int change_tenants(const WriteOptions& options, const std::function<std::vector<std::string>(StoreConnections&)>& which,
                   std::optional<std::uint64_t> if_version, const Plan& plan, std::ostream& out) {
  expect_reason(options);
  StoreConnections stores(redis_options(options.store));
  ChangeReport report(options, out);
  std::set<std::string> done;
  std::string failed;
  change_each(stores, options, which(stores), if_version, plan, report, done, failed);
  if (!failed.empty()) throw Failure(failed);
  return exit_ok;
}

int change_all_tenants(const WriteOptions& options, const Plan& plan, std::ostream& out) {
  expect_reason(options);
  StoreConnections stores(redis_options(options.store));
  ChangeReport report(options, out);
  std::set<std::string> done;
  std::string failed;
  // A tenant that is made after the last of these looks finds what was written to the others (agwctl apply).
  for (std::size_t before = 0;; before = done.size()) {
    change_each(stores, options, stores.tenants(), std::nullopt, plan, report, done, failed);
    if (done.empty()) throw Failure("the store holds no policy: no tenant has a meta record");
    if (done.size() == before) break;
  }
  if (!failed.empty()) throw Failure(failed);
  return exit_ok;
}

}  // namespace agw::agwctl
