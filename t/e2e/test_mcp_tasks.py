"""Tasks belong to whom they were made for, and are judged as the call that made them: a client and a server of the SDK with
2025-11-25's, the conformance fixture with 2026-07-28's, and a backend that knows no owners."""
import json
import os
import subprocess
from itertools import product

import pytest

from plugins import mcp, policy
from plugins.backend import json_answer, sse_answer
from plugins.fixture import Fixture, app, node
from plugins.server import Answer
from plugins.site import Site, allowed, denied
from plugins.wait import eventually

EXTENSION = "io.modelcontextprotocol/tasks"
RELATED = "io.modelcontextprotocol/related-task"
UNKNOWN = {"code": -32602, "message": "Failed to retrieve task: Task not found"}
PEOPLE = [("mira", "docs-assistant"), ("mira", "second-agent"), ("vera", "docs-assistant"), ("vera", "second-agent")]
WORDS = {"tasks/get", "tasks/result", "tasks/cancel", "tasks/update"}


class Jobs:
    """A backend of both eras that makes a task of every call, and gives any task to anybody."""

    def __init__(self, form="json"):
        self.form, self.made, self.number = form, {}, 0

    def __call__(self, received):
        if received.method != "POST":
            return None
        message = json.loads(received.body)
        if "id" not in message or "method" not in message:
            return None
        modern = "2026" in json.dumps(message["params"].get("_meta", {}))
        params, method = message["params"], message["method"]
        if method == "tools/call":
            self.number += 1
            task = {"taskId": f"job-{self.number}", "status": "working", "ttl" + "Ms" * modern: 60000}
            self.made[task["taskId"]] = task
            result = {"resultType": "task", **task} if modern else {"task": task}
        elif method == "tasks/list":
            result = {"tasks": list(self.made.values()), "nextCursor": "after-them"}
        elif method not in WORDS:
            return None
        elif params["taskId"] not in self.made:
            return json_answer({"jsonrpc": "2.0", "id": message["id"], "error": UNKNOWN})
        elif method == "tasks/result":
            result = {"content": [{"type": "text", "text": "done"}], "_meta": {RELATED: {"taskId": params["taskId"]}}}
        elif method == "tasks/get" or not modern:
            result = {"resultType": "complete", **self.made[params["taskId"]]}
        else:
            result = {"resultType": "complete"}
        answer = {"jsonrpc": "2.0", "id": message["id"], "result": result}
        return json_answer(answer) if self.form == "json" else sse_answer([": a comment\n\n", f"id: 7\ndata: {json.dumps(answer)}\n\n"])


def with_jobs(site, form="json"):
    site.backend.answer = Jobs(form)
    site.change_policy(lambda tenant: tenant["agents"].update({"company|second-agent": {"bundles": ["support"]}}))
    return site


@pytest.fixture(params=["json", "events"])
def jobs(make_site, request):
    return with_jobs(make_site(start=False), request.param).start()


def by(site, user="mira", agent="docs-assistant", **claims):
    return site.token(user=user, agent=agent, **claims)


def ask(site, method, task=None, modern=False, token=True, declares=True, headers=(), **params):
    if task is not None:
        params["taskId"] = task
    if not modern:
        return site.post(mcp.message(method, params), token, [("MCP-Protocol-Version", mcp.LEGACY), *headers])
    if method == "tasks/update":
        params |= {"inputResponses": {}}
    if declares:
        params["_meta"] = {"io.modelcontextprotocol/clientCapabilities": {"extensions": {EXTENSION: {}}}}
    mirrored, body = mcp.modern(method, params, name=task)
    return site.post(body, token, [*mirrored, *headers])


def result_of(answer):
    assert answer.status == 200, answer.text
    text = answer.text
    if not text.startswith("{"):
        text = next(line[6:] for line in text.splitlines() if line.startswith("data: {"))
    assert "result" in json.loads(text), text
    return json.loads(text)["result"]


def make(site, tool="ticket.read", arguments=None, modern=False, token=True):
    """The id that the agent gets."""
    arguments = {"id": "T-1"} if arguments is None else arguments
    if modern:
        meta = {"io.modelcontextprotocol/clientCapabilities": {"extensions": {EXTENSION: {}}}}
        headers, body = mcp.modern("tools/call", {"name": tool, "arguments": arguments, "_meta": meta}, name=tool)
        result = result_of(site.post(body, token, headers))
    else:
        body = mcp.call(tool, arguments)
        body["params"]["task"] = {"ttl": 60000}
        result = result_of(site.post(body, token))["task"]
    assert result["status"] in ("working", "input_required")
    return result["taskId"]


