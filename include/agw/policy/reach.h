// On which resources something is allowed, told by patterns.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agw/model/reason.h"
#include "agw/policy/facts.h"

namespace agw::policy {

/// What stands for whatever no record names: an id, an operation or a resource made of it is nobody's own.
inline constexpr std::string_view anything = "%00";
/// One text that a pattern matches, and that nothing more exact does.
[[nodiscard]] std::string sample_of(std::string_view pattern);

/// Resources that the caller's grants and entitlements for this operation tell apart, the widest first; `*` is always
/// among them.
[[nodiscard]] std::vector<std::string> resources_of(const Facts& facts, std::string_view operation);

struct Reach {
  std::vector<std::string> allowed;  ///< patterns of resources, the widest; `*`: every one
  std::vector<std::pair<std::string, Reason>> except;
  Reason reason = Reason::allowed;  ///< where nothing is allowed: why
};

/// `ask`: the decision's reason for one resource, of which there is one sample for each of `resources`.
[[nodiscard]] Reach reach(const std::vector<std::string>& resources,
                          const std::function<Reason(const std::string& resource)>& ask);

}  // namespace agw::policy
