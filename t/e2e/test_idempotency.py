"""Calls that are carried out once for each key of the client's: what repeats get, and what never runs again."""
import json
import os
import re
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from pathlib import Path

import pytest

from plugins import mcp, policy
from plugins.backend import Backend, json_answer, sse_answer
from plugins.nginx import ROOT
from plugins.redis import key
from plugins.server import HANG, Answer
from plugins.site import EXCHANGE, allowed, denied, problem
from plugins.wait import eventually

TOOL = "agent_tool ticket.read {{ scope tickets:read; resource ticket:<id>; idempotency {}; {} }}"
CREATE = """agent_operation ticket.create POST /api/tickets/<id> {{ scope tickets:read; resource ticket:<id>;
                                                            idempotency {}; }}"""


@pytest.fixture
def server(make_redis):
    made = make_redis()
    made.load(policy.base())
    return made


def write_key(prefix: Path, name, content=None):
    path = prefix / name
    path.write_bytes(content or os.urandom(32))
    path.chmod(0o600)
    return path.read_bytes()


def counting(received):
    """An answer that tells how often there was one: who gets another's sees it."""
    counting.number += 1
    text = f"carried out {counting.number}"
    if received.method == "POST" and b"jsonrpc" in received.body:
        return json_answer({"jsonrpc": "2.0", "result": {"text": text}, "id": json.loads(received.body)["id"]})
    return json_answer({"text": text}, 201, [("Location", f"/api/made/{counting.number}")])


counting.number = 0


@pytest.fixture
def make(make_site, server):
    """make(words of `idempotency`, more of the tool): a site whose calls need a key."""
    def begin(words="header wait=0", more="", start=True, like=None, redis=server, **pieces):
        settings = {"store": redis.store, "tools": TOOL.format(words, more),
                    "http": "agent_key @PREFIX@/agent.key;"} | pieces
        site = make_site(start=False, **settings, **({"authority": like.issuer} if like else {}))
        write_key(site.prefix, "agent.key", like and (like.prefix / "agent.key").read_bytes())
        site.backend.answer = counting
        if like:
            like.issuer.audience = [like.resource, site.resource]
        return site.start() if start else site
    return begin


def held_back(site):
    """The backend answers once the event is set."""
    go = threading.Event()
    site.backend.answer = lambda received: (go.wait(60), counting(received))[1]
    return go


def disable_agent(server):
    changed = policy.base()
    policy.tenant(changed)["agents"]["company|docs-assistant"]["status"] = "disabled"
    server.load(changed)


def call(site, key="k-1", arguments=None, id=1, token=True, **how):
    headers = [("Idempotency-Key", f'"{key}"')] if key is not None else []
    return site.call("ticket.read", arguments, token=token, id=id, headers=headers, **how)


def ran(answer):
    assert answer.header("Idempotent-Replayed") is None
    return allowed(answer)["result"]["text"]


def replayed(answer, text, id=1):
    value = allowed(answer)
    assert answer.header("Idempotent-Replayed") == "true"
    assert value == {"jsonrpc": "2.0", "result": {"text": text}, "id": id}
    return answer


def refused(answer, reason, code=4090):
    return denied(answer, reason, code)


def ok(answer):
    return answer.status == 200 and "result" in answer.json()


def client(server, **how):
    """Sealed answers are no text."""
    made = server.client
    made.connection_pool.connection_kwargs |= {"encoding_errors": "replace"} | how
    return made


def records(server):
    reading = client(server)
    return {k: reading.hgetall(k) for k in reading.scan_iter("agw:v:*:idem:*")}


def settled(server):
    """The one record, once what became of its call stands in it."""
    def found():
        kept = list(records(server).items())
        return len(kept) == 1 and kept[0][1]["s"] != "c" and kept[0]
    return eventually(found)


