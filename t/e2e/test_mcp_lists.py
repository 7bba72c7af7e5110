"""What comes back: lists show what their caller may use, whatever way they come; what can't be read isn't passed on."""
import gzip
import json
import threading

import pytest

from plugins import mcp, policy
from plugins.backend import json_answer, sse_answer
from plugins.server import Answer
from plugins.site import TOOLS as TOOLS_CONF
from plugins.site import allowed, hidden
from plugins.wait import eventually


SEEN = ["ticket.read", "ticket.find", "ticket.list", "delete_ticket"]


def tool(name, **more):
    return {"name": name, "description": f"what {name} does", "inputSchema": {"type": "object"}} | more


TOOLS = [tool("ticket.read"), tool("admin.reset"), tool("ticket.find"), tool("ticket.list"), tool("Ticket.read"),
         tool("delete_ticket"), tool("ticket.secret")]


def result(id=1, items=TOOLS, member="tools", **more):
    return {"jsonrpc": "2.0", "id": id, "result": {member: items} | more}


def event(value, end="\n"):
    text = value if isinstance(value, str) else json.dumps(value)
    return f"event: message{end}data: {text}{end}{end}"


def names(answer, member="tools"):
    assert answer.status == 200, f"{answer.status} {answer.text}"
    return [item["name"] for item in answer.json()["result"][member]]


def events_of(body):
    return [json.loads(line[5:]) for line in body.decode().splitlines() if line.startswith("data: {")]


def refused(answer, reason):
    assert answer.status == 502, f"{answer.status} {answer.text}"
    data = answer.json()["error"]["data"]
    assert data["reason"] == reason and data["request_id"] == answer.request_id
    found = answer.event()
    assert found["reason"] == reason and found["outcome"] == "error" and found["decision"] == "allow"
    assert b"admin.reset" not in answer.body
    return answer


@pytest.mark.parametrize("how", ["json", "events"])
@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_a_list_shows_what_may_be_called(site, era, how):
    """Class of bug: the list's filter differs from the call's. Every hidden tool is called, every shown one too."""
    more = {"resultType": "complete", "ttlMs": 300000, "cacheScope": "public"} if era == "modern" else {}
    answer = result(nextCursor="page 2", **more)
    site.backend.answer = json_answer(answer) if how == "json" else sse_answer([event(answer)])
    headers, body = mcp.modern("tools/list") if era == "modern" else ([], mcp.message("tools/list", {}))
    listed = site.post(body, headers=headers)
    assert listed.status == 200
    found = listed.json() if how == "json" else events_of(listed.body)[0]
    assert [item["name"] for item in found["result"]["tools"]] == SEEN
    assert found["result"]["nextCursor"] == "page 2"
    if era == "modern":
        assert found["result"]["cacheScope"] == "private" and found["result"]["ttlMs"] == 0
    assert listed.event()["items"] == {"shown": 4, "hidden": 3}
    site.backend.answer = None
    for one in TOOLS:
        name = one["name"]
        if name in SEEN:
            assert "Unknown tool" not in site.call(name, {"id": "T-1"}, modern=era == "modern").text
        else:
            hidden(site.call(name, {"id": "T-1"}, modern=era == "modern"), name)


def test_each_caller_sees_its_own(site):
    site.backend.answer = json_answer(result())
    ask = mcp.message("tools/list", {})
    assert names(site.post(ask)) == SEEN
    assert names(site.post(ask, site.token(agent="narrow-agent"))) == ["ticket.read"]
    assert names(site.post(ask, site.token(agent="low-agent"))) == ["ticket.read"]  # its tier's ceiling
    assert names(site.post(ask, site.token(agent="bare-agent"))) == []
    assert names(site.post(ask, site.token(user="nobody", groups=[]))) == []
    assert names(site.post(ask)) == SEEN


