// Grants or entitlements of one holder, indexed by operation and resource.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agw/model/policy_records.h"
#include "agw/policy/pattern_map.h"

namespace agw::policy {

/// For one question an index isn't worth its making.
enum class Questions : std::uint8_t { many, one };

/// Immutable after build. Finding the grants for a call costs a few hash look-ups (one for each
/// prefix length in use), whatever the number of grants and of resources that they name; a handful
/// is compared one by one, which costs less.
class GrantSet {
 public:
  GrantSet() = default;
  /// `holder`: whose they are, as `agent:company|docs` or `bundle:support`.
  explicit GrantSet(std::vector<Grant> grants, Questions questions = Questions::many, std::string holder = {});

  /// Calls visit(const Grant&) for each whose operation pattern names `operation`.
  template <class Visit>
  void for_each(std::string_view operation, Visit&& visit) const {
    if (!operations_) {
      for (const Grant& grant : grants_)
        if (names(grant.operation, operation)) visit(grant);
      return;
    }
    operations_->for_each(operation, [&](const Named& named) { visit_all(named.grants, visit); });
  }

  /// The same for those alone whose resource may cover `resource`, which isn't empty: the visitor
  /// still compares, since some may cover others only.
  template <class Visit>
  void for_each(std::string_view operation, std::string_view resource, Visit&& visit) const {
    if (!operations_) {
      for_each(operation, visit);
      return;
    }
    operations_->for_each(operation, [&](const Named& named) {
      if (!named.by_resource) {
        visit_all(named.grants, visit);
        return;
      }
      named.by_resource->for_each(resource, [&](const Places& places) { visit_all(places, visit); });
    });
  }

  [[nodiscard]] const std::vector<Grant>& grants() const noexcept { return grants_; }
  [[nodiscard]] const std::string& holder() const noexcept { return holder_; }
  /// Whether some allow is for machines.
  [[nodiscard]] bool admits_machines() const noexcept { return admits_machines_; }

 private:
  static constexpr std::size_t handful = 8;
  using Places = std::vector<std::uint32_t>;  ///< in grants_

  static bool names(std::string_view pattern, std::string_view operation) noexcept {
    if (pattern.ends_with('*')) return operation.starts_with(pattern.substr(0, pattern.size() - 1));
    return pattern == operation;
  }

  /// What one operation pattern is named by.
  struct Named {
    Places grants;
    std::unique_ptr<PatternMap<Places>> by_resource;  ///< of more than a handful
  };

  template <class Visit>
  void visit_all(const Places& places, Visit& visit) const {
    for (const auto place : places) visit(grants_[place]);
  }
  [[nodiscard]] std::unique_ptr<PatternMap<Places>> by_resource(const Places& places) const;

  std::vector<Grant> grants_;
  std::string holder_;
  bool admits_machines_ = false;
  std::unique_ptr<PatternMap<Named>> operations_;  ///< null: compared one by one
};

}  // namespace agw::policy
