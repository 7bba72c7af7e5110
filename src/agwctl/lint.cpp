// What is a good policy, and still not what anybody can have meant.
#include <algorithm>
#include <set>

#include "agw/model/pattern.h"

#include "arguments.h"
#include "asker.h"
#include "commands.h"
#include "failure.h"
#include "grant_text.h"
#include "json_text.h"
#include "places.h"
#include "printable.h"
#include "table.h"
#include "who_can.h"

namespace agw::agwctl {
namespace {

/// More resources than this are not tried one by one: then nothing is said.
constexpr std::size_t most_resources = 200;

struct Finding {
  std::string code;
  std::string tenant;
  std::string where;
  std::string text;
  int line = 0;  ///< of a file; 0: not known
};

const std::vector<std::string>& codes() {
  static const std::vector<std::string> all{"expired",      "contradictory", "unreachable",          "nobody",
                                            "unowned",      "unclassified",  "wildcard_destructive", "never_met",
                                            "absent_field", "held"};
  return all;
}

bool covers(const std::string& pattern, const std::string& other) { return matches(pattern, sample_of(other)); }
bool overlap(const std::string& one, const std::string& other) { return covers(one, other) || covers(other, one); }

/// Whether nothing that `allow` allows is left by `deny`.
bool undone(const Grant& allow, const Grant& deny) {
  // One that holds sometimes leaves the other times.
  if (deny.when && (!allow.when || allow.when->text() != deny.when->text())) return false;
  if (!covers(deny.operation, allow.operation)) return false;
  if (deny.resource && (!allow.resource || !covers(*deny.resource, *allow.resource))) return false;
  if (deny.since && (!allow.since || *allow.since < *deny.since)) return false;
  if (deny.until && (!allow.until || *allow.until > *deny.until)) return false;
  if (deny.for_whom.empty()) return true;
  const auto named = [&](const std::string& whom) {
    return std::find(deny.for_whom.begin(), deny.for_whom.end(), whom) != deny.for_whom.end();
  };
  return !allow.for_whom.empty() && std::all_of(allow.for_whom.begin(), allow.for_whom.end(), named);
}

class TenantLint {
 public:
  TenantLint(const Asker& asker, std::string name, WallTime now, std::vector<Finding>& findings)
      : asker_(asker), tenant_(asker.tenant()), name_(std::move(name)), now_(now), findings_(findings) {}

  void run() {
    for (const auto& [holder, grants] : tenant_.grants) judge(holder, grants);
    for (const auto& [bundle, content] : tenant_.bundles) {
      judge("bundle:" + bundle, content.grants);
      if (!content.when) continue;
      for (const Grant& grant : content.grants)
        judge_condition(*content.when, grant.operation, "bundle:" + bundle, "when " + content.when->text());
    }
    for (const auto& [holder, grants] : tenant_.entitlements) judge(holder, grants);
    judge_agents();
    judge_unused();
    judge_members();
    judge_limits();
    judge_breakers();
    for (const auto& operation : asker_.operations())
      if (!operation.ends_with('*')) judge_operation(operation);
  }

 private:
  void find(const char* code, const std::string& where, const std::string& text) {
    findings_.push_back({code, name_, where, text, 0});
  }

  /// What a holder's grants say by themselves and to each other.
  void judge(const std::string& holder, const std::vector<Grant>& grants) {
    for (const Grant& grant : grants) {
      const std::string where = holder + " " + grant.id;
      const std::string words = grant_text(grant, false);
      if (grant.since && grant.until && *grant.until <= *grant.since)
        find("unreachable", where, words + ": is never in force");
      else if (grant.until && *grant.until <= now_)
        find("expired", where, words + ": is over; revoke it");
      if (grant.effect == Effect::allow)
        for (const Grant& other : grants)
          if (other.effect == Effect::deny && undone(grant, other))
            find("contradictory", where, words + ": " + other.id + " denies all of it");
      judge_operations_of(grant, where, words, holder.starts_with("user:") || holder.starts_with("group:"));
      if (grant.when) judge_condition(*grant.when, grant.operation, where, words);
    }
  }