# --- repeats ---------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("modern", [False, True])
def test_a_repeat_gets_the_recorded_answer(make, server, modern):
    site = make()
    first = call(site, modern=modern)
    text = ran(first)
    settled(server)
    again = replayed(call(site, id="two", modern=modern), text, "two")
    assert site.backend.count() == 1
    event = again.event()
    assert event["replay"] is True and event["decision"] == "allow" and event["outcome"] == "ok"
    assert event["mcp"]["id"] == '"two"' and "upstream" not in event
    assert "replay" not in first.event()
    assert ran(call(site, "k-2", modern=modern)) != text


def test_the_key_in_an_argument(make, server):
    site = make("<request/id> wait=0")
    keyed = {"id": "T-1", "request": {"id": "r-1"}}
    text = ran(call(site, None, keyed))
    settled(server)
    replayed(call(site, None, keyed), text)
    ran(call(site, None, {"id": "T-1", "request": {"id": 2}}))
    for wrong, reason in ((None, "missing"), ({}, "missing"), ({"id": ""}, "invalid"), ({"id": [1]}, "invalid"),
                          ({"id": "k" * 256}, "invalid")):
        arguments = {"id": "T-1"} | ({"request": wrong} if wrong is not None else {})
        answer = call(site, None, arguments)
        assert answer.status == 400 and answer.json()["error"]["code"] == -32602
        assert answer.json()["error"]["data"]["reason"] == f"idempotency_key_{reason}"
    assert site.backend.count() == 2


@pytest.mark.parametrize("written,good", [
    ('"8e03978e-40d5-43dd-bc93-6894a57f9324"', True), ("8e03978e-40d5-43dd-bc93-6894a57f9324", True),
    (r'"with \"quotes\" and \\"', True), ("", False), ('""', False), ('"open', False), ('"a"b"', False),
    ('"a";p=1', False), ("two words", False), ('"' + "k" * 256 + '"', False), ('"a", "b"', False)])
def test_keys_in_a_header(make, written, good):
    site = make()
    answer = site.call(headers=[("Idempotency-Key", written)])
    if good:
        ran(answer)
        return
    assert answer.status == 400
    assert answer.json()["error"]["data"]["reason"] == "idempotency_key_invalid"
    assert site.backend.count() == 0


def test_a_key_is_needed_and_stands_there_once(make):
    site = make("header=X-Request-Key wait=0")
    answer = call(site, None)
    assert answer.status == 400 and answer.json()["error"]["data"]["reason"] == "idempotency_key_missing"
    assert call(site, "k-1").json()["error"]["data"]["reason"] == "idempotency_key_missing"
    twice = site.call(headers=[("X-Request-Key", "a"), ("x-request-key", "a")])
    assert twice.status == 400 and twice.json()["error"]["data"]["reason"] == "idempotency_key_invalid"
    assert site.backend.count() == 0
    ran(site.call(headers=[("X-Request-Key", "a")]))
    hidden = site.call("ticket.read", headers=[], token=site.token(groups=["nobody"]))
    assert hidden.json()["error"]["message"] == "Unknown tool: ticket.read", "a need for a key tells of no tool"


def test_a_call_whose_stream_is_ended_is_one_whose_outcome_is_not_known(make, server):
    site = make()
    hold = threading.Event()
    site.backend.answer = sse_answer(["data: first\n\n", hold, "data: last\n\n"])
    stream = site.begin_post(mcp.call("ticket.read", {"id": "T-1"}), headers=[("Idempotency-Key", "k-1")])
    stream.read_until(b"first")
    server.client.hset(key("user:company|mira"), "status", "disabled")
    assert b"last" not in stream.finish().body
    hold.set()
    server.client.hset(key("user:company|mira"), "status", "active")
    site.backend.clear()
    eventually(lambda: refused(call(site), "idempotency_unknown"))
    assert site.backend.count() == 0


