// A policy as canonical JSON: sorted, one record a line.
#include <optional>
#include <utility>

#include "agw/base/encoding.h"
#include "agw/grants/policy_file.h"

#include "grant_json.h"
#include "limit_json.h"

namespace agw::grants {
namespace {

/// An object or list whose entries stand on lines of their own.
class Block {
 public:
  Block(std::string& out, std::string_view indent, char open, char close) : out_(out), indent_(indent), close_(close) {
    out_ += open;
  }
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;
  ~Block() {
    if (!first_) {
      out_ += '\n';
      out_ += indent_;
    }
    out_ += close_;
  }
  std::string& entry(std::string_view key = {}) {
    if (!std::exchange(first_, false)) out_ += ',';
    out_ += '\n';
    out_ += indent_;
    out_ += "  ";
    if (!key.empty()) out_ += json_quoted(key) + ": ";
    return out_;
  }

 private:
  std::string& out_;
  std::string indent_;
  char close_;
  bool first_ = true;
};

std::string list_text(const std::vector<std::string>& values) {
  std::string json = "[";
  for (std::size_t i = 0; i < values.size(); ++i) json += (i > 0 ? ", " : "") + json_quoted(values[i]);
  return json + "]";
}

/// Members of one record, on one line.
class Line {
 public:
  explicit Line(std::string& out) : out_(out) { out_ += '{'; }
  Line(const Line&) = delete;
  Line& operator=(const Line&) = delete;
  ~Line() { out_ += '}'; }
  void text(std::string_view key, std::string_view value) {
    if (!value.empty()) raw(key, json_quoted(value));
  }
  void time(std::string_view key, const std::optional<WallTime>& value) {
    if (value) text(key, format_rfc3339(*value));
  }
  void status(Status value) {
    if (value != Status::active) text("status", to_string(value));
  }
  void list(std::string_view key, const std::vector<std::string>& values) { raw(key, list_text(values)); }
  void raw(std::string_view key, std::string_view json) {
    if (!std::exchange(first_, false)) out_ += ", ";
    out_ += json_quoted(key) + ": ";
    out_ += json;
  }
  void members(std::string_view json) {
    if (json.empty()) return;
    if (!std::exchange(first_, false)) out_ += ", ";
    out_ += json;
  }

