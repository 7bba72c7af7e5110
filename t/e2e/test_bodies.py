"""The bytes that are judged are the bytes that are forwarded, wherever nginx keeps them."""
import json

import pytest

from plugins import mcp
from plugins.site import allowed, hidden

BUFFER = 16384
SITE = {"http": f"client_body_buffer_size {BUFFER}; client_max_body_size 2m;"}


def body_of(size, tool="ticket.read"):
    """A call of exactly `size` bytes whose deciding part comes last."""
    text = json.dumps({"jsonrpc": "2.0", "id": 1, "params": {"filler": "PAD", "arguments": {"id": "T-1"}, "name": tool},
                       "method": "tools/call"}, separators=(",", ":"))
    found = text.replace("PAD", "x" * (size - len(text) + 3)).encode()
    assert len(found) == size
    return found


@pytest.mark.parametrize("size", [BUFFER - 1, BUFFER, BUFFER + 1, 2 * BUFFER, 200_000])
@pytest.mark.parametrize("how", ["length", "chunked", "trickle"])
def test_at_the_edges_of_the_buffer(site, size, how):
    for tool in ("ticket.read", "unknown.tool"):
        site.backend.clear()
        body = body_of(size, tool)
        if how == "trickle":
            stream = site.begin("POST", "/mcp", headers=[("Content-Type", "application/json"),
                                                         ("Content-Length", str(size))])
            for at in range(0, size, size // 3 + 1):
                stream.sock.sendall(body[at:at + size // 3 + 1])
            answer = stream.finish()
            answer.site = site
        else:
            answer = site.post(body, chunked=how == "chunked")
        if tool == "ticket.read":
            allowed(answer)
            assert site.backend.last.body == body
        else:
            hidden(answer, tool)
            assert site.backend.count() == 0


@pytest.mark.parametrize("where", ["on", "clean", "off"])
def test_a_body_in_a_file(make_site, where):
    site = make_site(mcp=f"client_body_in_file_only {where}; client_body_in_single_buffer on;")
    for size in (500, 70_000):
        allowed(site.post(body_of(size)))
        assert site.backend.last.body == body_of(size)
        hidden(site.post(body_of(size, "unknown.tool")), "unknown.tool")


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_that_is_too_large(site, chunked):
    try:
        answer = site.post(body_of(2 * 1024 * 1024 + 10), chunked=chunked)
        assert answer.status == 413
    except (ConnectionError, OSError):
        pass  # nginx closes before all of it was sent
    assert site.backend.count() == 0
    allowed(site.call())


def test_a_body_beyond_what_is_judged(make_site):
    site = make_site(http="client_max_body_size 64m;")
    try:
        answer = site.post(body_of(17 * 1024 * 1024), timeout=40)
        assert answer.status == 413, answer.status
    except (ConnectionError, OSError):
        pass
    assert site.backend.count() == 0


def test_without_request_buffering(make_site):
    """proxy_request_buffering off can't make the judge see less than the backend."""
    site = make_site(mcp="proxy_request_buffering off;")
    body = body_of(100_000)
    allowed(site.post(body))
    assert site.backend.last.body == body
    hidden(site.post(body_of(100_000, "unknown.tool"), chunked=True), "unknown.tool")
    assert site.backend.count() == 1


def test_expect_continue(site):
    body = body_of(5000)
    stream = site.begin("POST", "/mcp", headers=[("Content-Type", "application/json"), ("Expect", "100-continue"),
                                                 ("Content-Length", str(len(body)))])
    stream.sock.sendall(body)
    assert stream.finish().status == 200
    assert site.backend.last.body == body


@pytest.mark.parametrize("size", [100, BUFFER - 1, BUFFER, BUFFER + 1, 300_000])
def test_over_http2(make_site, size):
    import httpx
    site = make_site(listen=" http2", **SITE)
    headers = {"Authorization": "Bearer " + site.token(), "Content-Type": "application/json"}
    size = max(size, 300)
    with httpx.Client(http1=False, http2=True) as client:
        good = client.post(site.resource, content=body_of(size), headers=headers)
        assert good.status_code == 200 and site.backend.last.body == body_of(size)
        streamed = client.post(site.resource, content=iter([body_of(size)[:size // 2], body_of(size)[size // 2:]]),
                               headers=headers)
        assert streamed.status_code == 200 and site.backend.last.body == body_of(size)
        bad = client.post(site.resource, content=body_of(size, "unknown.tool"), headers=headers)
        assert bad.json()["error"]["code"] == -32602
    assert site.backend.count() == 2


def test_smuggled_lengths(site):
    """Two readings of one request: nginx refuses, and nothing reaches the backend."""
    body = mcp.encode(mcp.call("ticket.read", {"id": "T-1"}))
    for headers in ([("Content-Length", str(len(body))), ("Content-Length", "3")],
                    [("Content-Length", "3"), ("Transfer-Encoding", "chunked")],
                    [("Transfer-Encoding", "chunked, identity")]):
        answer = site.send("POST", "/mcp", headers=[("Content-Type", "application/json"), *headers], body=body)
        assert answer.status >= 400
    assert site.backend.count() == 0


def test_pipelined_and_kept_alive_calls_are_judged_each_by_itself(site):
    import http.client
    good, bare = site.token(), site.token(agent="bare-agent")
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=10)
    for token, word in ((good, "result"), (bare, "error"), (good, "result"), (None, None), (good, "result")):
        headers = {"Content-Type": "application/json"} | ({"Authorization": "Bearer " + token} if token else {})
        connection.request("POST", "/mcp", body=mcp.encode(mcp.call("ticket.read", {"id": "T-1"})), headers=headers)
        answer = connection.getresponse()
        text = answer.read()
        assert (answer.status == 401) if word is None else word in json.loads(text)
    connection.close()


def test_a_get_with_a_body(site):
    answer = site.send("GET", "/api/tickets/T-1", body=b'{"id": "T-2"}')
    assert answer.status in (200, 400)
    if answer.status == 200:
        assert site.backend.last.target == "/api/tickets/T-1"
