"""What may not be seen is answered as a server answers what it doesn't know: beside a direct server of the official SDK."""
import json

import pytest

from plugins import http, mcp, policy
from plugins.fixture import Fixture
from plugins.site import Site

pytestmark = pytest.mark.timeout(400)   # where packages have to be installed first

BLOCKS = """
            agent_tool   test_simple_text { }
            agent_tool   ghost            { }
            agent_tool   closed           { }
            agent_prompt test_simple_prompt { }
            agent_prompt ghost  { operation ghost; }
            agent_prompt closed { operation closed; }
            agent_mcp_resource test://static-text  { operation open; }
            agent_mcp_resource test://ghost        { operation ghost; }
            agent_mcp_resource test://closed       { operation closed; }
"""
LOCATION = 'proxy_set_header Host 127.0.0.1:@BACKEND@; proxy_set_header Connection "";'
OPEN = ("test_simple_text", "ghost", "prompts/test_simple_prompt", "prompts/ghost", "resources/open", "resources/ghost")
KINDS = {"tool": ("tools/call", lambda name: {"name": name, "arguments": {}}, "{}"),
         "prompt": ("prompts/get", lambda name: {"name": name}, "{}"),
         "resource": ("resources/read", lambda name: {"uri": name}, "test://{}")}
# The fields that the gateway adds, or that say how the answer came: none of them hangs on what was asked for.
BESIDE = {"date", "server", "connection", "transfer-encoding", "content-length", "x-request-id", "cache-control", "mcp-session-id",
          "x-accel-buffering", "access-control-expose-headers"}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    server = Fixture().start()
    site = Site(tmp_path_factory.mktemp("unknown"), backend=server, tools=BLOCKS, mcp=LOCATION)
    policy.tenant(site.policy)["bundles"]["support"]["grants"] = []
    for to in ("agent:company|docs-assistant", "group:company|support"):
        for operation in OPEN:
            policy.grant(site.policy, to, f"tickets/{operation}", id=f"{operation}-{to[:5]}")
    site.write_policy(site.policy)
    site.start()
    yield site
    site.close()
    server.stop()


class Asker:
    """One client of the gateway, or of the server itself."""

    def __init__(self, site, direct, modern):
        self.site, self.direct, self.modern = site, direct, modern
        self.session = []
        if not modern:
            begun = self.post([], mcp.message("initialize", {"protocolVersion": "2025-11-25", "capabilities": {},
                                                             "clientInfo": {"name": "x", "version": "1"}}))
            self.session = [("Mcp-Session-Id", begun.header("Mcp-Session-Id")), ("MCP-Protocol-Version", "2025-11-25")]
            self.post(self.session, mcp.message("notifications/initialized", id=None))

    def post(self, headers, message):
        if not self.direct:
            return self.site.post(message, headers=headers)
        port = self.site.backend.port
        return http.request(port, "POST", "/mcp", [
            ("Host", f"127.0.0.1:{port}"), ("Content-Type", "application/json"),
            ("Accept", "application/json, text/event-stream"), *headers], mcp.encode(message))

    def ask(self, kind, name):
        method, params, form = KINDS[kind]
        name = form.format(name)
        if self.modern:
            headers, message = mcp.modern(method, params(name), name=name)
            return self.post(headers, message)
        return self.post(self.session, mcp.message(method, params(name)))


def told(answer, name):
    """(status, the response's envelope, the error without its data, its data, other header fields), the name made one."""
    text = answer.text
    if answer.header("Content-Type").startswith("text/event-stream"):
        text = [line[6:] for line in text.splitlines() if line.startswith("data: {")][-1]
    value = json.loads(text.replace(name, "NAME"))
    error = value.pop("error")
    data = error.pop("data", {})
    fields = {(k.lower(), v) for k, v in answer.headers if k.lower() not in BESIDE | {"content-type"}}
    return answer.status, value, error, data, fields


# Where SDK v2 and the specification differ, and the gateway goes with the specification.
TEXT = {"prompt": "Unknown prompt: NAME"}
CODE = {("resource", False): -32002}


@pytest.mark.parametrize("modern", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_a_hidden_one_beside_an_unknown_one_of_a_direct_server(place, kind, modern):
    direct, ours = Asker(place, True, modern), Asker(place, False, modern)
    status, envelope, error, data, fields = told(direct.ask(kind, "nothing"), "nothing")
    answers = {name: ours.ask(kind, name) for name in ("closed", "nothing")}
    for name, answer in answers.items():
        found = told(answer, name)
        assert found[0] == status == 200 and found[1] == envelope == {"jsonrpc": "2.0", "id": 1}
        assert found[2] == {"code": CODE.get((kind, modern), error["code"]), "message": TEXT.get(kind, error["message"])}
        assert found[3] == data | {"request_id": answer.request_id} and found[4] == fields
        assert answer.header("Content-Type") == "application/json", "streams are for those who have more to say"
    # To the byte the same, but for the name and the request's id.
    bodies = {answer.body.replace(name.encode(), b"NAME").replace(answer.request_id.encode(), b"ID") for name, answer in answers.items()}
    assert len(bodies) == 1
    assert {name: answer.event()["reason"] for name, answer in answers.items()} == {
        "closed": "user_entitlement_missing", "nothing": "operation_unknown"}


@pytest.mark.parametrize("modern", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_one_that_is_allowed_and_the_server_does_not_have(place, kind, modern):
    """Then it is the server's to say so, in its own words: whoever may see it may know that it isn't there."""
    direct, ours = Asker(place, True, modern), Asker(place, False, modern)
    expected, found = direct.ask(kind, "ghost"), ours.ask(kind, "ghost")
    assert told(found, "ghost") == told(expected, "ghost")
    assert found.header("Content-Type") == expected.header("Content-Type")
    assert found.event()["decision"] == "allow"