def test_other_arguments_are_refused_and_the_same_may_be_written_anew(make, server):
    site = make()
    text = ran(call(site, arguments={"id": "T-1", "note": {"a": 1, "b": "é"}}))
    settled(server)
    refused(call(site, arguments={"id": "T-2", "note": {"a": 1, "b": "é"}}), "idempotency_mismatch", 4220)
    refused(call(site, arguments={"id": "T-1"}), "idempotency_mismatch", 4220)
    refused(call(site, arguments={"id": "T-1", "note": {"a": 1.0, "b": "é"}}), "idempotency_mismatch", 4220)
    body = (b'{"id":"x","method":"tools/call","jsonrpc":"2.0","params":{"arguments": {"note":{"b":"\\u00e9","a":1},'
            b' "id":"T-1"},"name":"ticket.read","_meta":{"progressToken":9}}}')
    replayed(site.post(body, headers=[("Idempotency-Key", "k-1")]), text, "x")
    assert site.backend.count() == 1


def test_everyone_has_keys_of_their_own(make, server):
    site = make()
    text = ran(call(site))
    for who in ({"user": "omar"}, {"agent": "narrow-agent"}):
        assert ran(call(site, token=site.token(**who))) != text
    eventually(lambda: len(records(server)) == 3 and all(r["s"] == "d" for r in records(server).values()))
    replayed(call(site), text)


# --- REST ------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("place", ["header", "<id>", "<query/key>", "<body/key>"])
def test_rest(make, server, place):
    site = make(operations=CREATE.format(f"{place} wait=0"))
    target = "/api/tickets/T-1?key=q-1"

    def create(body=b'{"key":"b-1","title":"a"}', type="application/json", target=target):
        headers = [("Content-Type", type)] + ([("Idempotency-Key", "h-1")] if place == "header" else [])
        return site.rest("POST", target, headers=headers, body=body)
    first = create()
    assert first.status == 201 and first.header("Location")
    settled(server)
    again = create(b'{ "title":"a", "key":"b-1" }')
    assert again.status == 201 and again.body == first.body and again.header("Idempotent-Replayed") == "true"
    assert again.header("Location") == first.header("Location") and again.event()["replay"] is True
    assert again.header("Content-Type") == "application/json"
    problem(create(b'{"key":"b-1","title":"other"}'), 422, "idempotency_mismatch")
    if place != "<body/key>":
        problem(create(b'{"key":"b-1","title":"a"}', "text/plain"), 422, "idempotency_mismatch")
    else:
        problem(create(b'{"title":"a"}'), 400, "idempotency_key_missing")
    if place == "<query/key>":
        problem(create(target="/api/tickets/T-1?key=q-1&key=q-1"), 400, "query_repeated")
        problem(create(target="/api/tickets/T-1?key=%"), 403, "argument_invalid")
        problem(create(target="/api/tickets/T-1"), 400, "idempotency_key_missing")
    assert site.backend.count() == 1


def test_an_answer_without_a_body(make, server):
    site = make(operations="""agent_operation ticket.delete DELETE /api/tickets/<id> { scope tickets:read;
        resource ticket:<id>; idempotency header wait=0; }""")
    site.backend.answer = lambda _: Answer(204)
    for _ in range(2):
        assert site.rest("DELETE", headers=[("Idempotency-Key", "d-1")]).status == 204
        settled(server)
    assert site.backend.count() == 1


def test_a_backends_own_error_is_its_answer(make, server):
    site = make(operations=CREATE.format("header wait=0"))
    site.backend.answer = lambda _: json_answer({"wrong": "title"}, 409)
    for _ in range(2):
        answer = site.rest("POST", headers=[("Idempotency-Key", "e-1")], body=b"x")
        assert answer.status == 409 and answer.json() == {"wrong": "title"}
        settled(server)
    assert site.backend.count() == 1


# --- at once, over replicas ------------------------------------------------------------------------------------------

def test_64_at_once_on_two_nginx_run_once(make):
    one = make("header wait=50s")
    two = make("header wait=50s", like=one)
    token = one.token()
    with ThreadPoolExecutor(64) as pool:
        found = list(pool.map(lambda i: call((one, two)[i % 2], token=token, id=i, timeout=60), range(64)))
    assert {a.status for a in found} == {200}
    assert len({a.json()["result"]["text"] for a in found}) == 1
    assert [a.json()["id"] for a in found] == list(range(64))
    assert one.backend.count() + two.backend.count() == 1
    assert sum(a.header("Idempotent-Replayed") is None for a in found) == 1


