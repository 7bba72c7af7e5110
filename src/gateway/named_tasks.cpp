#include "named_tasks.h"

#include <memory>
#include <utility>

#include "agw/json/canonical.h"
#include "agw/response/splices.h"

namespace agw::gateway {
namespace {

constexpr std::string_view id_name = "taskId";

NamedTask named(NamedTask::Part part, const json::Value& id, std::string_view body) {
  NamedTask out;
  out.part = part;
  out.sealed = id.text();
  out.at = response::place_of(id, body);
  out.size = id.raw().size();
  return out;
}

/// The task that the message says it belongs to.
Result<NamedTask, Reason> related(const mcp::Message& message, const json::Value& relation, std::string_view body) {
  if (!relation.is(json::Kind::object)) return fail(Reason::params_invalid);
  if (relation.has_lookalike_of(id_name)) return fail(Reason::key_lookalike);
  const auto id = relation.member(id_name);
  if (!id || !id->is(json::Kind::string) || id->text().empty()) return fail(Reason::params_invalid);
  if (message.kind == mcp::Kind::request) return named(NamedTask::Part::related, *id, body);
  NamedTask out = named(NamedTask::Part::loosely, *id, body);
  const json::Value& meta = *message.meta;
  for (std::size_t i = 0; i < meta.size(); ++i) {
    if (meta.child(i).key() != mcp::related_task) continue;
    const response::Range range = response::member_range(meta, i, body);
    out.member_at = range.at;
    out.member_size = range.size;
  }
  return out;
}

}  // namespace

std::optional<Reason> note_tasks(const mcp::Message& message, std::string_view body, Call& call) {
  call.takes_tasks = message.takes_tasks;
  const auto relation = message.meta ? message.meta->member(mcp::related_task) : std::nullopt;
  const bool asks = message.category == mcp::Category::task;
  if (!relation && !asks && !message.followed_tasks) return std::nullopt;
  // Who doesn't know of tasks is told so before anything else (extension Tasks, "Protocol Errors").
  if ((asks || message.followed_tasks) && message.era == mcp::Era::modern && !message.takes_tasks)
    return Reason::tasks_undeclared;
  auto tasks = std::make_unique<NamedTasks>();
  if (message.subject == mcp::SubjectKind::task)
    tasks->named.push_back(named(NamedTask::Part::subject, *message.params->member(id_name), body));
  if (message.followed_tasks)
    for (const json::Value id : *message.followed_tasks)
      tasks->named.push_back(named(NamedTask::Part::followed, id, body));
  if (relation) {
    auto found = related(message, *relation, body);
    if (!found) return found.error();
    tasks->named.push_back(*std::move(found));
  }
  if (!tasks->named.empty()) call.tasks = std::move(tasks);
  return std::nullopt;
}

std::optional<MadeTask> made_by(const Call& call, std::string_view backend_id) {
  auto reading = call.request->body(call.location->max_body);
  if (!reading.ready()) return std::nullopt;
  const auto body = reading.take();
  if (!body) return std::nullopt;
  // The worker's own document holds the answer that this is about.
  json::Document document;
  mcp::ReadLimits limits;
  limits.json.max_bytes = call.location->max_body;
  const auto message = mcp::read_message(document, *body, call.request->headers(), limits);
  if (!message || message->subject != mcp::SubjectKind::tool) return std::nullopt;
  MadeTask out;
  out.backend_id = backend_id;
  out.tool = message->name;
  std::string arguments;
  if (message->arguments) json::append_canonical(arguments, *message->arguments);
  if (arguments.size() <= MadeTask::longest_arguments) {
    out.arguments = std::move(arguments);
  } else if (call.resource.size() <= MadeTask::longest_resource) {
    out.resource = call.resource;
  }
  return out;
}

}  // namespace agw::gateway
