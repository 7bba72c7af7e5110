"""Each era's own codes and statuses, and clients that try the new one first, whatever the backend speaks."""
import json

import pytest

from plugins import mcp, policy
from plugins.backend import json_answer
from plugins.server import Answer
from plugins.site import allowed


def error_of(answer, status, code):
    assert answer.status == status, f"{answer.status} {answer.text}"
    error = answer.json()["error"]
    assert error["code"] == code, error
    return error


def legacy(site, method, params=None, version=mcp.LEGACY, **how):
    return site.post(mcp.message(method, params), headers=[("MCP-Protocol-Version", version)], **how)


def modern(site, method, params=None, **how):
    headers, body = mcp.modern(method, params or {}, **how)
    return site.post(body, headers=headers)


def test_a_method_that_the_version_lacks(site):
    error_of(legacy(site, "server/discover"), 200, -32601)
    error_of(legacy(site, "no/such"), 200, -32601)
    for method in ("ping", "initialize", "logging/setLevel", "resources/unsubscribe", "no/such"):
        error = error_of(modern(site, method), 404, -32601)
        assert error["message"] == f"Method not found: {method}"
    assert site.backend.count() == 0


def test_a_version_that_nobody_speaks(site):
    for answer in (legacy(site, "ping", version="2020-01-01"), legacy(site, "ping", version="x")):
        error = error_of(answer, 400, -32022)
        assert mcp.MODERN in error["data"]["supported"] and error["data"]["requested"]
    headers, body = mcp.modern("tools/list", version="2027-01-01")
    error = error_of(site.post(body, headers=headers), 400, -32022)
    assert error["data"]["requested"] == "2027-01-01" and error["data"]["supported"][0] == mcp.MODERN
    assert site.backend.count() == 0


@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_malformed_messages(site, era):
    headers = [("MCP-Protocol-Version", mcp.MODERN if era == "modern" else mcp.LEGACY), ("Mcp-Method", "tools/list")]
    for body, code in ((b"{", -32700), (b"[]", -32600), (b'{"jsonrpc":"2.0","id":1}', -32600), (b"{}", -32600)):
        error_of(site.post(body, headers=headers), 400, code)
    assert site.backend.count() == 0


def test_notifications_are_accepted_without_a_body(site):
    headers = [("MCP-Protocol-Version", mcp.MODERN), ("Mcp-Method", "notifications/cancelled")]
    for sent in (site.post(mcp.message("notifications/cancelled", {"requestId": 1}, id=None), headers=headers),
                 site.post(mcp.message("notifications/initialized", id=None))):
        assert sent.status == 202 and sent.body == b""


def test_the_stateless_protocol_has_neither_streams_nor_sessions(site):
    for method in ("GET", "DELETE"):
        answer = site.send(method, "/mcp", headers=[("MCP-Protocol-Version", mcp.MODERN), ("Accept", "text/event-stream")])
        assert answer.status == 405 and answer.header("Allow") == "POST"
        assert site.send(method, "/mcp", headers=[("MCP-Protocol-Version", mcp.LEGACY)]).status == 200
    # A response of the client's belongs to the earlier era alone.
    reply = {"jsonrpc": "2.0", "id": 4, "result": {}}
    error_of(site.post(reply, headers=[("MCP-Protocol-Version", mcp.MODERN)]), 400, -32600)


# What servers of the earlier era say to a probe: they don't know the method, want a session first, or refuse the version.
OLD = {
    "bad request": json_answer({"jsonrpc": "2.0", "id": None, "error": {"code": -32000, "message": "Server not initialized"}},
                               400),
    "not found": Answer(404, [("Content-Type", "text/plain")], b"no such session"),
    "method not found": json_answer({"jsonrpc": "2.0", "id": 1, "error": {"code": -32601, "message": "Method not found"}}),
    "version": json_answer({"jsonrpc": "2.0", "id": 1, "error": {
        "code": -32022, "message": "x", "data": {"supported": ["2025-11-25"], "requested": mcp.MODERN}}}, 400),
    "not acceptable": Answer(406, [("Content-Type", "application/json")], b"{}"),
}


@pytest.mark.parametrize("name", OLD)
def test_a_probe_of_the_new_era_hears_the_backend_itself(site, name):
    """A client falls back by what it is told: the old server's answer reaches it as it is."""
    old = OLD[name]

    def answer(received):
        message = json.loads(received.body)
        return old if message["method"] == "server/discover" else None

    site.backend.answer = answer
    heard = modern(site, "server/discover")
    assert heard.status == old.status and heard.body == old.body
    sent = site.backend.last
    assert sent.header("Mcp-Method") == "server/discover" and sent.header("MCP-Protocol-Version") == mcp.MODERN
    begun = site.post(mcp.message("initialize", {"protocolVersion": mcp.LEGACY, "capabilities": {},
                                                 "clientInfo": {"name": "x", "version": "1"}}))
    assert allowed(begun)["result"]["protocolVersion"] == mcp.LEGACY
    assert legacy(site, "notifications/initialized").status == 400  # with an id it is none
    assert site.post(mcp.message("notifications/initialized", id=None),
                     headers=[("MCP-Protocol-Version", mcp.LEGACY)]).status == 202
    allowed(legacy(site, "tools/list"))