def test_a_call_that_is_under_way(make, server):
    site = make()
    go = held_back(site)
    with ThreadPoolExecutor(1) as pool:
        token = site.token()
        first = pool.submit(call, site, token=token)
        eventually(lambda: site.backend.count() == 1)
        answer = call(site, token=token)
        refused(answer, "idempotency_in_flight")
        assert answer.header("Retry-After") == "1"
        refused(call(site, token=token, arguments={"id": "T-2"}), "idempotency_mismatch", 4220)
        go.set()
        text = ran(first.result())
    settled(server)
    replayed(call(site, token=token), text)


def test_who_waits_is_judged_anew(make, server):
    site = make("header wait=50s")
    go = held_back(site)
    token = site.token()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(call, site, token=token)
        eventually(lambda: site.backend.count() == 1)
        second = pool.submit(call, site, token=token, id=2)
        eventually(lambda: server.client.info("commandstats").get("cmdstat_evalsha", {"calls": 0})["calls"] > 4)
        disable_agent(server)
        eventually(lambda: call(site, None, token=token).status == 403)
        go.set()
        ran(first.result())
        answer = second.result()
    assert answer.status == 403 and answer.json()["error"]["data"]["reason"] == "agent_disabled"


# --- what isn't known is never run again -----------------------------------------------------------------------------

def never_again(site, server, count=1):
    refused(call(site), "idempotency_unknown")
    refused(call(site), "idempotency_unknown")
    refused(call(site, arguments={"id": "T-2"}), "idempotency_mismatch", 4220)
    assert site.backend.count() == count
    key = next(iter(records(server)))
    assert 0 < server.client.pttl(key) <= 24 * 3600 * 1000
    server.client.pexpire(key, 1)
    eventually(lambda: not records(server))
    site.backend.answer = counting
    ran(call(site))


def test_a_worker_that_dies_between_claim_and_answer(make, server):
    site = make()
    site.nginx.allow("exited on signal 9")
    site.backend.answer = HANG
    stream = site.begin_post(mcp.call("ticket.read", {"id": "T-1"}), headers=[("Idempotency-Key", "k-1")])
    eventually(lambda: site.backend.count() == 1)
    for worker in site.nginx.workers():
        os.kill(worker, signal.SIGKILL)
    eventually(lambda: call(site).status == 200 and refused(call(site), "idempotency_in_flight"))
    stream.close()
    server.client.hset(next(iter(records(server))), "u", "0")  # its lease is over
    never_again(site, server)


@pytest.mark.parametrize("fault", ["cut", "late", "broken head", "broken 502", "half an answer"])
def test_a_backend_whose_outcome_is_not_known(make, server, fault):
    site = make(mcp="proxy_read_timeout 1s;")
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n"
    site.backend.answer = {"cut": Answer(raw=b""), "late": HANG, "broken head": Answer(raw=b"HTTP/1.1 200 OK\r\n\1\r\n\r\n{}"),
                           "broken 502": Answer(raw=b"HTTP/1.1 502 Gone\r\n\1\r\n\r\n{}"),
                           "half an answer": Answer(raw=head + b'{"jsonrpc"')}[fault]
    try:
        answer = call(site)
        assert answer.status == (200 if fault == "half an answer" else 504 if fault == "late" else 502)
    except (OSError, HTTPException):
        assert fault == "half an answer"
    settled(server)
    never_again(site, server)


def test_what_never_reached_the_backend_may_be_tried_again(make, server):
    site = make()
    site.backend.stop()
    assert call(site).status == 502
    eventually(lambda: not records(server))
    site.backend.start()
    eventually(lambda: ok(call(site, "probe")))
    ran(call(site))


def test_a_credential_that_the_backend_refuses(make, server):
    site = make()
    site.backend.answer = lambda _: Answer(401)
    assert call(site).status == 502
    eventually(lambda: not records(server))
    site.backend.answer = counting
    ran(call(site))


