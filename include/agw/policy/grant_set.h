// Grants or entitlements of one holder, indexed by operation.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "agw/base/digest.h"
#include "agw/model/policy_records.h"

namespace agw::policy {

/// Immutable after build. Finding the grants that name an operation costs a few hash look-ups
/// (one for each prefix length in use), whatever the number of grants; a handful is compared one by
/// one, which costs less.
class GrantSet {
 public:
  GrantSet() = default;
  explicit GrantSet(std::vector<Grant> grants);

  /// Calls visit(const Grant&) for each whose operation pattern names `operation`.
  template <class Visit>
  void for_each(std::string_view operation, Visit&& visit) const {
    if (grants_.size() <= handful) {
      for (const Grant& grant : grants_)
        if (names(grant.operation, operation)) visit(grant);
      return;
    }
    if (auto it = exact_.find(operation); it != exact_.end())
      for (auto index : it->second) visit(grants_[index]);
    for (auto length : prefix_lengths_) {
      if (length > operation.size()) break;
      if (auto it = prefixes_.find(operation.substr(0, length)); it != prefixes_.end())
        for (auto index : it->second) visit(grants_[index]);
    }
  }
  [[nodiscard]] const std::vector<Grant>& grants() const noexcept { return grants_; }

 private:
  static constexpr std::size_t handful = 8;
  static bool names(std::string_view pattern, std::string_view operation) noexcept {
    if (pattern.ends_with('*')) return operation.starts_with(pattern.substr(0, pattern.size() - 1));
    return pattern == operation;
  }

  using Index = std::unordered_map<std::string, std::vector<std::uint32_t>, StringHash, std::equal_to<>>;
  std::vector<Grant> grants_;
  Index exact_;
  Index prefixes_;                           ///< pattern without its `*`
  std::vector<std::size_t> prefix_lengths_;  ///< ascending, unique
};

}  // namespace agw::policy
