// Tasks that belong to whom they were made for (MCP 2025-11-25, "Tasks"; 2026-07-28, extension Tasks).
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "agw/base/result.h"
#include "agw/gateway/location.h"
#include "agw/io/random.h"
#include "agw/io/shared_memory.h"
#include "agw/model/principal.h"
#include "agw/model/reason.h"
#include "agw/seal/seal_keys.h"

namespace agw::gateway {

/// A task, with what a later look at it needs of the call that made it: it is judged as that call would be now.
struct MadeTask {
  /// Of arguments in their canonical form, so that the id can still stand in a header field.
  static constexpr std::size_t longest_arguments = 512;
  static constexpr std::size_t longest_resource = 512;
  static constexpr std::size_t longest_backend_id = 1024;

  std::string backend_id;                ///< what the backend calls it
  std::string tool;                      ///< as the call named it; empty: nobody saw which call made it
  std::optional<std::string> arguments;  ///< JSON, empty for a call without any; nothing: they are too long
  std::string resource;                  ///< where the arguments are too long: what was made of them
};
using MadeTaskPtr = std::shared_ptr<const MadeTask>;

/// One per worker: seals the ids that backends give, opens those that clients send, and knows, with the other workers
/// of this nginx, which of a backend's ids was given to whom.
class Tasks {
 public:
  /// Everything outlives it.
  Tasks(const SealKeys& keys, Random& random, SharedMemory& memory) : keys_(keys), random_(random), memory_(memory) {}

  /// Base64url; empty where the backend's id is empty or too long.
  [[nodiscard]] std::string seal(const MadeTask& task, const Principal& owner, const Location& location) const;
  /// task_unknown where no key here has sealed it, or nobody knows what made it; task_foreign where it is another
  /// owner's or another place's.
  [[nodiscard]] Result<MadeTaskPtr, Reason> open(std::string_view sealed, const Principal& caller,
                                                 const Location& location) const;

  /// A task as its owner has it.
  struct Known {
    std::string sealed;
    MadeTaskPtr task;
  };
  /// For answers that name the task by the backend's id alone. The least recently used are forgotten, and very long
  /// ids aren't kept.
  void remember(std::string_view sealed, const MadeTask& task, const Principal& owner, const Location& location) const;
  /// Nothing: not known to be the caller's.
  [[nodiscard]] std::optional<Known> known(std::string_view backend_id, const Principal& caller,
                                           const Location& location) const;

 private:
  const SealKeys& keys_;
  Random& random_;
  SharedMemory& memory_;
};

}  // namespace agw::gateway