  /// An entitlement says what a user may do, by whatever way: that it is wide gives no agent anything.
  void judge_operations_of(const Grant& grant, const std::string& where, const std::string& words, bool entitlement) {
    const auto operations = asker_.operations();
    bool named = !asker_.has_routes();
    std::vector<std::string> destructive;
    for (const auto& operation : operations) {
      if (operation.ends_with('*') || !matches(grant.operation, operation)) continue;
      named = true;
      if (is_destructive(operation)) destructive.push_back(operation);
    }
    if (!named) find("unreachable", where, words + ": no location names such an operation");
    if (!entitlement && grant.effect == Effect::allow && grant.operation.ends_with('*') && !destructive.empty())
      find("wildcard_destructive", where, words + ": takes in " + joined(destructive) + "; name what is meant");
  }

  /// What a condition asks for and no call of the operations can have: what hangs on it is never true.
  void judge_condition(const Condition& when, const std::string& pattern, const std::string& where,
                       const std::string& words) {
    for (const CallField field : when.fields())
      if (lacks_everywhere(pattern, [&](const policy::RouteRecord& place) { return has_field(place, field); }))
        find("absent_field", where,
             words + ": no call of it has " + std::string(to_string(field)) + "; what hangs on that never holds");
    for (const ArgumentPath& path : when.arguments())
      if (lacks_everywhere(pattern, [&](const policy::RouteRecord& place) { return has_argument(place, path); }))
        find("absent_field", where,
             words + ": no call of it has <" + joined(path, "/") + ">; what hangs on that never holds");
  }

  template <class Has>
  [[nodiscard]] bool lacks_everywhere(const std::string& pattern, Has has) const {
    if (!asker_.has_routes()) return false;
    bool named = false;
    for (const auto& operation : asker_.operations()) {
      if (!matches(pattern, operation)) continue;
      for (const auto* place : asker_.places(operation)) {
        named = true;
        if (has(*place)) return false;
      }
    }
    return named;
  }

  [[nodiscard]] bool has_field(const policy::RouteRecord& place, CallField field) const {
    const auto record = tenant_.operations.find(place.route.operation);
    switch (field) {
      case CallField::tool: return !place.tool.empty();
      case CallField::resource: return place.route.resource.has_value();
      case CallField::risk: return !place.route.risk.empty();
      case CallField::classification:
        return !place.route.classification.empty() ||
               (record != tenant_.operations.end() && !record->second.classification.empty());
      case CallField::tier: return !tenant_.tiers.empty();
      default: return true;
    }
  }

  /// Of an MCP tool only the tool itself knows its arguments.
  static bool has_argument(const policy::RouteRecord& place, const ArgumentPath& path) {
    if (!place.uri.empty()) return path.size() == 1 && place.uri.find("<" + path[0] + ">") != std::string::npos;
    if (place.kind == "mcp") return true;
    if (path.size() == 1) return place.path.find("<" + path[0] + ">") != std::string::npos;
    if (path[0] == "query") return path.size() == 2;
    return path[0] == "body" && place.method != "GET" && place.method != "HEAD";
  }

  /// The routes' own conditions, by what the tenant's records say of their operations.
  void judge_requirements(const std::string& operation) {
    for (const auto* place : asker_.places(operation))
      for (const auto& condition : place->route.require)
        for (const CallField field : condition->fields())
          if (!has_field(*place, field))
            find("absent_field", operation,
                 condition->text() + " at " + place->location + ": no call of it has " + std::string(to_string(field)) +
                     "; what hangs on that never holds");
  }

  [[nodiscard]] bool is_destructive(const std::string& operation) const {
    const auto record = tenant_.operations.find(operation);
    if (record != tenant_.operations.end() && record->second.classification == "destructive") return true;
    for (const auto* place : asker_.places(operation))
      if (place->route.risk == "destructive" || place->route.classification == "destructive") return true;
    return false;
  }