def stranger(answer, reason=None):
    assert answer.status == 200, f"{answer.status} {answer.text}"
    error = answer.json()["error"]
    assert {name: error[name] for name in UNKNOWN} == UNKNOWN
    assert error["data"] == {"decision": "deny", "reason": "task_unknown", "request_id": answer.request_id}
    if reason is not None:
        assert answer.event()["reason"] == reason
    return answer


@pytest.mark.parametrize("modern", [False, True])
def test_the_agent_sees_a_sealed_id_and_the_backend_its_own(jobs, modern):
    task = make(jobs, modern=modern)
    assert "job" not in task and task.isascii() and len(task) < 400
    for method in ("tasks/get", "tasks/cancel", "tasks/update" if modern else "tasks/result"):
        jobs.backend.clear()
        answer = ask(jobs, method, task, modern, headers=[("X-Odd", "y")])
        result = result_of(answer)
        assert result.get("taskId", task) == task and "job-1" not in answer.text
        if method == "tasks/result":
            assert result["_meta"][RELATED] == {"taskId": task}
        sent = jobs.backend.last
        assert json.loads(sent.body)["params"]["taskId"] == "job-1" and task.encode() not in sent.body
        assert sent.header("Content-Length") == str(len(sent.body)) and sent.header("X-Odd") == "y"
        assert sent.header("Mcp-Name") == ("job-1" if modern else None)
        event = answer.event()
        assert event["type"] == "mcp." + method.replace("/", ".") and event["decision"] == "allow"
        assert event["operation"] == "tickets/ticket.read" and event["resource"] == "ticket:T-1"
        assert event["mcp"]["tool"] == "ticket.read" and task not in json.dumps(event) and "job-1" not in json.dumps(event)


def test_nothing_else_of_the_bytes_changes(make_site):
    site = with_jobs(make_site())
    task = make(site)
    body = '{ "jsonrpc":"2.0","id":2 , "method":"tasks\\/get","params":{"more": [1.50,  "\\u00e9"],\t"taskId" :"%s" }}'
    raw = '{"jsonrpc":"2.0","id":2,"result" : {"taskId":  "%s", "status":"working","odd":1.50}}'
    for how in ({}, {"chunked": True}):
        site.backend.answer = Answer(200, [("Content-Type", "application/json")], (raw % "job-1").encode())
        answer = site.post((body % task).encode(), headers=[("MCP-Protocol-Version", mcp.LEGACY)], **how)
        assert site.backend.last.body == (body % "job-1").encode()
        assert answer.body == (raw % task).encode() and answer.header("Content-Length") == str(len(answer.body))


@pytest.mark.parametrize("modern", [False, True])
def test_two_users_and_two_agents(jobs, modern):
    tasks = {who: make(jobs, token=by(jobs, *who), modern=modern) for who in PEOPLE}
    for (owner, task), caller in product(tasks.items(), PEOPLE):
        answer = ask(jobs, "tasks/get", task, modern, by(jobs, *caller))
        if caller == owner:
            assert result_of(answer)["taskId"] == task
        else:
            stranger(answer, "task_foreign")


@pytest.mark.parametrize("modern", [False, True])
def test_whatever_is_no_task_of_the_callers_is_told_alike(make_site, modern):
    site = with_jobs(make_site())
    foreign, own = make(site, token=by(site, "vera")), make(site)
    hidden = make(site, "delete_ticket", {"ticketId": "T-1"}, token=by(site, scope="tickets:write"))
    site.change_policy(lambda t: t["entitlements"].__setitem__(0, t["entitlements"][0] | {"operation": "tickets/ticket.read"}))
    site.backend.clear()
    told = set()
    for method in ("tasks/get", "tasks/cancel", "tasks/update" if modern else "tasks/result"):
        for task in (foreign, hidden, "job-1", "job-2", "nothing", own[:50] + ("A" if own[50] != "A" else "B") + own[51:]):
            answer = stranger(ask(site, method, task, modern))
            told.add((answer.status, answer.text.replace(answer.request_id, ""),
                      tuple(sorted((name.lower(), value) for name, value in answer.headers
                                   if name.lower() not in ("date", "x-request-id")))))
    assert len(told) == 1 and site.backend.count() == 0
    # And as the server itself tells of a task that it doesn't have.
    site.backend.answer.made.clear()
    theirs, ours = ask(site, "tasks/get", own, modern), ask(site, "tasks/get", foreign, modern)
    assert theirs.status == ours.status
    assert {k: v for k, v in ours.json()["error"].items() if k != "data"} == theirs.json()["error"]


