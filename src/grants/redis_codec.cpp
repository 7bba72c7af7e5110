#include "agw/grants/redis_codec.h"

#include <algorithm>
#include <charconv>

#include "agw/base/encoding.h"
#include "agw/json/tree.h"
#include "agw/model/pattern.h"

#include "grant_json.h"
#include "limit_json.h"
#include "tier_map.h"

namespace agw::grants {
namespace {

std::unexpected<CodecError> wrong(std::string_view key, std::string_view field, std::string_view what) {
  std::string detail = "key " + std::string(key);
  if (!field.empty()) detail += ", field " + std::string(field);
  return fail(CodecError{detail + ": " + std::string(what)});
}

std::string_view field_of(const Fields& fields, std::string_view name) {
  const auto it = fields.find(name);
  return it == fields.end() ? std::string_view() : std::string_view(it->second);
}

/// A field that holds a JSON list of strings; an absent one is an empty list.
Decoded<std::vector<std::string>> read_list(std::string_view key, const Fields& fields, std::string_view name) {
  const auto it = fields.find(name);
  if (it == fields.end()) return std::vector<std::string>();
  const json::Tree json = json::read_tree(it->second);
  try {
    if (json) return Node(json.get(), "").texts();
  } catch (const Malformed&) {
    return wrong(key, name, "is not a JSON list of strings");
  }
  return wrong(key, name, "is not valid JSON");
}

std::string list_text(const std::vector<std::string>& values) {
  std::string out = "[";
  for (const auto& value : values) out += (out.size() > 1 ? "," : "") + json_quoted(value);
  return out + "]";
}

Decoded<Status> read_status(std::string_view key, const Fields& fields, bool may_be_quarantined) {
  const std::string_view text = field_of(fields, "status");
  if (text == "active" || !fields.contains("status")) return Status::active;
  if (text == "disabled") return Status::disabled;
  if (text == "quarantined" && may_be_quarantined) return Status::quarantined;
  return wrong(key, "status", "is not a known status");
}

Decoded<std::optional<WallTime>> read_time(std::string_view key, const Fields& fields, std::string_view name) {
  const std::string_view text = field_of(fields, name);
  if (text.empty()) return std::optional<WallTime>();
  const auto time = parse_rfc3339(text);
  if (!time) return wrong(key, name, "is not a time");
  return time;
}

Decoded<std::vector<std::string>> read_names(std::string_view key, const Fields& fields, std::string_view name) {
  auto out = read_list(key, fields, name);
  if (!out) return out;
  for (const auto& item : *out)
    if (item.empty() || !is_encoded_part(item)) return wrong(key, name, "holds a malformed name");
  return out;
}

void put(Fields& fields, std::string_view name, std::string_view value) {
  if (!value.empty()) fields.emplace(name, value);
}

/// `true` and `1`, `false` and `0`: both are what people write into a hash.
Decoded<bool> read_flag(std::string_view key, const Fields& fields, std::string_view name) {
  const std::string_view text = field_of(fields, name);
  if (text == "true" || text == "1") return true;
  if (text == "false" || text == "0" || !fields.contains(name)) return false;
  return wrong(key, name, "is neither true nor false");
}

/// A field that holds a JSON list of limits; an absent one holds none.
Decoded<void> read_limit_list(std::string_view key, const Fields& fields, std::string_view name, std::string_view place,
                              std::string_view before, std::vector<Limit>& out) {
  const auto it = fields.find(name);
  if (it == fields.end()) return {};
  const json::Tree json = json::read_tree(it->second);
  if (!json) return wrong(key, name, "is not valid JSON");
  try {
    read_limits(Node(json.get(), ""), place, before, out);
  } catch (const Malformed& malformed) {
    // Its message quotes what was written.
    return wrong(key, name, malformed.error.path + " is no limit, or one too many of its kind, in a list of texts");
  }
  return {};
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

}  // namespace

std::string policy_key(std::string_view tenant, std::string_view rest) {
  return "agw:p:{" + std::string(tenant) + "}:" + std::string(rest);
}

std::string volatile_key(std::string_view tenant, std::string_view rest) {
  return "agw:v:{" + std::string(tenant) + "}:" + std::string(rest);
}

Decoded<Fields> read_fields(std::string_view key, const RedisReply& reply) {
  Fields out;
  if (reply.type == RedisReply::Type::nil) return out;
  if (reply.type == RedisReply::Type::error)
    return wrong(key, "", reply.text.starts_with("WRONGTYPE") ? "is not a hash" : "can't be read");
  if (reply.type != RedisReply::Type::array || reply.elements.size() % 2 != 0) return wrong(key, "", "is not a hash");
  for (std::size_t i = 0; i < reply.elements.size(); i += 2) {
    if (reply.elements[i].type != RedisReply::Type::text || reply.elements[i + 1].type != RedisReply::Type::text)
      return wrong(key, "", "is not a hash of strings");
    out.emplace(reply.elements[i].text, reply.elements[i + 1].text);
  }
  return out;
}

Decoded<std::optional<Meta>> read_meta(std::string_view key, const Fields& fields) {
  if (fields.empty()) return std::optional<Meta>();
  if (field_of(fields, "schema") != "1") return wrong(key, "schema", "is not 1");
  Meta out;
  out.incarnation = field_of(fields, "incarnation");
  out.born = field_of(fields, "born");
  const std::string_view version = field_of(fields, "version");
  const auto [end, error] = std::from_chars(version.data(), version.data() + version.size(), out.version);
  if (version.empty() || error != std::errc() || end != version.data() + version.size())
    return wrong(key, "version", "is not a number");
  if (out.incarnation.empty()) return wrong(key, "incarnation", "is missing");
  if (const std::string_view text = field_of(fields, "confirmed"); !text.empty()) {
    const auto [rest, bad] = std::from_chars(text.data(), text.data() + text.size(), out.confirmed);
    if (bad != std::errc() || rest != text.data() + text.size()) return wrong(key, "confirmed", "is not a number");
  }
  std::uint64_t born = 0;
  const auto [stop, problem] = std::from_chars(out.born.data(), out.born.data() + out.born.size(), born);
  if (out.born.empty() || problem != std::errc() || stop != out.born.data() + out.born.size())
    return wrong(key, "born", "is not a number of seconds since 1970");
  return std::optional<Meta>(std::move(out));
}

Decoded<TenantRecord> read_tenant_record(std::string_view key, const Fields& fields) {
  TenantRecord out;
  const auto status = read_status(key, fields, false);
  if (!status) return fail(status.error());
  // `stop` halts a tenant without touching its status.
  const auto stop = read_flag(key, fields, "stop");
  if (!stop) return fail(stop.error());
  out.status = *stop ? Status::disabled : *status;
  const auto not_before = read_time(key, fields, "not_before");
  if (!not_before) return fail(not_before.error());
  out.not_before = *not_before;
  return out;
}

Decoded<AgentRecord> read_agent_record(std::string_view key, const Fields& fields) {
  AgentRecord out;
  const auto status = read_status(key, fields, true);
  if (!status) return fail(status.error());
  out.status = *status;
  out.owner = field_of(fields, "owner");
  out.tier = field_of(fields, "tier");
  out.name = field_of(fields, "name");
  auto bundles = read_names(key, fields, "bundles");
  if (!bundles) return fail(bundles.error());
  out.bundles = *std::move(bundles);
  const auto not_before = read_time(key, fields, "not_before");
  if (!not_before) return fail(not_before.error());
  out.not_before = *not_before;
  return out;
}

Decoded<UserRecord> read_user_record(std::string_view key, const Fields& fields) {
  UserRecord out;
  const auto status = read_status(key, fields, false);
  if (!status) return fail(status.error());
  out.status = *status;
  out.name = field_of(fields, "name");
  auto groups = read_list(key, fields, "groups");
  if (!groups) return fail(groups.error());
  out.groups = *std::move(groups);
  for (const auto& group : out.groups)
    if (!group.starts_with("store|") || !is_principal_id(group)) return wrong(key, "groups", "holds a malformed group");
  const auto not_before = read_time(key, fields, "not_before");
  if (!not_before) return fail(not_before.error());
  out.not_before = *not_before;
  return out;
}

Decoded<TierRecord> read_tier_record(std::string_view key, const Fields& fields) {
  TierRecord out;
  const auto status = read_status(key, fields, false);
  if (!status) return fail(status.error());
  out.status = *status;
  if (fields.contains("ceiling")) {
    auto ceiling = read_list(key, fields, "ceiling");
    if (!ceiling) return fail(ceiling.error());
    out.ceiling = *std::move(ceiling);
    for (const auto& pattern : *out.ceiling)
      if (!is_pattern(pattern)) return wrong(key, "ceiling", "holds a malformed pattern");
  }
  auto bundles = read_names(key, fields, "bundles");
  if (!bundles) return fail(bundles.error());
  out.bundles = *std::move(bundles);
  const auto not_before = read_time(key, fields, "not_before");
  if (!not_before) return fail(not_before.error());
  out.not_before = *not_before;
  return out;
}

Decoded<DelegationRecord> read_delegation_record(std::string_view key, const Fields& fields) {
  DelegationRecord out;
  const std::string_view status = field_of(fields, "status");
  if (fields.contains("status") && status != "active" && status != "disconnected")
    return wrong(key, "status", "is not a known status");
  out.status = status != "disconnected" ? DelegationStatus::active : DelegationStatus::disconnected;
  const auto since = read_time(key, fields, "since");
  if (!since) return fail(since.error());
  out.since = *since;
  return out;
}

Decoded<BreakerRecord> read_breaker_record(std::string_view key, const Fields& fields) {
  BreakerRecord out;
  const std::string_view state = field_of(fields, "state");
  if (state != "open" && state != "closed") return wrong(key, "state", "is neither open nor closed");
  out.state = state == "open" ? BreakerRecordState::open : BreakerRecordState::closed;
  const auto since = read_time(key, fields, "since");
  if (!since) return fail(since.error());
  out.since = *since;
  const auto until = read_time(key, fields, "until");
  if (!until) return fail(until.error());
  out.until = *until;
  return out;
}

Decoded<OperationRecord> read_operation_record(std::string_view key, const Fields& fields) {
  OperationRecord out;
  out.owner = field_of(fields, "owner");
  out.classification = field_of(fields, "class");
  const auto frozen = read_flag(key, fields, "frozen");
  if (!frozen) return fail(frozen.error());
  out.frozen = *frozen;
  if (!fields.contains("windows")) return out;
  const auto windows = read_list(key, fields, "windows");
  if (!windows) return fail(windows.error());
  // An empty list, like one that can't be read, must not open what somebody meant to shut.
  if (windows->empty()) return wrong(key, "windows", "is empty");
  for (const auto& text : *windows) {
    auto window = Window::parse(text);
    if (!window) return wrong(key, "windows", "holds a window that can't be read");
    out.windows.push_back(*std::move(window));
  }
  return out;
}

Decoded<BundleRecord> read_bundle_record(std::string_view key, const Fields& fields) {
  BundleRecord out;
  out.version = field_of(fields, "version");
  out.parent = field_of(fields, "parent");
  if (!out.parent.empty() && !is_encoded_part(out.parent)) return wrong(key, "parent", "holds a malformed name");
  if (const auto when = fields.find("when"); when != fields.end()) {
    auto condition = Condition::compile(when->second);
    if (!condition) return wrong(key, "when", "is no condition that can be read");
    out.when = *std::move(condition);
  }
  const std::string place = bundle_place(key.substr(key.rfind(':') + 1));
  if (auto read = read_limit_list(key, fields, "limits", place, "", out.limits); !read) return fail(read.error());
  return out;
}

Decoded<std::vector<Limit>> read_limits_record(std::string_view key, const Fields& fields) {
  std::vector<Limit> out;
  for (const auto& [subject, list] : fields) {
    if (subject.find(' ') != std::string::npos) return wrong(key, subject, "is not whose calls count, as agent+tool");
    if (auto read = read_limit_list(key, fields, subject, tenant_place, subject + " ", out); !read)
      return fail(read.error());
  }
  return out;
}

Decoded<MemberMap> read_members_record(std::string_view key, const Fields& fields) {
  MemberMap out;
  constexpr std::string_view kind = "group:";
  for (const auto& [group, list] : fields) {
    if (!group.starts_with(kind) || !is_principal_id(group.substr(kind.size())))
      return wrong(key, group, "is not a group, as group:company|support");
    auto names = read_names(key, fields, group);
    if (!names) return fail(names.error());
    out.emplace(group, *std::move(names));
  }
  return out;
}

Decoded<std::vector<Grant>> read_grants(std::string_view key, const Fields& fields, bool entitlements) {
  std::vector<Grant> out;
  out.reserve(fields.size());
  for (const auto& [id, text] : fields) {
    const json::Tree json = json::read_tree(text);
    if (!json) return wrong(key, id, "is not valid JSON");
    try {
      const Node node(json.get(), "");
      node.expect_object(
          {"operation", "effect", "resource", "for", "when", "since", "until", "by", "reason", "ticket"});
      Grant grant = read_grant(node, entitlements ? GrantKind::entitlement : GrantKind::grant);
      grant.id = id;
      out.push_back(std::move(grant));
    } catch (const Malformed& malformed) {
      // What is wrong with a condition is told in its words, which have no place in a log.
      if (malformed.error.path == "when") return wrong(key, id, "when is no condition that can be read");
      return wrong(key, id, malformed.error.path + " " + malformed.error.message);
    }
  }
  return out;
}

std::string tier_field(const std::optional<std::string>& provider, const std::optional<std::string>& model) {
  return (provider ? encode_part(*provider) : "*") + "|" + (model ? encode_part(*model) : "*");
}

namespace {

std::map<std::string, std::vector<std::string>> bundles_by_group(const TenantPolicy& policy) {
  std::map<std::string, std::vector<std::string>> out;
  for (const auto& [name, bundle] : policy.bundles)
    for (const auto& group : bundle.members) out[group].push_back(name);
  return out;
}

}  // namespace

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
  for (const auto& [name, fields] : keys) {
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
      // A stop is pulled by hand, beside the policy: it must not become part of it.
      Fields lasting = fields;
      lasting.erase("stop");
      take(read_tenant_record(name, lasting), [&](TenantRecord record) { out.tenant = record; });
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