  [[nodiscard]] const std::vector<Grant>& grants_to(const std::string& holder) const {
    static const std::vector<Grant> none;
    if (holder.starts_with("bundle:")) {
      const auto bundle = tenant_.bundles.find(holder.substr(7));
      return bundle == tenant_.bundles.end() ? none : bundle->second.grants;
    }
    const auto found = tenant_.grants.find(holder);
    return found == tenant_.grants.end() ? none : found->second;
  }

  /// What stands above an agent's own grants: its tier's ceiling, the denials of its tier and its bundles.
  void judge_agents() {
    for (const auto& [holder, grants] : tenant_.grants) {
      if (!holder.starts_with("agent:")) continue;
      const auto agent = tenant_.agents.find(holder.substr(6));
      if (agent == tenant_.agents.end()) {
        if (tenant_.tier_map.empty() && tenant_.fallback_tier.empty())
          find("unreachable", holder, "has grants, but no record, and no tier admits it");
        continue;
      }
      const std::string& tier = agent->second.tier;
      const auto record = tenant_.tiers.find(tier);
      std::vector<std::string> above;
      if (!tier.empty()) above.push_back("tier:" + tier);
      for (const auto& bundle : grants::with_parents(tenant_.bundles, agent->second.bundles))
        above.push_back("bundle:" + bundle);
      for (const Grant& grant : grants) {
        if (grant.effect == Effect::deny) continue;
        const std::string where = holder + " " + grant.id;
        const std::string words = grant_text(grant, false);
        if (record != tenant_.tiers.end() && record->second.ceiling &&
            std::none_of(record->second.ceiling->begin(), record->second.ceiling->end(),
                         [&](const std::string& pattern) { return overlap(pattern, grant.operation); }))
          find("unreachable", where, joined({words, ": lies above the ceiling of tier ", tier}, ""));
        for (const auto& other : above)
          for (const Grant& denial : grants_to(other))
            if (denial.effect == Effect::deny && undone(grant, denial))
              find("unreachable", where, joined({words, ": ", other, " ", denial.id, " denies all of it"}, ""));
      }
    }
  }

  void judge_unused() {
    std::set<std::string> tiers;
    std::set<std::string> bundles;
    const auto take = [&](const std::vector<std::string>& names) { bundles.insert(names.begin(), names.end()); };
    if (!tenant_.fallback_tier.empty()) tiers.insert(tenant_.fallback_tier);
    for (const auto& rule : tenant_.tier_map) tiers.insert(rule.tier);
    for (const auto& [id, agent] : tenant_.agents) {
      tiers.insert(agent.tier);
      take(agent.bundles);
    }
    for (const auto& [name, tier] : tenant_.tiers) {
      if (!tiers.contains(name))
        find("unreachable", "tier:" + name, "no agent has it, and no provider or model comes to it");
      take(tier.bundles);
    }
    for (const auto& [name, bundle] : tenant_.bundles)
      if (!bundle.members.empty()) bundles.insert(name);
    for (const auto& name : grants::with_parents(tenant_.bundles, {bundles.begin(), bundles.end()}))
      bundles.insert(name);
    for (const auto& [name, bundle] : tenant_.bundles)
      if (!bundles.contains(name)) find("unreachable", "bundle:" + name, "no agent and no tier has it, and no group");
  }

  /// Who is in a group of a token only the issuer knows; who is in one of the store, the users' records.
  void judge_members() {
    std::set<std::string> groups;
    for (const auto& [id, user] : tenant_.users) groups.insert(user.groups.begin(), user.groups.end());
    for (const auto& [name, bundle] : tenant_.bundles) {
      for (const auto& group : bundle.members)
        if (group.starts_with("store|") && !groups.contains(group))
          find("unreachable", "bundle:" + name, "no user is in " + group + ", which is a member");
      if (!bundle.members.empty() && tenant_.agents.empty())
        find("unreachable", "bundle:" + name, "has members, and no agent has a record: none acts for them by it");
    }
  }