def test_a_look_is_judged_as_the_call_would_be(make_site):
    site = with_jobs(make_site())
    tasks = {modern: make(site, modern=modern) for modern in (False, True)}
    wide = site.policy["tenants"]["default"]["entitlements"][0]
    for change, told in (({"resource": "ticket:T-2"}, "denied"), ({"operation": "tickets/other"}, "hidden"),
                         ({"when": '<id> == "T-1"'}, "allowed"), ({"when": '<id> == "T-2"'}, "denied")):
        site.change_policy(lambda t, change=change: t["entitlements"].__setitem__(0, wide | change))
        for modern, task in tasks.items():
            for method in ("tasks/get", "tasks/cancel", "tasks/update" if modern else "tasks/result"):
                answer = ask(site, method, task, modern)
                if told == "allowed":
                    result_of(answer)
                elif told == "denied":
                    denied(answer, "user_entitlement_missing")
                    assert answer.event()["operation"] == "tickets/ticket.read"
                else:
                    stranger(answer, "user_entitlement_missing")
    site.change_policy(lambda t: (t["entitlements"].__setitem__(0, wide), t["bundles"]["support"].update(grants=[])))
    stranger(ask(site, "tasks/get", tasks[False]), "agent_grant_missing")


def test_the_scope_of_the_tool_is_needed(make_site):
    site = with_jobs(make_site())
    task = make(site, "delete_ticket", {"ticketId": "T-1"}, token=by(site, scope="tickets:write"))
    answer = ask(site, "tasks/get", task, token=by(site, scope="tickets:read"))
    assert answer.status == 403 and 'error="insufficient_scope"' in answer.header("WWW-Authenticate")
    result_of(ask(site, "tasks/get", task, token=by(site, scope="tickets:write")))


def test_looks_take_nothing_from_limits_and_need_no_key(make_site, make_redis):
    store = make_redis()
    store.load(policy.base())
    site = make_site(start=False, store=store.store, http=sealed_by("agent.key"),
                     tools="agent_tool ticket.read { resource ticket:<id>; limit agent 1r/h burst=1; idempotency header; }")
    write_key(site, "agent.key")
    with_jobs(site).start()
    body = mcp.call("ticket.read", {"id": "T-1"})
    body["params"]["task"] = {}
    task = result_of(site.post(body, headers=[("Idempotency-Key", "key-1")]))["task"]["taskId"]
    for _ in range(4):
        result_of(ask(site, "tasks/get", task))
    assert site.post(body, headers=[("Idempotency-Key", "key-2")]).status == 429
    # The repeat gets the recorded answer, and the task in it is the same one.
    repeat = site.post(body, headers=[("Idempotency-Key", "key-1")])
    assert repeat.header("Idempotent-Replayed") == "true"
    again = result_of(repeat)["task"]["taskId"]
    result_of(ask(site, "tasks/get", again))
    assert json.loads(site.backend.last.body)["params"]["taskId"] == "job-1"


def test_who_does_not_declare_tasks(make_site):
    site = with_jobs(make_site())
    for method in ("tasks/get", "tasks/update", "tasks/cancel"):
        answer = ask(site, method, "any", modern=True, declares=False)
        assert answer.status == 400 and answer.json()["error"]["code"] == -32021
        assert answer.json()["error"]["data"]["requiredCapabilities"] == {"extensions": {EXTENSION: {}}}
        assert answer.event()["reason"] == "tasks_undeclared"
    for method in ("tasks/list", "tasks/result"):
        answer = ask(site, method, None if method == "tasks/list" else "any", modern=True)
        assert answer.status == 404 and answer.json()["error"]["code"] == -32601
    mirrored, body = mcp.modern("tasks/get", {"taskId": "one"}, name="two")
    assert site.post(body, headers=mirrored).json()["error"]["code"] == -32020