def test_a_change_of_policy_changes_the_next_list(make_site):
    site = make_site()
    site.backend.answer = json_answer(result())
    ask = mcp.message("tools/list", {})
    token = site.token(agent="narrow-agent")
    site.change_policy(lambda t: t["agents"]["company|narrow-agent"].update({"tier": "developer"}))
    assert names(site.post(ask, token)) == ["ticket.read"]
    site.change_policy(lambda t: t["grants"].append(
        {"id": "g9", "to": "agent:company|narrow-agent", "operation": "tickets/ticket.list"}))
    assert names(site.post(ask, token)) == ["ticket.read", "ticket.list"]
    site.change_policy(lambda t: t["grants"].clear())
    assert names(site.post(ask, token)) == []


def test_every_other_byte_stays(site):
    kept = b'{ "name" : "ticket.read", "x":"\\u00e9 \\u0000", "n":1.50e3,\n "inputSchema":{"id":1,"ID":2} }'
    body = b'{"jsonrpc":"2.0","id":1,"result":{ "tools" : [ {"name":"x"} , ' + kept + b' ,{"name":"y"}] ,"_meta":{}}}\n'
    site.backend.answer = Answer(200, [("Content-Type", "application/json"), ("ETag", '"1"'), ("Accept-Ranges", "bytes"),
                                       ("Last-Modified", "Mon, 01 Jan 2024 00:00:00 GMT")], body)
    answer = site.post(mcp.message("tools/list", {}))
    expected = b'{"jsonrpc":"2.0","id":1,"result":{ "tools" : [ ' + kept + b'] ,"_meta":{}}}\n'
    assert answer.body == expected
    assert answer.header("Content-Length") == str(len(expected))
    assert not [name for name in ("ETag", "Accept-Ranges", "Last-Modified") if answer.header(name)]


def test_an_emptied_page_keeps_its_cursor(site):
    site.backend.answer = json_answer(result(items=[tool("admin.reset")], nextCursor="3"))
    assert site.post(mcp.message("tools/list", {})).json()["result"] == {"tools": [], "nextCursor": "3"}


@pytest.mark.parametrize("method,member,item", [
    ("prompts/list", "prompts", {"name": "p"}), ("resources/list", "resources", {"name": "r", "uri": "docs://r"}),
    ("resources/templates/list", "resourceTemplates", {"name": "t", "uriTemplate": "docs://{x}"})])
def test_other_lists_show_what_the_route_names(site, method, member, item):
    site.backend.answer = json_answer(result(items=[item], member=member, nextCursor="2"))
    assert site.post(mcp.message(method, {})).json()["result"] == {member: [], "nextCursor": "2"}


def chunks(text, size):
    return [text[i:i + size] for i in range(0, len(text), size)]


@pytest.mark.parametrize("size", [1, 7, 4096])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_stream_in_any_pieces(site, end, size):
    note = {"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": "tools"}}
    before = f"id: 1{end}data: {end}{end}: keep-alive{end}{end}"
    stream = before + event(note, end) + event(result(), end) + f"retry: 500{end}{end}"
    site.backend.answer = sse_answer(chunks(stream, size))
    answer = site.post(mcp.message("tools/list", {}))
    assert answer.status == 200
    shown = [item for item in TOOLS if item["name"] in SEEN]
    got = answer.body.decode()
    assert got.startswith(before + event(note, end)) and got.endswith(f"retry: 500{end}{end}")
    assert events_of(got.replace(end, "\n").encode())[-1] == result(items=shown)


@pytest.mark.parametrize("how", ["GET", "tools/call"])
def test_a_list_that_comes_again_on_another_stream(site, how):
    """A stream that is taken up again repeats results (Last-Event-ID)."""
    site.backend.answer = sse_answer([event(result(id=9)), event({"jsonrpc": "2.0", "id": 1, "result": {"content": []}})])
    if how == "GET":
        answer = site.send("GET", "/mcp", headers=[("Accept", "text/event-stream")])
    else:
        answer = site.call()
    found = events_of(answer.body)
    assert [item["name"] for item in found[0]["result"]["tools"]] == SEEN
    assert found[1]["result"] == {"content": []}