  /// An emergency that nobody has ended, and breakers that hold nobody.
  void judge_breakers() {
    for (const auto& [agent, record] : tenant_.breakers) {
      const std::string where = "breaker:" + agent;
      if (!tenant_.agents.contains(agent) && tenant_.tier_map.empty() && tenant_.fallback_tier.empty())
        find("unreachable", where, "its agent has no record, and no tier admits it");
      if (record.state != BreakerRecordState::open) continue;
      if (!record.until)
        find("held", where, "is open until somebody closes it: agwctl breaker close, or take the agent's grants away");
      else if (*record.until <= now_)
        find("expired", where, "was open until a moment that is over; close it");
    }
  }

  void judge_limits() {
    for (const Limit& limit : tenant_.limits) judge_limit("limits", limit, asker_.operations());
    for (const auto& [name, bundle] : tenant_.bundles) {
      const auto above = grants::with_parents(tenant_.bundles, {bundle.parent});
      for (const Limit& limit : bundle.limits) {
        const std::string where = "bundle:" + name;
        for (const auto& parent : above)
          for (const Limit& tighter : tenant_.bundles.at(parent).limits)
            if (is_within(tighter, limit))
              find("unreachable", where,
                   joined({limit.text, ": bundle:", parent, " allows no more: ", tighter.text}, ""));
        judge_limit(where, limit, named_by(name));
      }
    }
  }

  /// Whether whoever is refused by `loose` has been refused by `tight` before, which counts all that it counts.
  [[nodiscard]] static bool is_within(const Limit& tight, const Limit& loose) {
    return tight.subjects == loose.subjects && tight.kind == loose.kind && tight.unit == loose.unit &&
           (tight.kind == LimitKind::concurrent || tight.period == loose.period) && tight.amount <= loose.amount &&
           tight.burst <= loose.burst;
  }

  /// Operations that a bundle, or one that has it among its parents, names.
  [[nodiscard]] std::vector<std::string> named_by(const std::string& bundle) const {
    std::vector<std::string> out;
    for (const auto& operation : asker_.operations()) {
      const auto names = [&](const std::string& each) {
        const auto& content = tenant_.bundles.at(each).grants;
        return std::any_of(content.begin(), content.end(), [&](const Grant& grant) {
          return grant.effect == Effect::allow && matches(grant.operation, sample_of(operation));
        });
      };
      for (const auto& [name, content] : tenant_.bundles) {
        const auto package = grants::with_parents(tenant_.bundles, {name});
        const bool has = std::find(package.begin(), package.end(), bundle) != package.end();
        if (!has || std::none_of(package.begin(), package.end(), names)) continue;
        out.push_back(operation);
        break;
      }
    }
    return out;
  }

  void judge_limit(const std::string& where, const Limit& limit, const std::vector<std::string>& operations) {
    if (operations.empty() && where != "limits")
      find("unreachable", where, limit.text + ": no grant of it names an operation");
    if (limit.unit != LimitUnit::cost) return;
    const std::int64_t most = limit.kind == LimitKind::bucket ? limit.burst : limit.amount;
    std::set<std::string> beyond;
    for (const auto& operation : operations)
      for (const auto* place : asker_.places(operation))
        if (place->route.cost > most) beyond.insert(operation + " (" + std::to_string(place->route.cost) + ")");
    if (!beyond.empty())
      find("never_met", where,
           limit.text + ": never has what one call costs of " + joined({beyond.begin(), beyond.end()}));
  }

  void judge_operation(const std::string& operation) {
    judge_requirements(operation);
    const auto record = tenant_.operations.find(operation);
    const bool known = record != tenant_.operations.end();
    if (known || asker_.has_routes()) {
      const auto places = asker_.places(operation);
      const bool classified = (known && !record->second.classification.empty()) ||
                              std::any_of(places.begin(), places.end(),
                                          [](const auto* place) { return !place->route.classification.empty(); });
      if (!known || record->second.owner.empty()) find("unowned", operation, "has no owner in operations");
      if (!classified) find("unclassified", operation, "has no class in operations or at its location");
    }
    if (known && record->second.frozen) return;  // closed on purpose
    const auto resources = resources_of(operation);
    if (resources.size() > most_resources) return;
    const bool usable = std::any_of(resources.begin(), resources.end(), [&](const std::string& resource) {
      return anybody_can(asker_, operation, sample_of(resource));
    });
    if (!usable) find("nobody", operation, "nobody may use it, through any agent");
  }

