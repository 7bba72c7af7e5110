"""Headers that mirror the body, media types, methods, sessions, versions: both eras of streamable HTTP."""
import base64
import gzip

import pytest

from plugins import mcp
from plugins.backend import json_answer
from plugins.site import allowed, denied, hidden

CALL = mcp.call("ticket.read", {"id": "T-1"})


def refused(site, answer, status, code, reason=None):
    assert answer.status == status, f"{answer.status} {answer.text}"
    error = answer.json()["error"]
    assert error["code"] == code, error
    assert reason is None or answer.event()["reason"] == reason
    assert site.backend.count() == 0
    return error


def test_both_eras_pass(site):
    allowed(site.call())
    answer = site.call(modern=True)
    allowed(answer)
    assert answer.event()["mcp"]["version"] == mcp.MODERN
    sent = site.backend.last
    assert sent.header("Mcp-Method") == "tools/call" and sent.header("Mcp-Name") == "ticket.read"
    assert sent.header("MCP-Protocol-Version") == mcp.MODERN


def _modern(changes):
    """The good modern call with headers replaced (None drops one, a list repeats it)."""
    headers, body = mcp.modern_call("ticket.read", {"id": "T-1"})
    found = []
    for name, value in dict(headers).items():
        new = changes.get(name, value)
        found += [(name, v) for v in (new if isinstance(new, list) else [new]) if v is not None]
    return found + [(k, v) for k, v in changes.items() if k not in dict(headers)], body


MISMATCHES = {
    "another method": {"Mcp-Method": "tools/list"},
    "no method": {"Mcp-Method": None},
    "two methods": {"Mcp-Method": ["tools/call", "tools/call"]},
    "two methods that differ": {"Mcp-Method": ["tools/call", "tools/list"]},
    "an empty method": {"Mcp-Method": ""},
    "a method in capitals": {"Mcp-Method": "TOOLS/CALL"},
    "another tool": {"Mcp-Name": "delete_ticket"},
    "no tool": {"Mcp-Name": None},
    "two tools": {"Mcp-Name": ["ticket.read", "delete_ticket"]},
    "a tool in capitals": {"Mcp-Name": "Ticket.Read"},
    "a tool with a letter more": {"Mcp-Name": "ticket.reads"},
    "another tool in Base64": {"Mcp-Name": "=?base64?" + base64.b64encode(b"delete_ticket").decode() + "?="},
    "Base64 that is none": {"Mcp-Name": "=?base64?%%%?="},
    "the version of another era": {"MCP-Protocol-Version": "2025-11-25"},
    "no version": {"MCP-Protocol-Version": None},
    "two versions": {"MCP-Protocol-Version": [mcp.MODERN, "2025-11-25"]},
    "an underscore twin that differs": {"Mcp_Name": "delete_ticket"},
}


@pytest.mark.parametrize("name", MISMATCHES)
def test_mirrored_headers_agree_with_the_body(site, name):
    headers, body = _modern(MISMATCHES[name])
    answer = site.post(body, headers=headers)
    if name == "an underscore twin that differs":  # dropped, never believed
        assert answer.status in (200, 400)
        assert all("Mcp_Name" not in n for r in site.backend.requests for n, _ in r.headers)
        return
    refused(site, answer, 400, -32020, "header_mismatch")


SAME = {
    "as they are": {},
    "names in another case": {"mcp-name": "ticket.read", "Mcp-Name": None},
    "white space around": {"Mcp-Name": "  ticket.read \t"},
    "the tool in Base64": {"Mcp-Name": "=?base64?" + base64.b64encode(b"ticket.read").decode() + "?="},
    "an unknown parameter header": {"Mcp-Param-Region": "eu"},
}


@pytest.mark.parametrize("name", SAME)
def test_headers_that_say_the_same(site, name):
    headers, body = _modern(SAME[name])
    allowed(site.post(body, headers=headers))
    if name == "an unknown parameter header":
        assert site.backend.last.header("Mcp-Param-Region") == "eu"


def test_orphans_of_the_modern_headers_on_a_legacy_call(site):
    for headers in ([("Mcp-Name", "delete_ticket")], [("Mcp-Method", "ping")]):
        answer = site.post(CALL, headers=headers)
        if answer.status == 200:
            names = [n.lower() for n, v in site.backend.last.headers if v in ("delete_ticket", "ping")]
            assert not names, "a header that contradicts the judged body reached the backend"
        else:
            assert answer.status == 400


@pytest.mark.parametrize("version,code", [("2026-07-28x", -32022), ("2027-01-01", -32022), ("1.0", -32022),
                                          ("2024-11-05", None), ("2025-03-26", None), ("2025-06-18", None),
                                          ("2025-11-25", None)])
def test_versions(site, version, code):
    answer = site.post(CALL, headers=[("MCP-Protocol-Version", version)])
    if code is None:
        allowed(answer)
    else:
        assert answer.status == 400, answer.text
        assert answer.json()["error"]["code"] in (-32022, -32020)
    if version == "2027-01-01":
        headers, body = mcp.modern("tools/call", {"name": "ticket.read", "arguments": {"id": "T-1"}},
                                   name="ticket.read", version=version)
        error = refused(site, site.post(body, headers=headers), 400, -32022, "version_unsupported")
        # What a server/discover behind us says of older versions isn't known here: none of them is named.
        assert error["data"]["supported"] == [mcp.MODERN] and error["data"]["requested"] == version


@pytest.mark.parametrize("missing", ["protocolVersion", "clientCapabilities"])
def test_a_modern_request_declares_itself(site, missing):
    headers, body = mcp.modern_call("ticket.read", {"id": "T-1"})
    del body["params"]["_meta"]["io.modelcontextprotocol/" + missing]
    answer = site.post(body, headers=headers)
    assert answer.status == 400 and answer.json()["error"]["code"] in (-32602, -32020)
    assert site.backend.count() == 0


