"""From the URL alone to a call: the official SDKs, FastMCP and the Inspector's command line meet our 401, read our metadata,
register with a certified authorization server, sign a person in, and step up when a call needs more scope. (The conformance
suite's authorization scenarios test a client against a server of the suite's own; here clients are fixed and the server is ours.
See docs/conformance.md.)"""
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from plugins import jose, policy
from plugins.authorization_server import AuthorizationServer
from plugins.fixture import Fixture, app, node
from plugins.nginx import ROOT
from plugins.site import Site
from plugins.tour import DECLARED, GRANTED, LOCATION, PROMPTS, READ, SPOKEN, command, inspector, node_clients
from plugins.wait import eventually, free_port

pytestmark = pytest.mark.timeout(400)   # where packages have to be installed first


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("login")
    server = Fixture().start()
    site = Site(folder, backend=server, tools=DECLARED, mcp=LOCATION)
    authority = AuthorizationServer(folder, [site.resource]).start()
    site.authority = authority
    site.pieces |= {"keys": f"issuer {authority.url};", "algorithms": "ES256", "timeout": "10s",
                    "issuer": "claims user=sub agent=client_id groups=groups;"}
    # An agent that registers itself has no record: a tier admits it, with what the tier's bundle holds.
    tenant = policy.tenant(site.policy)
    tenant["tiers"]["visitor"] = {"bundles": ["everybody"]}
    tenant["bundles"]["everybody"] = {"version": 1, "grants": [
        {"id": f"v{number}", "operation": f"tickets/{operation}"} for number, operation in enumerate(GRANTED)]}
    for number, operation in enumerate(GRANTED):
        policy.grant(site.policy, "group:company|support", f"tickets/{operation}", id=f"u{number}")
    site.write_policy(site.policy)
    site.start()
    yield site
    site.close()
    authority.stop()
    server.stop()


def log_in(site, client, mode, era):
    """What the client told, by event."""
    program = ([sys.executable, str(ROOT / "t/e2e/clients/login_python.py")] if client == "python"
               else [node(), str(app("t/e2e/clients", "demo") / f"login-{client}.mjs")])
    done = subprocess.run(
        [*program, "--url", site.resource, "--mode", mode, "--era", era, "--user", "mira", "--password", "mira",
         "--document-port", str(site.authority.document_port), "--call", "test_simple_text {}",
         "--call", 'greet {"name":"Mira"}'],
        capture_output=True, text=True, timeout=180)
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, done.stdout + done.stderr
    return {name: [line for line in told if line["event"] == name] for name in
            ("registered", "authorize", "tokens", "connected", "tools", "call", "step_up")}


@pytest.mark.parametrize("mode", ["dcr", "cimd"])
@pytest.mark.parametrize("client,era,version", [("v1", "legacy", "2025-11-25"), ("v2", "legacy", "2025-11-25"),
                                                ("v2", "2026-07-28", "2026-07-28"), ("python", "legacy", "2025-11-25"),
                                                ("python", "2026-07-28", "2026-07-28")])
def test_from_the_url_alone(place, client, era, version, mode):
    told = log_in(place, client, mode, era)
    first, *more = told["authorize"]
    assert first["resource"] == place.resource
    assert first["scope"].split()[0] == "tickets:read", "it asks for what the challenge names"
    assert "tickets:write" not in first["scope"].split()
    if mode == "cimd":
        assert first["client_id"].startswith("https://clients.example/")
    assert told["connected"][0]["version"] == version
    assert told["tools"][0]["tools"] == [*READ, "greet"]
    answered = [call for call in told["call"] if call["status"] == 200]
    assert [call["tool"] for call in answered] == ["test_simple_text", "greet"], told
    # The second call needs more: 403 insufficient_scope, one more sign-in for both scopes, and the call again.
    assert len(more) == 1 and {"tickets:read", "tickets:write"} <= set(more[0]["scope"].split()), told["authorize"]
    event = place.nginx.event(answered[1]["request_id"])
    assert event["decision"] == "allow" and event["user"]["id"] == "company|mira" and event["operation"] == "tickets/greet"


# --- programs that open a browser -----------------------------------------------------------------------------------------


