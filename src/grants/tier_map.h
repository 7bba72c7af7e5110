// The order of the rules that make a tier of provider and model.
#pragma once

#include <algorithm>
#include <vector>

#include "agw/model/policy_records.h"

namespace agw::grants {

/// The most specific rule first, as calls ask Redis for them: provider and model, provider, model.
inline void order_tier_map(std::vector<TierRule>& rules) {
  std::sort(rules.begin(), rules.end(), [](const TierRule& a, const TierRule& b) {
    const auto weight = [](const TierRule& rule) { return (rule.provider ? 2 : 0) + (rule.model ? 1 : 0); };
    return weight(a) > weight(b);
  });
}

}  // namespace agw::grants