# --- lists and streams --------------------------------------------------------------------------------------------------


def test_a_list_has_the_callers_own_whichever_worker_made_them(jobs):
    own = [make(jobs) for _ in range(6)]
    others = [make(jobs, token=by(jobs, *who)) for who in PEOPLE[1:]]
    for _ in range(4):
        answer = ask(jobs, "tasks/list")
        result = result_of(answer)
        assert [task["taskId"] for task in result["tasks"]] == own and result["nextCursor"] == "after-them"
        assert answer.event()["items"] == {"shown": 6, "hidden": 3}
    assert [task["taskId"] for task in result_of(ask(jobs, "tasks/list", token=by(jobs, *PEOPLE[1])))["tasks"]] == others[:1]
    assert result_of(ask(jobs, "tasks/list", token=by(jobs, "omar", groups=[])))["tasks"] == []
    # What the caller may no longer see isn't there.
    jobs.change_policy(lambda tenant: tenant.update(entitlements=[]))
    assert result_of(ask(jobs, "tasks/list"))["tasks"] == []


def test_after_a_restart_a_list_has_what_is_asked_for_again(make_site):
    site = make_site(start=False, http=sealed_by("agent.key"))
    write_key(site, "agent.key")
    with_jobs(site).start()
    one, _ = make(site), make(site)
    site.nginx.stop()
    site.start()
    assert result_of(ask(site, "tasks/list"))["tasks"] == []
    result_of(ask(site, "tasks/get", one))
    assert [task["taskId"] for task in result_of(ask(site, "tasks/list"))["tasks"]] == [one]


@pytest.mark.parametrize("broken", [{}, {"tasks": {}}, {"tasks": [7]}, {"tasks": [{"status": "x"}]},
                                    {"tasks": [{"taskId": "a", "TASKID": "b"}]}])
def test_a_list_that_cannot_be_read_is_refused(site, broken):
    site.backend.answer = json_answer({"jsonrpc": "2.0", "id": 1, "result": broken})
    answer = ask(site, "tasks/list")
    assert answer.status == 502 and answer.event()["reason"] == "answer_malformed"


def test_a_stream_tells_of_the_callers_tasks_alone(make_site):
    site = with_jobs(make_site())
    task, _ = make(site), make(site, token=by(site, "vera"))
    jobs = site.backend.answer

    def block(method, params, number):
        return f"id: {number}\ndata: {json.dumps({'jsonrpc': '2.0', 'method': method, 'params': params})}\n\n"

    def told(method, params):
        return {"jsonrpc": "2.0", "method": method, "params": params}

    def answer(received):
        if received.method != "GET":
            return jobs(received)
        return sse_answer([
            block("notifications/tasks/status", {"taskId": "job-1", "status": "completed"}, 1),
            block("notifications/tasks/status", {"taskId": "job-2", "status": "completed", "statusMessage": "of vera"}, 2),
            block("notifications/tasks/status", {"taskId": "job-9", "status": "completed"}, 3),
            block("notifications/message", {"level": "info", "data": "x", "_meta": {RELATED: {"taskId": "job-2"}, "a": 1}}, 4),
            block("notifications/message", {"level": "info", "data": "x", "_meta": {RELATED: {"taskId": "job-1"}}}, 5)])

    site.backend.answer = answer
    stream = site.send("GET", "/mcp", headers=[("Accept", "text/event-stream")])
    assert "vera" not in stream.text and "job" not in stream.text
    assert [json.loads(line[6:]) for line in stream.text.splitlines() if line.startswith("data: ")] == [
        told("notifications/tasks/status", {"taskId": task, "status": "completed"}),
        told("notifications/message", {"level": "info", "data": "x", "_meta": {"a": 1}}),
        told("notifications/message", {"level": "info", "data": "x", "_meta": {RELATED: {"taskId": task}}})]
    # An event that isn't told of is still one that a client may go on from.
    assert [line for line in stream.text.splitlines() if line.startswith("id: ")] == [f"id: {n}" for n in range(1, 6)]