def test_nothing_waits_for_the_list_that_comes_later(make_site):
    site = make_site()
    step = threading.Event()
    note = {"jsonrpc": "2.0", "id": 5, "method": "roots/list"}
    site.backend.answer = sse_answer([": ping\n", event(note), event(result())[:40], step, event(result())[40:]])
    stream = site.begin_post(mcp.message("tools/list", {}))
    stream.read_until(b"roots/list")
    step.set()
    rest = stream.finish()
    assert b"admin.reset" not in rest.body and b"delete_ticket" in rest.body


ODD = {
    "no JSON": b"<html>admin.reset</html>",
    "nothing": b"",
    "cut off": json.dumps(result()).encode()[:-2],
    "a batch": json.dumps([result()]).encode(),
    "another shape": b'{"jsonrpc":"2.0","id":1,"result":{"admin.reset":[]}}',
    "an item without a name": json.dumps(result(items=[{"title": "admin.reset"}])).encode(),
    "an item that is a string": json.dumps(result(items=["admin.reset"])).encode(),
    "a name twice": b'{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"ticket.read","name":"admin.reset"}]}}',
    "tools twice": b'{"jsonrpc":"2.0","id":1,"result":{"tools":[],"tools":[{"name":"admin.reset"}]}}',
    "Tools beside tools": b'{"jsonrpc":"2.0","id":1,"result":{"tools":[],"Tools":[{"name":"admin.reset"}]}}',
    "Tools": b'{"jsonrpc":"2.0","id":1,"result":{"Tools":[{"name":"admin.reset"}]}}',
    "Result": b'{"jsonrpc":"2.0","id":1,"Result":{"tools":[{"name":"admin.reset"}]}}',
    "Name": b'{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"ticket.read","Name":"admin.reset"}]}}',
}


@pytest.mark.parametrize("name", ODD)
def test_what_cannot_be_read_is_not_passed_on(site, name):
    site.backend.answer = Answer(200, [("Content-Type", "application/json")], ODD[name])
    refused(site.post(mcp.message("tools/list", {})), "answer_malformed")


@pytest.mark.parametrize("name", [name for name in ODD if name != "nothing"])
def test_nor_as_an_event(site, name):
    site.backend.answer = sse_answer([event(ODD[name].decode()), event(result())])
    answer = site.post(mcp.message("tools/list", {}))
    found = events_of(answer.body)
    assert len(found) == 1 and found[0]["id"] == 1
    assert found[0]["error"]["data"]["reason"] == "answer_malformed"
    assert b"admin.reset" not in answer.body
    event_ = eventually(lambda: answer.event())
    assert event_["reason"] == "answer_malformed" and event_["outcome"] == "error"


def test_a_list_of_another_media_type(site):
    for kind in ("text/html", "application/x-ndjson", ""):
        site.backend.answer = Answer(200, [("Content-Type", kind)] if kind else [], json.dumps(result()).encode())
        refused(site.post(mcp.message("tools/list", {})), "answer_malformed")
    site.backend.answer = Answer(404, [("Content-Type", "text/plain")], b"no such session")
    assert site.post(mcp.message("tools/list", {})).status == 404


@pytest.mark.parametrize("kind", ["application/json", "text/event-stream"])
def test_compressed_answers_are_prevented_and_never_passed(site, kind):
    site.backend.answer = None
    ask = mcp.message("tools/list", {})
    site.post(ask, headers=[("Accept-Encoding", "gzip, br")])
    assert site.backend.last.header("Accept-Encoding") is None
    packed = gzip.compress((json.dumps(result()) if kind.endswith("json") else event(result())).encode())
    site.backend.answer = Answer(200, [("Content-Type", kind), ("Content-Encoding", "gzip")], packed)
    answer = refused(site.post(ask, headers=[("Accept-Encoding", "gzip")]), "answer_encoded")
    assert answer.header("Content-Encoding") is None


