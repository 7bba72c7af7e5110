// What was handed out comes back: to its owner it is opened, to anybody else it is nothing.
#include "agw/base/encoding.h"
#include "agw/gateway/gateway.h"
#include "agw/mcp/mirror.h"
#include "agw/response/splices.h"

#include "operation.h"

namespace agw::gateway {

std::optional<Reason> Gateway::open_handed_out(const Location& location, std::string_view body, Call& call,
                                               Understanding& asked) {
  if (!binds(location)) return std::nullopt;
  if (const auto strange = open_session(location, call)) return strange;
  if (call.state == nullptr && call.tasks == nullptr) return std::nullopt;
  return open_in_body(location, body, call, asked);
}

std::optional<Reason> Gateway::open_in_body(const Location& location, std::string_view body, Call& call,
                                            Understanding& asked) {
  response::Splices splices;
  if (call.state != nullptr) {
    if (const auto strange = open_state(location, call)) return strange;
    splices.replace(call.state->at, call.state->size, call.state->own);
  }
  if (call.tasks != nullptr) {
    for (NamedTask& named : call.tasks->named) {
      if (const auto strange = open_task(location, named, call)) return strange;
      if (named.task == nullptr) {
        splices.remove(named.member_at, named.member_size);
        continue;
      }
      splices.replace(named.at, named.size, json_quoted(named.task->backend_id));
      judge_as_made(location, named, call, asked);
    }
  }
  auto spliced = splices.apply(body);
  if (!spliced) return Reason::internal_error;
  call.body = *std::move(spliced);
  return std::nullopt;
}

std::optional<Reason> Gateway::open_session(const Location& location, Call& call) {
  if (call.session_id.empty()) return call.needs_session ? std::optional(Reason::session_missing) : std::nullopt;
  if (services_.sessions == nullptr) return Reason::session_unknown;
  auto opened = services_.sessions->open(call.session_id, *call.principal, location);
  if (!opened) return opened.error();
  // A backend without sessions tells nobody's event ids and requests from another's.
  if (call.needs_session && (*opened)->backend_id.empty()) return Reason::session_missing;
  call.session = *std::move(opened);
  return std::nullopt;
}

std::optional<Reason> Gateway::open_state(const Location& location, Call& call) {
  if (services_.states == nullptr) return Reason::state_unknown;
  SentState& state = *call.state;
  auto own = services_.states->open(state.sealed, owner_digest(*call.principal, location), state.asked);
  if (!own) return own.error();
  state.own = *std::move(own);
  return std::nullopt;
}

std::optional<Reason> Gateway::open_task(const Location& location, NamedTask& named, const Call& call) {
  if (services_.tasks == nullptr) return Reason::task_unknown;
  auto opened = services_.tasks->open(named.sealed, *call.principal, location);
  if (opened) {
    named.task = *std::move(opened);
    return std::nullopt;
  }
  // It may be a task of the client's own, of which the server needs no telling; somebody else's it can't be then.
  if (named.part == NamedTask::Part::loosely) return std::nullopt;
  return opened.error();
}

void Gateway::judge_as_made(const Location& location, const NamedTask& named, Call& call, Understanding& asked) {
  if (named.part == NamedTask::Part::followed) follow_made(location, named.task, document_, call);
  if (named.part != NamedTask::Part::subject) return;
  asked = understand_made(location, named.task, document_, call);
  call.tasks->mirror = mcp::mirror_of(named.task->backend_id);
  // Another nginx with the same key may have seen how it was made.
  services_.tasks->remember(named.sealed, *named.task, *call.principal, location);
}

}  // namespace agw::gateway
