#include <chrono>

#include <openssl/rand.h>

#include "agw/base/encoding.h"
#include "agw/grants/policy_file.h"

#include "commands.h"
#include "failure.h"
#include "keys.h"
#include "policy_error.h"

namespace agw::agwctl {
namespace {

constexpr std::size_t named_in_stream = 50;

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

/// One tenant: read under WATCH, written in one transaction.
class TenantApply {
 public:
  TenantApply(RedisConnection& redis, const ApplyOptions& options, std::string tenant, std::ostream& out)
      : redis_(redis), options_(options), tenant_(std::move(tenant)), out_(out) {}

  void run(const Keys& wanted) {
    const std::string meta_key = grants::policy_key(tenant_, "meta");
    static_cast<void>(redis_.ask({{"WATCH", meta_key}}));
    const auto meta = meta_of(redis_, tenant_);
    const Keys before = keys_of(redis_, tenant_);
    const auto changes = changes_between(before, wanted);
    const std::uint64_t version = meta ? meta->version : 0;
    if (meta && changes.empty()) {
      static_cast<void>(redis_.ask({{"UNWATCH"}}));
      out_ << "tenant " << tenant_ << ": nothing changes, version " << version << "\n";
      return;
    }
    out_ << "tenant " << tenant_ << ": " << (meta ? "version " + std::to_string(version) : "new") << " → version "
         << version + 1 << (options_.dry_run ? " (dry run)" : "") << "\n"
         << describe(changes, before);
    if (options_.dry_run) {
      static_cast<void>(redis_.ask({{"UNWATCH"}}));
      return;
    }
    write(changes, meta, version + 1);
  }

 private:
  void write(const std::vector<Change>& changes, const std::optional<grants::Meta>& meta, std::uint64_t version) {
    const std::string meta_key = grants::policy_key(tenant_, "meta");
    std::vector<RedisCommand> commands{{"MULTI"}};
    for (auto& command : commands_for(tenant_, changes)) commands.push_back(std::move(command));
    RedisCommand raise{"HSET", meta_key, "version", std::to_string(version)};
    if (!meta) raise.insert(raise.end(), {"schema", "1", "incarnation", new_incarnation(), "born", unix_seconds()});
    commands.push_back(std::move(raise));
    commands.push_back({"XADD", grants::volatile_key(tenant_, "changes"), "*", "version", std::to_string(version), "by",
                        options_.by, "reason", options_.reason, "what", summary(changes)});
    commands.push_back({"EXEC"});
    const auto replies = redis_.ask(commands);
    for (const RedisReply& reply : replies)
      if (reply.type == RedisReply::Type::error && !reply.text.starts_with("EXECABORT"))
        throw Failure("tenant " + tenant_ + ": Redis refuses to write: " + reply.text.substr(0, reply.text.find(' ')));
    const RedisReply& done = replies.back();
    if (done.type == RedisReply::Type::nil)
      throw Failure("tenant " + tenant_ +
                    ": the policy was changed by somebody else meanwhile; look at it and apply again");
    if (done.type != RedisReply::Type::array) throw Failure("tenant " + tenant_ + ": the transaction was refused");
    for (const RedisReply& reply : done.elements)
      if (reply.type == RedisReply::Type::error)
        throw Failure("tenant " + tenant_ + ": a command failed inside the transaction: " +
                      reply.text.substr(0, reply.text.find(' ')) + "; compare with agwctl apply --dry-run");
    await_replicas();
  }

  /// What a replica doesn't have is forgotten when it takes over.
  void await_replicas() {
    const auto role = redis_.ask({{"ROLE"}});
    const RedisReply& reply = role.front();
    // Without the right to ask, the operator's own setting (min-replicas-to-write) has to do.
    if (reply.type != RedisReply::Type::array || reply.elements.size() != 3) return;
    const std::size_t replicas = reply.elements[2].elements.size();
    if (replicas == 0) return;
    const auto waited = redis_.ask({{"WAIT", std::to_string(replicas), "5000"}});
    const std::int64_t acknowledged = waited.front().integer;
    if (acknowledged < static_cast<std::int64_t>(replicas))
      throw Failure("tenant " + tenant_ + ": written, but only " + std::to_string(acknowledged) + " of " +
                    std::to_string(replicas) + " replicas have it");
  }

  RedisConnection& redis_;
  const ApplyOptions& options_;
  std::string tenant_;
  std::ostream& out_;
};

}  // namespace

RedisOptions redis_options(const StoreOptions& store) {
  if (store.store.empty())
    throw Failure("--store is missing; write for example --store redis://127.0.0.1:6379/0", exit_usage);
  auto address = grants::parse_redis_url(store.store);
  if (!address) throw Failure("--store: " + address.error(), exit_usage);
  RedisOptions out;
  out.address = *std::move(address);
  out.password_file = store.password_file;
  out.ca_file = store.ca_file;
  return out;
}

int apply_policy(const ApplyOptions& options, std::ostream& out) {
  const auto policy = read_policy_file(options.file);
  RedisConnection redis(redis_options(options.store));
  for (const auto& [tenant, content] : policy->source().tenants)
    TenantApply(redis, options, tenant, out).run(grants::encode_tenant(content));
  return exit_ok;
}

}  // namespace agw::agwctl
