// Bundles that come from others: a team's from its organisation's.
#include <algorithm>

#include "agw/grants/policy_file.h"

namespace agw::grants {
namespace {

bool among(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

/// The parent's name; empty if there is none.
std::string parent_of(const std::map<std::string, Bundle>& bundles, const std::string& name) {
  const auto found = bundles.find(name);
  return found == bundles.end() ? std::string() : found->second.parent;
}

}  // namespace

std::vector<std::string> with_parents(const std::map<std::string, Bundle>& bundles,
                                      const std::vector<std::string>& names) {
  std::vector<std::string> out;
  for (std::string name : names)
    for (; !name.empty() && !among(out, name); name = parent_of(bundles, name)) out.push_back(name);
  return out;
}

std::vector<std::string> without_parents(const std::map<std::string, Bundle>& bundles,
                                         const std::vector<std::string>& names) {
  std::vector<std::string> inherited;
  for (const auto& name : names)
    for (const auto& above : with_parents(bundles, {parent_of(bundles, name)})) inherited.push_back(above);
  std::vector<std::string> out;
  for (const auto& name : names)
    if (!among(inherited, name)) out.push_back(name);
  return out;
}

std::string orphan_among(const std::map<std::string, Bundle>& bundles, const std::vector<std::string>& names) {
  for (const auto& name : names)
    if (const auto parent = parent_of(bundles, name); !parent.empty() && !among(names, parent)) return name;
  return {};
}

}  // namespace agw::grants
