// A tenant's whole policy: from what a file says to what Redis holds, and back.
#include <algorithm>

#include "agw/base/encoding.h"
#include "agw/grants/redis_codec.h"
#include "agw/json/tree.h"

#include "codec_error.h"
#include "grant_json.h"
#include "limit_json.h"
#include "tier_map.h"

namespace agw::grants {
namespace {

std::string list_text(const std::vector<std::string>& values) {
  std::string out = "[";
  for (const auto& value : values) out += (out.size() > 1 ? "," : "") + json_quoted(value);
  return out + "]";
}

void put(Fields& fields, std::string_view name, std::string_view value) {
  if (!value.empty()) fields.emplace(name, value);
}

void put_list(Fields& fields, std::string_view name, const std::vector<std::string>& values) {
  if (!values.empty()) fields.emplace(name, list_text(values));
}

void put_time(Fields& fields, std::string_view name, const std::optional<WallTime>& value) {
  if (value) fields.emplace(name, format_rfc3339(*value));
}

Fields encode_grants(const std::vector<Grant>& grants) {
  Fields out;
  for (const Grant& grant : grants) {
    std::string json = "{";
    append_grant_members(json, grant, "");
    out.emplace(grant.id, json + "}");
  }
  return out;
}

std::optional<std::string> decode_tier_part(std::string_view part) {
  if (part == "*") return std::nullopt;
  return decode_part(part);
}

std::map<std::string, std::vector<std::string>> bundles_by_group(const TenantPolicy& policy) {
  std::map<std::string, std::vector<std::string>> out;
  for (const auto& [name, bundle] : policy.bundles)
    for (const auto& group : bundle.members) out[group].push_back(name);
  return out;
}

}  // namespace

std::string tier_field(const std::optional<std::string>& provider, const std::optional<std::string>& model) {
  return (provider ? encode_part(*provider) : "*") + "|" + (model ? encode_part(*model) : "*");
}

std::map<std::string, Fields> encode_tenant(const TenantPolicy& policy) {
  std::map<std::string, Fields> out;
  Fields& tenant = out["tenant"];
  put(tenant, "status", to_string(policy.tenant.status));
  put_time(tenant, "not_before", policy.tenant.not_before);
  for (const auto& [id, agent] : policy.agents) {
    Fields& fields = out["agent:" + id];
    put(fields, "status", to_string(agent.status));
    put(fields, "owner", agent.owner);
    put(fields, "tier", agent.tier);
    put_list(fields, "bundles", with_parents(policy.bundles, agent.bundles));
    put(fields, "name", agent.name);
    put_time(fields, "not_before", agent.not_before);
  }
  for (const auto& [id, user] : policy.users) {
    Fields& fields = out["user:" + id];
    put(fields, "status", to_string(user.status));
    put(fields, "name", user.name);
    put_list(fields, "groups", user.groups);
    put_time(fields, "not_before", user.not_before);
  }
  for (const auto& [name, tier] : policy.tiers) {
    Fields& fields = out["tier:" + name];
    put(fields, "status", to_string(tier.status));
    if (tier.ceiling) fields.emplace("ceiling", list_text(*tier.ceiling));
    put_list(fields, "bundles", with_parents(policy.bundles, tier.bundles));
    put_time(fields, "not_before", tier.not_before);
  }
  if (!policy.fallback_tier.empty()) out["tiers"].emplace("*", policy.fallback_tier);
  for (const auto& rule : policy.tier_map) out["tiers"].emplace(tier_field(rule.provider, rule.model), rule.tier);
  for (const auto& [name, bundle] : policy.bundles) {
    out["bundle:" + name].emplace("version", bundle.version.empty() ? "1" : bundle.version);
    put(out["bundle:" + name], "parent", bundle.parent);
    if (bundle.when) put(out["bundle:" + name], "when", bundle.when->text());
    put_list(out["bundle:" + name], "limits", limit_texts(bundle.limits));
    if (!bundle.grants.empty()) out["grants:bundle:" + name] = encode_grants(bundle.grants);
  }
  for (const auto& [group, bundles] : bundles_by_group(policy))
    put_list(out["members"], "group:" + group, with_parents(policy.bundles, bundles));
  std::map<std::string, std::vector<std::string>> by_subject;
  for (const Limit& limit : policy.limits) {
    auto [subject, rest] = split_limit(limit);
    by_subject[std::move(subject)].push_back(std::move(rest));
  }
  for (const auto& [subject, limits] : by_subject) put_list(out["limits"], subject, limits);
  for (const auto& [holder, grants] : policy.grants) out["grants:" + holder] = encode_grants(grants);
  for (const auto& [holder, grants] : policy.entitlements) out["entitlements:" + holder] = encode_grants(grants);
  for (const auto& [pair, record] : policy.delegations) {
    Fields& fields = out["delegation:" + pair.first + ":" + pair.second];
    put(fields, "status", record.status == DelegationStatus::active ? "active" : "disconnected");
    put_time(fields, "since", record.since);
  }
  for (const auto& [agent, record] : policy.breakers) {
    Fields& fields = out["breaker:" + agent];
    put(fields, "state", record.state == BreakerRecordState::open ? "open" : "closed");
    put_time(fields, "since", record.since);
    put_time(fields, "until", record.until);
  }
  for (const auto& [id, client] : policy.clients) {
    Fields& fields = out["client:" + id];
    put(fields, "status", to_string(client.status));
    put_time(fields, "not_before", client.not_before);
  }
  for (const auto& [alias, issuer] : policy.issuers) {
    Fields& fields = out["issuer:" + alias];
    put_time(fields, "not_before", issuer.not_before);
    put_list(fields, "revoked_keys", issuer.revoked_keys);
  }
  for (const auto& [name, operation] : policy.operations) {
    Fields& fields = out["operation:" + name];
    put(fields, "owner", operation.owner);
    put(fields, "class", operation.classification);
    fields.emplace("frozen", operation.frozen ? "true" : "false");
    std::vector<std::string> windows;
    windows.reserve(operation.windows.size());
    for (const Window& window : operation.windows) windows.push_back(window.text());
    put_list(fields, "windows", windows);
  }
  return out;
}

namespace {

/// From all that a call reads to what a policy file names.
Decoded<void> reduce_bundles(const std::string& key, const TenantPolicy& tenant, std::vector<std::string>& bundles) {
  if (const auto orphan = orphan_among(tenant.bundles, bundles); !orphan.empty())
    return wrong(key, "bundles", "names " + orphan + " without its parent, whose denials calls don't see");
  bundles = without_parents(tenant.bundles, bundles);
  return {};
}

/// From what is said of groups to what a policy file says of bundles.
Decoded<void> reduce_members(const MemberMap& members, TenantPolicy& tenant) {
  for (const auto& [group, bundles] : members) {
    for (const auto& name : bundles)
      if (!tenant.bundles.contains(name)) return wrong("members", group, "names " + name + ", which is no bundle");
    if (const auto orphan = orphan_among(tenant.bundles, bundles); !orphan.empty())
      return wrong("members", group, "names " + orphan + " without its parent, whose denials calls don't see");
    for (const auto& name : without_parents(tenant.bundles, bundles)) {
      auto& own = tenant.bundles.at(name).members;
      const std::string id = group.substr(group.find(':') + 1);
      if (std::find(own.begin(), own.end(), id) == own.end()) own.push_back(id);
    }
  }
  return {};
}

}  // namespace

Decoded<TenantPolicy> decode_tenant(const std::map<std::string, Fields>& keys) {
  TenantPolicy out;
  const auto starts = [](const std::string& name, std::string_view prefix, std::string& rest) {
    if (!name.starts_with(prefix)) return false;
    rest = name.substr(prefix.size());
    return true;
  };
  MemberMap members;
  for (const auto& [name, all] : keys) {
    // What was pulled by hand stands beside the policy: it must not become part of it.
    Fields fields = all;
    std::erase_if(fields, [&](const auto& field) { return is_pulled_by_hand(name, field.first); });
    if (fields.empty() && !all.empty() && name != "tenant") continue;
    std::string rest;
    std::optional<CodecError> error;
    const auto take = [&](auto decoded, auto&& store) {
      if (decoded) {
        store(*std::move(decoded));
      } else {
        error = decoded.error();
      }
    };
    if (name == "tenant") {
      take(read_tenant_record(name, fields), [&](TenantRecord record) { out.tenant = record; });
    } else if (name == "tiers") {
      for (const auto& [field, tier] : fields) {
        const std::size_t bar = field.find('|');
        if (field == "*")
          out.fallback_tier = tier;
        else if (bar != std::string::npos)
          out.tier_map.push_back(
              {decode_tier_part(field.substr(0, bar)), decode_tier_part(field.substr(bar + 1)), tier});
        else
          error = CodecError{"key tiers, field " + field + ": is neither * nor provider|model"};
      }
    } else if (starts(name, "agent:", rest)) {
      take(read_agent_record(name, fields), [&](AgentRecord record) { out.agents.emplace(rest, std::move(record)); });
    } else if (starts(name, "user:", rest)) {
      take(read_user_record(name, fields), [&](UserRecord record) { out.users.emplace(rest, std::move(record)); });
    } else if (starts(name, "tier:", rest)) {
      take(read_tier_record(name, fields), [&](TierRecord record) { out.tiers.emplace(rest, std::move(record)); });
    } else if (starts(name, "bundle:", rest)) {
      take(read_bundle_record(name, fields),
           [&](BundleRecord record) { static_cast<BundleRecord&>(out.bundles[rest]) = std::move(record); });
    } else if (name == "members") {
      take(read_members_record(name, fields), [&](MemberMap read) { members = std::move(read); });
    } else if (name == "limits") {
      take(read_limits_record(name, fields), [&](std::vector<Limit> limits) { out.limits = std::move(limits); });
    } else if (starts(name, "grants:bundle:", rest)) {
      take(read_grants(name, fields, false),
           [&](std::vector<Grant> grants) { out.bundles[rest].grants = std::move(grants); });
    } else if (starts(name, "grants:", rest)) {
      take(read_grants(name, fields, false),
           [&](std::vector<Grant> grants) { out.grants.emplace(rest, std::move(grants)); });
    } else if (starts(name, "entitlements:", rest)) {
      take(read_grants(name, fields, true),
           [&](std::vector<Grant> grants) { out.entitlements.emplace(rest, std::move(grants)); });
    } else if (starts(name, "operation:", rest)) {
      take(read_operation_record(name, fields),
           [&](OperationRecord record) { out.operations.emplace(rest, std::move(record)); });
    } else if (starts(name, "client:", rest)) {
      take(read_client_record(name, fields), [&](ClientRecord record) { out.clients.emplace(rest, record); });
    } else if (starts(name, "issuer:", rest)) {
      take(read_issuer_record(name, fields),
           [&](IssuerRecord record) { out.issuers.emplace(rest, std::move(record)); });
    } else if (starts(name, "breaker:", rest)) {
      take(read_breaker_record(name, fields), [&](BreakerRecord record) { out.breakers.emplace(rest, record); });
    } else if (starts(name, "delegation:", rest)) {
      const std::size_t colon = rest.find(':');
      if (colon == std::string::npos) return wrong(name, "", "is not user:agent");
      take(read_delegation_record(name, fields), [&](DelegationRecord record) {
        out.delegations.emplace(std::pair(rest.substr(0, colon), rest.substr(colon + 1)), record);
      });
    }
    if (error) return fail(*std::move(error));
  }
  order_tier_map(out.tier_map);
  for (const auto& [name, bundle] : out.bundles)
    if (!bundle.parent.empty() && !out.bundles.contains(bundle.parent))
      return wrong("bundle:" + name, "parent", "names " + bundle.parent + ", which is no bundle");
  if (auto done = reduce_members(members, out); !done) return fail(std::move(done.error()));
  for (auto& [id, agent] : out.agents)
    if (auto done = reduce_bundles("agent:" + id, out, agent.bundles); !done) return fail(std::move(done.error()));
  for (auto& [name, tier] : out.tiers)
    if (auto done = reduce_bundles("tier:" + name, out, tier.bundles); !done) return fail(std::move(done.error()));
  return out;
}

}  // namespace agw::grants