def test_tasks_are_followed_by_their_owner(make_site):
    site = with_jobs(make_site())
    task, foreign = make(site, modern=True), make(site, modern=True, token=by(site, "vera"))
    meta = {"io.modelcontextprotocol/clientCapabilities": {"extensions": {EXTENSION: {}}}}

    def listen(ids, **more):
        headers, body = mcp.modern("subscriptions/listen", {"notifications": {"taskIds": ids}, "_meta": meta | more})
        return site.post(body, headers=headers)

    def told(method, params):
        return f"data: {json.dumps({'jsonrpc': '2.0', 'method': method, 'params': params})}\n\n"

    site.backend.answer = lambda received: sse_answer([
        told("notifications/subscriptions/acknowledged", {"notifications": {"taskIds": ["job-1", "job-2"]}}),
        told("notifications/tasks", {"taskId": "job-2", "status": "completed", "result": {"content": []}}),
        told("notifications/tasks", {"taskId": "job-1", "status": "completed", "result": {"content": []}})])
    answer = listen([task])
    assert json.loads(site.backend.last.body)["params"]["notifications"]["taskIds"] == ["job-1"]
    lines = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]
    assert [line["params"].get("notifications") or line["params"]["taskId"] for line in lines] == [{"taskIds": [task]}, task]
    site.backend.clear()
    for ids in ([foreign], [task, foreign], ["job-1"], ["x"]):
        stranger(listen(ids))
    site.change_policy(lambda tenant: tenant.update(entitlements=[]))
    stranger(listen([task]), "user_entitlement_missing")
    assert site.backend.count() == 0


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 1000])
def test_whatever_the_pieces(site, size):
    site.backend.answer = Jobs()
    task = make(site)
    whole = f"id: 1\r\ndata: {json.dumps({'jsonrpc': '2.0', 'id': 1, 'result': {'taskId': 'job-1', 'status': 'x'}})}\r\n\r\n".encode()
    site.backend.answer = lambda received: sse_answer([whole[at:at + size] for at in range(0, len(whole), size)])
    assert ask(site, "tasks/get", task).body == whole.replace(b"job-1", task.encode())


def test_what_a_message_belongs_to_is_its_senders(make_site):
    site = with_jobs(make_site())
    own, foreign = make(site), make(site, token=by(site, "vera"))
    site.backend.clear()

    def sent(task, method="tools/call", id=1):
        params = {"name": "ticket.read", "arguments": {"id": "T-1"}} if id else {"progressToken": 1, "progress": 1}
        answer = site.post(mcp.message(method, params | {"_meta": {RELATED: {"taskId": task}, "a": 1}}, id))
        return answer, json.loads(site.backend.last.body)["params"]["_meta"] if site.backend.count() else None

    for task in (foreign, "job-1"):
        stranger(sent(task)[0])
    assert site.backend.count() == 0
    assert sent(own)[1] == {RELATED: {"taskId": "job-1"}, "a": 1}
    assert sent(own, "notifications/progress", None)[1] == {RELATED: {"taskId": "job-1"}, "a": 1}
    assert sent("job-2", "notifications/progress", None)[1] == {"a": 1}


# --- keys, nodes, and where nothing is bound ----------------------------------------------------------------------------


def sealed_by(*names):
    return "".join(f"agent_key @PREFIX@/{name}; " for name in names)


def write_key(site, name):
    key = site.prefix / name
    key.write_bytes(os.urandom(32))
    key.chmod(0o600)
    return key


def test_keys_rotate(make_site):
    site = make_site(start=False, http=sealed_by("one.key"))
    write_key(site, "one.key")
    write_key(site, "two.key")
    with_jobs(site).start()
    before = make(site)
    site.reload(gone=True, http=sealed_by("two.key", "one.key"))
    after = make(site)
    for task in (before, after):
        assert result_of(ask(site, "tasks/get", task))["taskId"] == task
    site.reload(gone=True, http=sealed_by("two.key"))
    stranger(ask(site, "tasks/get", before), "task_unknown")
    result_of(ask(site, "tasks/get", after))


def test_a_second_nginx_with_the_same_key(make_site):
    first = make_site(start=False, http=sealed_by("agent.key"))
    key = write_key(first, "agent.key").read_bytes()
    with_jobs(first).start()
    others = {}
    for name, content in (("same", key), ("other", os.urandom(32))):
        site = make_site(start=False, http=sealed_by("agent.key"), authority=first.issuer, backend=first.backend,
                         resource=first.resource)
        write_key(site, "agent.key").write_bytes(content)
        others[name] = site
    first.issuer.audience = [first.resource]
    for site in others.values():
        site.start()
    task = make(first)
    assert result_of(ask(others["same"], "tasks/get", task))["taskId"] == task
    stranger(ask(others["same"], "tasks/get", task, token=by(first, "vera")), "task_foreign")
    stranger(ask(others["other"], "tasks/get", task), "task_unknown")


