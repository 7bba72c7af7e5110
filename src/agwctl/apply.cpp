#include <charconv>
#include <map>

#include "agw/grants/policy_file.h"

#include "change.h"
#include "commands.h"
#include "failure.h"
#include "policy_error.h"
#include "revocation.h"
#include "store_connections.h"

namespace agw::agwctl {
namespace {

std::map<std::string, std::uint64_t> expected_versions(const ApplyOptions& options, const grants::Policy& policy) {
  std::map<std::string, std::uint64_t> out;
  for (const std::string& text : options.if_versions) {
    const std::size_t equals = text.find('=');
    if (equals == std::string::npos && policy.tenants.size() != 1)
      throw Failure("--if-version: the file has several tenants; write --if-version TENANT=N for each", exit_usage);
    const std::string tenant = equals == std::string::npos ? policy.tenants.begin()->first : text.substr(0, equals);
    if (!policy.tenants.contains(tenant))
      throw Failure("--if-version: the file has no tenant \"" + tenant + "\"", exit_usage);
    const std::string number = equals == std::string::npos ? text : text.substr(equals + 1);
    std::uint64_t version = 0;
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), version);
    if (number.empty() || error != std::errc() || end != number.data() + number.size())
      throw Failure("--if-version: \"" + number + "\" must be a version's number, as agwctl apply --dry-run shows it",
                    exit_usage);
    out[tenant] = version;
  }
  return out;
}

/// What the file says nothing of isn't closed, and not opened: a breaker is pulled in an emergency, and the next
/// policy that somebody writes must not undo it by not knowing.
Keys with_kept_breakers(const Keys& wanted, const Keys& before) {
  Keys out = wanted;
  for (const auto& [name, fields] : before)
    if (name.starts_with("breaker:") || name.starts_with("client:") || name.starts_with("issuer:"))
      out.emplace(name, fields);
  return out;
}

/// What `agwctl kill` and `agwctl revoke` write for a while only isn't what a reviewed file says.
void expect_no_emergency(const std::string& tenant, const grants::TenantPolicy& policy) {
  if (policy.tenant.stopped)
    throw Failure("tenant " + tenant + ": the file has a stop; leave it out, and write agwctl kill --tenant " + tenant);
  if (!policy.revoked.empty())
    throw Failure("tenant " + tenant +
                  ": the file has revoked tokens or sessions; leave them out, and write agwctl revoke jti or sid");
}

/// A tenant that is new is stopped like all others, and accepts no older tokens.
Keys with_what_holds_everywhere(StoreConnections& stores, const std::string& tenant, Keys wanted) {
  for (const auto& [field, value] : held_everywhere(stores, tenant)) wanted["tenant"][field] = value;
  return wanted;
}

void apply_tenant(RedisConnection& redis, const WriteOptions& options, const std::string& tenant, const Keys& wanted,
                  const std::map<std::string, std::uint64_t>& expected, ChangeReport& report) {
  TenantChange change(redis, tenant);
  if (const auto version = expected.find(tenant); version != expected.end() && version->second != change.version())
    throw Failure("tenant " + tenant + ": nothing is written: the policy is at version " +
                  std::to_string(change.version()) + ", not " + std::to_string(version->second) +
                  "; somebody changed it meanwhile: look at it and apply again");
  const Keys before = change.read_all();
  const auto changes = changes_between(before, with_kept_breakers(wanted, before));
  if (change.meta() && changes.empty()) {
    change.abandon();
    report.nothing(change);
    return;
  }
  report.changes(change, changes);
  if (options.dry_run) {
    change.abandon();
    return;
  }
  if (!change.commit(changes, options))
    throw Failure("tenant " + tenant +
                  ": the policy was changed by somebody else meanwhile; look at it and apply again");
  report.written();
  change.await_replicas(options);
}

}  // namespace

RedisOptions redis_options(const StoreOptions& store) {
  if (store.store.empty())
    throw Failure("--store is missing; write for example --store redis://127.0.0.1:6379/0", exit_usage);
  auto address = grants::parse_redis_url(store.store);
  if (!address) throw Failure("--store: " + address.error(), exit_usage);
  RedisOptions out;
  out.address = *std::move(address);
  out.password_file = store.password_file;
  out.sentinel_password_file = store.sentinel_password_file;
  out.ca_file = store.ca_file;
  return out;
}

int apply_policy(const ApplyOptions& options, std::ostream& out) {
  expect_reason(options.write);
  const auto policy = read_policy_file(options.file);
  const auto expected = expected_versions(options, policy->source());
  StoreConnections redis(redis_options(options.write.store));
  ChangeReport report(options.write, out);
  for (const auto& [tenant, content] : policy->source().tenants) expect_no_emergency(tenant, content);
  for (const auto& [tenant, content] : policy->source().tenants) {
    const Keys wanted = grants::encode_tenant(content);
    if (meta_of(redis.of(tenant), tenant)) {
      apply_tenant(redis.of(tenant), options.write, tenant, wanted, expected, report);
      continue;
    }
    const Keys first = with_what_holds_everywhere(redis, tenant, wanted);
    apply_tenant(redis.of(tenant), options.write, tenant, first, expected, report);
    if (options.write.dry_run) continue;
    // Who stopped all tenants while this one was made may have found none of it yet: then its stop is found now.
    const Keys again = with_what_holds_everywhere(redis, tenant, wanted);
    if (again != first) apply_tenant(redis.of(tenant), options.write, tenant, again, {}, report);
  }
  return exit_ok;
}

}  // namespace agw::agwctl
