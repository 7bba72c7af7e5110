"""SSE streams without buffering and without a directive; long streams end when either side does."""
import threading
import time

import pytest

from plugins import mcp
from plugins.backend import sse_answer
from plugins.site import EXCHANGE
from plugins.wait import eventually

LISTEN = [("Accept", "text/event-stream")]


def event(text):
    return f"event: message\ndata: {text}\n\n"


@pytest.mark.parametrize("forward", ["none", "exchange"])
@pytest.mark.parametrize("how", ["call", "modern", "GET"])
def test_each_event_arrives_when_it_is_sent(make_site, how, forward):
    site = make_site(forward=EXCHANGE if forward == "exchange" else "agent_forward none;")
    steps = [threading.Event() for _ in range(4)]
    pieces = []
    for i, step in enumerate(steps):
        pieces += [event(f"one-{i}"), step]
    site.backend.answer = sse_answer([": keep-alive\n\n", *pieces, event("last")])
    if how == "GET":
        stream = site.begin("GET", "/mcp", headers=LISTEN)
    elif how == "modern":
        headers, body = mcp.modern_call("ticket.read", {"id": "T-1"})
        stream = site.begin_post(body, headers=headers)
    else:
        stream = site.begin_post(mcp.call("ticket.read", {"id": "T-1"}))
    head = stream.head()
    assert head.status == 200 and head.header("Content-Type") == "text/event-stream"
    for i, step in enumerate(steps):
        stream.read_until(f"one-{i}".encode())  # arrives although the next one isn't there yet
        step.set()
    rest = stream.finish()
    assert b"last" in rest.body
    found = eventually(lambda: [e for e in site.nginx.audit() if e["outcome"] == "ok"])
    assert found[-1]["http"]["status"] == 200


def test_keep_alive_comments_pass(site):
    site.backend.answer = sse_answer([": ping\n\n", 0.05, ": ping\n\n", event("x")])
    body = site.send("GET", "/mcp", headers=LISTEN).body
    assert body.count(b": ping") == 2


def test_a_large_event_passes_whole(site):
    big = "x" * 300000
    site.backend.answer = sse_answer([event(big[:150000]), event(big)])
    body = site.send("GET", "/mcp", headers=LISTEN).body
    assert big.encode() in body


def test_without_a_token_there_is_no_stream(site):
    assert site.send("GET", "/mcp", None, LISTEN).status == 401
    assert site.send("GET", "/mcp", site.token(agent="disabled-agent"), LISTEN).status == 403
    assert site.backend.count() == 0


def test_a_client_that_leaves_ends_the_stream(make_site):
    site = make_site()
    gone = threading.Event()

    def endless(received):
        def pieces():
            try:
                for i in range(1000):
                    yield event(str(i))
                    yield 0.02
            finally:
                gone.set()
        answer = sse_answer([])
        answer.body = list_like(pieces())
        return answer

    site.backend.answer = endless
    stream = site.begin("GET", "/mcp", headers=LISTEN)
    stream.read_until(b"data: 3")
    stream.reset()
    found = eventually(lambda: site.nginx.audit(), timeout=8)
    assert found[-1]["outcome"] == "aborted" and found[-1]["decision"] == "allow"
    assert gone.wait(8), "the backend's connection was closed"


class list_like(list):
    """A list that the backend iterates once, piece by piece."""

    def __init__(self, generator):
        super().__init__()
        self._generator = generator

    def __iter__(self):
        return self._generator


def test_a_backend_that_breaks_off(make_site):
    site = make_site()
    cut = threading.Event()
    site.backend.answer = sse_answer([event("first"), cut])
    stream = site.begin("GET", "/mcp", headers=LISTEN)
    stream.read_until(b"first")
    site.backend.stop()
    cut.set()
    try:
        stream.finish()
    except Exception:
        stream.close()
    found = eventually(lambda: site.nginx.audit())
    assert found[-1]["decision"] == "allow" and found[-1]["outcome"] in ("error", "aborted", "ok")
    site.backend.start()


def test_many_streams_and_calls_at_once(make_site):
    site = make_site()
    hold = threading.Event()
    site.backend.answer = lambda r: sse_answer([event("here"), hold]) if r.method == "GET" else None
    streams = [site.begin("GET", "/mcp", headers=LISTEN) for _ in range(30)]
    for stream in streams:
        stream.read_until(b"here")
    for _ in range(10):
        begun = time.monotonic()
        assert site.call().status == 200
        assert time.monotonic() - begun < 1
    hold.set()
    for stream in streams:
        assert stream.finish().status == 200


def test_an_ordinary_answer_is_still_buffered_by_nginx(site):
    """Only event streams lose their buffering; a large JSON answer is whole and has its length."""
    from plugins.backend import json_answer
    site.backend.answer = json_answer({"jsonrpc": "2.0", "id": 1, "result": {"x": "y" * 400000}})
    answer = site.call()
    assert len(answer.json()["result"]["x"]) == 400000 and answer.header("Content-Length")


def test_streams_over_http2(make_site):
    import httpx
    site = make_site(listen=" http2")
    step = threading.Event()
    site.backend.answer = sse_answer([event("first"), step, event("second")])
    with httpx.Client(http1=False, http2=True, timeout=10) as client:
        with client.stream("GET", site.resource, headers={"Authorization": "Bearer " + site.token(),
                                                          "Accept": "text/event-stream"}) as answer:
            parts = answer.iter_bytes()
            assert b"first" in next(parts)
            step.set()
            assert b"second" in b"".join(parts)
