"""Tools that list other tools: their answers show what their caller may see, whatever form they have."""
import json

import pytest

from plugins import mcp, policy
from plugins.backend import json_answer, sse_answer
from plugins.server import Answer
from plugins.site import TOOLS, allowed, denied

BLOCKS = """
            agent_tool search   { lists <tools> name=<name>; scope tickets:read; }
            agent_tool array    { lists <result> name=<name> text=array; }
            agent_tool items    { lists <result> name=<name> text=items; }
            agent_tool names    { lists <result> text=items errors=pass; }
            agent_tool plain    { }
            agent_tool execute  { inner name=<tool> arguments=<args>; }
            agent_tool watched  { lists <tools> name=<name>; mode observe; }
"""
SITE = {"tools": TOOLS + BLOCKS}
OWN = ("search", "array", "items", "names", "plain", "execute", "watched")
LISTED = ["ticket.read", "admin.reset", "ticket.list", "Ticket.read", "delete_ticket"]
SEEN = ["ticket.read", "ticket.list", "delete_ticket"]


@pytest.fixture
def site(site_of_module):
    site = site_of_module
    site.backend.reset()
    base = policy.base()
    policy.tenant(base)["agents"]["company|narrow-agent"]["tier"] = "developer"
    for name in OWN:
        for to in ("agent:company|docs-assistant", "agent:company|narrow-agent", "group:company|support"):
            policy.grant(base, to, f"tickets/{name}", id=f"{name}-{to[:5]}{'n' if 'narrow' in to else ''}")
    site.policy = base
    site.write_policy(base)
    return site


def item(name):
    return {"name": name, "description": "é \" \\", "inputSchema": {"type": "object", "properties": {"id": {}, "ID": {}}}}


def text(value):
    return {"type": "text", "text": value if isinstance(value, str) else json.dumps(value)}


def found(form, names):
    """A result as servers give it in this form."""
    tools = [item(name) for name in names]
    if form == "search":
        whole = {"tools": tools, "total": 9}
        return {"content": [text(whole)], "structuredContent": whole}
    if form == "array":
        return {"content": [text(tools)], "structuredContent": {"result": tools}}
    if form == "items":
        return {"content": [text(json.dumps(tool, indent=2)) for tool in tools], "structuredContent": {"result": tools}}
    return {"content": [text(name) for name in names], "structuredContent": {"result": list(names)}}


def response(result, id=1):
    return {"jsonrpc": "2.0", "id": id, "result": result}


def event(value):
    return f"event: message\ndata: {json.dumps(value)}\n\n"


def events_of(answer):
    return [json.loads(line[5:]) for line in answer.body.decode().splitlines() if line.startswith("data: {")]


def refused(answer, reason="answer_malformed"):
    assert answer.status == 502, f"{answer.status} {answer.text}"
    data = answer.json()["error"]["data"]
    assert data["reason"] == reason and data["request_id"] == answer.request_id
    event = answer.event()
    assert event["reason"] == reason and event["outcome"] == "error" and event["decision"] == "allow"
    assert b"admin.reset" not in answer.body


@pytest.mark.parametrize("how", ["json", "events"])
@pytest.mark.parametrize("modern", [False, True])
@pytest.mark.parametrize("form", ["search", "array", "items", "names"])
def test_what_the_caller_may_not_see_is_taken_out(site, form, modern, how):
    whole = response(found(form, LISTED))
    progress = {"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": 1, "progress": 1}}
    site.backend.answer = json_answer(whole) if how == "json" else sse_answer([event(progress), event(whole)])
    answer = site.call(form, {"query": "t"}, modern=modern)
    assert answer.status == 200, answer.text
    got = answer.json() if how == "json" else events_of(answer)[1]
    expected = json.loads(json.dumps(found(form, SEEN)))
    assert got["result"] == expected
    assert how == "json" or events_of(answer)[0] == progress
    assert answer.event()["items"] == {"shown": 3, "hidden": 2}
    narrow = site.call(form, {"query": "t"}, token=site.token(agent="narrow-agent"), modern=modern)
    got = narrow.json() if how == "json" else events_of(narrow)[1]
    assert got["result"] == found(form, ["ticket.read"])


def test_every_other_byte_stays(site):
    def body(one, two):
        return ('{"jsonrpc":"2.0","id":1,"result":{ "content":[{"type":"text","text":"{\\u0022tools\\": [' + one +
                '{\\"name\\":\\"ticket.list\\", \\"d\\":\\"\\\\u00e9\\ud83d\\ude00\\"}]}"}], "structuredContent" : {"tools":[' +
                two + '{ "name":"ticket.list","n":1.50e3 }] ,"x":1 },"_meta":{}}}\n').encode()
    before = body('{\\"name\\":\\"admin.reset\\"},', '{"name":"x"} , ')
    site.backend.answer = Answer(200, [("Content-Type", "application/json")], before)
    answer = site.call("search", {})
    assert answer.status == 200 and answer.body == body("", "")


