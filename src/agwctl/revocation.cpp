// What stops working at once, whatever the policy says: tokens, sessions, keys, clients, people, agents, tiers,
// tenants.
#include "revocation.h"

#include <algorithm>
#include <map>

#include "agw/base/encoding.h"
#include "agw/model/pattern.h"

#include "arguments.h"
#include "change.h"
#include "commands.h"
#include "failure.h"
#include "store_connections.h"

namespace agw::agwctl {
namespace {

using grants::revoked_before_field;
using grants::revoked_field;

const std::string yes = "true";

std::string text_of(const grants::Fields& fields, std::string_view name) {
  const auto found = fields.find(name);
  return found == fields.end() ? std::string() : found->second;
}

/// Sets one field of a hash, or takes it away; nothing where that is so already.
std::optional<Change> set_field(TenantChange& change, const std::string& name, std::string_view field,
                                const std::string& value, bool lift) {
  const grants::Fields& held = change.read(name);
  if (lift ? !held.contains(field) : text_of(held, field) == value) return std::nullopt;
  Change out;
  out.name = name;
  out.created = held.empty();
  if (!lift) {
    out.written.emplace(field, value);
  } else if (held.size() > 1) {
    out.removed.emplace_back(field);
  } else {
    out.deleted = true;
  }
  return out;
}

void expect_values(const RevokeOptions& options, const char* example) {
  if (!options.operation.empty() || options.all)
    throw Failure("--operation and --all are for the grants of a HOLDER; write what is revoked, as agwctl revoke " +
                      options.holder + " " + example,
                  exit_usage);
  if (options.ids.empty())
    throw Failure(
        std::string("what is to be revoked? Write for example agwctl revoke ") + options.holder + " " + example,
        exit_usage);
}

void expect_no_time(const RevokeOptions& options) {
  if (!options.duration.empty())
    throw Failure(
        "--for is for jti and sid, which need to be remembered for as long as a token can live; everything "
        "else holds until it is lifted",
        exit_usage);
}

int change_fields(const RevokeOptions& options,
                  const std::function<std::optional<Change>(TenantChange&, const std::string&)>& one,
                  std::ostream& out) {
  const Plan plan = [&](TenantChange& change) {
    std::vector<Change> changes;
    for (const std::string& value : options.ids)
      if (auto made = one(change, value)) changes.push_back(*std::move(made));
    return changes;
  };
  return change_tenant(options.change.write, options.change.tenant, options.change.if_version, plan, out);
}

/// Tokens and sessions: a key each, which counts by being there.
int revoke_tokens(const RevokeOptions& options, std::ostream& out) {
  expect_values(options, "company|8f2c…");
  for (const auto& value : options.ids) expect_id("VALUE", value);
  std::optional<Milliseconds> lasts;
  if (!options.duration.empty()) lasts = duration_of("--for", options.duration);
  return change_fields(
      options,
      [&](TenantChange& change, const std::string& value) -> std::optional<Change> {
        Change made;
        made.name = "revoked:" + options.holder + ":" + value;
        const bool there = change.exists(made.name);
        // What is revoked already is so for as long as is said now.
        if (options.lift && !there) return std::nullopt;
        made.created = !there;
        made.deleted = options.lift;
        if (!options.lift) made.text = options.change.write.reason;
        made.lasts = lasts;
        return made;
      },
      out);
}

/// `user`, `agent`, `client`: by their ids.
int revoke_ids(const RevokeOptions& options, std::ostream& out) {
  expect_values(options, "company|mira");
  expect_no_time(options);
  for (const auto& value : options.ids) expect_id("VALUE", value);
  return change_fields(
      options,
      [&](TenantChange& change, const std::string& value) {
        return set_field(change, options.holder + ":" + value, revoked_field, yes, options.lift);
      },
      out);
}

std::optional<Change> change_tier(TenantChange& change, const std::string& tier, std::string_view field,
                                  const std::string& value, bool lift) {
  // A typo would be a tier that nobody has, and then one without a ceiling.
  if (change.read("tier:" + tier).empty())
    throw Failure("tenant " + change.tenant() + ": the tier \"" + tier + "\" is not defined");
  return set_field(change, "tier:" + tier, field, value, lift);
}

int revoke_tiers(const RevokeOptions& options, std::ostream& out) {
  expect_values(options, "developer");
  expect_no_time(options);
  for (const auto& value : options.ids)
    if (value.empty() || !is_encoded_part(value))
      throw Failure("VALUE: \"" + value + "\" must be a tier's name", exit_usage);
  return change_fields(
      options,
      [&](TenantChange& change, const std::string& value) {
        return change_tier(change, value, revoked_field, yes, options.lift);
      },
      out);
}

int revoke_keys(const RevokeOptions& options, std::ostream& out) {
  expect_values(options, "company|2026-10");
  expect_no_time(options);
  for (const auto& value : options.ids) expect_id("VALUE", value);
  return change_fields(
      options,
      [&](TenantChange& change, const std::string& value) {
        const std::size_t bar = value.find('|');
        const std::string field = std::string(grants::revoked_key_prefix) + value.substr(bar + 1);
        return set_field(change, "issuer:" + value.substr(0, bar), field, yes, options.lift);
      },
      out);
}

int revoke_tenants(const RevokeOptions& options, std::ostream& out) {
  expect_values(options, "acme");
  expect_no_time(options);
  for (const auto& tenant : options.ids) expect_tenant(tenant);
  const Plan plan = [&](TenantChange& change) {
    std::vector<Change> changes;
    if (auto made = set_field(change, "tenant", revoked_field, yes, options.lift)) changes.push_back(*std::move(made));
    return changes;
  };
  return change_tenants(
      options.change.write, [&](StoreConnections&) { return options.ids; }, options.change.if_version, plan, out);
}

/// Whose tokens, of those that are issued before some moment.
struct Whose {
  std::string name;  ///< of the record
  std::string tier;  ///< it must be defined; empty: it is none
};

Whose whose(const std::string& text) {
  const std::size_t colon = text.find(':');
  const std::string kind = text.substr(0, colon);
  const std::string rest = colon == std::string::npos ? "" : text.substr(colon + 1);
  const bool person = kind == "user" || kind == "agent" || kind == "client";
  if (person && is_principal_id(rest)) return {text, ""};
  if ((kind == "tier" || kind == "issuer") && !rest.empty() && is_encoded_part(rest))
    return {text, kind == "tier" ? rest : ""};
  throw Failure("VALUE: \"" + text +
                    "\" must be user:ISSUER|NAME, agent:ISSUER|CLIENT, client:ISSUER|CLIENT, tier:NAME or issuer:NAME; "
                    "leave it out for all of the tenant",
                exit_usage);
}

/// A moment that is later than another that counts already replaces it; an earlier one says nothing new.
std::optional<Change> raise_time(TenantChange& change, const std::string& name, std::string_view field,
                                 const WallTime& time, bool lift) {
  const auto known = parse_rfc3339(text_of(change.read(name), field));
  if (!lift && known && *known >= time) return std::nullopt;
  return set_field(change, name, field, format_rfc3339(time), lift);
}

int revoke_issued_before(const RevokeOptions& options, std::ostream& out) {
  expect_values(options, "now user:company|mira");
  expect_no_time(options);
  const std::string& when = options.ids.front();
  const WallTime time = when == "now" ? now() : time_of("VALUE", when);
  if (time > now())
    throw Failure("VALUE: what is issued in the future isn't known yet; write now, or earlier", exit_usage);
  std::vector<Whose> all;
  for (std::size_t i = 1; i < options.ids.size(); ++i) all.push_back(whose(options.ids[i]));
  if (options.all_tenants && !all.empty())
    throw Failure("--all-tenants is for everything that was issued; name nobody beside it", exit_usage);
  const std::string_view field = options.all_tenants ? grants::revoked_all_field : revoked_before_field;
  const Plan plan = [&](TenantChange& change) {
    std::vector<Change> changes;
    const auto add = [&](std::optional<Change> made) {
      if (made) changes.push_back(*std::move(made));
    };
    if (all.empty()) add(raise_time(change, "tenant", field, time, options.lift));
    for (const Whose& one : all) {
      if (!one.tier.empty() && change.read(one.name).empty())
        throw Failure("tenant " + change.tenant() + ": the tier \"" + one.tier + "\" is not defined");
      add(raise_time(change, one.name, field, time, options.lift));
    }
    return changes;
  };
  if (options.all_tenants) return change_all_tenants(options.change.write, plan, out);
  return change_tenant(options.change.write, options.change.tenant, options.change.if_version, plan, out);
}

using Revoker = int (*)(const RevokeOptions&, std::ostream&);

const std::map<std::string, Revoker, std::less<>>& revokers() {
  static const std::map<std::string, Revoker, std::less<>> all{
      {"jti", revoke_tokens}, {"sid", revoke_tokens},     {"user", revoke_ids},
      {"agent", revoke_ids},  {"client", revoke_ids},     {"key", revoke_keys},
      {"tier", revoke_tiers}, {"tenant", revoke_tenants}, {"issued-before", revoke_issued_before}};
  return all;
}

}  // namespace

int revoke(const RevokeOptions& options, std::ostream& out) {
  const auto found = revokers().find(options.holder);
  if (options.all_tenants && options.holder != "issued-before")
    throw Failure("--all-tenants is for issued-before", exit_usage);
  if (found != revokers().end()) return found->second(options, out);
  if (options.lift)
    throw Failure("--lift is for what isn't a grant; a grant that was revoked is given again with agwctl grant",
                  exit_usage);
  expect_no_time(options);
  return revoke_grants(options, out);
}

int kill_switch(const KillOptions& options, std::ostream& out) {
  const bool all = options.tenant.empty();
  const std::string_view field = all ? grants::stop_all_field : grants::stop_field;
  const Plan plan = [&](TenantChange& change) {
    std::vector<Change> changes;
    if (auto made = set_field(change, "tenant", field, yes, options.lift)) changes.push_back(*std::move(made));
    return changes;
  };
  if (all) return change_all_tenants(options.write, plan, out);
  return change_tenant(options.write, options.tenant, std::nullopt, plan, out);
}

std::vector<std::pair<std::string, std::string>> held_everywhere(StoreConnections& stores, const std::string& but) {
  std::map<std::string, std::string> out;
  for (const std::string& tenant : stores.tenants()) {
    if (tenant == but) continue;
    const std::string key = grants::policy_key(tenant, "tenant");
    const auto replies = stores.of(tenant).ask({{"HGETALL", key}});
    const auto fields = grants::read_fields(key, replies.front());
    if (!fields) throw Failure(fields.error().detail);
    if (fields->contains(grants::stop_all_field)) out[std::string(grants::stop_all_field)] = yes;
    if (const std::string time = text_of(*fields, grants::revoked_all_field); !time.empty()) {
      std::string& latest = out[std::string(grants::revoked_all_field)];
      const auto known = parse_rfc3339(latest);
      const auto other = parse_rfc3339(time);
      if (!known || (other && *known < *other)) latest = time;
    }
  }
  return {out.begin(), out.end()};
}

}  // namespace agw::agwctl