def test_nginx_may_compress_what_goes_to_the_client(make_site):
    site = make_site(mcp="gzip on; gzip_proxied any; gzip_types application/json; gzip_min_length 1;")
    site.backend.answer = json_answer(result())
    answer = site.post(mcp.message("tools/list", {}), headers=[("Accept-Encoding", "gzip")])
    assert site.backend.last.header("Accept-Encoding") is None and answer.header("Content-Encoding") == "gzip"
    assert [one["name"] for one in json.loads(gzip.decompress(answer.body))["result"]["tools"]] == SEEN


@pytest.mark.parametrize("freshness,most", [("", 1000), ("agent_freshness push lease=300ms;", 300),
                                            ("agent_freshness max_age=5s;", 5000), ("agent_freshness strict;", 0)])
def test_a_list_is_believed_no_longer_than_a_decision(make_site, make_redis, freshness, most):
    server = make_redis()
    server.load(policy.base())
    site = make_site(store=server.store, http=freshness)
    headers, body = mcp.modern("tools/list")
    for given, wanted in ((300000, most), (most, most), (0, 0)):
        site.backend.answer = json_answer(result(resultType="complete", ttlMs=given, cacheScope="public"))
        found = site.post(body, headers=headers).json()["result"]
        assert found["ttlMs"] == wanted and found["cacheScope"] == "private"


def test_where_single_tools_are_enforced_these_alone_are_filtered(make_site):
    site = make_site(mcp="agent_mode observe;", tools="""
        agent_tool ticket.read { scope tickets:read; resource ticket:<id>; mode enforce; }
        agent_tool ticket.list { scope tickets:read; }""")
    site.backend.answer = json_answer(result())
    everything = [one["name"] for one in TOOLS]
    ask = mcp.message("tools/list", {})
    assert names(site.post(ask)) == everything
    for token in (site.token(agent="bare-agent"), None):
        assert names(site.post(ask, token)) == [name for name in everything if name != "ticket.read"]


@pytest.mark.parametrize("how", ["json", "events"])
def test_what_is_too_large_is_not_passed_on(make_site, how):
    site = make_site(mcp="agent_answer_limit 64k;")
    many = result(items=[tool("ticket.read", text="x" * 1000)] * 80)
    few = result(items=[tool("ticket.read", text="x" * 1000)] * 40)
    made = (lambda value: json_answer(value)) if how == "json" else (lambda value: sse_answer([event(value)]))
    site.backend.answer = made(few)
    assert site.post(mcp.message("tools/list", {})).body.count(b"ticket.read") == 80
    site.backend.answer = made(many)
    if how == "json":
        refused(site.post(mcp.message("tools/list", {})), "answer_too_large")
        return
    stream = site.begin_post(mcp.message("tools/list", {}))
    body = stream.finish().body
    assert events_of(body)[0]["error"]["data"]["reason"] == "answer_too_large" and b"xxxx" not in body
    eventually(lambda: [e for e in site.nginx.audit() if e["reason"] == "answer_too_large"])


def test_a_large_list_in_pieces(site):
    many = [tool(f"hidden.{i}", text="x" * 200) if i % 5 else tool("ticket.read", n=i) for i in range(2000)]
    text = json.dumps(result(items=many))
    site.backend.answer = Answer(200, [("Content-Type", "application/json")], chunks(text, 50000))
    answer = site.post(mcp.message("tools/list", {}))
    assert [item["n"] for item in answer.json()["result"]["tools"]] == list(range(0, 2000, 5))
    site.backend.answer = sse_answer(chunks(event(text), 50000))
    found = events_of(site.post(mcp.message("tools/list", {})).body)
    assert [item["n"] for item in found[0]["result"]["tools"]] == list(range(0, 2000, 5))


