// Bundles as packages: one with its parents, and what calls that come by it use up.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "agw/model/policy_records.h"
#include "agw/policy/facts.h"
#include "agw/policy/grant_set.h"

namespace agw::policy {

/// One of the bundles that a call comes by.
struct HeldBundle {
  std::string_view name;
  const BundleRecord* record = nullptr;  ///< null: there is none
  const GrantSet* grants = nullptr;      ///< null: it has none
};

/// `held`: each once, with all of their parents. A bundle and its parents are one package. Where an allow of one of
/// them names the operation, the limits of all of them are met: whatever a child says, a parent's tighter limit holds,
/// and a child's holds for what it has from its parent. Each limit is there once.
[[nodiscard]] std::vector<const Limit*> limits_of(std::span<const HeldBundle> held, std::string_view operation);

/// For each of them what its allows need: its own condition and those of all its parents.
[[nodiscard]] std::vector<SetCondition> conditions_of(std::span<const HeldBundle> held);

/// One that is held without its parent; empty if there is none.
[[nodiscard]] std::string_view orphan_among(std::span<const HeldBundle> held) noexcept;

}  // namespace agw::policy