  [[nodiscard]] std::set<std::string> resources_of(const std::string& operation) const {
    std::set<std::string> out{"*"};
    const auto take = [&](const std::vector<Grant>& grants) {
      for (const Grant& grant : grants)
        if (grant.resource && grant.effect == Effect::allow && matches(grant.operation, operation))
          out.insert(*grant.resource);
    };
    for (const auto& [holder, grants] : tenant_.grants) take(grants);
    for (const auto& [name, bundle] : tenant_.bundles) take(bundle.grants);
    for (const auto& [holder, grants] : tenant_.entitlements) take(grants);
    return out;
  }

  const Asker& asker_;
  const grants::TenantPolicy& tenant_;
  std::string name_;
  WallTime now_;
  std::vector<Finding>& findings_;
};

SourceOptions source_of(const LintOptions& options) {
  SourceOptions out = options.source;
  if (options.file.empty()) return out;
  if (!out.store.store.empty()) throw Failure("FILE and --store are both given; leave one out", exit_usage);
  out.store.store = "file:" + options.file;
  return out;
}

}  // namespace

int lint(const LintOptions& options, std::ostream& out) {
  for (const auto& code : options.ignored)
    if (std::find(codes().begin(), codes().end(), code) == codes().end())
      throw Failure("--ignore: \"" + code + "\" must be one of " + joined(codes()), exit_usage);
  const PolicySource source = read_source(source_of(options), options.tenants);
  const Places places = options.file.empty() ? Places() : Places(options.file);
  std::vector<Finding> findings;
  std::vector<std::string> notes;
  for (const auto& [name, tenant] : source.policy->source().tenants) {
    if (!is_chosen(options.tenants, name)) continue;
    // What can be used at some time, in some way, isn't closed to everybody.
    AskOptions ask = ask_about(name, options.at);
    ask.any_time = true;
    ask.unsaid = policy::Unsaid::in_favour;
    const Asker asker(source, ask);
    TenantLint(asker, name, ask.now, findings).run();
    if (!asker.has_routes()) notes = notes_of(asker);
  }
  std::erase_if(findings, [&](const Finding& finding) {
    return std::find(options.ignored.begin(), options.ignored.end(), finding.code) != options.ignored.end();
  });
  for (Finding& each : findings) each.line = places.line(each.tenant, each.where);
  if (options.json) {
    std::vector<std::string> rows;
    rows.reserve(findings.size());
    for (const auto& each : findings) {
      JsonObject row;
      row.text("code", each.code).text("tenant", each.tenant).text("where", each.where).text("text", each.text);
      if (each.line > 0) row.text("file", options.file).number("line", static_cast<std::uint64_t>(each.line));
      rows.push_back(row.str());
    }
    out << JsonObject().raw("findings", json_array(rows)).list("notes", notes).str() << "\n";
  } else {
    const bool with_lines = !options.file.empty();
    Table table(with_lines ? std::vector<std::string>{"LINE", "CODE", "TENANT", "WHERE", "WHAT"}
                           : std::vector<std::string>{"CODE", "TENANT", "WHERE", "WHAT"});
    for (const auto& each : findings) {
      std::vector<std::string> cells{each.code, each.tenant, each.where, each.text};
      if (with_lines) cells.insert(cells.begin(), each.line > 0 ? std::to_string(each.line) : "-");
      table.add(cells);
    }
    if (!findings.empty()) table.print(out);
    out << findings.size() << (findings.size() == 1 ? " finding\n" : " findings\n");
    for (const auto& note : notes) out << "  note: " << printable(note) << "\n";
  }
  return findings.empty() ? exit_ok : exit_denied;
}

}  // namespace agw::agwctl