def test_an_answer_that_breaks_off(site):
    text = json.dumps(result())
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n"
    for part in (text[:100], ""):
        site.backend.answer = Answer(raw=(head + part).encode())
        refused(site.post(mcp.message("tools/list", {})), "answer_malformed")


def test_hidden_and_nonexistent_are_the_same(site):
    """Byte by byte, but for the name and the ids."""
    def told(answer, name):
        fields = sorted((k.lower(), v) for k, v in answer.headers if k.lower() not in ("date", "x-request-id", "content-length"))
        return answer.status, fields, answer.body.replace(name.encode(), b"N").replace(answer.request_id.encode(), b"R")
    token = site.token(agent="narrow-agent")
    for modern in (False, True):
        exists = site.call("delete_ticket", {"ticketId": "T-1"}, token=token, modern=modern)
        nothing = site.call("no_such_tool", {"ticketId": "T-1"}, token=token, modern=modern)
        assert told(exists, "delete_ticket") == told(nothing, "no_such_tool")
        assert exists.event()["reason"] != nothing.event()["reason"]
    assert site.backend.count() == 0


def test_plain_calls_are_not_read(site):
    """Neither held back nor looked into: what a tool answers is its own."""
    odd = b'{"jsonrpc":"2.0","id":1,"result":{"tools":"x","a":1,"A":2,"content":[]}}'
    site.backend.answer = Answer(200, [("Content-Type", "application/json"), ("ETag", '"1"')], odd)
    answer = site.call()
    assert answer.body == odd and answer.header("ETag") == '"1"'
    data = [{"jsonrpc": "2.0", "method": "notifications/progress", "params": {"a": 1, "A": "\u0000\ud800"}},
            {"jsonrpc": "2.0", "id": 1, "result": {"structuredContent": {"x": 1, "X": 2}}}]
    site.backend.answer = sse_answer([event(one) for one in data])
    assert site.call().body.decode() == "".join(event(one) for one in data)


def test_observing_changes_nothing(make_site):
    site = make_site(mcp="agent_mode observe;")
    body = json.dumps(result(ttlMs=5, cacheScope="public")).encode()
    site.backend.answer = Answer(200, [("Content-Type", "application/json"), ("ETag", '"1"')], body)
    answer = site.post(mcp.message("tools/list", {}), headers=[("Accept-Encoding", "gzip")])
    assert answer.body == body and answer.header("ETag") == '"1"'
    assert site.backend.last.header("Accept-Encoding") == "gzip"
    assert "items" not in answer.event()


def test_a_client_that_reads_slowly(make_site):
    """What it doesn't take is left with the backend; nothing is lost or mixed up."""
    site = make_site()
    one = {"jsonrpc": "2.0", "id": 1, "result": {"tools": [tool("ticket.read", text="x" * 5000), tool("admin.reset")]}}
    site.backend.answer = sse_answer([event(one | {"id": i}) for i in range(600)])
    stream = site.begin("GET", "/mcp", headers=[("Accept", "text/event-stream")])
    stream.head()
    assert eventually(lambda: site.backend.count() == 1)
    found = events_of(stream.finish().body)
    assert [value["id"] for value in found] == list(range(600))
    assert all([item["name"] for item in value["result"]["tools"]] == ["ticket.read"] for value in found)


def test_counted(make_site):
    site = make_site()
    site.backend.answer = json_answer(result())
    allowed(site.post(mcp.message("tools/list", {})))
    eventually(lambda: site.series('agent_list_items_total result="shown"') == 4)
    assert site.series('agent_list_items_total result="hidden"') == 3


NAMED = TOOLS_CONF + """
            agent_prompt summary { }
            agent_prompt secret { }
            agent_mcp_resource docs://open/* { }
            agent_mcp_resource docs://closed/* { }
"""