def test_without_a_key_tasks_survive_a_reload_and_end_with_nginx(make_site):
    site = with_jobs(make_site())
    task = make(site)
    site.reload(gone=True)
    assert result_of(ask(site, "tasks/get", task))["taskId"] == task
    assert [one["taskId"] for one in result_of(ask(site, "tasks/list"))["tasks"]] == [task]
    site.nginx.stop()
    site.start()
    stranger(ask(site, "tasks/get", task), "task_unknown")


def test_another_place_is_another_owner(make_site):
    second = """location /second { agent_gateway mcp others; agent_protected_resource http://127.0.0.1:@PORT@/second; agent_trust company;
        agent_forward none; agent_tool ticket.read { resource ticket:<id>; } proxy_pass http://tickets; }"""
    site = with_jobs(make_site(start=False, server=second))
    site.issuer.audience = [*site.issuer.audience, f"http://127.0.0.1:{site.port}/second"]
    for to in ("agent:company|docs-assistant", "group:company|support"):
        policy.grant(site.policy, to, "others/*", "ticket:*", id="o" + to[-3:])
    site.write_policy(site.policy)
    site.start()
    task = make(site)
    answer = site.post(mcp.message("tasks/get", {"taskId": task}), path="/second",
                       headers=[("MCP-Protocol-Version", mcp.LEGACY)])
    stranger(answer, "task_foreign")


def test_observing_changes_nothing_and_an_enforced_tool_has_no_tasks_there(make_site):
    site = with_jobs(make_site(start=False, mcp="agent_mode observe;"))
    site.start()
    assert make(site) == "job-1"
    answer = ask(site, "tasks/get", "job-1")
    assert result_of(answer)["taskId"] == "job-1" and answer.event()["decision"] == "allow"
    assert len(result_of(ask(site, "tasks/list"))["tasks"]) == 1
    site.reload(gone=True, tools="agent_tool ticket.read { mode enforce; resource ticket:<id>; }")
    assert ask(site, "tasks/get", "job-1").json()["error"]["code"] == -32601


def test_servers_chosen_by_the_task_see_the_backends_id(make_site):
    site = with_jobs(make_site(start=False, server="underscores_in_headers on;",
                               mcp="set $before $http_mcp_name; proxy_set_header X-Chosen $http_mcp_name;"))
    site.start()
    task = make(site, modern=True)
    result_of(ask(site, "tasks/get", task, modern=True, headers=[("Mcp_Name", task), ("mcp_NAME", "job-2")]))
    sent = site.backend.last
    assert sent.header("X-Chosen") == "job-1" and sent.header("Mcp-Name") == "job-1" and sent.header("Mcp_Name") is None


def test_no_log_has_a_tasks_id(jobs):
    task = make(jobs)
    answer = ask(jobs, "tasks/get", task)
    stranger(ask(jobs, "tasks/get", task, token=by(jobs, "vera")), "task_foreign")
    answer.event()
    for path in (jobs.prefix / "audit.jsonl", jobs.prefix / "logs/error.log"):
        text = path.read_text()
        assert task not in text and "job-1" not in text


# --- servers and clients that others have written ---------------------------------------------------------------------


class LegacyTasks(Fixture):
    """t/e2e/servers/tasks-v1.mjs: the SDK's own tasks of 2025-11-25, which it gives to everybody."""

    def start(self):
        command = [node(), str(app("t/e2e/clients", "t/e2e/servers").parent / "servers/tasks-v1.mjs")]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        self.port = json.loads(self.process.stdout.readline())["port"]
        return self


def served(folder, server, *tools):
    site = Site(folder, backend=server, tools="\n".join(f"agent_tool {tool} {{ }}" for tool in tools),
                mcp='proxy_set_header Host 127.0.0.1:@BACKEND@; proxy_set_header Connection "";')
    for to in ("agent:company|docs-assistant", "group:company|support"):
        policy.grant(site.policy, to, "tickets/*", id="t" + to[-3:])
    site.write_policy(site.policy)
    return site.start()


@pytest.fixture
def legacy(tmp_path):
    server = LegacyTasks().start()
    site = served(tmp_path, server, "count", "ask")
    yield site
    site.close()
    server.stop()


