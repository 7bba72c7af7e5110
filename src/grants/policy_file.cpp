// The policy file: JSON to records and back.
#include "agw/grants/policy_file.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agw/base/encoding.h"
#include "agw/json/tree.h"
#include "agw/model/pattern.h"

#include "grant_json.h"
#include "json_reader.h"
#include "limit_json.h"
#include "tier_map.h"

namespace agw::grants {
namespace {

constexpr std::size_t max_file_bytes = 256U << 20;
constexpr std::size_t most_windows = 64;

void expect_id(const Node& node, std::string_view id) {
  if (!is_principal_id(id))
    node.fail_with(
        "\"" + std::string(id) +
        "\" must be ISSUER|NAME, the name percent-encoded outside [A-Za-z0-9._@-]; write for example company|" +
        encode_part(id.substr(id.find('|') + 1)));
}

void expect_name(const Node& node, std::string_view name) {
  if (name.empty() || !is_encoded_part(name))
    node.fail_with("\"" + std::string(name) + "\" must have letters, digits and . _ @ - only");
}

std::vector<std::string> names_of(const Node& node, const char* key) {
  const auto list = node.member(key);
  if (!list) return {};
  list->each_element([](const Node& item) { expect_name(item, item.text()); });
  return list->texts();
}

AgentRecord read_agent(const Node& node) {
  node.expect_object({"status", "name", "owner", "tier", "bundles", "not_before"});
  AgentRecord out;
  out.status = read_status(node, true);
  out.name = node.text_or("name");
  out.owner = node.text_or("owner");
  if (const auto tier = node.member("tier")) {
    out.tier = tier->text();
    expect_name(*tier, out.tier);
  }
  out.bundles = names_of(node, "bundles");
  out.not_before = node.time_if("not_before");
  return out;
}

UserRecord read_user(const Node& node) {
  node.expect_object({"status", "name", "groups", "not_before"});
  UserRecord out;
  out.status = read_status(node, false);
  out.name = node.text_or("name");
  if (const auto groups = node.member("groups"))
    groups->each_element([&](const Node& item) {
      const std::string group = item.text();
      if (!is_principal_id(group) || !group.starts_with("store|"))
        item.fail_with("must be a group of the store, as store|oncall");
      out.groups.push_back(group);
    });
  out.not_before = node.time_if("not_before");
  return out;
}

TierRecord read_tier(const Node& node) {
  node.expect_object({"status", "ceiling", "bundles", "not_before"});
  TierRecord out;
  out.status = read_status(node, false);
  if (const auto ceiling = node.member("ceiling")) {
    ceiling->each_element([](const Node& item) {
      if (!is_pattern(item.text()))
        item.fail_with("must be an operation or a pattern, as tickets/ticket.read or tickets/*");
    });
    out.ceiling = ceiling->texts();
  }
  out.bundles = names_of(node, "bundles");
  out.not_before = node.time_if("not_before");
  return out;
}

void read_tier_map(const Node& node, TenantPolicy& tenant) {
  std::set<std::pair<std::string, std::string>> seen;
  node.each_element([&](const Node& item) {
    item.expect_object({"provider", "model", "tier"});
    TierRule rule;
    if (const auto provider = item.member("provider")) rule.provider = provider->text();
    if (const auto model = item.member("model")) rule.model = model->text();
    rule.tier = item.required("tier").text();
    if (!rule.provider && !rule.model) item.fail_with("needs provider or model; the tier for everybody else is \"*\"");
    if (!seen.emplace(rule.provider.value_or("*"), rule.model.value_or("*")).second) item.fail_with("stands twice");
    tenant.tier_map.push_back(std::move(rule));
  });
  order_tier_map(tenant.tier_map);
}

void read_tiers(const Node& node, TenantPolicy& tenant) {
  node.each_member([&](const std::string& key, const Node& value) {
    if (key == "*") {
      tenant.fallback_tier = value.text();
      expect_name(value, tenant.fallback_tier);
    } else if (key == "map") {
      read_tier_map(value, tenant);
    } else {
      expect_name(value, key);
      tenant.tiers.emplace(key, read_tier(value));
    }
  });
}

std::string read_version(const Node& node) {
  if (node.is_integer()) return std::to_string(node.integer());
  return node.text();
}

void expect_new_id(std::set<std::string>& seen, const Node& node, const std::string& id) {
  if (id.empty()) node.fail_with("must not be empty");
  if (!seen.insert(id).second) node.fail_with("\"" + id + "\" stands twice for the same holder");
}

std::vector<std::string> read_members(const Node& list) {
  std::vector<std::string> out;
  list.each_element([&](const Node& item) {
    const std::string text = item.text();
    constexpr std::string_view kind = "group:";
    if (!text.starts_with(kind) || !is_principal_id(text.substr(kind.size())))
      item.fail_with("must name a group, as group:company|support or group:store|oncall");
    if (std::find(out.begin(), out.end(), text.substr(kind.size())) != out.end()) item.fail_with("stands twice");
    out.push_back(text.substr(kind.size()));
  });
  return out;
}

Bundle read_bundle(const std::string& name, const Node& node) {
  node.expect_object({"version", "parent", "members", "when", "limits", "grants"});
  Bundle out;
  if (const auto members = node.member("members")) out.members = read_members(*members);
  if (const auto when = node.member("when")) out.when = read_condition(*when);
  if (const auto limits = node.member("limits")) read_limits(*limits, bundle_place(name), "", out.limits);
  if (const auto parent = node.member("parent")) {
    out.parent = parent->text();
    expect_name(*parent, out.parent);
  }
  if (const auto version = node.member("version")) out.version = read_version(*version);
  std::set<std::string> seen;
  if (const auto grants = node.member("grants"))
    grants->each_element([&](const Node& item) {
      item.expect_object(
          {"id", "operation", "effect", "resource", "for", "when", "since", "until", "by", "reason", "ticket"});
      Grant grant = read_grant(item, GrantKind::grant);
      grant.id = item.required("id").text();
      expect_new_id(seen, item.required("id"), grant.id);
      out.grants.push_back(std::move(grant));
    });
  return out;
}

std::string read_holder(const Node& node, std::initializer_list<std::string_view> kinds) {
  std::string holder = node.text();
  const std::size_t colon = holder.find(':');
  const std::string kind = holder.substr(0, colon);
  std::string names;
  for (const std::string_view name : kinds) names += (names.empty() ? "" : ", ") + std::string(name) + ":…";
  if (colon == std::string::npos || std::find(kinds.begin(), kinds.end(), kind) == kinds.end())
    node.fail_with("must be one of " + names);
  const std::string rest = holder.substr(colon + 1);
  if (kind == "tier" || kind == "bundle") {
    expect_name(node, rest);
  } else {
    expect_id(node, rest);
  }
  return holder;
}

using Holders = std::map<std::string, std::vector<Grant>>;

void read_holders(const Node& list, GrantKind kind, Holders& out) {
  std::map<std::string, std::set<std::string>> seen;
  list.each_element([&](const Node& item) {
    std::string holder;
    if (kind == GrantKind::grant) {
      item.expect_object(
          {"id", "to", "operation", "effect", "resource", "for", "when", "since", "until", "by", "reason", "ticket"});
      holder = read_holder(item.required("to"), {"agent", "bundle", "tier"});
    } else {
      item.expect_object(
          {"id", "to", "operation", "effect", "resource", "when", "since", "until", "by", "reason", "ticket"});
      holder = read_holder(item.required("to"), {"user", "group"});
    }
    Grant grant = read_grant(item, kind);
    grant.id = item.required("id").text();
    expect_new_id(seen[holder], item.required("id"), grant.id);
    out[holder].push_back(std::move(grant));
  });
}

void read_delegations(const Node& list, TenantPolicy& tenant) {
  list.each_element([&](const Node& item) {
    item.expect_object({"user", "agent", "status", "since"});
    const std::string user = item.required("user").text();
    const std::string agent = item.required("agent").text();
    expect_id(item.required("user"), user);
    expect_id(item.required("agent"), agent);
    const std::string status = item.text_or("status", "active");
    if (status != "active" && status != "disconnected")
      item.required("status").fail_with("must be active or disconnected");
    DelegationRecord record;
    record.status = status == "active" ? DelegationStatus::active : DelegationStatus::disconnected;
    record.since = item.time_if("since");
    if (!tenant.delegations.emplace(std::pair(user, agent), record).second) item.fail_with("stands twice");
  });
}

std::vector<Window> read_windows(const Node& list) {
  std::vector<Window> out;
  list.each_element([&](const Node& item) {
    auto window = Window::parse(item.text());
    if (!window) item.fail_with(window.error());
    out.push_back(*std::move(window));
  });
  if (out.empty()) list.fail_with("is empty; leave it out for any time, or write \"frozen\": true for none");
  if (out.size() > most_windows) list.fail_with("has more than 64 windows; write fewer");
  return out;
}

void read_breakers(const Node& node, TenantPolicy& tenant) {
  node.each_member([&](const std::string& id, const Node& value) {
    expect_id(value, id);
    value.expect_object({"state", "since", "until"});
    const Node state = value.required("state");
    if (state.text() != "open" && state.text() != "closed") state.fail_with("must be open or closed");
    BreakerRecord record;
    record.state = state.text() == "open" ? BreakerRecordState::open : BreakerRecordState::closed;
    record.since = value.time_if("since");
    record.until = value.time_if("until");
    tenant.breakers.emplace(id, record);
  });
}

void read_clients(const Node& node, TenantPolicy& tenant) {
  node.each_member([&](const std::string& id, const Node& value) {
    expect_id(value, id);
    value.expect_object({"status", "not_before"});
    tenant.clients.emplace(id, ClientRecord{read_status(value, false), value.time_if("not_before")});
  });
}

void read_issuers(const Node& node, TenantPolicy& tenant) {
  node.each_member([&](const std::string& alias, const Node& value) {
    expect_name(value, alias);
    value.expect_object({"not_before", "revoked_keys"});
    tenant.issuers.emplace(alias, IssuerRecord{value.time_if("not_before"), names_of(value, "revoked_keys")});
  });
}

/// Tokens and sessions, each under its kind.
void read_revoked(const Node& node, TenantPolicy& tenant) {
  node.expect_object({"jti", "sid"});
  for (const char* const kind : {"jti", "sid"}) {
    const auto list = node.member(kind);
    if (!list) continue;
    list->each_element([&](const Node& item) {
      expect_id(item, item.text());
      if (!tenant.revoked.insert(std::string(kind) + ":" + item.text()).second) item.fail_with("stands twice");
    });
  }
}

void read_operations(const Node& node, TenantPolicy& tenant) {
  node.each_member([&](const std::string& key, const Node& value) {
    if (!is_operation_name(key)) value.fail_with("must be named NAMESPACE/OPERATION, as tickets/ticket.read");
    value.expect_object({"owner", "class", "frozen", "windows"});
    OperationRecord record;
    record.owner = value.text_or("owner");
    record.classification = value.text_or("class");
    if (const auto frozen = value.member("frozen")) record.frozen = frozen->flag();
    if (const auto windows = value.member("windows")) record.windows = read_windows(*windows);
    tenant.operations.emplace(key, std::move(record));
  });
}

void expect_known(const Node& node, bool known, std::string_view what, const std::string& name) {
  if (!known) node.fail_with("names the " + std::string(what) + " \"" + name + "\", which is not defined");
}

/// What is named must exist: a typo would otherwise be a silent denial, or a ceiling that isn't there.
void check_references(const Node& node, const TenantPolicy& tenant) {
  const auto tier_known = [&](const std::string& tier) { return tenant.tiers.contains(tier); };
  const auto bundle_known = [&](const std::string& bundle) { return tenant.bundles.contains(bundle); };
  for (const auto& [id, agent] : tenant.agents) {
    const Node where(nullptr, node.path() + ".agents." + id);
    if (!agent.tier.empty()) expect_known(where, tier_known(agent.tier), "tier", agent.tier);
    for (const auto& bundle : agent.bundles) expect_known(where, bundle_known(bundle), "bundle", bundle);
  }
  for (const auto& [name, tier] : tenant.tiers)
    for (const auto& bundle : tier.bundles)
      expect_known(Node(nullptr, node.path() + ".tiers." + name), bundle_known(bundle), "bundle", bundle);
  for (const auto& [name, bundle] : tenant.bundles) {
    if (bundle.parent.empty()) continue;
    const Node where(nullptr, node.path() + ".bundles." + name + ".parent");
    expect_known(where, bundle_known(bundle.parent), "bundle", bundle.parent);
    const auto above = with_parents(tenant.bundles, {bundle.parent});
    if (std::find(above.begin(), above.end(), name) != above.end())
      where.fail_with("comes back to itself: a bundle can't be its own parent, by whatever way");
  }
  for (const auto& rule : tenant.tier_map)
    expect_known(Node(nullptr, node.path() + ".tiers.map"), tier_known(rule.tier), "tier", rule.tier);
  if (!tenant.fallback_tier.empty())
    expect_known(Node(nullptr, node.path() + ".tiers.*"), tier_known(tenant.fallback_tier), "tier",
                 tenant.fallback_tier);
  for (const auto& [holder, grants] : tenant.grants) {
    const Node where(nullptr, node.path() + ".grants (" + holder + ")");
    if (holder.starts_with("tier:")) expect_known(where, tier_known(holder.substr(5)), "tier", holder.substr(5));
    if (holder.starts_with("bundle:")) expect_known(where, bundle_known(holder.substr(7)), "bundle", holder.substr(7));
  }
}

/// A grant to a bundle is one of the bundle's own, wherever it stands.
void move_into_bundles(const Node& node, TenantPolicy& tenant) {
  for (auto& [name, bundle] : tenant.bundles) {
    auto given = tenant.grants.extract("bundle:" + name);
    if (given.empty()) continue;
    for (Grant& grant : given.mapped()) {
      const auto same = [&](const Grant& other) { return other.id == grant.id; };
      if (std::any_of(bundle.grants.begin(), bundle.grants.end(), same))
        node.required("grants").fail_with("gives bundle:" + name + " the id \"" + grant.id +
                                          "\", which the bundle has already");
      bundle.grants.push_back(std::move(grant));
    }
  }
}

TenantPolicy read_tenant(const Node& node) {
  node.expect_object({"status", "not_before", "agents", "users", "tiers", "bundles", "grants", "entitlements",
                      "delegations", "breakers", "operations", "limits", "stop", "clients", "issuers", "revoked"});
  TenantPolicy out;
  out.tenant.status = read_status(node, false);
  out.tenant.not_before = node.time_if("not_before");
  if (const auto agents = node.member("agents"))
    agents->each_member([&](const std::string& id, const Node& value) {
      expect_id(value, id);
      out.agents.emplace(id, read_agent(value));
    });
  if (const auto users = node.member("users"))
    users->each_member([&](const std::string& id, const Node& value) {
      expect_id(value, id);
      out.users.emplace(id, read_user(value));
    });
  if (const auto tiers = node.member("tiers")) read_tiers(*tiers, out);
  if (const auto bundles = node.member("bundles"))
    bundles->each_member([&](const std::string& name, const Node& value) {
      expect_name(value, name);
      out.bundles.emplace(name, read_bundle(name, value));
    });
  if (const auto grants = node.member("grants")) read_holders(*grants, GrantKind::grant, out.grants);
  if (const auto entitlements = node.member("entitlements"))
    read_holders(*entitlements, GrantKind::entitlement, out.entitlements);
  if (const auto delegations = node.member("delegations")) read_delegations(*delegations, out);
  if (const auto breakers = node.member("breakers")) read_breakers(*breakers, out);
  if (const auto operations = node.member("operations")) read_operations(*operations, out);
  if (const auto stop = node.member("stop")) out.tenant.stopped = stop->flag();
  if (const auto clients = node.member("clients")) read_clients(*clients, out);
  if (const auto issuers = node.member("issuers")) read_issuers(*issuers, out);
  if (const auto revoked = node.member("revoked")) read_revoked(*revoked, out);
  if (const auto limits = node.member("limits")) read_limits(*limits, tenant_place, "", out.limits);
  check_references(node, out);
  move_into_bundles(node, out);
  return out;
}

Result<std::string, PolicyError> read_file(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  if (fd < 0) return fail(PolicyError{0, path, std::string("can't be opened: ") + std::strerror(errno)});
  struct Closer {
    int fd;
    ~Closer() { ::close(fd); }
  } const closer{fd};
  struct stat info{};
  if (::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) return fail(PolicyError{0, path, "is not a regular file"});
  if (static_cast<std::size_t>(info.st_size) > max_file_bytes)
    return fail(PolicyError{0, path, "is larger than 256 MiB"});
  std::string out;
  char block[65536];
  while (true) {
    const ssize_t got = ::read(fd, block, sizeof block);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail(PolicyError{0, path, std::string("can't be read: ") + std::strerror(errno)});
    if (got == 0) return out;
    out.append(block, static_cast<std::size_t>(got));
    if (out.size() > max_file_bytes) return fail(PolicyError{0, path, "is larger than 256 MiB"});
  }
}

}  // namespace

Result<Policy, PolicyError> parse_policy(std::string_view json) {
  json::TreeError error;
  const json::Tree root = json::read_tree(json, &error);
  if (!root) return fail(PolicyError{error.line, "", "is not valid JSON: " + error.message});
  try {
    const Node node(root.get(), "");
    node.expect_object({"schema", "tenants", "$schema"});
    if (const auto editors = node.member("$schema")) static_cast<void>(editors->text());
    const Node schema = node.required("schema");
    if (!schema.is_integer() || schema.integer() != 1) schema.fail_with("must be 1");
    Policy out;
    node.required("tenants").each_member([&](const std::string& name, const Node& value) {
      expect_name(value, name);
      out.tenants.emplace(name, read_tenant(value));
    });
    return out;
  } catch (Malformed& malformed) {
    return fail(std::move(malformed.error));
  }
}

Result<std::shared_ptr<const CompiledPolicy>, PolicyError> load_policy_file(const std::string& path) {
  const auto text = read_file(path);
  if (!text) return fail(text.error());
  auto policy = parse_policy(*text);
  if (!policy) return fail(std::move(policy.error()));
  return std::make_shared<const CompiledPolicy>(*std::move(policy), sha256_hex(*text));
}

}  // namespace agw::grants
