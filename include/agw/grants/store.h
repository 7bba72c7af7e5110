// Where facts come from.
#pragma once

#include <string>
#include <string_view>

#include "agw/base/result.h"
#include "agw/base/task.h"
#include "agw/model/principal.h"
#include "agw/model/reason.h"
#include "agw/policy/facts.h"

namespace agw::grants {

/// Why there are no facts: store_unavailable, store_invalid, store_uninitialised or store_rolled_back; `detail` names
/// the key or field for the log, never a value.
struct StoreFailure {
  Reason reason;
  std::string detail;
  bool unreached = false;  ///< nobody answered: nothing speaks against what was known of it before
};

struct StoreHealth {
  bool usable = false;
  std::string detail;  ///< for people, when not usable (or degraded: a broken edit)
};

class Store {
 public:
  virtual ~Store() = default;
  /// Facts for this principal and this operation (`ns/name`; empty for messages without one).
  [[nodiscard]] virtual ValueTask<Result<policy::FactsPtr, StoreFailure>> facts(const PrincipalPtr& principal,
                                                                                std::string_view operation) = 0;
  /// For readiness. May ask (Redis) or look (file).
  [[nodiscard]] virtual ValueTask<StoreHealth> health() = 0;
};

}  // namespace agw::grants
