#include "agw/response/task_ids.h"

#include <array>
#include <vector>

#include "agw/base/encoding.h"

namespace agw::response {
namespace {

constexpr std::string_view relation_key = "io.modelcontextprotocol/related-task";

const json::Names& result_names() {
  static constexpr std::array<std::string_view, 5> keys{"taskId", "task", "tasks", "result", "_meta"};
  static const json::Names names(keys);
  return names;
}
const json::Names& params_names() {
  static constexpr std::array<std::string_view, 3> keys{"taskId", "notifications", "_meta"};
  static const json::Names names(keys);
  return names;
}

class Editor {
 public:
  Editor(std::string_view text, TaskNames& names, Splices& splices, Count& count)
      : text_(text), names_(names), splices_(splices), count_(count) {}

  [[nodiscard]] Flaw result(const json::Value& result, TaskAnswer what);
  [[nodiscard]] Flaw other(const json::Value& root);

 private:
  void replace(const json::Value& id, std::string_view name) {
    splices_.replace(place_of(id, text_), id.raw().size(), json_quoted(name));
  }
  [[nodiscard]] Flaw id_in(const json::Value& task, std::optional<json::Value>& out) const;
  [[nodiscard]] Flaw made(const json::Value& task);
  [[nodiscard]] Flaw met(const json::Value& task);
  [[nodiscard]] Flaw listed(const json::Value& list);
  [[nodiscard]] Flaw acknowledged(const json::Value& params);
  [[nodiscard]] Flaw relation(const json::Value& holder);