def test_an_exchange_that_fails(make, server):
    site = make(forward=EXCHANGE)
    site.issuer.fault = {"token": "hang"}
    assert call(site).status == 503
    eventually(lambda: not records(server))
    assert site.backend.count() == 0
    site.issuer.fault = {}
    eventually(lambda: ok(call(site)))
    assert site.backend.count() == 1


@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_client_that_leaves_finds_the_answer_later(make, server, how):
    site = make()
    go = held_back(site)
    token = site.token()
    stream = site.begin_post(mcp.call("ticket.read", {"id": "T-1"}), token, [("Idempotency-Key", "k-1")])
    eventually(lambda: site.backend.count() == 1)
    stream.close() if how == "close" else stream.reset()
    refused(call(site, token=token), "idempotency_in_flight")
    go.set()
    settled(server)
    replayed(call(site, token=token), f"carried out {counting.number}")
    assert site.backend.count() == 1


PAIR = """location /pair/ {{
    agent_gateway rest tickets; agent_protected_resource http://127.0.0.1:@PORT@/api; agent_trust company;
    agent_forward none; proxy_next_upstream error timeout non_idempotent;
    agent_operation a.once   {method} /pair/once/<id>  {{ scope tickets:read; resource ticket:<id>; idempotency header; }}
    agent_operation a.often  {method} /pair/often/<id> {{ scope tickets:read; resource ticket:<id>; }}
    proxy_pass http://pair;
}}"""


@pytest.mark.parametrize("method", ["DELETE", "PUT", "POST"])
def test_no_second_server_is_tried(make, serve, method):
    pair = [serve(Backend()), serve(Backend())]
    for one in pair:
        one.answer = Answer(raw=b"")
    servers = " ".join(f"server 127.0.0.1:{one.port} max_fails=0;" for one in pair)
    site = make(http=f"agent_key @PREFIX@/agent.key; upstream pair {{ {servers} }}", server=PAIR.format(method=method))
    headers = [("Idempotency-Key", "k-1")]
    assert site.rest(method, "/pair/often/T-1", headers=headers).status == 502
    assert sum(one.count() for one in pair) == 2, "nginx's own way"
    assert site.rest(method, "/pair/once/T-1", headers=headers).status == 502
    assert sum(one.count() for one in pair) == 3
    eventually(lambda: problem(site.rest(method, "/pair/once/T-1", headers=headers), 409, "idempotency_unknown"))
    assert sum(one.count() for one in pair) == 3


# --- decisions of now ------------------------------------------------------------------------------------------------

def test_a_repeat_is_judged_as_of_now(make, server):
    site = make()
    token = site.token()
    text = ran(call(site, token=token))
    settled(server)
    disable_agent(server)
    eventually(lambda: call(site, token=token).status == 403)
    server.load(policy.base())
    eventually(lambda: ok(call(site, token=token)))
    replayed(call(site, token=token), text)
    assert site.backend.count() == 1


def test_a_repeat_uses_no_limit_up_and_who_is_limited_keeps_no_key(make, server):
    site = make(more="limit agent 1r/h;")
    text = ran(call(site))
    settled(server)
    replayed(call(site), text)
    assert call(site, "k-2").status == 429
    eventually(lambda: len(records(server)) == 1)
    assert site.backend.count() == 1


def test_observing_needs_no_key(make, server):
    site = make(mcp="agent_mode observe;")
    assert ok(call(site, None)) and call(site, "k-1").json() != call(site, "k-1").json()
    assert not records(server)


def test_other_tools_of_the_location_need_no_key(make):
    site = make(tools=TOOL.format("header wait=0", "") + " agent_tool ticket.list { scope tickets:read; }")
    allowed(site.call("ticket.list", {}))
    assert site.call().status == 400


# --- answers ---------------------------------------------------------------------------------------------------------

def test_an_answer_that_is_too_large(make, server):
    site = make("header wait=0 answer=1k")
    site.backend.answer = lambda r: json_answer({"jsonrpc": "2.0", "id": 1, "result": {"text": "x" * 2000}})
    assert len(allowed(call(site))["result"]["text"]) == 2000
    settled(server)
    refused(call(site), "idempotency_unrecorded")
    assert site.backend.count() == 1
    site.backend.answer = counting
    text = ran(call(site, "k-2"))
    eventually(lambda: call(site, "k-2").header("Idempotent-Replayed") == "true")
    replayed(call(site, "k-2"), text)