def story(site, token, *tasks):
    done = subprocess.run([node(), str(app("t/e2e/clients", "t/e2e/servers") / "tasks-v1.mjs"), site.resource, token, *tasks],
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.timeout(400)   # where packages have to be installed first
def test_a_client_and_a_server_of_the_sdk(legacy):
    told = story(legacy, legacy.token())
    count, asked = told["count"], told["ask"]
    assert count["text"] == "counted to 3" and count["statuses"][-1] == [count["id"], "completed"]
    assert asked["text"] == "accept Mira" and [asked["id"], "input_required"] in asked["statuses"]
    # The request that came with its result is that task's, by the name that the client has for it.
    assert told["asked"] == [asked["id"]] and told["related"] == count["id"]
    assert told["cancelled"] == "cancelled" and told["listed"] == [count["id"], asked["id"], told["long"]]
    # Another user of the same server, which keeps no tasks apart.
    other = story(legacy, legacy.token(user="vera"), count["id"], told["long"])
    assert other["listed"] == [other["count"]["id"], other["ask"]["id"], other["long"]]
    assert not set(other["listed"]) & set(told["listed"])
    (errors,) = {tuple(errors) for errors in other["errors"].values()}
    assert set(errors) == {errors[0]} and errors[0].startswith("-32602") and errors[0].endswith(UNKNOWN["message"])
    # As the server itself says it of a task that isn't there.
    gone = ask(Direct(legacy), "tasks/get", "nothing").json()["error"]
    assert gone["code"] == UNKNOWN["code"] and gone["message"].endswith(UNKNOWN["message"])


class Direct:
    """The backend itself, for one session."""

    def __init__(self, site):
        self.site = site

    def post(self, message, token, headers):
        site, site_port = self.site, self.site.port
        try:
            site.port = site.backend.port
            begin = mcp.message("initialize", {"protocolVersion": mcp.LEGACY, "capabilities": {},
                                               "clientInfo": {"name": "x", "version": "1"}})
            session = site.post(begin, None).header("Mcp-Session-Id")
            answer = site.post(message, None, [*headers, ("Mcp-Session-Id", session)])
            answer.json = lambda: json.loads(next(line[6:] for line in answer.text.splitlines() if line.startswith("data: {")))
            return answer
        finally:
            site.port = site_port


@pytest.mark.timeout(400)
def test_the_extension_with_the_fixture_server(tmp_path):
    server = Fixture().start()
    site = served(tmp_path, server, "slow_compute", "confirm_delete")
    try:
        task = make(site, "confirm_delete", {"filename": "x"}, modern=True)

        def reached(status):
            detailed = result_of(ask(site, "tasks/get", task, modern=True))
            assert detailed["taskId"] == task
            return detailed if detailed["status"] == status else None

        (key,) = eventually(lambda: reached("input_required"))["inputRequests"]
        stranger(ask(site, "tasks/get", task, modern=True, token=by(site, "vera")), "task_foreign")
        meta = {"io.modelcontextprotocol/clientCapabilities": {"extensions": {EXTENSION: {}}}}
        headers, body = mcp.modern("tasks/update", {"taskId": task, "_meta": meta, "inputResponses": {
            key: {"action": "accept", "content": {"confirm": True}}}}, name=task)
        assert result_of(site.post(body, headers=headers))["resultType"] == "complete"
        assert eventually(lambda: reached("completed"))["result"]["content"]
        # Both ways a task that isn't there is told alike.
        ours = ask(site, "tasks/get", "nothing", modern=True)
        mirrored, message = mcp.modern("tasks/get", {"taskId": "nothing", "_meta": meta}, name="nothing")
        port, site.port = site.port, server.port
        theirs = site.post(message, None, mirrored)
        site.port = port
        assert (ours.status, ours.json()["error"]["code"]) == (theirs.status, theirs.json()["error"]["code"])
    finally:
        site.close()
        server.stop()


def test_a_call_that_asks_for_no_task_is_left_alone(site):
    raw = json.dumps({"jsonrpc": "2.0", "id": 1, "result": {"taskId": "job-1", "content": []}}, indent=1).encode()
    site.backend.answer = Answer(200, [("Content-Type", "application/json")], raw)
    assert site.call().body == raw
    allowed(site.call())
