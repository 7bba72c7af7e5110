#include "agw/policy/grant_set.h"

#include <algorithm>

namespace agw::policy {

GrantSet::GrantSet(std::vector<Grant> grants) : grants_(std::move(grants)) {
  if (grants_.size() <= handful) return;
  for (std::uint32_t i = 0; i < grants_.size(); ++i) {
    const std::string& pattern = grants_[i].operation;
    if (pattern.empty() || pattern.back() != '*') {
      exact_[pattern].push_back(i);
      continue;
    }
    std::string prefix = pattern.substr(0, pattern.size() - 1);
    prefix_lengths_.push_back(prefix.size());
    prefixes_[std::move(prefix)].push_back(i);
  }
  std::sort(prefix_lengths_.begin(), prefix_lengths_.end());
  prefix_lengths_.erase(std::unique(prefix_lengths_.begin(), prefix_lengths_.end()), prefix_lengths_.end());
}

}  // namespace agw::policy