def test_modern_discovery_and_lists(site):
    token = site.token(agent="bare-agent", groups=[])
    for method in ("server/discover", "tools/list", "prompts/list", "resources/list"):
        headers, body = mcp.modern(method, {})
        allowed(site.post(body, token, headers))
        assert site.post(body, None, headers).status == 401


def test_modern_unknown_methods_are_404(site):
    headers, body = mcp.modern("tickets/purge", {})
    refused(site, site.post(body, headers=headers), 404, -32601, "method_unknown")


def test_a_prompt_or_resource_of_a_tools_name_is_not_the_tool(site):
    for method, params, name in (("prompts/get", {"name": "ticket.read", "arguments": {"id": "T-1"}}, "ticket.read"),
                                 ("resources/read", {"uri": "ticket.read"}, "ticket.read")):
        answer = site.post(mcp.message(method, params))
        assert "error" in answer.json() and answer.event()["reason"] == "operation_unknown"
        headers, body = mcp.modern(method, params, name=name)
        assert "error" in site.post(body, headers=headers).json()
    assert site.backend.count() == 0


MEDIA = [("application/json", 200), ("application/json; charset=utf-8", 200), ("APPLICATION/JSON", 200),
         ("text/plain", 400), ("application/x-www-form-urlencoded", 400), ("application/jsonp", 400),
         ("multipart/form-data; boundary=x", 400), ("text/plain; a=application/json", 400), (None, 400), ("", 400)]


@pytest.mark.parametrize("media,status", MEDIA)
def test_media_types(site, media, status):
    answer = site.post(CALL, headers=[("Content-Type", media)])
    assert answer.status == status, answer.text
    assert status == 200 or answer.event()["reason"] == "content_type_refused"
    assert site.backend.count() == (1 if status == 200 else 0)


@pytest.mark.parametrize("coding,body", [
    ("gzip", gzip.compress(mcp.encode(CALL))), ("gzip", mcp.encode(CALL)), ("deflate", mcp.encode(CALL)),
    ("br", mcp.encode(CALL)), ("x-unknown", mcp.encode(CALL))])
def test_encoded_bodies_are_refused(site, coding, body):
    answer = site.post(body, headers=[("Content-Encoding", coding)])
    assert answer.status == 400 and answer.event()["reason"] == "encoding_refused"
    assert site.backend.count() == 0
    allowed(site.post(CALL))


def test_get_and_delete_are_authenticated_and_proxied(site):
    for method in ("GET", "DELETE"):
        assert site.send(method, "/mcp", None).status == 401
        assert site.backend.count() == 0
        answer = site.send(method, "/mcp", headers=[("Accept", "text/event-stream"),
                                                    ("MCP-Protocol-Version", mcp.LEGACY)])
        assert answer.status == 200
        assert site.backend.last.method == method
        event = answer.event()
        assert event["decision"] == "allow" and event["http"]["method"] == method
        site.backend.clear()


def test_modern_get_and_delete_do_not_exist(site):
    for method in ("GET", "DELETE"):
        answer = site.send(method, "/mcp", headers=[("MCP-Protocol-Version", mcp.MODERN)])
        assert answer.status == 405 and site.backend.count() == 0


@pytest.mark.parametrize("method", ["PUT", "PATCH", "TRACE", "PROPFIND", "HEAD"])
def test_other_methods(site, method):
    answer = site.send(method, "/mcp", body=mcp.encode(CALL) if method == "PUT" else b"")
    assert answer.status == 405
    assert site.backend.count() == 0


@pytest.mark.parametrize("session", ["x" * 5000, "a\tb", "a b", "é"])
def test_odd_session_ids(site, session):
    answer = site.post(CALL, headers=[("Mcp-Session-Id", session)])
    assert answer.status == 400 and site.backend.count() == 0
    site.backend.clear()
    allowed(site.post(CALL))


def test_two_session_ids(site):
    answer = site.post(CALL, headers=[("Mcp-Session-Id", "a"), ("Mcp-Session-Id", "b")])
    assert answer.status == 400


def test_the_location_matches_below_too_but_names_nothing_else(site):
    """/mcp is a prefix location: what lies below is the same endpoint's, judged the same."""
    assert site.post(CALL, None, path="/mcp/deeper").status in (401, 404)
    assert site.post(CALL, path="/mcp?x=1").status == 200


@pytest.mark.parametrize("modern", [False, True])
@pytest.mark.parametrize("disclosure", ["hide", "explain"])
def test_each_hidden_tool_is_hidden_in_each_era(make_site, modern, disclosure):
    site = make_site(mcp=f"agent_disclosure {disclosure};")
    bare = site.token(agent="bare-agent")
    for tool, arguments in (("ticket.read", {"id": "T-1"}), ("delete_ticket", {"ticketId": "T-1"}),
                            ("ticket.list", {})):
        answer = site.call(tool, arguments, bare if tool != "delete_ticket" else site.token(
            agent="bare-agent", scope="tickets:read tickets:write"), modern=modern)
        # What lies above the tier's ceiling is told before what no grant names.
        reason = "agent_grant_missing" if tool == "ticket.read" else "tier_ceiling"
        if disclosure == "hide":
            hidden(answer, tool)
            assert "grant" not in answer.text
        else:
            denied(answer, reason)
        event = answer.event()
        assert event["reason"] == reason and event["checks"]["agent"] == "fail"
    allowed(site.call(modern=modern))
    unknown = site.call("no.such.tool", modern=modern)
    assert unknown.json()["error"]["code"] == -32602
