"""What holds in every revision of the protocol: classes of bugs that came back with the next revision, or with an old one."""
import pytest

from plugins import mcp, policy
from plugins.backend import json_answer
from plugins.site import TOOLS, allowed

UNNAMED = "unnamed"  # no header field and no _meta: 2025-03-26 by the specification
REVISIONS = [UNNAMED, "2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"]
BLOCKS = """
            agent_prompt summary { scope tickets:read; resource ticket:<id>; }
            agent_prompt secret { scope tickets:read; }
            agent_mcp_resource docs://guides/<id> { operation guide; scope tickets:read; resource guide:<id>; }
            agent_mcp_resource docs://secret { operation secrets; scope tickets:read; }
"""
SITE = {"tools": TOOLS + BLOCKS}
GRANTED = ("tickets/prompts/summary", "tickets/guide")
# What a server lists: its names; how one of them is asked for, and what an absent one is told.
LISTS = {
    "tools": ("tools/list", "name", ["ticket.read", "delete_ticket", "ticket.list", "undeclared"],
              "tools/call", lambda name: {"name": name, "arguments": {"id": "T-1", "ticketId": "T-1"}}),
    "prompts": ("prompts/list", "name", ["summary", "secret", "undeclared"],
                "prompts/get", lambda name: {"name": name, "arguments": {"id": "T-1"}}),
    "resources": ("resources/list", "uri", ["docs://guides/a", "docs://secret", "docs://undeclared"],
                  "resources/read", lambda uri: {"uri": uri}),
}
HANDSHAKE = {"modern": ["server/discover", "tools/list", "prompts/list", "resources/list", "resources/templates/list",
                        "subscriptions/listen"],
             "legacy": ["initialize", "ping", "logging/setLevel", "tools/list", "prompts/list", "resources/list",
                        "resources/templates/list"]}


@pytest.fixture
def site(site_of_module):
    site = site_of_module
    site.backend.reset()
    base = policy.base()
    for to in ("agent:company|docs-assistant", "group:company|support"):
        for operation in GRANTED:
            policy.grant(base, to, operation, id=operation[-5:] + to[0])
    site.write_policy(base)
    return site


def ask(site, revision, method, params=None, token=True):
    if revision == mcp.MODERN:
        headers, body = mcp.modern(method, params, name=(params or {}).get("uri") or (params or {}).get("name"))
        return site.post(body, token, headers)
    headers = [] if revision == UNNAMED else [("MCP-Protocol-Version", revision)]
    return site.post(mcp.message(method, params or {}), token, headers)


@pytest.mark.parametrize("revision", REVISIONS)
@pytest.mark.parametrize("size", [0, 1, 2])
def test_no_revision_takes_a_batch(site, revision, size):
    """Class of bug: batches run past whoever reads one message, and where no version is named."""
    arguments = {"id": "T-1"}
    modern = revision == mcp.MODERN
    headers, one = mcp.modern_call("ticket.read", arguments) if modern else ([], mcp.call("ticket.read", arguments))
    if revision not in (UNNAMED, mcp.MODERN):
        headers = [("MCP-Protocol-Version", revision)]
    allowed(site.post(one, headers=headers))
    site.backend.clear()
    answer = site.post([one, mcp.message("ping", id=2)][:size], headers=headers)
    assert answer.status == 400 and answer.json()["error"]["code"] == -32600
    assert answer.event()["reason"] == "batch_refused" and site.backend.count() == 0


@pytest.mark.parametrize("revision", REVISIONS)
@pytest.mark.parametrize("kind", LISTS)
@pytest.mark.parametrize("agent", ["docs-assistant", "narrow-agent", "bare-agent"])
def test_a_list_shows_what_a_call_reaches(site, revision, kind, agent):
    """Class of bug: the list's filter differs from the call's. All that a server lists is asked for, shown or not."""
    method, key, items, get, params = LISTS[kind]
    token = site.token(agent=agent, scope="tickets:read tickets:write")
    more = {"resultType": "complete", "ttlMs": 0, "cacheScope": "private"} if revision == mcp.MODERN else {}
    site.backend.answer = json_answer({"jsonrpc": "2.0", "id": 1, "result": {
        kind: [{key: item, "name": item, "inputSchema": {}} for item in items], **more}})
    shown = [item[key] for item in ask(site, revision, method, token=token).json()["result"][kind]]
    site.backend.answer = None
    site.backend.clear()
    reached = []
    for item in items:
        answer = ask(site, revision, get, params(item), token)
        assert answer.status == 200, answer.text
        if "error" not in answer.json():
            reached.append(item)
            continue
        error = answer.json()["error"]
        if error["code"] in (-32602, -32002):
            assert error["message"].endswith(f": {item}")
            assert list(error["data"]) == (["uri", "request_id"] if kind == "resources" else ["request_id"])
        else:  # it may be seen, and this very call not be made
            assert error["data"]["reason"] != "operation_unknown"
            reached.append(item)
    assert shown == reached
    assert {"docs-assistant": bool(shown), "narrow-agent": kind != "tools" or shown == ["ticket.read"],
            "bare-agent": not shown}[agent]


@pytest.mark.parametrize("revision", REVISIONS)
def test_nobody_is_let_in_without_a_token(site, revision):
    """401 with a challenge, also for what needs no grant."""
    methods = HANDSHAKE["modern" if revision == mcp.MODERN else "legacy"]
    for method in (*methods, "tools/call", "no/such", "notifications/initialized"):
        answer = ask(site, revision, method, token=None)
        assert answer.status == 401, f"{method}: {answer.status} {answer.text}"
        assert answer.challenge["scope"] == "tickets:read" and answer.challenge["resource_metadata"].startswith("http")
    for verb in ("GET", "DELETE"):
        headers = [] if revision == UNNAMED else [("MCP-Protocol-Version", revision)]
        assert site.send(verb, "/mcp", None, headers).status == 401
    assert site.backend.count() == 0


@pytest.mark.parametrize("revision", REVISIONS)
@pytest.mark.parametrize("who,reason", [({"user": "dora"}, "user_disabled"), ({"agent": "disabled-agent"}, "agent_disabled"),
                                        ({"user": "otto"}, "delegation_disconnected")])
def test_who_is_not_admitted_gets_no_handshake(site, revision, who, reason):
    for method in HANDSHAKE["modern" if revision == mcp.MODERN else "legacy"]:
        answer = ask(site, revision, method, token=site.token(**who))
        assert answer.event()["reason"] == reason, method
        assert "result" not in answer.json()
        admitted = ask(site, revision, method)
        assert admitted.status == 200 and "result" in admitted.json(), f"{method}: {admitted.text}"
        assert site.backend.count() == 1
        site.backend.clear()
