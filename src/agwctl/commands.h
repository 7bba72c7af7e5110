// The tool's commands. Each prints to `out`, throws Failure, and returns the exit status.
#pragma once

#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "agw/base/time.h"

#include "redis_connection.h"

namespace agw::agwctl {

/// Which store, as agent_store names it; a password is only ever read from a file.
struct StoreOptions {
  std::string store;  ///< `redis://…`, `rediss://…`, `unix:…`; for explain also `file:PATH`
  std::string password_file;
  std::string ca_file;
  std::string sentinel_password_file;
};
/// Throws Failure (usage) if it isn't a Redis' address.
[[nodiscard]] RedisOptions redis_options(const StoreOptions& store);

/// What every change says of itself.
struct WriteOptions {
  StoreOptions store;
  std::string reason;  ///< asked for
  std::string author;  ///< the login name
  std::string ticket;
  std::optional<std::size_t> replicas;  ///< that must have the change; absent: all that are connected
  bool dry_run = false;
  bool json = false;
};

struct ApplyOptions {
  WriteOptions write;
  std::string file;
  std::vector<std::string> if_versions;  ///< `N` or `TENANT=N`
};
/// Writes a policy file into Redis: each tenant in one transaction, refused if the tenant's policy
/// was written by somebody else meanwhile.
int apply_policy(const ApplyOptions& options, std::ostream& out);

/// One tenant of a store.
struct TenantWriteOptions {
  WriteOptions write;
  std::string tenant = "default";
  std::optional<std::uint64_t> if_version;
};

struct GrantOptions {
  TenantWriteOptions change;
  std::string holder;  ///< `agent:…`, `tier:…`, `bundle:…`; `user:…` and `group:…` for an entitlement
  std::string operation;
  std::string resource;  ///< empty: every one
  std::vector<std::string> whom;
  std::string when;  ///< a condition; empty: always
  std::optional<std::string> since;
  std::optional<std::string> until;
  std::string id;  ///< empty: a new one
  bool deny = false;
};
int grant(const GrantOptions& options, std::ostream& out);

struct ElevateOptions {
  GrantOptions grant;
  std::string duration;  ///< `1h`
};
/// A grant that ends by itself.
int elevate(const ElevateOptions& options, std::ostream& out);

struct FreezeOptions {
  TenantWriteOptions change;
  std::string operation;
  bool frozen = false;  ///< what is to be
};
/// Refuses an operation to everybody, or no longer.
int freeze(const FreezeOptions& options, std::ostream& out);

struct WindowOptions {
  TenantWriteOptions change;
  std::string operation;
  std::vector<std::string> windows;
  bool any_time = false;
};
/// Says when an operation may be used.
int set_windows(const WindowOptions& options, std::ostream& out);

struct RevokeOptions {
  TenantWriteOptions change;
  std::string holder;            ///< of grants, as `agent:…`; or what is revoked: `jti`, `user`, `issued-before` …
  std::vector<std::string> ids;  ///< of grants; or which ones
  std::string operation;  ///< all with just this pattern
  bool all = false;
  std::string duration;      ///< jti, sid: how long it is remembered; empty: until it is lifted
  bool lift = false;         ///< no longer; not for grants
  bool all_tenants = false;  ///< issued-before
};
int revoke(const RevokeOptions& options, std::ostream& out);
/// Takes grants or entitlements back from their holder.
int revoke_grants(const RevokeOptions& options, std::ostream& out);

struct KillOptions {
  WriteOptions write;
  std::string tenant;  ///< empty: all
  bool lift = false;
};
/// Stops all calls, or lets them pass again.
int kill_switch(const KillOptions& options, std::ostream& out);

struct RevocationsOptions {
  StoreOptions store;
  std::vector<std::string> tenants;  ///< empty: all
  bool json = false;
};
/// What was revoked or stopped by hand, and what the policy disables.
int list_revocations(const RevocationsOptions& options, std::ostream& out);

struct DelegationOptions {
  TenantWriteOptions change;
  std::string user;
  std::string agent;
  bool connected = false;  ///< what is to be
};
int delegation(const DelegationOptions& options, std::ostream& out);

struct BreakerOptions {
  TenantWriteOptions change;
  std::string agent;
  std::string until;     ///< open: then no longer
  std::string duration;  ///< the same, from now on
  bool open = false;     ///< what is to be
};
int breaker(const BreakerOptions& options, std::ostream& out);

/// What a question is asked of.
struct SourceOptions {
  StoreOptions store;                ///< empty: what routes.json names
  std::optional<std::string> state;  ///< nginx's agent_state; absent: no routes, if there is a store
};

struct ListOptions {
  SourceOptions source;
  std::vector<std::string> tenants;  ///< empty: all
  bool json = false;
};
int list_agents(const ListOptions& options, std::ostream& out);
int list_users(const ListOptions& options, std::ostream& out);

struct StaleOptions {
  SourceOptions source;
  std::vector<std::string> tenants;
  std::size_t days = 30;
  std::optional<std::string> at;
  bool json = false;
};
/// Grants that have allowed no call for so many days, and bundles that an agent made no use of.
int list_stale(const StaleOptions& options, std::ostream& out);

struct WhoCanOptions {
  SourceOptions source;
  std::string operation;
  std::string resource;
  std::string tenant = "default";
  std::string provider;  ///< that agents with a record, but without a tier in it, are taken to come with
  std::string model;
  std::optional<std::string> at;
  bool json = false;
};
/// Agents that may do it, and for whom.
int who_can(const WhoCanOptions& options, std::ostream& out);

struct WhatCanOptions {
  SourceOptions source;
  std::string agent;
  std::string user;
  std::vector<std::string> groups;  ///< of the token
  std::string tenant = "default";
  std::string provider;
  std::string model;
  std::optional<std::string> at;
  bool all = false;  ///< what is refused, too
  bool json = false;
};
int what_can(const WhatCanOptions& options, std::ostream& out);

struct TestOptions {
  SourceOptions source;
  std::string file;
  std::string tenant = "default";  ///< of tests that name none
  std::optional<std::string> at;
  bool all = false;  ///< show the good ones, too
  bool json = false;
};
/// A table of expected answers.
int test_policy(const TestOptions& options, std::ostream& out);

struct LintOptions {
  SourceOptions source;
  std::string file;  ///< in place of a store
  std::vector<std::string> tenants;
  std::vector<std::string> ignored;  ///< codes
  std::optional<std::string> at;
  bool json = false;
};
/// What is good, and still not right.
int lint(const LintOptions& options, std::ostream& out);

struct ExportOptions {
  StoreOptions store;
  std::vector<std::string> tenants;  ///< empty: all
};
/// Prints what Redis holds as a policy file.
int export_policy(const ExportOptions& options, std::ostream& out);

struct ConfirmOptions {
  StoreOptions store;
  std::vector<std::string> tenants;  ///< empty: all
};
/// Says to the gateways that what Redis holds now is the truth, although they have seen a newer
/// policy or another store.
int confirm_store(const ConfirmOptions& options, std::ostream& out);

struct CheckOptions {
  std::string file;
  bool json = false;
};
/// Says whether a policy file is good, or what is wrong with it and where.
int check(const CheckOptions& options, std::ostream& out);

struct StatusOptions {
  std::string state = "/var/lib/nginx/agent";
  bool json = false;
};
/// What every process of the running nginx says of itself; exit_failed if something is wrong.
int show_status(const StatusOptions& options, std::ostream& out);

struct VerifyOptions {
  std::vector<std::string> files;      ///< in the order in which they were written
  std::vector<std::string> key_files;  ///< present and former ones, in any order
  bool unkeyed = false;                ///< lines without MACs are good
  bool json = false;
  bool whole = false;                  ///< every chain must begin and end in these files
};
/// Says whether audit logs are what was written, or where they were changed.
int verify_audit(const VerifyOptions& options, std::ostream& out);

struct ExplainOptions {
  StoreOptions store;  ///< empty store: the one that routes.json names
  std::string state = "/var/lib/nginx/agent";
  std::string user;
  std::string agent;
  std::vector<std::string> chain;  ///< the token's other agents, the nearest first
  bool machine = false;            ///< then there is no user
  std::string operation;
  std::string resource;
  std::string tenant = "default";
  std::string issuer;  ///< empty: the agent's
  std::vector<std::string> groups;
  std::optional<std::vector<std::string>> scopes;  ///< absent: whatever is needed
  std::string provider;
  std::string model;
  std::string location;                 ///< empty: every location that has the operation
  std::optional<std::string> at;        ///< RFC 3339; absent: now
  std::optional<std::string> issued_at;
  std::vector<std::string> arguments;  ///< NAME=VALUE
  std::vector<std::string> variables;  ///< NAME=VALUE
  std::string client_ip;
  std::optional<std::string> auth_time;
  std::string acr;
  bool json = false;
};
/// Says what the gateway would decide, check by check, by the same function.
int explain(const ExplainOptions& options, std::ostream& out);

}  // namespace agw::agwctl
