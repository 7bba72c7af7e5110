#include <algorithm>

#include <openssl/rand.h>

#include "agw/base/encoding.h"
#include "agw/grants/redis_codec.h"
#include "agw/model/pattern.h"

#include "arguments.h"
#include "change.h"
#include "commands.h"
#include "failure.h"

namespace agw::agwctl {
namespace {

constexpr std::size_t most_told = 20;

std::string new_id(std::string_view kind) {
  std::string bytes(4, '\0');
  if (RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(bytes.size())) != 1)
    throw Failure("the system has no randomness to give");
  return std::string(kind) + "-" + hex_encode(bytes);
}

void expect_patterns(const GrantOptions& options) {
  const std::string& operation = options.operation;
  if (!is_pattern(operation) || (!operation.ends_with('*') && !is_operation_name(operation)))
    throw Failure("OPERATION: \"" + operation +
                      "\" must be NAMESPACE/OPERATION, or end in * right after : / or . ; write for example "
                      "tickets/ticket.read or tickets/*",
                  exit_usage);
  if (!options.resource.empty() && !is_pattern(options.resource))
    throw Failure("RESOURCE: \"" + options.resource +
                      "\" must be exact or end in * right after : / or . ; write for example ticket:T-1 or ticket:*",
                  exit_usage);
}

void expect_whom(const GrantOptions& options, const Holder& holder) {
  if (options.whom.empty()) return;
  if (holder.has_entitlements())
    throw Failure("--whom: an entitlement is its holder's own; leave --whom out", exit_usage);
  for (const std::string& whom : options.whom) {
    if (whom == machine_whom) continue;
    const bool named = whom.starts_with("user:") || whom.starts_with("group:");
    if (!named || !is_principal_id(whom.substr(whom.find(':') + 1)))
      throw Failure(
          "--whom: \"" + whom +
              "\" must be user:ISSUER|NAME, group:ISSUER|NAME or machine; write for example group:company|support",
          exit_usage);
  }
}

/// The record of the command line, whole but for its id.
Grant grant_of(const GrantOptions& options, const Holder& holder) {
  expect_patterns(options);
  expect_whom(options, holder);
  Grant out;
  out.operation = options.operation;
  out.effect = options.deny ? Effect::deny : Effect::allow;
  if (!options.resource.empty()) out.resource = options.resource;
  out.for_whom = options.whom;
  if (!options.when.empty()) {
    auto condition = Condition::compile(options.when);
    if (!condition) throw Failure("--when " + condition.error(), exit_usage);
    out.when = *std::move(condition);
  }
  out.since = time_of("--since", options.since);
  out.until = time_of("--until", options.until);
  if (out.until && *out.until <= now())
    throw Failure("--until is over already; write a time to come, as 2026-12-31T00:00:00Z", exit_usage);
  if (out.since && out.until && *out.until <= *out.since)
    throw Failure("--until must be later than --since", exit_usage);
  const WriteOptions& write = options.change.write;
  out.by = write.author;
  out.reason = write.reason;
  out.ticket = write.ticket;
  if (!options.id.empty() && (!is_utf8(options.id) || options.id.size() > 200))
    throw Failure("--id must be at most 200 bytes of UTF-8", exit_usage);
  return out;
}

/// What is named must exist: a typo would be a grant that nobody has, or a ban that holds nobody.
void expect_holder(TenantChange& change, const Holder& holder) {
  if (holder.kind != "tier" && holder.kind != "bundle") return;
  if (change.read(holder.kind + ":" + holder.name).empty())
    throw Failure("tenant " + change.tenant() + ": the " + holder.kind + " \"" + holder.name +
                  "\" is not defined; define it with agwctl apply");
}

int write_grant(const GrantOptions& options, const Holder& holder, Grant grant, std::string_view kind,
                std::ostream& out) {
  expect_reason(options.change.write);
  const bool own_id = !options.id.empty();
  grant.id = own_id ? options.id : new_id(kind);
  const Plan plan = [&](TenantChange& change) {
    expect_holder(change, holder);
    const grants::Fields& held = change.read(holder.key());
    if (held.contains(grant.id))
      throw Failure("tenant " + change.tenant() + ": " + options.holder + " has a grant \"" + grant.id +
                    "\" already; revoke it first, or give this one another --id");
    grants::TenantPolicy written;
    auto& holders = holder.has_entitlements() ? written.entitlements : written.grants;
    holders[holder.kind + ":" + holder.name].push_back(grant);
    Change added;
    added.name = holder.key();
    added.created = held.empty();
    added.written = grants::encode_tenant(written).at(holder.key());
    return std::vector<Change>{std::move(added)};
  };
  return change_tenant(options.change.write, options.change.tenant, options.change.if_version, plan, out);
}

/// Whether a field of the hash has exactly this pattern; what can't be read has none.
bool has_operation(const Holder& holder, const std::string& id, const std::string& value,
                   const std::string& operation) {
  const auto read = grants::read_grants(holder.key(), {{id, value}}, holder.has_entitlements());
  return read && read->front().operation == operation;
}

[[noreturn]] void fail_without(TenantChange& change, const RevokeOptions& options, const Holder& holder,
                               const std::string& what, const grants::Fields& held) {
  std::string said = "tenant " + change.tenant() + ": nothing is written: " + options.holder + " has no grant " + what;
  std::size_t told = 0;
  for (const auto& [id, value] : held) {
    if (told == most_told) {
      said += ", …";
      break;
    }
    said += (told++ == 0 ? "; it has " : ", ") + id;
  }
  if (holder.kind == "agent") {
    const auto agent = grants::read_agent_record("agent:" + holder.name, change.read("agent:" + holder.name));
    if (agent && !agent->bundles.empty()) {
      said += "; others may come by its bundles:";
      for (const auto& bundle : agent->bundles) said += " bundle:" + bundle;
    }
  }
  throw Failure(said);
}

}  // namespace

