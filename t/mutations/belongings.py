"""What belongs to whom: sessions, states, tasks, streams."""
from mutation import Mutation

GATEWAY = "src/gateway/gateway.cpp"
ANSWERING = "src/gateway/answering.cpp"
LOOKING = "src/gateway/looking_again.cpp"
OPERATION = "src/gateway/operation.cpp"
REFUSAL = "src/gateway/refusal.cpp"
SESSIONS = "src/gateway/sessions.cpp"
STATES = "src/gateway/states.cpp"
HANDED_BACK = "src/gateway/handed_back.cpp"
TASKS = "src/gateway/tasks.cpp"
OPENING = "src/gateway/opening.cpp"
MADE = "src/gateway/made_call.cpp"
NAMED = "src/gateway/named_tasks.cpp"
TASK_EDIT = "src/gateway/task_edit.cpp"
TASK_IDS = "src/response/task_ids.cpp"
NOTICES = "src/gateway/notices.cpp"
COURSE = "src/gateway/response_course.cpp"
SEALS = "src/seal/seal_keys.cpp"
FORWARD = "src/nginx/request/forward.cpp"
RESPONSE = "src/nginx/request/response.cpp"
STREAMS = "src/nginx/request/streams.cpp"
WORKER = "src/nginx/worker.cpp"
ZONE = "src/nginx/adapters/shared_zone.cpp"

SESSION = ["test_mcp_sessions.py"]
STREAM = ["test_mcp_stream_ends.py"]
STATE = ["test_mcp_states.py"]
TASK = ["test_mcp_tasks.py"]
CHANGED = ["test_mcp_list_changed.py"]

