#include "agw/policy/reach.h"

#include <algorithm>
#include <optional>
#include <set>

#include "agw/model/pattern.h"

namespace agw::policy {
namespace {

bool within(const std::string& resource, const std::vector<std::string>& patterns) {
  return std::any_of(patterns.begin(), patterns.end(),
                     [&](const std::string& pattern) { return matches(pattern, sample_of(resource)); });
}

}  // namespace

std::string sample_of(std::string_view pattern) {
  if (!pattern.ends_with('*')) return std::string(pattern);
  pattern.remove_suffix(1);
  return std::string(pattern) + std::string(anything);
}

std::vector<std::string> resources_of(const Facts& facts, std::string_view operation) {
  std::set<std::string> found{"*"};
  const auto take = [&](const std::vector<const GrantSet*>& sets) {
    for (const GrantSet* set : sets)
      set->for_each(operation, [&](const Grant& grant) {
        if (grant.resource) found.insert(*grant.resource);
      });
  };
  take(facts.grants);
  take(facts.entitlements);
  if (facts.chain != nullptr)
    for (const Facts& link : *facts.chain) take(link.grants);
  std::vector<std::string> out(found.begin(), found.end());
  std::sort(out.begin(), out.end(), [](const std::string& a, const std::string& b) {
    const auto narrow = [](const std::string& text) { return text.ends_with('*') ? text.size() : std::string::npos; };
    return std::pair(narrow(a), a) < std::pair(narrow(b), b);
  });
  return out;
}

Reach reach(const std::vector<std::string>& resources, const std::function<Reason(const std::string& resource)>& ask) {
  Reach out;
  std::optional<Reason> refused;
  std::vector<std::string> denied;
  for (const std::string& resource : resources) {
    const Reason reason = ask(sample_of(resource));
    const bool covered = within(resource, out.allowed);
    if (reason == Reason::allowed) {
      if (!covered || within(resource, denied)) out.allowed.push_back(resource);
      continue;
    }
    if (covered) {
      out.except.emplace_back(resource, reason);
      denied.push_back(resource);
    }
    // The one that came furthest says what is lacking.
    if (!refused || row(reason).check > row(*refused).check) refused = reason;
  }
  if (out.allowed.empty()) out.reason = refused.value_or(Reason::agent_grant_missing);
  return out;
}

}  // namespace agw::policy