class Browser:
    """What such a program finds: $BROWSER and xdg-open, both of which are somebody who signs in as mira."""

    def __init__(self, folder):
        self._log = folder / "person.log"
        opener = folder / "xdg-open"
        opener.write_text(f'#!/bin/sh\nexec {sys.executable} {ROOT / "t/e2e/clients/person.py"} "$@"\n')
        opener.chmod(0o755)
        self.env = {"PERSON_USER": "mira", "PERSON_PASSWORD": "mira", "PERSON_LOG": str(self._log),
                    "BROWSER": f"{opener} %s &", "HOME": str(folder), "PATH": f"{folder}:{Path(node()).parent}:{os.environ['PATH']}"}

    def asked(self):
        """What was asked of the person, each time."""
        return [json.loads(line) for line in self._log.read_text().splitlines()] if self._log.exists() else []


def steps_up(asked, resource):
    """It asked for what the 401 named, and once more for that and what the 403 named."""
    first, again = asked
    assert {first["resource"], again["resource"]} == {resource}
    assert first["scope"].split()[0] == "tickets:read" and "tickets:write" not in first["scope"].split()
    assert {"tickets:read", "tickets:write"} <= set(again["scope"].split())


@pytest.mark.parametrize("mode", ["dcr", "cimd"])
@pytest.mark.parametrize("era", ["legacy", "2026-07-28"])
def test_fastmcps_own_sign_in(place, tmp_path, era, mode):
    browser = Browser(tmp_path)
    document = (["--document-port", str(place.authority.document_port), "--callback-port", str(free_port())]
                if mode == "cimd" else [])
    done = subprocess.run([*command("fastmcp"), "--url", place.resource, "--era", era, *document],
                          capture_output=True, text=True, timeout=180, env=os.environ | browser.env)
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["version"] == SPOKEN[era]
    assert told["tools"] == [*READ, "greet"] and told["prompts"] == list(PROMPTS)
    assert told["call"] == "This is a simple text response for testing."
    assert told["elicited"].startswith("User response: action=accept")
    assert told["step_up"] == "Hello, Mira!"
    steps_up(browser.asked(), place.resource)
    assert (browser.asked()[0]["client_id"] == "https://clients.example/tour.json") == (mode == "cimd")


@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_the_inspectors_own_sign_in(place, tmp_path, era):
    """Its command line, as somebody at a terminal uses it: it opens a browser, keeps its tokens, asks before it steps up.
    By itself it asks for every scope of the metadata at once; its configuration says which it begins with."""
    browser = Browser(tmp_path)
    env = os.environ | browser.env | {"MCP_AUTO_OPEN_ENABLED": "true", "MCP_INSPECTOR_SECRET_STORE": "file"}
    callback = f"http://127.0.0.1:{free_port()}/oauth/callback"
    configured = tmp_path / "servers.json"
    configured.write_text(json.dumps({"mcpServers": {"tickets": {
        "type": "streamable-http", "url": place.resource, "protocolEra": era, "oauth": {"scopes": "tickets:read"}}}}))

    def inspect(method, *arguments, said=""):
        done = subprocess.run(
            [node(), inspector(), "--cli", "--config", str(configured), "--server", "tickets", "--method", method,
             "--callback-url", callback, "--format", "json", *arguments],
            capture_output=True, text=True, timeout=120, input=said, env=env)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout.splitlines()[0])["result"]

    assert [tool["name"] for tool in inspect("tools/list")["tools"]] == [*READ, "greet"]
    called = inspect("tools/call", "--tool-name", "test_simple_text")
    assert called["content"][0]["text"] == "This is a simple text response for testing."
    assert len(browser.asked()) == 1, "it has kept its token"
    called = inspect("tools/call", "--tool-name", "greet", "--tool-arg", "name=Mira", said="y\n")
    assert called["content"][0]["text"] == "Hello, Mira!"
    steps_up(browser.asked(), place.resource)


