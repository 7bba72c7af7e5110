"""The official SDK's client, through the gateway, to the official SDK's server: both eras, as agents do it."""
import asyncio
import json
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from plugins import policy
from plugins.site import TOOLS
from plugins.wait import accepts, eventually, free_port

SERVER = Path(__file__).parent / "servers/tickets.py"


class Tickets:
    """Stands where Site expects a backend."""

    def __init__(self):
        self.port = free_port()
        self.process = None

    def start(self):
        self.process = subprocess.Popen([sys.executable, str(SERVER), str(self.port)], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        eventually(lambda: self.process.poll() is None and accepts(self.port), timeout=30)
        return self

    def stop(self):
        self.process.terminate()
        self.process.wait(10)


@pytest.fixture(scope="module")
def tickets():
    server = Tickets().start()
    yield server
    server.stop()


async def talk(url, token, era, calls):
    """(protocol version, tools, results or errors, progress)."""
    seen, results = [], []

    async def progress(done, total, message):
        seen.append(done)

    async with httpx2.AsyncClient(headers={"Authorization": "Bearer " + token}, timeout=20) as http:
        async with Client(streamable_http_client(url, http_client=http), mode=era, cache=None) as client:
            tools = [t.name for t in (await client.list_tools()).tools]
            for name, arguments in calls:
                try:
                    result = await client.call_tool(name, arguments, progress_callback=progress)
                    results.append("|".join(block.text for block in result.content))
                except Exception as error:
                    results.append(error)
            return client.session.protocol_version, tools, results, seen


@pytest.mark.parametrize("era,version", [("legacy", "2025-11-25"), ("auto", "2026-07-28"), ("2026-07-28", "2026-07-28")])
def test_a_session(make_site, tickets, era, version):
    site = make_site(backend=tickets, mcp=f"proxy_set_header Host 127.0.0.1:{tickets.port};")
    token = site.token(scope="tickets:read")
    calls = [("ticket.read", {"id": "T-1"}), ("ticket.list", {}), ("no.such.tool", {})]
    spoken, tools, results, progress = asyncio.run(talk(site.resource, token, era, calls))
    assert spoken == version
    assert set(tools) == {"ticket.read", "ticket.list", "delete_ticket"}
    assert results[:2] == ["ticket T-1", "T-1 T-2"]
    assert "Unknown tool: no.such.tool" in str(results[2]) or isinstance(results[2], Exception)
    assert progress == [0, 1, 2], "progress came while the call ran"
    def calls_seen():
        found = [e for e in site.nginx.audit() if e["type"] == "mcp.tools.call"]
        return found if len(found) >= 3 else None

    events = eventually(calls_seen)
    # Two workers write their lines in batches of their own.
    assert sorted(e["decision"] for e in events) == ["allow", "allow", "deny"]
    assert all(e["mcp"]["version"] == version for e in events)


@pytest.mark.parametrize("era", ["legacy", "2026-07-28"])
def test_a_search_for_tools(make_site, tickets, era):
    """Both forms of the answer, the text for each element and the structured one, say the same, and nothing that is hidden."""
    blocks = """
            agent_tool search_tools { lists <result> name=<name> text=items; }
            agent_tool search_names { lists <result> text=items; }"""
    site = make_site(backend=tickets, tools=TOOLS + blocks, mcp=f"proxy_set_header Host 127.0.0.1:{tickets.port};")
    base = policy.base()
    for to in ("agent:company|docs-assistant", "group:company|support"):
        for name in ("search_tools", "search_names"):
            policy.grant(base, to, f"tickets/{name}", id=f"{name}-{to[:5]}")
    site.write_policy(base)
    _, tools, results, _ = asyncio.run(talk(site.resource, site.token(), era, [("search_tools", {"query": "t"}),
                                                                              ("search_names", {"query": "t"})]))
    assert {"search_tools", "search_names"} <= set(tools)
    found = [json.loads(text)["name"] for text in results[0].split("|")]
    assert found == ["ticket.read", "ticket.list"] and results[1] == "ticket.read", results
    events = eventually(lambda: [e for e in site.nginx.audit() if "items" in e and e["type"] == "mcp.tools.call"])
    assert all(e["items"]["hidden"] == 1 for e in events)


@pytest.mark.parametrize("era", ["legacy", "2026-07-28"])
def test_a_denied_call_is_readable(make_site, tickets, era):
    site = make_site(backend=tickets, mcp=f"proxy_set_header Host 127.0.0.1:{tickets.port};")
    token = site.token(agent="narrow-agent")
    _, _, results, _ = asyncio.run(talk(site.resource, token, era, [("ticket.read", {"id": "T-1"}),
                                                                   ("ticket.read", {"id": "T-2"})]))
    assert results[0] == "ticket T-1"
    assert "agent has no grant" in str(results[1]), results[1]


def test_the_servers_own_stream_ends_with_the_client(make_site, tickets):
    site = make_site(backend=tickets, mcp=f"proxy_set_header Host 127.0.0.1:{tickets.port};")
    asyncio.run(talk(site.resource, site.token(), "legacy", [("ticket.read", {"id": "T-1"})]))
    events = eventually(lambda: [e for e in site.nginx.audit() if e["type"] in ("mcp.stream", "mcp.delete")])
    assert all(e["decision"] == "allow" for e in events)
