"""Streams of a real MCP server through the gateway: what the server asks and is answered, progress, cancellation, comments, and
streams that are taken up again where they broke off."""
import json

import pytest

from plugins import mcp, policy
from plugins.fixture import Fixture
from plugins.site import Site
from plugins.wait import eventually

pytestmark = pytest.mark.timeout(400)   # where packages have to be installed first

TOOLS = ("test_simple_text", "test_sampling", "test_elicitation", "test_input_required_result_list_roots", "test_reconnection",
         "touch_resource", "count", "cancelled")
DECLARED = "\n            ".join([*(f"agent_tool {name} {{ }}" for name in TOOLS),
                                 "agent_mcp_resource test://watched-resource { operation watched; }"])
LOCATION = """proxy_set_header Host 127.0.0.1:@BACKEND@;
            proxy_set_header Connection "";"""
CAN = {"sampling": {}, "elicitation": {}, "roots": {}}
VERSIONS = ["2025-11-25", "2025-06-18", "2025-03-26"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    server = Fixture("--keep-alive", "100").start()
    site = Site(tmp_path_factory.mktemp("streams"), backend=server, tools=DECLARED, mcp=LOCATION)
    for to in ("agent:company|docs-assistant", "agent:company|bare-agent", "group:company|support"):
        policy.grant(site.policy, to, "tickets/*", id="s" + to[-5:])
    site.write_policy(site.policy)
    site.start()
    yield site
    site.close()
    server.stop()


class Events:
    """The events of a stream, as they come."""

    def __init__(self, exchange):
        self.exchange, self._rest = exchange, b""
        self.head = exchange.head()

    def next(self):
        """{"data": …, "id": …, "retry": …, "comment": …}: a block's fields, its data as JSON; None at the end."""
        while b"\n\n" not in self._rest:
            piece = self.exchange.read_some()
            if not piece:
                return None
            self._rest += piece.replace(b"\r\n", b"\n")
        block, _, self._rest = self._rest.partition(b"\n\n")
        found = {}
        for line in block.decode().split("\n"):
            name, _, value = line.partition(":")
            found[name or "comment"] = value.removeprefix(" ")
        if found.get("data"):
            found["data"] = json.loads(found["data"])
        return found

    def until(self, wanted):
        """The first event whose message is `wanted`: (it, the events before)."""
        before = []
        while True:
            found = self.next()
            assert found is not None, f"the stream ended after {before}"
            if isinstance(found.get("data"), dict) and wanted(found["data"]):
                return found, before
            before.append(found)


def is_result(message):
    return "result" in message or "error" in message


class Session:
    """A session of the old era, by hand."""

    def __init__(self, site, version="2025-11-25", capabilities=CAN, **claims):
        self.site, self.version, self.token = site, version, site.token(**claims)
        self.id = None
        answer = self.post(mcp.message("initialize", {"protocolVersion": version, "capabilities": capabilities,
                                                      "clientInfo": {"name": "e2e", "version": "1"}}))
        assert answer.status == 200, answer.text
        self.id = answer.header("Mcp-Session-Id")
        assert self.post(mcp.message("notifications/initialized", id=None)).status == 202

    @property
    def headers(self):
        found = [("MCP-Protocol-Version", self.version)] if self.version != "2025-03-26" else []
        return [*found, ("Mcp-Session-Id", self.id)] if self.id else []

    def post(self, message):
        return self.site.post(message, self.token, self.headers)

    def begin(self, message):
        return Events(self.site.begin_post(message, self.token, self.headers))

    def listen(self, last=None):
        headers = [("Accept", "text/event-stream"), *self.headers, *([("Last-Event-ID", last)] if last else [])]

        def opened():
            # As long as the server hasn't seen that the client left, the stream is taken (409).
            stream = Events(self.site.begin("GET", "/mcp", self.token, headers))
            return stream if stream.head.status != 409 else stream.exchange.close()

        return eventually(opened, timeout=20)

    def text(self, tool, arguments=None, id=1):
        found, _ = self.begin(mcp.call(tool, arguments, id)).until(is_result)
        return found["data"]["result"]["content"][0]["text"]


def answer(question, result):
    return {"jsonrpc": "2.0", "id": question["id"], "result": result}


QUESTIONS = [
    ("test_sampling", {"prompt": "Capital of France?"}, "sampling/createMessage",
     {"role": "assistant", "model": "m", "content": {"type": "text", "text": "Paris"}}, "LLM response: Paris"),
    ("test_elicitation", {"message": "Who?"}, "elicitation/create",
     {"action": "accept", "content": {"username": "mira", "email": "m@company.example"}}, "User response: action=accept"),
    ("test_input_required_result_list_roots", {}, "roots/list", {"roots": [{"uri": "file:///home/mira"}]}, "file:///home/mira"),
]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("tool,arguments,method,result,said", QUESTIONS, ids=[q[2] for q in QUESTIONS])
def test_what_the_server_asks_is_answered(place, version, tool, arguments, method, result, said):
    """The question comes on the stream of the call; its answer is a message of its own, judged and recorded."""
    if method == "elicitation/create" and version == "2025-03-26":
        pytest.skip("elicitation came with 2025-06-18")
    session = Session(place, version)
    stream = session.begin(mcp.call(tool, arguments))
    question, _ = stream.until(lambda message: message.get("method") == method)
    accepted = session.post(answer(question["data"], result))
    assert (accepted.status, accepted.body) == (202, b"")
    found, _ = stream.until(is_result)
    assert said in found["data"]["result"]["content"][0]["text"]
    event = accepted.event()
    assert event["type"] == "mcp.response" and event["decision"] == "allow" and event["user"]["id"] == "company|mira"


def test_nobody_else_answers_what_a_session_was_asked(place):
    session = Session(place)
    stream = session.begin(mcp.call("test_sampling", {"prompt": "Capital of France?"}))
    question, _ = stream.until(lambda message: message.get("method") == "sampling/createMessage")
    wrong = answer(question["data"], {"role": "assistant", "model": "m", "content": {"type": "text", "text": "Berlin"}})
    for claims in ({"user": "omar"}, {"agent": "bare-agent"}):
        refused = place.post(wrong, place.token(**claims), session.headers)
        stranger = place.post(wrong, place.token(**claims), [*session.headers[:1], ("Mcp-Session-Id", "no-such-session")])
        assert refused.status == stranger.status == 404, refused.text
        assert refused.event()["decision"] == "deny"
    right = answer(question["data"], {"role": "assistant", "model": "m", "content": {"type": "text", "text": "Paris"}})
    assert session.post(right).status == 202
    found, _ = stream.until(is_result)
    assert found["data"]["result"]["content"][0]["text"] == "LLM response: Paris"


@pytest.mark.parametrize("version", [*VERSIONS, "2026-07-28"])
def test_progress_comes_while_the_call_runs(place, version):
    params = {"name": "count", "arguments": {"to": 3, "ms": 300}, "_meta": {"progressToken": "p-1"}}
    if version == "2026-07-28":
        headers, body = mcp.modern("tools/call", params, name="count")
        stream = Events(place.begin_post(body, headers=headers))
    else:
        stream = Session(place, version).begin(mcp.message("tools/call", params))
    assert stream.head.header("Content-Type") == "text/event-stream"
    found, before = stream.until(is_result)
    assert found["data"]["result"]["content"][0]["text"] == "counted to 3"
    told = [event["data"]["params"] for event in before if event.get("data")]
    assert [p["progress"] for p in told] == [1, 2, 3] and {p["progressToken"] for p in told} == {"p-1"}
    if version == "2026-07-28":
        assert any("comment" in event for event in before), "comments keep the stream alive"


def test_progress_is_not_held_back(place):
    """The first event is here long before the last one is made."""
    params = {"name": "count", "arguments": {"to": 2, "ms": 2000}, "_meta": {"progressToken": 1}}
    session = Session(place)
    stream = session.begin(mcp.message("tools/call", params, id="slow"))
    stream.until(lambda message: message.get("params", {}).get("progress") == 1)
    before = int(session.text("cancelled"))
    assert session.post(mcp.message("notifications/cancelled", {"requestId": "slow"}, id=None)).status == 202
    assert eventually(lambda: int(session.text("cancelled")) > before, timeout=20)
    stream.exchange.close()


def test_in_the_new_era_a_client_that_leaves_has_cancelled(place):
    def counted():
        headers, body = mcp.modern_call("cancelled")
        return int(place.post(body, headers=headers).json()["result"]["content"][0]["text"])

    before = counted()
    headers, body = mcp.modern("tools/call", {"name": "count", "arguments": {"to": 2, "ms": 1000},
                                              "_meta": {"progressToken": 1}}, name="count")
    stream = Events(place.begin_post(body, headers=headers))
    stream.until(lambda message: message.get("params", {}).get("progress") == 1)
    stream.exchange.close()
    assert eventually(lambda: counted() > before, timeout=20)


def test_in_the_old_era_a_client_that_leaves_has_not_cancelled(place):
    """It comes back with Last-Event-ID, and gets the rest."""
    session = Session(place)
    stream = session.begin(mcp.message("tools/call", {"name": "count", "arguments": {"to": 3, "ms": 400},
                                                      "_meta": {"progressToken": 1}}, id=7))
    first, _ = stream.until(lambda message: message.get("params", {}).get("progress") == 1)
    stream.exchange.close()
    found, before = session.listen(first["id"]).until(is_result)
    assert found["data"]["id"] == 7 and found["data"]["result"]["content"][0]["text"] == "counted to 3"
    assert [event["data"]["params"]["progress"] for event in before if event.get("data")] == [2, 3]


def test_a_stream_that_the_server_closes_is_taken_up_again(place):
    """SSE polling: an id without data and a `retry` first; then the server closes and the client comes back for the rest."""
    session = Session(place)
    stream = session.begin(mcp.call("test_reconnection", id=9))
    primed = stream.next()
    assert primed["id"] and primed["data"] == "" and int(primed["retry"]) > 0
    assert stream.next() is None, "the server closed it"
    found, _ = session.listen(primed["id"]).until(is_result)
    assert found["data"]["id"] == 9 and "successfully" in found["data"]["result"]["content"][0]["text"]


def test_nobody_else_takes_up_a_stream(place):
    session = Session(place)
    primed = session.begin(mcp.call("test_reconnection", id=9)).next()
    for claims in ({"user": "omar"}, {"agent": "bare-agent"}):
        stolen = place.send("GET", "/mcp", place.token(**claims),
                            [("Accept", "text/event-stream"), *session.headers, ("Last-Event-ID", primed["id"])])
        assert stolen.status == 404 and b"successfully" not in stolen.body
    found, _ = session.listen(primed["id"]).until(is_result)
    assert found["data"]["id"] == 9


def test_the_servers_own_stream_is_taken_up_again(place):
    def updated(message):
        return message.get("method") == "notifications/resources/updated"

    session = Session(place)
    assert "result" in session.post(mcp.message("resources/subscribe", {"uri": "test://watched-resource"})).text
    stream = session.listen()
    assert stream.head.status == 200
    touch = ("touch_resource", {"uri": "test://watched-resource"})
    session.text(*touch)
    first, _ = stream.until(updated)
    assert first["data"]["params"]["uri"] == "test://watched-resource"
    stream.exchange.close()
    for _ in range(2):
        session.text(*touch)
    again = session.listen(first["id"])
    for _ in range(2):
        again.until(updated)
    again.exchange.close()