def test_a_client_of_the_earlier_era_hears_a_new_server_itself(site):
    new = json_answer({"jsonrpc": "2.0", "id": 1, "error": {"code": -32022, "message": "x", "data": {
        "supported": [mcp.MODERN], "requested": "2025-11-25"}}}, 400)
    site.backend.answer = new
    heard = site.post(mcp.message("initialize", {"protocolVersion": mcp.LEGACY, "capabilities": {},
                                                 "clientInfo": {"name": "x", "version": "1"}}))
    assert heard.status == 400 and heard.body == new.body
    site.backend.answer = Answer(405, [("Allow", "POST")], b"")
    assert site.send("GET", "/mcp", headers=[("Accept", "text/event-stream")]).status == 405


def test_a_capability_that_the_server_asks_for_passes(site):
    refused = json_answer({"jsonrpc": "2.0", "id": 1, "error": {
        "code": -32021, "message": "x", "data": {"requiredCapabilities": {"sampling": {}}}}}, 400)
    site.backend.answer = refused
    answer = site.call(modern=True)
    assert answer.status == 400 and answer.body == refused.body


def test_browsers_at_the_endpoint(make_site):
    site = make_site(mcp="agent_origins https://ide.example;")
    ask = [("Origin", "https://ide.example"), ("Access-Control-Request-Method", "POST"),
           ("Access-Control-Request-Headers", "authorization,mcp-protocol-version,mcp-method,mcp-param-region")]
    preflight = site.send("OPTIONS", "/mcp", None, headers=ask)
    assert preflight.status == 204 and preflight.header("Access-Control-Allow-Origin") == "https://ide.example"
    wanted = [name.strip().lower() for name in preflight.header("Access-Control-Allow-Headers").split(",")]
    assert {"authorization", "mcp-session-id", "mcp-method", "mcp-name", "mcp-param-region"} <= set(wanted)
    answer = site.call(headers=[("Origin", "https://ide.example")])
    allowed(answer)
    exposed = answer.header("Access-Control-Expose-Headers").lower()
    assert "mcp-session-id" in exposed and "www-authenticate" in exposed
    stranger = site.call(token=None, headers=[("Origin", "https://ide.example")])
    assert stranger.status == 401 and stranger.header("Access-Control-Allow-Origin") == "https://ide.example"
    assert site.call(headers=[("Origin", "https://evil.example")]).status == 403
    evil = site.send("OPTIONS", "/mcp", None, headers=[("Origin", "https://evil.example"), *ask[1:]])
    assert evil.status == 403 and evil.header("Access-Control-Allow-Origin") is None


@pytest.mark.parametrize("host,status", [("127.0.0.1", 200), ("127.0.0.1:80", 200), ("localhost", 200), ("[::1]:8080", 200),
                                         ("tools.example", 200), ("TOOLS.example.", 200), ("a.below.example", 200),
                                         ("below.example", 200), ("ide.example", 200), ("evil.example", 403),
                                         ("tools.example.evil.example", 403), ("notbelow.example", 403),
                                         ("127.0.0.1.evil.example", 403)])
def test_hosts(make_site, host, status):
    """A name that somebody else points to this address (DNS rebinding) is none of ours."""
    site = make_site(server="server_name tools.example .below.example;", mcp="agent_origins https://ide.example;")
    for modern in (False, True):
        answer = site.call(headers=[("Host", host)], modern=modern)
        assert answer.status == status, answer.text
        assert status == 200 or answer.event()["reason"] == "origin_refused"
    assert site.send("GET", "/mcp", headers=[("Host", host)]).status == status
    assert site.call(token=None, headers=[("Host", host)]).status == (401 if status == 200 else 403)


def test_a_server_of_any_name(make_site):
    site = make_site(server='server_name "~^tools";')
    allowed(site.call(headers=[("Host", "tools7.example")]))


def test_a_narrow_token_is_not_locked_out_by_the_handshake(make_site):
    """The location's exchange needs a scope that the token lacks: that of an operation which it may call does."""
    tools = """
        agent_tool ticket.read { scope tickets:read; resource ticket:<id>; }
        agent_tool refund      { scope money; exchange audience=money-api scope=money; }"""
    site = make_site(forward="agent_exchange audience=tickets-api scope=tickets:read;", tools=tools)
    base = policy.base()
    for to in ("agent:company|docs-assistant", "group:company|support"):
        policy.grant(base, to, "tickets/refund", id="r-" + to[:5])
    site.write_policy(base)
    narrow = site.token(scope="money")
    for answer in (legacy(site, "tools/list", token=narrow), legacy(site, "ping", token=narrow),
                   site.call("refund", {}, token=narrow)):
        allowed(answer)
        assert answer.event()["audience"] == "money-api"
        assert {e["scope"] for e in site.issuer.exchanges} == {"money"}
    site.backend.clear()
    assert site.call(token=narrow).status == 403
    challenge = legacy(site, "tools/list", token=site.token(scope="other"))
    assert challenge.status == 403 and "tickets:read" in challenge.header("WWW-Authenticate")
    assert site.backend.count() == 0
    wide = legacy(site, "tools/list", token=site.token(scope="tickets:read money"))
    allowed(wide)
    assert wide.event()["audience"] == "tickets-api"
