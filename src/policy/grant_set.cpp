#include "agw/policy/grant_set.h"

#include <algorithm>

namespace agw::policy {

GrantSet::GrantSet(std::vector<Grant> grants, Questions questions, std::string holder)
    : grants_(std::move(grants)), holder_(std::move(holder)) {
  admits_machines_ = std::any_of(grants_.begin(), grants_.end(), [](const Grant& grant) {
    return grant.effect == Effect::allow && is_for_machines(grant);
  });
  if (grants_.size() <= handful || questions == Questions::one) return;
  operations_ = std::make_unique<PatternMap<Named>>();
  for (std::uint32_t i = 0; i < grants_.size(); ++i) (*operations_)[grants_[i].operation].grants.push_back(i);
  operations_->for_all([this](Named& named) {
    if (named.grants.size() > handful) named.by_resource = by_resource(named.grants);
  });
}

std::unique_ptr<PatternMap<GrantSet::Places>> GrantSet::by_resource(const Places& places) const {
  auto out = std::make_unique<PatternMap<Places>>();
  // No resource means every resource.
  for (const auto place : places) (*out)[grants_[place].resource.value_or("*")].push_back(place);
  return out;
}

}  // namespace agw::policy