@pytest.mark.long
@pytest.mark.skipif(not shutil.which("chromium-headless-shell"), reason="wants a browser: scripts/install-deps browser")
@pytest.mark.parametrize("era,version", [("legacy", "2025-11-25"), ("modern", "2026-07-28")])
def test_the_inspectors_own_page(place, tmp_path, era, version):
    """In a real browser, headless: signs in, lists, calls, answers what the server asks, and is asked for more scope."""
    port = free_port()
    configured = tmp_path / "servers.json"
    configured.write_text(json.dumps({"mcpServers": {"tickets": {
        "type": "streamable-http", "url": place.resource, "protocolEra": era, "oauth": {"scopes": "tickets:read"}}}}))
    env = os.environ | {"HOME": str(tmp_path), "CLIENT_PORT": str(port), "MCP_SANDBOX_PORT": str(free_port()),
                        "MCP_AUTO_OPEN_ENABLED": "false", "MCP_INSPECTOR_SECRET_STORE": "file"}
    log = tmp_path / "inspector.log"
    web = subprocess.Popen([node(), inspector(), "--web", "--config", str(configured)], env=env, stdin=subprocess.DEVNULL,
                           stdout=log.open("wb"), stderr=subprocess.STDOUT)
    try:
        page = eventually(lambda: re.search(rf"http://\S+:{port}\S*", log.read_text()), timeout=30)[0]
        program = [node(), str(node_clients() / "inspector-page.mjs"), "--page", page, "--user", "mira", "--password", "mira"]
        done = subprocess.run(program, capture_output=True, text=True, timeout=240)
        assert done.returncode == 0, done.stdout + done.stderr
    finally:
        web.terminate()
        web.wait(20)
    told = json.loads(done.stdout)
    assert told["version"] == version and told["tools"] == len(READ) + 1
    assert "action=accept" in told["elicited"] and "mira@company.example" in told["elicited"]
    assert told["step_up"] == "tickets:write" and told["greeted"] == "Hello, Mira!"
    first, again = told["consents"]
    assert "tickets:write" not in first and {"tickets:read", "tickets:write"} <= set(again.split())


# --- a token of one narrow scope -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def exchanging(place):
    """The same, and the backend gets a token of its own: of two scopes, of which a first sign-in gives one."""
    place.reload(forward="agent_exchange audience=tickets-api scope=tickets:read scope=tickets:write;",
                 client=f"client gateway secret_file={place.secret_file};",
                 tools="""agent_tool test_simple_text { scope tickets:read;
                                exchange audience=tickets-api scope=tickets:read; }
            agent_tool greet { scope tickets:write; exchange audience=tickets-api scope=tickets:write; }""")
    return place


@pytest.mark.parametrize("client,era", [("v1", "legacy"), ("v2", "2026-07-28"), ("python", "legacy")])
def test_a_token_with_one_narrow_scope(exchanging, client, era):
    """It connects, lists and calls what it covers, before any step-up: the handshake asks for the one scope that it has."""
    told = log_in(exchanging, client, "dcr", era)
    assert told["authorize"][0]["scope"].split()[0] == "tickets:read"
    assert "tickets:write" not in told["authorize"][0]["scope"].split()
    assert told["tools"][0]["tools"] == ["test_simple_text", "greet"]
    answered = [call for call in told["call"] if call["status"] == 200]
    assert [call["tool"] for call in answered] == ["test_simple_text", "greet"], told
    assert len(told["authorize"]) == 2, "one sign-in to connect, one for the tool that needs more"


# --- what they all need -----------------------------------------------------------------------------------------------------


def test_the_metadata_is_what_a_client_needs(place):
    """RFC 9728, path-inserted and at the root: the resource as the client knows it, and one authorization server that serves
    its own metadata under the same name."""
    import httpx
    for path in ("/.well-known/oauth-protected-resource/mcp", "/.well-known/oauth-protected-resource"):
        found = place.send("GET", path, token=None).json()
        assert found["resource"] == place.resource and found["authorization_servers"] == [place.authority.url]
    metadata = httpx.get(place.authority.url + "/.well-known/oauth-authorization-server", timeout=10).json()
    assert metadata["issuer"] == found["authorization_servers"][0]


def test_a_token_of_another_resource_is_none(place):
    """resource-mismatch: what the authorization server issues for somebody else's resource opens nothing here."""
    answer = place.call("test_simple_text", {}, token=jose.compact(
        {"alg": "ES256", "kid": "x", "typ": "at+jwt"}, {"iss": place.authority.url, "aud": "https://other.example/mcp", "exp": 1},
        jose.Key("ES256")))
    assert answer.status == 401 and answer.challenge["error"] == "invalid_token"
    assert answer.challenge["resource_metadata"].endswith("/.well-known/oauth-protected-resource/mcp")
