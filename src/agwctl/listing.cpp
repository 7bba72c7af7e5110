// Who is there: agents and users, with and without a record.
#include <map>
#include <set>

#include "arguments.h"
#include "commands.h"
#include "failure.h"
#include "json_text.h"
#include "policy_source.h"
#include "table.h"

namespace agw::agwctl {
namespace {

const char* status_text(Status status) {
  switch (status) {
    case Status::active: return "active";
    case Status::disabled: return "disabled";
    case Status::quarantined: return "quarantined";
  }
  return "disabled";
}

/// Those of some kind that hold something, with how much.
std::map<std::string, std::size_t> held(const std::map<std::string, std::vector<Grant>>& holders,
                                        const std::string& kind) {
  std::map<std::string, std::size_t> out;
  for (const auto& [holder, grants] : holders)
    if (holder.starts_with(kind)) out.emplace(holder.substr(kind.size()), grants.size());
  return out;
}

/// Everybody of one kind: who has a record, holds something, or was disconnected.
struct People {
  std::map<std::string, std::size_t> held;
  std::map<std::string, std::vector<std::string>> disconnected;  ///< from whom
  std::set<std::string> ids;

  template <class Records>
  People(const Records& records, std::map<std::string, std::size_t> holding) : held(std::move(holding)) {
    for (const auto& [id, record] : records) ids.insert(id);
    for (const auto& [id, count] : held) ids.insert(id);
  }
  void disconnect(const std::string& id, const std::string& other) {
    ids.insert(id);
    disconnected[id].push_back(other);
  }
};

/// Held by hand, on every node.
bool is_held(const grants::TenantPolicy& tenant, const std::string& agent) {
  const auto found = tenant.breakers.find(agent);
  if (found == tenant.breakers.end() || found->second.state != BreakerRecordState::open) return false;
  return !found->second.until || now() < *found->second.until;
}

std::size_t count_of(const std::map<std::string, std::size_t>& counts, const std::string& id) {
  const auto found = counts.find(id);
  return found == counts.end() ? 0 : found->second;
}

/// Tells one tenant after the other: a table each, or one list of all.
class Listing {
 public:
  Listing(const ListOptions& options, std::ostream& out) : options_(options), out_(out) {}
  void tenant(const std::string& name, const Table& table, std::vector<std::string> rows) {
    if (!options_.json) {
      out_ << "tenant " << name << "\n";
      table.print(out_);
    }
    for (auto& row : rows) rows_.push_back(std::move(row));
  }
  void close(std::string_view key) {
    if (options_.json) out_ << JsonObject().raw(key, json_array(rows_)).str() << "\n";
  }

 private:
  const ListOptions& options_;
  std::ostream& out_;
  std::vector<std::string> rows_;
};

}  // namespace

int list_agents(const ListOptions& options, std::ostream& out) {
  const PolicySource source = read_source(options.source, options.tenants);
  Listing listing(options, out);
  for (const auto& [name, tenant] : source.policy->source().tenants) {
    if (!is_chosen(options.tenants, name)) continue;
    People agents(tenant.agents, held(tenant.grants, "agent:"));
    for (const auto& [pair, record] : tenant.delegations)
      if (record.status == DelegationStatus::disconnected) agents.disconnect(pair.second, pair.first);
    for (const auto& [id, record] : tenant.breakers) agents.ids.insert(id);
    Table table({"AGENT", "STATUS", "TIER", "BUNDLES", "GRANTS", "OWNER", "NAME", "DISCONNECTED FROM"});
    std::vector<std::string> rows;
    for (const auto& id : agents.ids) {
      const auto found = tenant.agents.find(id);
      const bool known = found != tenant.agents.end();
      const AgentRecord agent = known ? found->second : AgentRecord();
      const std::string status = known ? status_text(agent.status) : "no record";
      const auto& users = agents.disconnected[id];
      const bool open = is_held(tenant, id);
      table.add({id, status + (open ? ", breaker open" : ""), agent.tier.empty() ? "-" : agent.tier,
                 agent.bundles.empty() ? "-" : joined(agent.bundles), std::to_string(count_of(agents.held, id)),
                 agent.owner.empty() ? "-" : agent.owner, agent.name.empty() ? "-" : agent.name,
                 users.empty() ? "-" : joined(users)});
      JsonObject row;
      row.text("tenant", name).text("agent", id).flag("record", known).text_if("status", known ? status : "");
      row.text_if("tier", agent.tier).list("bundles", agent.bundles).number("grants", count_of(agents.held, id));
      row.text_if("owner", agent.owner).text_if("name", agent.name).list("disconnected", users);
      row.text_if("breaker", open ? "open" : "");
      rows.push_back(row.str());
    }
    listing.tenant(name, table, std::move(rows));
  }
  listing.close("agents");
  return exit_ok;
}

int list_users(const ListOptions& options, std::ostream& out) {
  const PolicySource source = read_source(options.source, options.tenants);
  Listing listing(options, out);
  for (const auto& [name, tenant] : source.policy->source().tenants) {
    if (!is_chosen(options.tenants, name)) continue;
    People users(tenant.users, held(tenant.entitlements, "user:"));
    for (const auto& [pair, record] : tenant.delegations) {
      users.ids.insert(pair.first);
      if (record.status == DelegationStatus::disconnected) users.disconnect(pair.first, pair.second);
    }
    Table table({"USER", "STATUS", "GROUPS", "ENTITLEMENTS", "NAME", "DISCONNECTED FROM"});
    std::vector<std::string> rows;
    for (const auto& id : users.ids) {
      const auto found = tenant.users.find(id);
      const bool known = found != tenant.users.end();
      const UserRecord user = known ? found->second : UserRecord();
      const std::string status = known ? status_text(user.status) : "no record";
      const auto& agents = users.disconnected[id];
      table.add({id, status, user.groups.empty() ? "-" : joined(user.groups), std::to_string(count_of(users.held, id)),
                 user.name.empty() ? "-" : user.name, agents.empty() ? "-" : joined(agents)});
      JsonObject row;
      row.text("tenant", name).text("user", id).flag("record", known).text_if("status", known ? status : "");
      row.list("groups", user.groups).number("entitlements", count_of(users.held, id)).text_if("name", user.name);
      rows.push_back(row.list("disconnected", agents).str());
    }
    listing.tenant(name, table, std::move(rows));
  }
  listing.close("users");
  return exit_ok;
}

}  // namespace agw::agwctl