def test_a_stream_with_one_response(make, server):
    site = make()
    site.backend.answer = sse_answer(['data: {"jsonrpc":"2.0","method":"notifications/progress","params":{}}\n\n',
                                      'id: 7\nevent: message\ndata: {"jsonrpc":"2.0","id":1,\n',
                                      'data: "result":{"text":"streamed"}}\n\n'])
    assert "streamed" in call(site).text
    settled(server)
    replayed(call(site, id=9), "streamed", 9)
    assert site.backend.count() == 1


@pytest.mark.parametrize("answer", [
    sse_answer(['data: {"jsonrpc":"2.0","id":1,"result":{}}\n\n'] * 2), sse_answer([": nothing\n\n"]),
    Answer(200, [("Content-Type", "text/plain")], b"hello"), json_answer({"id": 1}),
    Answer(200, [("Content-Type", "application/json"), ("Content-Encoding", "gzip")], b'{"id":1,"result":{}}')],
    ids=["two responses", "none", "no JSON", "no response", "encoded"])
def test_an_answer_that_no_repeat_can_have(make, server, answer):
    site = make()
    site.backend.answer = answer
    # An encoded one isn't passed on either.
    assert call(site).status == (502 if ("Content-Encoding", "gzip") in answer.headers else 200)
    settled(server)
    refused(call(site), "idempotency_unrecorded")
    assert site.backend.count() == 1


def test_no_encoding_is_asked_for(make):
    site = make(tools=TOOL.format("header wait=0", ""))
    site.rest(headers=[("Accept-Encoding", "gzip")])
    assert site.backend.last.header("Accept-Encoding") == "gzip"
    ran(site.call(headers=[("Accept-Encoding", "gzip"), ("Idempotency-Key", "k-1")]))
    assert site.backend.last.header("Accept-Encoding") is None


# --- what lies in Redis ----------------------------------------------------------------------------------------------

def test_records_say_nothing_and_can_be_opened_with_the_key_alone(make, server):
    site = make()
    site.backend.answer = lambda r: json_answer({"jsonrpc": "2.0", "id": 1, "result": {"text": "a very private answer"}})
    allowed(call(site, "the-clients-own-key", {"id": "T-1", "note": "a very private note"}))
    name, record = settled(server)
    assert record["s"] == "d"
    everything = name + json.dumps(record)
    for word in ("private", "clients-own", "T-1", "mira", "docs-assistant", "ticket"):
        assert word not in everything
    raw = client(server, decode_responses=False)
    sealed = raw.hget(name, "r")
    for wrong in (sealed[:-1] + bytes([sealed[-1] ^ 1]), b"", sealed[:20], b"\0" * 8 + sealed[8:]):
        raw.hset(name, "r", wrong)
        answer = call(site, "the-clients-own-key", {"id": "T-1", "note": "a very private note"})
        assert answer.status == 503 and answer.json()["error"]["data"]["reason"] == "idempotency_unreadable"
    raw.hset(name, "r", sealed)
    answer = call(site, "the-clients-own-key", {"id": "T-1", "note": "a very private note"})
    assert allowed(answer)["result"]["text"] == "a very private answer"
    assert site.backend.count() == 1


def test_keys_rotate(make, server):
    site = make()
    old = ran(call(site))
    settled(server)
    write_key(site.prefix, "new.key")
    site.reload(gone=True, http="agent_key @PREFIX@/new.key; agent_key @PREFIX@/agent.key;")
    replayed(call(site), old)
    middle = ran(call(site, "k-2"))
    eventually(lambda: all(r["s"] == "d" for r in records(server).values()))
    # A node that doesn't know the new key yet knows the call, though not what is in the record.
    site.reload(gone=True, http="agent_key @PREFIX@/agent.key;")
    answer = call(site, "k-2")
    assert answer.status == 503 and answer.json()["error"]["data"]["reason"] == "idempotency_unreadable"
    site.reload(gone=True, http="agent_key @PREFIX@/new.key;")
    replayed(call(site, "k-2"), middle)
    assert site.backend.count() == 2