  std::string_view text_;
  TaskNames& names_;
  Splices& splices_;
  Count& count_;
};

/// Where a task has its id.
Flaw Editor::id_in(const json::Value& task, std::optional<json::Value>& out) const {
  if (task.has_lookalike_of("taskId")) return "a task has a key that looks like its id's";
  out = task.member("taskId");
  if (!out || !out->is(json::Kind::string) || out->text().empty()) return "a task has no id";
  return std::nullopt;
}

Flaw Editor::made(const json::Value& task) {
  std::optional<json::Value> id;
  if (Flaw flaw = id_in(task, id)) return flaw;
  const std::string name = names_.made(id->text());
  if (name.empty()) return "a task's id can't be given out";
  replace(*id, name);
  return std::nullopt;
}

Flaw Editor::met(const json::Value& task) {
  std::optional<json::Value> id;
  if (Flaw flaw = id_in(task, id)) return flaw;
  const auto known = names_.known(id->text());
  replace(*id, known ? *known : names_.nobodys(id->text()));
  return std::nullopt;
}

Flaw Editor::listed(const json::Value& list) {
  if (!list.is(json::Kind::array)) return "a list of tasks isn't an array";
  std::vector<bool> taken;
  taken.reserve(list.size());
  std::uint32_t hidden = 0;
  for (const json::Value item : list) {
    if (!item.is(json::Kind::object)) return "an entry of a list of tasks isn't an object";
    std::optional<json::Value> id;
    if (Flaw flaw = id_in(item, id)) return flaw;
    const auto known = names_.lists(id->text()) ? names_.known(id->text()) : std::nullopt;
    if (known) replace(*id, *known);
    taken.push_back(!known);
    hidden += known ? 0 : 1;
  }
  count_ += {static_cast<std::uint32_t>(taken.size()) - hidden, hidden};
  if (hidden > 0) remove_elements(list, text_, taken, splices_);
  return std::nullopt;
}

/// `_meta` of params or of a result: what the message belongs to.
Flaw Editor::relation(const json::Value& holder) {
  const auto meta = holder.member("_meta");
  if (!meta || !meta->is(json::Kind::object)) return std::nullopt;
  if (meta->has_lookalike_of(relation_key)) return "_meta has a key that looks like a task's";
  for (std::size_t i = 0; i < meta->size(); ++i) {
    const json::Value member = meta->child(i);
    if (member.key() != relation_key) continue;
    std::optional<json::Value> id;
    if (!member.is(json::Kind::object)) return "what a message belongs to isn't an object";
    if (Flaw flaw = id_in(member, id)) return flaw;
    if (const auto known = names_.known(id->text())) {
      replace(*id, *known);
      continue;
    }
    const Range range = member_range(*meta, i, text_);
    splices_.remove(range.at, range.size);
  }
  return std::nullopt;
}

Flaw Editor::result(const json::Value& result, TaskAnswer what) {
  if (!result.is(json::Kind::object)) return std::nullopt;
  if (what == TaskAnswer::relation) {
    if (result.has_lookalike_of("_meta")) return "the result has a key that looks like _meta";
    return relation(result);
  }
  if (!result.lookalike_among(result_names()).empty()) return "the result has a key that looks like a task's";
  const auto task = result.member("task");
  const auto type = result.member("resultType");
  const bool itself = type && type->is(json::Kind::string) && type->text() == "task";
  if (what == TaskAnswer::creation) {
    Flaw flaw;
    if (task && task->is(json::Kind::object)) flaw = made(*task);
    if (!flaw && itself) flaw = made(result);
    return flaw ? flaw : relation(result);
  }
  if (result.member("taskId"))
    if (Flaw flaw = met(result)) return flaw;
  if (task && task->is(json::Kind::object))
    if (Flaw flaw = met(*task)) return flaw;
  if (const auto list = result.member("tasks"))
    if (Flaw flaw = listed(*list)) return flaw;
  // What a task has come to (2026-07-28).
  if (const auto inner = result.member("result"); inner && inner->is(json::Kind::object)) {
    if (inner->has_lookalike_of("_meta")) return "the result has a key that looks like _meta";
    if (Flaw flaw = relation(*inner)) return flaw;
  }
  return relation(result);
}

Flaw Editor::acknowledged(const json::Value& params) {
  const auto agreed = params.member("notifications");
  if (!agreed || !agreed->is(json::Kind::object)) return std::nullopt;
  if (agreed->has_lookalike_of("taskIds")) return "what is followed has a key that looks like a task's";
  const auto ids = agreed->member("taskIds");
  if (!ids) return std::nullopt;
  if (!ids->is(json::Kind::array)) return "the tasks that are followed aren't an array";
  std::vector<bool> taken;
  for (const json::Value id : *ids) {
    if (!id.is(json::Kind::string)) return "a task that is followed has no id";
    const auto known = names_.known(id.text());
    if (known) replace(id, *known);
    taken.push_back(!known);
  }
  remove_elements(*ids, text_, taken, splices_);
  return std::nullopt;
}

/// A request or a notification. What a server asks of a task (tasks/get …) is one of the client's own.
Flaw Editor::other(const json::Value& root) {
  const auto method = root.member("method");
  const auto params = root.member("params");
  if (!method || !method->is(json::Kind::string) || !params || !params->is(json::Kind::object)) return std::nullopt;
  if (!params->lookalike_among(params_names()).empty()) return "params have a key that looks like a task's";
  if (method->text() == "notifications/tasks/status" || method->text() == "notifications/tasks") {
    std::optional<json::Value> id;
    if (Flaw flaw = id_in(*params, id)) return flaw;
    const auto known = names_.known(id->text());
    if (!known) {
      splices_.remove(0, text_.size());
      return std::nullopt;
    }
    replace(*id, *known);
    if (const auto inner = params->member("result"); inner && inner->is(json::Kind::object)) {
      if (inner->has_lookalike_of("_meta")) return "the result has a key that looks like _meta";
      if (Flaw flaw = relation(*inner)) return flaw;
    }
  }
  if (method->text() == "notifications/subscriptions/acknowledged")
    if (Flaw flaw = acknowledged(*params)) return flaw;
  return relation(*params);
}

}  // namespace

Flaw edit_task_ids(const json::Value& root, std::string_view text, TaskAnswer what, TaskNames& names, Splices& splices,
                   Count& count) {
  Editor editor(text, names, splices, count);
  if (root.member("method")) return editor.other(root);
  const auto result = root.member("result");
  return result ? editor.result(*result, what) : std::nullopt;
}

}  // namespace agw::response
