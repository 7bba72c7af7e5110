// Ids of tasks in what a server sends (MCP 2025-11-25, "Tasks"; 2026-07-28, extension Tasks).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "agw/json/document.h"
#include "agw/response/listing.h"
#include "agw/response/splices.h"

namespace agw::response {

/// What the server's own ids are called towards the caller.
class TaskNames {
 public:
  virtual ~TaskNames() = default;
  /// Nothing: no task that is known to be the caller's.
  [[nodiscard]] virtual std::optional<std::string> known(std::string_view id) = 0;
  /// A task that the call made which is answered. Empty: the id is none that can be given out.
  [[nodiscard]] virtual std::string made(std::string_view id) = 0;
  /// A name that stands for no task.
  [[nodiscard]] virtual std::string nobodys(std::string_view id) = 0;
  /// Whether a known task stands in a list.
  [[nodiscard]] virtual bool lists(std::string_view id) = 0;
};

/// What a message may say of tasks.
enum class TaskAnswer : std::uint8_t {
  relation,  ///< it answers a call that makes none: it only belongs to one
  creation,  ///< it answers a call that may make one
  any        ///< it answers a request about tasks, or comes on a stream of whatever comes
};

/// Of a message, `root`: puts the caller's names in the place of the server's ids. Entries of a list that aren't known
/// to be the caller's are taken out, and so is all of a message that tells of such a task; what belongs to one no
/// longer says so. An id that isn't a string where one has to stand, or that some reader would find elsewhere, is a
/// flaw.
[[nodiscard]] Flaw edit_task_ids(const json::Value& root, std::string_view text, TaskAnswer what, TaskNames& names,
                                 Splices& splices, Count& count);

}  // namespace agw::response
