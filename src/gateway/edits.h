// What the course of a response changes, each concern by itself.
#pragma once

#include <memory>
#include <optional>

#include "agw/base/result.h"
#include "agw/gateway/response_course.h"
#include "agw/gateway/states.h"
#include "agw/gateway/tasks.h"
#include "agw/grants/store.h"
#include "agw/io/clock.h"

#include "sight.h"

namespace agw::gateway {

/// Whether answers of this location are looked at: where it only observes, they pass byte by byte.
[[nodiscard]] inline bool answers_are_read(const Location& location) noexcept {
  return location.kind == Kind::mcp && (location.mode == Mode::enforce || location.enforces_some);
}

/// The one method whose answer is a list of tasks.
inline constexpr std::string_view tasks_list = "tasks/list";

/// Whether what was asked for is a list, of which nothing may pass that isn't read.
[[nodiscard]] inline bool asks_list(const Call& call) noexcept {
  return call.category == mcp::Category::list || call.mcp_method == tasks_list;
}

/// How an answer with this head would be read; nothing where there is nothing in it to read. Or why it can't be.
[[nodiscard]] Result<std::optional<ResponseCourse::Way>, Reason> way_of(const Call& call, const AnswerHead& head);

/// What the caller's sight is made of.
struct Seeing {
  Clock& clock;
  grants::Store& store;
  RouteSights& sights;
};

/// Lists, links to resources and completions without what the caller may not see. Null where no message of an answer
/// that is read this way can have any.
[[nodiscard]] std::unique_ptr<Edit> edit_of_lists(ResponseCourse::Way way, Call& call, Seeing seeing);

/// What the answers of tools that list other tools say, without those that the caller may not see. Null where no
/// message of such an answer can have any.
[[nodiscard]] std::unique_ptr<Edit> edit_of_tool_lists(ResponseCourse::Way way, Call& call, Seeing seeing);

/// What a backend gives the caller to bring back, sealed. Null where an answer can't have any, or nothing is bound
/// here.
[[nodiscard]] std::unique_ptr<Edit> edit_of_states(Call& call, const States* states);

/// The ids of tasks sealed, and nothing of others' tasks. Null where an answer can't have any, or nothing is bound
/// here.
[[nodiscard]] std::unique_ptr<Edit> edit_of_tasks(ResponseCourse::Way way, Call& call, const Tasks* tasks,
                                                  Seeing seeing);

}  // namespace agw::gateway