 private:
  std::string& out_;
  bool first_ = true;
};

/// Whether the text is an integer in JSON's form, as versions usually are.
bool is_number(std::string_view text) {
  if (text.empty() || text.size() > 15 || (text.front() == '0' && text.size() > 1)) return false;
  return text.find_first_not_of("0123456789") == std::string_view::npos;
}

void write_grant(std::string& out, const Grant& grant, std::string_view holder) {
  Line line(out);
  line.text("id", grant.id);
  line.text("to", holder);
  std::string members;
  append_grant_members(members, grant, " ");
  line.members(members);
}

void write_holders(Block& tenant, std::string_view key, const std::map<std::string, std::vector<Grant>>& holders) {
  if (holders.empty()) return;
  Block list(tenant.entry(key), "      ", '[', ']');
  for (const auto& [holder, grants] : holders)
    for (const Grant& grant : grants) write_grant(list.entry(), grant, holder);
}

void write_tiers(Block& tenant, const TenantPolicy& policy) {
  if (policy.tiers.empty() && policy.tier_map.empty() && policy.fallback_tier.empty()) return;
  Block tiers(tenant.entry("tiers"), "      ", '{', '}');
  if (!policy.fallback_tier.empty()) tiers.entry("*") += json_quoted(policy.fallback_tier);
  if (!policy.tier_map.empty()) {
    Block map(tiers.entry("map"), "        ", '[', ']');
    for (const TierRule& rule : policy.tier_map) {
      Line line(map.entry());
      if (rule.provider) line.raw("provider", json_quoted(*rule.provider));
      if (rule.model) line.raw("model", json_quoted(*rule.model));
      line.text("tier", rule.tier);
    }
  }
  for (const auto& [name, tier] : policy.tiers) {
    Line line(tiers.entry(name));
    line.status(tier.status);
    line.time("not_before", tier.not_before);
    if (tier.ceiling) line.list("ceiling", *tier.ceiling);
    if (!tier.bundles.empty()) line.list("bundles", tier.bundles);
  }
}

template <class Map, class Write>
void write_records(Block& tenant, std::string_view key, const Map& records, Write&& write) {
  if (records.empty()) return;
  Block block(tenant.entry(key), "      ", '{', '}');
  for (const auto& [id, record] : records) {
    Line line(block.entry(id));
    write(line, record);
  }
}

void write_revocations(Block& tenant, const TenantPolicy& policy) {
  write_records(tenant, "clients", policy.clients, [](Line& line, const ClientRecord& client) {
    line.status(client.status);
    line.time("not_before", client.not_before);
  });
  write_records(tenant, "issuers", policy.issuers, [](Line& line, const IssuerRecord& issuer) {
    line.time("not_before", issuer.not_before);
    if (!issuer.revoked_keys.empty()) line.list("revoked_keys", issuer.revoked_keys);
  });
  if (policy.revoked.empty()) return;
  Line line(tenant.entry("revoked"));
  for (const std::string_view kind : {"jti", "sid"}) {
    std::vector<std::string> values;
    for (const auto& each : policy.revoked)
      if (each.starts_with(kind)) values.push_back(each.substr(kind.size() + 1));
    if (!values.empty()) line.list(kind, values);
  }
}

void write_tenant(std::string& out, const TenantPolicy& policy) {
  Block tenant(out, "    ", '{', '}');
  if (policy.tenant.status != Status::active) tenant.entry("status") += json_quoted(to_string(policy.tenant.status));
  if (policy.tenant.stopped) tenant.entry("stop") += "true";
  if (policy.tenant.not_before) tenant.entry("not_before") += json_quoted(format_rfc3339(*policy.tenant.not_before));
  write_records(tenant, "agents", policy.agents, [](Line& line, const AgentRecord& agent) {
    line.status(agent.status);
    line.text("name", agent.name);
    line.text("owner", agent.owner);
    line.text("tier", agent.tier);
    if (!agent.bundles.empty()) line.list("bundles", agent.bundles);
    line.time("not_before", agent.not_before);
  });
  write_records(tenant, "users", policy.users, [](Line& line, const UserRecord& user) {
    line.status(user.status);
    line.text("name", user.name);
    if (!user.groups.empty()) line.list("groups", user.groups);
    line.time("not_before", user.not_before);
  });
  write_tiers(tenant, policy);
  if (!policy.bundles.empty()) {
    Block bundles(tenant.entry("bundles"), "      ", '{', '}');
    for (const auto& [name, bundle] : policy.bundles) {
      Block block(bundles.entry(name), "        ", '{', '}');
      if (!bundle.version.empty())
        block.entry("version") += is_number(bundle.version) ? bundle.version : json_quoted(bundle.version);
      if (!bundle.parent.empty()) block.entry("parent") += json_quoted(bundle.parent);
      if (!bundle.members.empty()) {
        std::vector<std::string> members;
        members.reserve(bundle.members.size());
        for (const auto& group : bundle.members) members.push_back("group:" + group);
        block.entry("members") += list_text(members);
      }
      if (bundle.when) block.entry("when") += json_quoted(bundle.when->text());
      if (!bundle.limits.empty()) block.entry("limits") += list_text(limit_texts(bundle.limits));
      Block grants(block.entry("grants"), "          ", '[', ']');
      for (const Grant& grant : bundle.grants) write_grant(grants.entry(), grant, "");
    }
  }
  write_holders(tenant, "grants", policy.grants);
  write_holders(tenant, "entitlements", policy.entitlements);
  if (!policy.delegations.empty()) {
    Block list(tenant.entry("delegations"), "      ", '[', ']');
    for (const auto& [pair, record] : policy.delegations) {
      Line line(list.entry());
      line.text("user", pair.first);
      line.text("agent", pair.second);
      line.text("status", record.status == DelegationStatus::active ? "active" : "disconnected");
      line.time("since", record.since);
    }
  }
  write_records(tenant, "breakers", policy.breakers, [](Line& line, const BreakerRecord& breaker) {
    line.text("state", breaker.state == BreakerRecordState::open ? "open" : "closed");
    line.time("since", breaker.since);
    line.time("until", breaker.until);
  });
  write_records(tenant, "operations", policy.operations, [](Line& line, const OperationRecord& operation) {
    line.text("owner", operation.owner);
    line.text("class", operation.classification);
    if (operation.frozen) line.raw("frozen", "true");
    std::vector<std::string> windows;
    windows.reserve(operation.windows.size());
    for (const Window& window : operation.windows) windows.push_back(window.text());
    if (!windows.empty()) line.list("windows", windows);
  });
  if (!policy.limits.empty()) tenant.entry("limits") += list_text(limit_texts(policy.limits));
  write_revocations(tenant, policy);
}

}  // namespace

std::string write_policy(const Policy& policy) {
  std::string out;
  {
    Block root(out, "", '{', '}');
    root.entry("schema") += "1";
    Block tenants(root.entry("tenants"), "  ", '{', '}');
    for (const auto& [name, tenant] : policy.tenants) write_tenant(tenants.entry(name), tenant);
  }
  return out + "\n";
}

}  // namespace agw::grants
