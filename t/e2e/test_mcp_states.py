"""requestState: what a backend gives a client to bring back comes back from that client, for that call, and unchanged."""
import json

import pytest

from plugins import mcp
from plugins.backend import json_answer, plain, sse_answer
from plugins.site import allowed, hidden

OWN = 'back"end\u00e9-state'


class Asking:
    """Asks back once, with a state of its own, and then does what it was asked for."""

    def __init__(self, form="json"):
        self.form, self.states = form, []

    def __call__(self, received):
        if received.method != "POST":
            return None
        message = json.loads(received.body)
        state = message.get("params", {}).get("requestState")
        if state is not None:
            self.states.append(state)
            return plain(received)
        result = {"resultType": "input_required", "requestState": OWN,
                  "inputRequests": {"who": {"method": "elicitation/create", "params": {"mode": "form", "message": "?"}}}}
        answer = {"jsonrpc": "2.0", "id": message["id"], "result": result}
        if self.form == "json":
            return json_answer(answer)
        pieces = [": a comment\n\n", f"event: message\nid: 7\ndata: {json.dumps(answer)}\n\n"]
        return sse_answer(pieces)


@pytest.fixture(params=["json", "events"])
def asking(site, request):
    site.backend.answer = Asking(request.param)
    return site


def asked(site, arguments=None, id=1, token=True, tool="ticket.read", **more):
    headers, body = mcp.modern_call(tool, {"id": "T-1"} if arguments is None else arguments, id)
    body["params"] |= more
    return site.post(body, token, headers)


def state_of(answer):
    assert answer.status == 200, answer.text
    text = answer.text
    if "event: message" in text:
        text = next(line[6:] for line in text.splitlines() if line.startswith("data: {"))
    result = json.loads(text)["result"]
    assert result["resultType"] == "input_required" and "who" in result["inputRequests"]
    return result["requestState"]


def refused(site, answer, reason):
    assert answer.status == 400, f"{answer.status} {answer.text}"
    error = answer.json()["error"]
    assert error["code"] == -32602 and error["data"]["reason"] == "state_unknown", error
    assert error["message"] == "Unknown requestState"
    assert answer.event()["reason"] == reason


def test_it_comes_back_to_the_backend_as_it_was(asking):
    state = state_of(asked(asking))
    assert OWN not in state and state.isascii() and len(state) > 100
    asking.backend.clear()
    allowed(asked(asking, id=2, requestState=state, inputResponses={"who": {"action": "accept"}}))
    assert asking.backend.answer.states == [OWN]
    sent = asking.backend.last
    message = json.loads(sent.body)
    assert message["params"]["inputResponses"] == {"who": {"action": "accept"}} and message["id"] == 2
    assert sent.header("Content-Length") == str(len(sent.body))


def test_nothing_else_of_the_request_changes(site):
    site.backend.answer = Asking()
    state = state_of(asked(site))
    headers, _ = mcp.modern_call("ticket.read", {"id": "T-1"})
    meta = json.dumps(mcp.meta())
    body = '{ "jsonrpc":"2.0","id":2 , "method":"tools\\/call","params":{"name":"ticket.read",  "_meta":%s,' \
           '"arguments":{"id":"T-1"},"requestState" :\t"%s" }}'
    for how in ({}, {"chunked": True}):
        answer = site.post((body % (meta, state)).encode(), headers=headers, **how)
        allowed(answer)
        assert site.backend.last.body == (body % (meta, json.dumps(OWN)[1:-1])).encode()


def test_another_caller_call_or_time(asking):
    state = state_of(asked(asking))
    asking.backend.clear()
    refused(asking, asked(asking, token=asking.token(user="vera"), requestState=state), "state_foreign")
    refused(asking, asked(asking, {"id": "T-2"}, requestState=state), "state_mismatch")
    refused(asking, asked(asking, {"id": "T-1", "more": 1}, requestState=state), "state_mismatch")
    refused(asking, asked(asking, {}, tool="ticket.list", requestState=state), "state_mismatch")
    refused(asking, asked(asking, requestState=state[:50] + ("A" if state[50] != "A" else "B") + state[51:]), "state_unknown")
    refused(asking, asked(asking, requestState=OWN), "state_unknown")
    refused(asking, asked(asking, requestState=""), "state_unknown")
    # Nor does it tell of an operation that the caller can't see.
    refused(asking, asked(asking, {}, tool="delete_ticket", token=asking.token(user="zoe", groups=[]), requestState=state),
            "state_foreign")
    assert asking.backend.count() == 0
    for wrong in (7, None, {}, [state]):
        assert asked(asking, requestState=wrong).event()["reason"] == "params_invalid"
    allowed(asked(asking, requestState=state))


def test_a_legacy_message_cannot_smuggle_one(site):
    site.backend.answer = Asking()
    body = mcp.call("ticket.read", {"id": "T-1"})
    body["params"]["requestState"] = OWN
    refused(site, site.post(body), "state_unknown")
    assert site.backend.count() == 0


def test_a_retry_is_judged_anew(make_site):
    site = make_site()
    site.backend.answer = Asking()
    state = state_of(asked(site))
    site.change_policy(lambda t: t.update(entitlements=[]))
    site.backend.clear()
    hidden(asked(site, requestState=state), "ticket.read")
    assert site.backend.count() == 0


def test_a_retry_takes_from_limits_once_more(make_site):
    site = make_site(tools="agent_tool ticket.read { scope tickets:read; resource ticket:<id>; limit agent 2r/h; }")
    site.backend.answer = Asking()
    state = state_of(asked(site))
    allowed(asked(site, requestState=state))
    site.backend.clear()
    assert asked(site, requestState=state).status == 429 and site.backend.count() == 0


def test_a_reload_keeps_it_and_observing_changes_nothing(make_site):
    site = make_site()
    site.backend.answer = Asking()
    state = state_of(asked(site))
    site.reload(gone=True)
    allowed(asked(site, requestState=state))
    site.reload(gone=True, mcp="agent_mode observe;")
    assert state_of(asked(site)) == OWN
    allowed(asked(site, requestState=OWN))
    assert site.backend.answer.states == [OWN, OWN]


@pytest.mark.parametrize("state", [7, None, {"a": 1}])
def test_a_state_that_is_none_is_a_broken_answer(site, state):
    site.backend.answer = json_answer({"jsonrpc": "2.0", "id": 1, "result": {"resultType": "input_required",
                                                                            "requestState": state}})
    answer = asked(site)
    assert answer.status == 502 and answer.json()["error"]["data"]["request_id"] == answer.request_id
    assert answer.event()["reason"] == "answer_malformed"


def test_the_word_alone_changes_nothing(site):
    result = {"content": [{"type": "text", "text": "requestState"}], "structuredContent": {"requestState": OWN}}
    raw = json.dumps({"jsonrpc": "2.0", "id": 1, "result": result}, indent=1).encode()
    site.backend.answer = lambda r: json_answer({}) if r.method != "POST" else _raw(raw)
    answer = asked(site)
    assert answer.status == 200 and answer.body == raw
    for size in (1, 9000, 200000):
        big = json.dumps({"jsonrpc": "2.0", "id": 1, "result": {"content": "x" * size}}).encode()
        site.backend.answer = _raw(big)
        answer = asked(site)
        assert answer.body == big and answer.header("Content-Length") == str(len(big))


def _raw(body):
    answer = json_answer({})
    answer.body = body
    return answer
