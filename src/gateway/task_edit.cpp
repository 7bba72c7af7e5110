#include <utility>

#include "agw/response/task_ids.h"

#include "edits.h"
#include "named_tasks.h"

namespace agw::gateway {
namespace {

/// Seals the ids of tasks before the agent sees them, and takes away what tells of tasks that aren't its own.
class TaskEdit final : public Edit, private response::TaskNames {
 public:
  TaskEdit(ResponseCourse::Way way, Call& call, const Tasks& tasks, Seeing seeing)
      : way_(way), call_(call), tasks_(tasks), seeing_(seeing) {}

  [[nodiscard]] unsigned looks_for() const noexcept override { return response::tasks; }
  [[nodiscard]] bool concerns(std::string_view text) const noexcept override {
    return asks_list() || response::may_hold(response::tasks, text);
  }

  [[nodiscard]] std::optional<std::string_view> edit(const AnswerMessage& message,
                                                     response::Splices& splices) override {
    const bool own = message.is_response && is_own(message.root);
    auto what = response::TaskAnswer::any;
    if (own && call_.category != mcp::Category::task) what = response::TaskAnswer::relation;
    if (own && call_.category == mcp::Category::tool && call_.takes_tasks) what = response::TaskAnswer::creation;
    if (own && message.result) {
      if (const auto flaw = flaw_of_own(*message.result)) return flaw;
    }
    response::Count count;
    auto flaw = response::edit_task_ids(message.root, message.text, what, *this, splices, count);
    call_.items_shown += count.shown;
    call_.items_hidden += count.hidden;
    return flaw;
  }

 private:
  [[nodiscard]] bool asks_list() const noexcept { return call_.mcp_method == tasks_list; }

  [[nodiscard]] bool is_own(const json::Value& root) const {
    const auto id = root.member("id");
    return way_ == ResponseCourse::Way::whole || (id && id->raw() == call_.rpc_id);
  }

  /// What was asked for, and nobody else's task.
  [[nodiscard]] std::optional<std::string_view> flaw_of_own(const json::Value& result) const {
    if (asks_list() && !result.member("tasks")) return "it isn't the list that was asked for";
    const auto id = call_.made != nullptr ? result.member("taskId") : std::nullopt;
    if (id && id->text() != call_.made->backend_id) return "it tells of another task than was asked for";
    return std::nullopt;
  }

  std::optional<std::string> known(std::string_view id) override {
    if (const auto* const named = named_with(id)) return named->sealed;
    if (made_ && made_->task->backend_id == id) return made_->sealed;
    auto found = tasks_.known(id, *call_.principal, *call_.location);
    if (!found) return std::nullopt;
    return std::move(found->sealed);
  }

  std::string made(std::string_view id) override {
    auto task = made_by(call_, id);
    if (!task) return {};
    std::string sealed = tasks_.seal(*task, *call_.principal, *call_.location);
    if (sealed.empty()) return {};
    tasks_.remember(sealed, *task, *call_.principal, *call_.location);
    made_ = Tasks::Known{sealed, std::make_shared<const MadeTask>(*std::move(task))};
    return sealed;
  }

  std::string nobodys(std::string_view id) override {
    MadeTask task;
    task.backend_id = id.substr(0, MadeTask::longest_backend_id);
    return tasks_.seal(task, *call_.principal, *call_.location);
  }

  bool lists(std::string_view id) override {
    const auto found = tasks_.known(id, *call_.principal, *call_.location);
    if (!found) return false;
    const CallerSight sight(call_, call_.facts, seeing_.sights, seeing_.clock.now());
    return sight.shows(response::Listed::tool, found->task->tool);
  }

  [[nodiscard]] const NamedTask* named_with(std::string_view id) const {
    if (call_.tasks == nullptr) return nullptr;
    for (const NamedTask& named : call_.tasks->named)
      if (named.task != nullptr && named.task->backend_id == id) return &named;
    return nullptr;
  }

  ResponseCourse::Way way_;
  Call& call_;
  const Tasks& tasks_;
  Seeing seeing_;
  std::optional<Tasks::Known> made_;  ///< by the call that is answered
};

}  // namespace

std::unique_ptr<Edit> edit_of_tasks(ResponseCourse::Way way, Call& call, const Tasks* tasks, Seeing seeing) {
  if (tasks == nullptr || call.principal == nullptr || call.request == nullptr || !binds(*call.location))
    return nullptr;
  // On a stream comes what belongs to other calls, too.
  const bool may_tell = way == ResponseCourse::Way::events || call.type == "mcp.stream" ||
                        call.category == mcp::Category::task ||
                        (call.category == mcp::Category::tool && call.takes_tasks);
  return may_tell ? std::make_unique<TaskEdit>(way, call, *tasks, seeing) : nullptr;
}

}  // namespace agw::gateway