def test_a_reload_between_claim_and_answer(make, server):
    site = make()
    go = held_back(site)
    token = site.token()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(call, site, token=token)
        eventually(lambda: site.backend.count() == 1)
        site.reload()
        refused(call(site, token=token), "idempotency_in_flight")
        go.set()
        text = ran(first.result())
    settled(server)
    replayed(call(site, token=token), text)


# --- Redis that isn't there ------------------------------------------------------------------------------------------

def unavailable(answer):
    assert answer.status == 503, f"{answer.status} {answer.text}"
    assert answer.json()["error"]["data"]["reason"] == "idempotency_unavailable"
    assert int(answer.header("Retry-After")) >= 1


def test_redis_that_can_not_be_asked(make, server):
    site = make()
    admin = server.client
    admin.execute_command("ACL", "SETUSER", "default", "-eval", "-evalsha")
    unavailable(call(site))
    assert site.backend.count() == 0
    admin.execute_command("ACL", "SETUSER", "default", "+eval", "+evalsha")
    ran(call(site))


def test_redis_that_is_gone(make, server):
    site = make()
    ran(call(site))
    settled(server)
    server.stop()
    assert call(site).status == 503 and call(site, "k-2").status == 503
    assert site.backend.count() == 1


def test_redis_that_hangs_while_the_backend_works(make, server):
    """The client gets its answer; Redis is told as soon as it listens."""
    site = make()
    go = held_back(site)
    token = site.token()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(call, site, token=token)
        eventually(lambda: site.backend.count() == 1)
        server.hang()
        go.set()
        text = ran(first.result())
        server.go_on()
    settled(server)
    eventually(lambda: ok(call(site, token=token)))
    replayed(call(site, token=token), text)
    assert site.backend.count() == 1


def test_an_answer_of_redis_that_gets_lost(make, server):
    """It may have been claimed: nothing runs, and what was claimed is given back."""
    site = make()
    allowed_before = ran(call(site, "k-0"))
    server.client.execute_command("CLIENT", "PAUSE", "1500", "WRITE")
    answer = call(site)
    assert answer.status == 503 and answer.json()["error"]["data"]["reason"] == "idempotency_unavailable"
    assert site.backend.count() == 1
    eventually(lambda: ok(call(site)), timeout=60)
    assert site.backend.count() == 2
    eventually(lambda: ok(call(site, "k-0")))
    replayed(call(site, "k-0"), allowed_before)


def test_keys_of_another_type(make, server):
    site = make(workers="1")
    ran(call(site))
    name, _ = settled(server)
    server.client.delete(name)
    server.client.set(name, "a string")
    for _ in range(5):
        answer = call(site)
        assert answer.status == 503 and answer.event()["reason"] == "idempotency_unreadable"
    assert site.backend.count() == 1
    ran(call(site, "k-2"))
    said = [line for line in site.nginx.error_log.splitlines() if name in line or "idempotency_unreadable" in line]
    assert len(said) == 1 and f"key {name}: is not a hash" in said[0]
    server.client.delete(name)
    ran(call(site))


def test_the_permissions_that_the_docs_name_are_enough(make, make_redis):
    server = make_redis("acl")
    server.load(policy.base())
    text = (ROOT / "docs/store.md").read_text()
    first = re.search(r"^user gateway on >… (.*?)^```", text, re.M | re.S)[1].replace("\\", " ").split()
    more = re.search(r"^ +(\+eval .*\+del.*)$", text, re.M)[1].split()
    server.client.execute_command("ACL", "SETUSER", "gateway", "resetkeys", "resetchannels", "nocommands", *first, *more)
    site = make(redis=server)
    text = ran(call(site))
    settled(server)
    replayed(call(site), text)
    site.backend.stop()
    assert call(site, "k-2").status == 502
    eventually(lambda: len(records(server)) == 1)