BAD = {
    "prose": {"content": [text("ticket.read, admin.reset")]},
    "prose beside the list": {"content": [text("found: admin.reset")], "structuredContent": {"tools": []}},
    "no list": {"content": [text({"found": [item("admin.reset")]})]},
    "a list of another type": {"structuredContent": {"tools": {"admin.reset": 1}}},
    "an element without a name": {"structuredContent": {"tools": [item("ticket.read"), {"id": "admin.reset"}]}},
    "a look-alike": {"structuredContent": {"tools": [], "Tools": [item("admin.reset")]}},
    "a link": {"content": [{"type": "resource_link", "uri": "tool://admin.reset", "name": "admin.reset"}]},
    "an error": {"isError": True, "content": [text("did you mean admin.reset?")]},
    "nothing": {},
}


@pytest.mark.parametrize("modern", [False, True])
@pytest.mark.parametrize("name", BAD)
def test_what_can_not_be_read_as_declared_is_not_passed_on(site, name, modern):
    site.backend.answer = json_answer(response(BAD[name]))
    refused(site.call("search", {}, modern=modern))
    site.backend.answer = sse_answer([event(response(BAD[name]))])
    answer = site.call("search", {}, modern=modern)
    assert b"admin.reset" not in answer.body
    error = events_of(answer)[-1]["error"]
    assert error["data"]["reason"] == "answer_malformed" and error["data"]["request_id"] == answer.request_id
    assert answer.event()["reason"] == "answer_malformed"
    site.backend.answer = json_answer(response(BAD[name]))
    allowed(site.call("plain", {}, modern=modern))


def test_what_is_no_json_rpc(site):
    site.backend.answer = Answer(200, [("Content-Type", "text/plain")], b"admin.reset")
    refused(site.call("search", {}))
    site.backend.answer = Answer(200, [("Content-Type", "application/json")], b'["admin.reset"]')
    refused(site.call("search", {}))
    site.backend.answer = Answer(200, [("Content-Type", "application/json"), ("Content-Encoding", "gzip")], b"x")
    refused(site.call("search", {}), "answer_encoded")
    site.backend.answer = json_answer({"jsonrpc": "2.0", "id": 1, "error": {"code": -32602, "message": "no query"}})
    assert site.call("search", {}).json()["error"]["message"] == "no query"


def test_errors_pass_where_the_block_says_so(site):
    site.backend.answer = json_answer(response(BAD["an error"]))
    assert allowed(site.call("names", {}))["result"] == BAD["an error"]


def test_input_that_is_asked_for_first(site):
    asks = {"resultType": "input_required", "inputRequests": {"a": {"method": "elicitation/create", "params": {}}}}
    site.backend.answer = json_answer(response(asks))
    assert allowed(site.call("search", {}, modern=True))["result"] == asks


def test_a_search_inside_another_tool(site):
    site.backend.answer = json_answer(response(found("search", LISTED)))
    inside = site.call("execute", {"tool": "search", "args": {"query": "t"}})
    assert allowed(inside)["result"] == found("search", SEEN)
    site.backend.answer = json_answer(response({"content": [text("admin.reset")]}))
    refused(site.call("execute", {"tool": "search"}))
    allowed(site.call("execute", {"tool": "plain"}))
    denied(site.call("execute", {"tool": "execute", "args": {}}), "argument_invalid")


def test_one_that_is_only_observed(site):
    for result in (found("search", LISTED), BAD["prose"]):
        site.backend.answer = json_answer(response(result))
        assert allowed(site.call("watched", {}))["result"] == result


def test_an_answer_that_comes_again_on_a_stream(site):
    """Which call it answers nobody knows there: what has the form is filtered, other answers stay as they are."""
    other = {"content": [text("hammer"), text({"tools": "none"})], "structuredContent": {"tools": [{"id": "hammer"}, 7]}}
    site.backend.answer = sse_answer([event(response(found("search", LISTED), 7)), event(response(other, 8)),
                                      event(response(found("names", LISTED), 9))])
    answer = site.send("GET", "/mcp", headers=[("Accept", "text/event-stream")])
    got = [one["result"] for one in events_of(answer)]
    assert got == [found("search", SEEN), other, found("names", LISTED)], \
        "a bare name is one only where the location has such a tool"
    answer = site.send("GET", "/mcp", site.token(agent="narrow-agent"), [("Accept", "text/event-stream")])
    got = [one["result"] for one in events_of(answer)]
    assert got == [found("search", ["ticket.read"]), other, found("names", ["ticket.read", "admin.reset", "Ticket.read"])]


def test_an_answer_that_is_too_large(make_site):
    site = make_site(mcp="agent_answer_limit 64k;", tools=TOOLS + "agent_tool search { lists <tools> name=<name>; }")
    base = policy.base()
    for to in ("agent:company|docs-assistant", "group:company|support"):
        policy.grant(base, to, "tickets/search", id=to[:5])
    site.write_policy(base)
    site.backend.answer = json_answer(response(found("search", LISTED * 200)))
    refused(site.call("search", {}), "answer_too_large")
    site.backend.answer = json_answer(response(found("search", LISTED)))
    allowed(site.call("search", {}))
