#include "agw/policy/package.h"

#include <algorithm>

namespace agw::policy {
namespace {

const HeldBundle* find(std::span<const HeldBundle> held, std::string_view name) noexcept {
  const auto found = std::find_if(held.begin(), held.end(), [&](const HeldBundle& each) { return each.name == name; });
  return found == held.end() ? nullptr : &*found;
}

/// Null: it has none, or none that is held.
const HeldBundle* parent_of(std::span<const HeldBundle> held, const HeldBundle& bundle) noexcept {
  if (bundle.record == nullptr || bundle.record->parent.empty()) return nullptr;
  return find(held, bundle.record->parent);
}

bool names(const HeldBundle& bundle, std::string_view operation) {
  bool out = false;
  if (bundle.grants != nullptr)
    bundle.grants->for_each(operation, [&](const Grant& grant) { out = out || grant.effect == Effect::allow; });
  return out;
}

/// The bundle and its parents. What a store holds may go round in a circle.
std::vector<const HeldBundle*> package_of(std::span<const HeldBundle> held, const HeldBundle& bundle) {
  std::vector<const HeldBundle*> out;
  for (const HeldBundle* each = &bundle; each != nullptr; each = parent_of(held, *each)) {
    if (std::find(out.begin(), out.end(), each) != out.end()) break;
    out.push_back(each);
  }
  return out;
}

bool has_limits(const HeldBundle& bundle) noexcept {
  return bundle.record != nullptr && !bundle.record->limits.empty();
}

}  // namespace

std::vector<const Limit*> limits_of(std::span<const HeldBundle> held, std::string_view operation) {
  std::vector<const Limit*> out;
  if (std::none_of(held.begin(), held.end(), has_limits)) return out;
  std::vector<const HeldBundle*> used;
  for (const HeldBundle& bundle : held) {
    const auto package = package_of(held, bundle);
    if (std::none_of(package.begin(), package.end(), [&](const auto* each) { return names(*each, operation); }))
      continue;
    for (const HeldBundle* each : package)
      if (std::find(used.begin(), used.end(), each) == used.end()) used.push_back(each);
  }
  for (const HeldBundle* each : used) {
    if (each->record == nullptr) continue;
    for (const Limit& limit : each->record->limits) out.push_back(&limit);
  }
  return out;
}

std::vector<SetCondition> conditions_of(std::span<const HeldBundle> held) {
  std::vector<SetCondition> out;
  const auto has_condition = [](const HeldBundle& bundle) {
    return bundle.record != nullptr && bundle.record->when != nullptr;
  };
  if (std::none_of(held.begin(), held.end(), has_condition)) return out;
  for (const HeldBundle& bundle : held) {
    if (bundle.grants == nullptr) continue;
    for (const HeldBundle* each : package_of(held, bundle))
      if (has_condition(*each)) out.push_back({bundle.grants, each->record->when.get()});
  }
  return out;
}

std::string_view orphan_among(std::span<const HeldBundle> held) noexcept {
  for (const HeldBundle& bundle : held)
    if (bundle.record != nullptr && !bundle.record->parent.empty() && find(held, bundle.record->parent) == nullptr)
      return bundle.name;
  return {};
}

}  // namespace agw::policy