@pytest.fixture
def documents(make_site):
    """The narrow agent may use the prompt `summary` and read docs://open/…; others may all."""
    site = make_site(tools=NAMED)
    policy.tenant(site.policy)["agents"]["company|narrow-agent"]["tier"] = "developer"
    for name in ("prompts/summary", "resources/docs/open"):
        policy.grant(site.policy, "agent:company|narrow-agent", f"tickets/{name}", id=name)
    policy.grant(site.policy, "agent:company|docs-assistant", "tickets/prompts/*", id="prompts")
    policy.grant(site.policy, "group:company|support", "tickets/prompts/*", id="prompts")
    site.write_policy(site.policy)
    return site


@pytest.mark.parametrize("method,member,key,items", [
    ("prompts/list", "prompts", "name", ["summary", "secret"]),
    ("resources/list", "resources", "uri", ["docs://open/a", "docs://closed/a"]),
    ("resources/templates/list", "resourceTemplates", "uriTemplate", ["docs://open/{id}", "docs://closed/{id}"])])
def test_prompts_and_resources_are_listed_as_they_are_judged(documents, method, member, key, items):
    listed = [{"name": "n", key: item} for item in [*items, "docs://none/a"]]
    documents.backend.answer = json_answer(result(items=listed, member=member))

    def seen(token=True):
        return [item[key] for item in documents.post(mcp.message(method, {}), token).json()["result"][member]]
    assert seen() == items
    assert seen(documents.token(agent="narrow-agent")) == items[:1]
    assert seen(documents.token(agent="bare-agent")) == []


@pytest.mark.parametrize("how", ["json", "events"])
def test_links_to_what_may_not_be_read_are_taken_out(documents, how):
    text = {"type": "text", "text": "docs://closed/a"}
    link = {"type": "resource_link", "name": "x", "uri": "docs://open/a"}
    blocks = [text, {"type": "resource_link", "name": "x", "uri": "docs://closed/a"}, link,
              {"type": "resource", "resource": {"uri": "docs://closed/b", "text": "secret"}}]
    answer = {"jsonrpc": "2.0", "id": 1, "result": {"content": blocks}}
    documents.backend.answer = json_answer(answer) if how == "json" else sse_answer([event(answer)])

    def content(token=True):
        got = documents.call(token=token)
        return (got.json() if how == "json" else events_of(got.body)[0])["result"]["content"]
    assert content() == blocks
    assert content(documents.token(agent="narrow-agent")) == [text, link]
    for block in ('{"type":"resource_link","admin.reset":1}',
                  '{"type":"resource","resource":{"uri":"docs://open/a","uri":"docs://closed/b","text":"admin.reset"}}'):
        odd = '{"jsonrpc":"2.0","id":1,"result":{"content":[' + block + "]}}"
        documents.backend.answer = Answer(200, [("Content-Type", "application/json")], odd.encode())
        refused(documents.call(), "answer_malformed")
    messages = [{"role": "user", "content": block} for block in blocks]
    documents.backend.answer = json_answer({"jsonrpc": "2.0", "id": 1, "result": {"messages": messages}})
    got = documents.post(mcp.message("prompts/get", {"name": "summary"}), documents.token(agent="narrow-agent"))
    assert [message["content"] for message in got.json()["result"]["messages"]] == [text, link]


def test_completions_offer_no_hidden_name(documents):
    values = ["summary", "secret", "delete_ticket", "T-1", "docs://closed/a"]
    documents.backend.answer = json_answer(
        {"jsonrpc": "2.0", "id": 1, "result": {"completion": {"values": values, "total": 50, "hasMore": True}}})
    ask = mcp.message("completion/complete", {"ref": {"type": "ref/prompt", "name": "summary"},
                                              "argument": {"name": "x", "value": ""}})
    assert documents.post(ask).json()["result"]["completion"]["values"] == values
    got = documents.post(ask, documents.token(agent="narrow-agent")).json()["result"]["completion"]
    assert got == {"values": ["summary", "T-1"], "total": 47, "hasMore": True}