int grant(const GrantOptions& options, std::ostream& out) {
  const Holder holder = holder_of(options.holder);
  return write_grant(options, holder, grant_of(options, holder), "g", out);
}

int elevate(const ElevateOptions& options, std::ostream& out) {
  const Holder holder = holder_of(options.grant.holder);
  const Milliseconds duration = duration_of("--for", options.duration);
  Grant grant = grant_of(options.grant, holder);
  grant.until = std::chrono::ceil<Seconds>(now() + duration);
  return write_grant(options.grant, holder, std::move(grant), "elevated", out);
}

int revoke_grants(const RevokeOptions& options, std::ostream& out) {
  const Holder holder = holder_of(options.holder);
  const int ways = (options.ids.empty() ? 0 : 1) + (options.operation.empty() ? 0 : 1) + (options.all ? 1 : 0);
  if (ways != 1)
    throw Failure("what is to be revoked? Write the grants' IDs, or --operation PATTERN, or --all", exit_usage);
  const Plan plan = [&](TenantChange& change) {
    const grants::Fields held = change.read(holder.key());
    Change removal;
    removal.name = holder.key();
    for (const std::string& id : options.ids) {
      if (!held.contains(id)) fail_without(change, options, holder, "\"" + id + "\"", held);
      if (std::find(removal.removed.begin(), removal.removed.end(), id) == removal.removed.end())
        removal.removed.push_back(id);
    }
    for (const auto& [id, value] : held)
      if (options.all || (!options.operation.empty() && has_operation(holder, id, value, options.operation)))
        removal.removed.push_back(id);
    if (removal.removed.empty())
      fail_without(change, options, holder, options.all ? "at all" : "with the operation " + options.operation, held);
    return std::vector<Change>{std::move(removal)};
  };
  return change_tenant(options.change.write, options.change.tenant, options.change.if_version, plan, out);
}

}  // namespace agw::agwctl