ALL = [
    Mutation("a session of the gateway's own binds answers that nobody can tell apart", [
        ("src/gateway/opening.cpp",
         "if (call.needs_session && (*opened)->backend_id.empty()) return Reason::session_missing;", "")],
        ["test_mcp_sessions.py"]),
    Mutation("the gateway makes a session where the backend has one", [
        ("src/nginx/request/response.cpp", "given = true;", "given = false;")], ["test_mcp_sessions.py"]),
    Mutation("anybody's session is everybody's", [
        (SESSIONS, "  if (found->owner != view_of(owner_digest(caller, location))) return fail(Reason::session_foreign);\n", "")]),
    Mutation("a remembered session is anybody's", [
        (SESSIONS, "entry.user != caller.user ||", "false ||")]),
    Mutation("a remembered session is any agent's", [
        (SESSIONS, "entry.agent != caller.agent ||", "false ||")]),
    Mutation("a session is valid at every place", [
        (SESSIONS, "std::string_view(principal.tenant), std::string_view(location.resource.identifier),\n"
                   "        std::string_view(location.name_space)}",
         "std::string_view(principal.tenant), std::string_view(location.label).substr(0, 0)}")]),
    Mutation("owners are joined without a border", [
        (SESSIONS, "    text += std::to_string(part.size());\n    text += ':';\n", "")]),
    Mutation("a session that can't be opened goes on as it is", [
        (OPENING, "  if (!opened) return opened.error();\n", "  if (!opened) return std::nullopt;\n")]),
    Mutation("strangers learn whether there is such a session", [
        (REFUSAL, "    case Reason::session_foreign: return Reason::session_unknown;\n", "")]),
    Mutation("an event id needs no session", [
        (OPERATION, "    call.needs_session = request.headers().count(\"last-event-id\") > 0;\n", "")]),
    Mutation("a client's answer needs no session", [
        (OPERATION, "  call.needs_session = message->kind == mcp::Kind::response;\n", "")]),
    Mutation("every key seals", [
        (SEALS, "const Key& key = keys_.front();", "const Key& key = keys_.back();")]),
    Mutation("the client's own field goes on", [
        (FORWARD, "if (session != nullptr || forward.session.empty() || !is_exactly_session(field.key)) return true;",
         "if (session != nullptr || forward.session.empty() || !is_exactly_session(field.key)) return false;")], SESSION),
    Mutation("the backend's id reaches the agent", [
        (RESPONSE, "    field.hash = 0;\n  });\n  if (!given", "  });\n  if (!given")], SESSION),
    Mutation("a cached variable keeps the sealed id", [
        (WORKER, "\"http_mcp_session_id\"", "\"http_mcp_session\"")], SESSION),
    Mutation("the zone's key is no secret", [
        (ZONE, "  if (RAND_bytes(root->key.data(), static_cast<int>(root->key.size())) != 1) {", "  if (false) {")], SESSION),
    Mutation("a state is anybody's", [
        (STATES, "  if (text.substr(0, digest_bytes) != view_of(owner)) return fail(Reason::state_foreign);\n",
         "  static_cast<void>(owner);\n")]),
    Mutation("a state is for any call", [
        (STATES, "  if (text.substr(digest_bytes, digest_bytes) != view_of(asked)) return fail(Reason::state_mismatch);\n",
         "  static_cast<void>(asked);\n")]),
    Mutation("a state never ends", [
        (STATES, "  if (clock_.now().time_since_epoch().count() >= static_cast<std::int64_t>(end)) return fail(Reason::state_expired);\n",
         "  static_cast<void>(end);\n")]),
    Mutation("the arguments of a state don't count", [
        (HANDED_BACK, "  if (message.arguments) json::append_canonical(arguments, *message.arguments);\n", "")]),
    Mutation("a state that can't be opened goes on as it is", [
        (OPENING, "  if (!own) return own.error();\n  state.own", "  if (!own) state.own = json_quoted(state.sealed);\n  if (own) state.own")]),
    Mutation("strangers learn whose state it is", [
        (REFUSAL, "    case Reason::state_foreign:\n", "")]),
    Mutation("the backend's own state reaches the agent", [
        (ANSWERING, "  if (auto states = edit_of_states(call, services_.states)) edits.push_back(std::move(states));\n", "")], STATE),
    Mutation("the body that goes on has the length of the one that came", [
        (FORWARD, "  r->headers_in.content_length_n = static_cast<off_t>(body.size());\n", "")], STATE),
    Mutation("the sealed state goes on to the backend", [
        (FORWARD, "  r->request_body->bufs = link;\n", "")], STATE),
    Mutation("a task is anybody's", [
        (TASKS, "  if (found->owner != view_of(owner_digest(caller, location))) return fail(Reason::task_foreign);\n",
         "  static_cast<void>(owner_digest(caller, location));\n")]),
    Mutation("a task that nobody saw made is one", [
        (TASKS, "  if (found->task.tool.empty()) return fail(Reason::task_unknown);\n", "")]),
    Mutation("what the zone says of a task is believed", [
        (TASKS, "  if (!task || (*task)->backend_id != backend_id) return std::nullopt;\n", "  if (!task) return std::nullopt;\n")]),
    Mutation("a task that can't be opened goes on as it is", [
        (OPENING, "  if (named.part == NamedTask::Part::loosely) return std::nullopt;\n", "  if (named.at > 0) return std::nullopt;\n")]),
    Mutation("a notification belongs to whatever it says", [
        (OPENING, "        splices.remove(named.member_at, named.member_size);\n", "")]),
    Mutation("a look at a task is no call of its tool", [
        (OPENING, "  asked = understand_made(location, named.task, document_, call);\n", "  static_cast<void>(asked);\n")]),
    Mutation("a task that is followed isn't judged", [
        (OPENING, "  if (named.part == NamedTask::Part::followed) follow_made(location, named.task, document_, call);\n", "")]),
    Mutation("strangers learn whose task it is", [
        (REFUSAL, "    case Reason::task_foreign: return Reason::task_unknown;\n", "")]),
    Mutation("who may not see the tool learns that there is a task", [
        (REFUSAL, "  if (asks_of_task(call) && is_hidden(location, decision) &&\n", "  if (asks_of_task(call) && decision.allowed() &&\n")]),
    Mutation("a look at a task is paid like its call", [
        ("src/gateway/consumption.h", "if (!call.decision.allowed() || call.made != nullptr) return false;",
         "if (!call.decision.allowed()) return false;")]),
    Mutation("a look at a task needs its call's key", [
        ("src/gateway/repeats.h", " && call.made == nullptr;", ";")]),
    Mutation("conditions on a task read the look's own arguments", [
        ("src/gateway/call_details.cpp", "  if (made() != nullptr) return read_made(*made());\n", "")]),
    Mutation("the tool inside isn't judged when its task is looked at", [
        (MADE, "  if (calls_another && made->arguments) add_inner(location, making.arguments, call, out.resource_failure);\n", "")]),
    Mutation("long arguments leave a task without its resource", [
        (NAMED, "    out.resource = call.resource;\n", "    out.resource.clear();\n")]),
    Mutation("the backend's own id of a task reaches the agent", [
        (ANSWERING, "    edits.push_back(std::move(tasks));\n", "    tasks = nullptr;\n")]),
    Mutation("a list has everybody's tasks", [
        (TASK_IDS, "  if (hidden > 0) remove_elements(list, text_, taken, splices_);\n", "")]),
    Mutation("a list has tasks of tools that may no longer be seen", [
        (TASK_EDIT, "    return sight.shows(response::Listed::tool, found->task->tool);\n", "    return true;\n")]),
    Mutation("everybody hears of a task", [
        (TASK_IDS, "      splices_.remove(0, text_.size());\n", "")]),
    Mutation("an answer may be about another task", [
        (TASK_EDIT, "    if (id && id->text() != call_.made->backend_id) return \"it tells of another task than was asked for\";\n", "")]),
    Mutation("the sealed id goes on in Mcp-Name", [
        (FORWARD, "        set_value(field, forward.mirrored_name);\n", "")], TASK),
    Mutation("a cached variable keeps a task's sealed id", [
        (WORKER, "\"http_mcp_name\"", "\"http_mcp_nom\"")], TASK),
    Mutation("a list that changes is told to nobody", [
        (STREAMS, "      if (changed != 0) rewriting->inject(r_, gateway::list_notices(call_, changed));\n",
         "      static_cast<void>(changed);\n")], CHANGED),
    Mutation("a subscription hears of what it didn't ask for", [
        (LOOKING, "services_.clock.now()) & call.listens;", "services_.clock.now());")]),
    Mutation("every change of facts is a change of lists", [
        (NOTICES, "if (sees(location, route, before, now) != sees(location, route, after, now)) out |= kind;",
         "static_cast<void>(sees(location, route, before, now) == sees(location, route, after, now));\n    out |= kind;")]),
    Mutation("a notice comes in the middle of an event", [
        (COURSE, "  if (injected_.empty() || refused_ || !splitter_.at_boundary()) return false;\n",
         "  if (injected_.empty() || refused_) return false;\n")], CHANGED),
    Mutation("a subscription is told before it is acknowledged", [
        (COURSE, "  if (call_.era == mcp::Era::modern && !spoken_) return false;\n", "")], CHANGED),
    Mutation("nobody looks at streams", [
        (STREAMS, "    if (one->is_watched()) one->look(*here, budget);\n",
         "    if (one->is_watched() && budget == 0) one->look(*here, budget);\n")], STREAM),
    Mutation("a call whose stream was ended counts as carried out", [
        (STREAMS, "    if (capture) capture->break_off();\n", "")], ["test_idempotency.py"]),
    Mutation("a stream's token may end", [
        (LOOKING, "  if (!principal) return std::optional(principal.error().reason);\n",
         "  if (!principal) return std::optional<Reason>();\n"),
        (LOOKING, "  auto principal = co_await std::move(who);\n  if (!principal) co_return principal.error().reason;\n",
         "  auto principal = co_await std::move(who);\n  if (!principal) co_return std::nullopt;\n")]),
    Mutation("a stream goes on when nobody can say whether it may", [
        (LOOKING, "  if (!facts) return facts.error().reason;\n", "  if (!facts) return std::nullopt;\n")]),
    Mutation("the backend isn't told that a stream has ended", [
        (STREAMS, "  end_upstream(r);\n", "  static_cast<void>(end_upstream);\n")], STREAM),
    Mutation("a stream that ends is cut off", [
        (STREAMS, "ngx_http_finalize_request(r, cut_ ? NGX_ERROR : ngx_http_send_special(r, NGX_HTTP_LAST));",
         "ngx_http_finalize_request(r, NGX_ERROR);")], STREAM),
]
