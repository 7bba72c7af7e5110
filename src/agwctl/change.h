// One change of one tenant's policy in Redis: read under WATCH, written in one transaction.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "commands.h"
#include "keys.h"
#include "redis_connection.h"
#include "store_connections.h"

namespace agw::agwctl {

/// Throws Failure (usage) if the change says not why, or who, in a form that a log can hold.
void expect_reason(const WriteOptions& options);

/// Between begin() and commit() nobody else's change goes unnoticed.
class TenantChange {
 public:
  /// Watches the tenant's meta record and reads it.
  TenantChange(RedisConnection& redis, std::string tenant);

  [[nodiscard]] const std::string& tenant() const noexcept { return tenant_; }
  /// Nothing: the tenant has no policy yet.
  [[nodiscard]] const std::optional<grants::Meta>& meta() const noexcept { return meta_; }
  [[nodiscard]] std::uint64_t version() const noexcept { return meta_ ? meta_->version : 0; }
  /// The whole policy.
  [[nodiscard]] Keys read_all();
  /// One key, watched too; empty if it is absent.
  [[nodiscard]] const grants::Fields& read(const std::string& name);
  /// Whether there is such a key, of whatever type; watched too.
  [[nodiscard]] bool exists(const std::string& name);
  /// What was read.
  [[nodiscard]] const Keys& before() const noexcept { return before_; }

  /// Writes the changes, the next version and the entry of the stream in one transaction. False: somebody else
  /// changed the policy since, nothing is written. Throws Failure if Redis refuses, or if fewer replicas are connected
  /// than are wanted.
  [[nodiscard]] bool commit(const std::vector<Change>& changes, const WriteOptions& options);
  /// What a replica doesn't have is forgotten when it takes over: throws Failure if one doesn't say in time that it
  /// has what was written.
  void await_replicas(const WriteOptions& options);
  /// Ends it without a change.
  void abandon();

 private:
  [[nodiscard]] std::optional<std::size_t> connected_replicas();

  RedisConnection& redis_;
  std::string tenant_;
  std::optional<grants::Meta> meta_;
  Keys before_;
  std::optional<std::size_t> replicas_;  ///< connected before the writing
};

/// Tells what changes: for people at once, as JSON at the end.
class ChangeReport {
 public:
  ChangeReport(const WriteOptions& options, std::ostream& out) : options_(options), out_(out) {}
  ChangeReport(const ChangeReport&) = delete;
  ChangeReport& operator=(const ChangeReport&) = delete;
  /// With JSON: what was done, also when a later tenant failed.
  ~ChangeReport();
  void nothing(const TenantChange& change);
  void changes(const TenantChange& change, const std::vector<Change>& changes);
  /// The last one is written.
  void written();

 private:
  const WriteOptions& options_;
  std::ostream& out_;
  struct Entry {
    std::string json;
    bool written = false;
  };
  std::vector<Entry> entries_;
};

/// What is to be written, given what was read through the change.
using Plan = std::function<std::vector<Change>(TenantChange& change)>;

/// Reads, plans and writes one tenant that has a policy; anew if somebody else was faster, unless `if_version` is set.
int change_tenant(const WriteOptions& options, const std::string& tenant, std::optional<std::uint64_t> if_version,
                  const Plan& plan, std::ostream& out);

/// The same for several, one after the other; what is wrong with one of them keeps none of the others from being
/// written, and is told at the end.
int change_tenants(const WriteOptions& options, const std::function<std::vector<std::string>(StoreConnections&)>& which,
                   std::optional<std::uint64_t> if_version, const Plan& plan, std::ostream& out);
/// For every tenant of the store, also such as are made meanwhile.
int change_all_tenants(const WriteOptions& options, const Plan& plan, std::ostream& out);

}  // namespace agw::agwctl
