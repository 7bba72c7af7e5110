#include "agw/grants/redis_codec.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "agw/base/encoding.h"
#include "agw/json/tree.h"
#include "agw/model/pattern.h"

#include "codec_error.h"
#include "grant_json.h"
#include "limit_json.h"

namespace agw::grants {
namespace {

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

/// `true` and `1`, `false` and `0`: both are what people write into a hash.
Decoded<bool> read_flag(std::string_view key, const Fields& fields, std::string_view name) {
  const std::string_view text = field_of(fields, name);
  if (text == "true" || text == "1") return true;
  if (text == "false" || text == "0" || !fields.contains(name)) return false;
  return wrong(key, name, "is neither true nor false");
}

/// What was pulled by hand and what the policy says: the stricter of both.
Decoded<Status> read_standing(std::string_view key, const Fields& fields, bool may_be_quarantined) {
  const auto status = read_status(key, fields, may_be_quarantined);
  if (!status) return status;
  const auto revoked = read_flag(key, fields, revoked_field);
  if (!revoked) return fail(revoked.error());
  return *revoked ? Status::disabled : *status;
}

Decoded<std::optional<WallTime>> read_not_before(std::string_view key, const Fields& fields) {
  std::optional<WallTime> out;
  for (const std::string_view name : {std::string_view("not_before"), revoked_before_field, revoked_all_field}) {
    const auto time = read_time(key, fields, name);
    if (!time) return time;
    if (*time && (!out || *out < **time)) out = **time;
  }
  return out;
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

}  // namespace

bool is_pulled_by_hand(std::string_view name, std::string_view field) noexcept {
  // The fields of other records are names that people choose: a grant may be called `stop`.
  static constexpr std::array<std::string_view, 5> kinds{"user:", "agent:", "tier:", "client:", "issuer:"};
  if (name != "tenant" && std::none_of(kinds.begin(), kinds.end(), [&](auto kind) { return name.starts_with(kind); }))
    return false;
  return field == stop_field || field == stop_all_field || field == revoked_field || field == revoked_before_field ||
         field == revoked_all_field || field.starts_with(revoked_key_prefix);
}

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
  const auto status = read_standing(key, fields, false);
  if (!status) return fail(status.error());
  out.status = *status;
  for (const std::string_view name : {stop_field, stop_all_field}) {
    const auto stop = read_flag(key, fields, name);
    if (!stop) return fail(stop.error());
    out.stopped = out.stopped || *stop;
  }
  const auto not_before = read_not_before(key, fields);
  if (!not_before) return fail(not_before.error());
  out.not_before = *not_before;
  return out;
}

Decoded<AgentRecord> read_agent_record(std::string_view key, const Fields& fields) {
  AgentRecord out;
  const auto status = read_standing(key, fields, true);
  if (!status) return fail(status.error());
  out.status = *status;
  out.owner = field_of(fields, "owner");
  out.tier = field_of(fields, "tier");
  out.name = field_of(fields, "name");
  auto bundles = read_names(key, fields, "bundles");
  if (!bundles) return fail(bundles.error());
  out.bundles = *std::move(bundles);
  const auto not_before = read_not_before(key, fields);
  if (!not_before) return fail(not_before.error());
  out.not_before = *not_before;
  out.known = !std::all_of(fields.begin(), fields.end(),
                           [](const auto& field) { return is_pulled_by_hand("agent:", field.first); });
  return out;
}

Decoded<UserRecord> read_user_record(std::string_view key, const Fields& fields) {
  UserRecord out;
  const auto status = read_standing(key, fields, false);
  if (!status) return fail(status.error());
  out.status = *status;
  out.name = field_of(fields, "name");
  auto groups = read_list(key, fields, "groups");
  if (!groups) return fail(groups.error());
  out.groups = *std::move(groups);
  for (const auto& group : out.groups)
    if (!group.starts_with("store|") || !is_principal_id(group)) return wrong(key, "groups", "holds a malformed group");
  const auto not_before = read_not_before(key, fields);
  if (!not_before) return fail(not_before.error());
  out.not_before = *not_before;
  return out;
}

Decoded<TierRecord> read_tier_record(std::string_view key, const Fields& fields) {
  TierRecord out;
  const auto status = read_standing(key, fields, false);
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
  const auto not_before = read_not_before(key, fields);
  if (!not_before) return fail(not_before.error());
  out.not_before = *not_before;
  return out;
}

Decoded<ClientRecord> read_client_record(std::string_view key, const Fields& fields) {
  const auto status = read_standing(key, fields, false);
  if (!status) return fail(status.error());
  const auto not_before = read_not_before(key, fields);
  if (!not_before) return fail(not_before.error());
  return ClientRecord{*status, *not_before};
}

Decoded<IssuerRecord> read_issuer_record(std::string_view key, const Fields& fields) {
  IssuerRecord out;
  const auto not_before = read_not_before(key, fields);
  if (!not_before) return fail(not_before.error());
  out.not_before = *not_before;
  auto keys = read_names(key, fields, "revoked_keys");
  if (!keys) return fail(keys.error());
  out.revoked_keys = *std::move(keys);
  for (const auto& [field, value] : fields)
    if (field.starts_with(revoked_key_prefix)) out.revoked_keys.push_back(field.substr(revoked_key_prefix.size()));
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

}  // namespace agw::grants
