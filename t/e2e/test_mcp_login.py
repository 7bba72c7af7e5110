"""From the URL alone to a call: the official SDKs meet our 401, read our metadata, register with a certified authorization
server, sign a person in, and step up when a call needs more scope. (The conformance suite's authorization scenarios test a
client against a server of the suite's own; here clients are fixed and the server is ours. See docs/conformance.md.)"""
import json
import subprocess
import sys

import pytest

from plugins import jose, policy
from plugins.authorization_server import AuthorizationServer
from plugins.fixture import Fixture, app, node
from plugins.nginx import ROOT
from plugins.site import Site

pytestmark = pytest.mark.timeout(400)   # where packages have to be installed first

TOOLS = """agent_tool test_simple_text { scope tickets:read; }
            agent_tool greet { scope tickets:write; }"""
LOCATION = """proxy_set_header Host 127.0.0.1:@BACKEND@;
            proxy_set_header Connection "";"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("login")
    server = Fixture().start()
    site = Site(folder, backend=server, tools=TOOLS, mcp=LOCATION)
    authority = AuthorizationServer(folder, [site.resource]).start()
    site.authority = authority
    site.pieces |= {"keys": f"issuer {authority.url};", "algorithms": "ES256", "timeout": "10s",
                    "issuer": "claims user=sub agent=client_id groups=groups;"}
    # An agent that registers itself has no record: a tier admits it, with what the tier's bundle holds.
    tenant = policy.tenant(site.policy)
    tenant["tiers"]["visitor"] = {"bundles": ["everybody"]}
    tenant["bundles"]["everybody"] = {"version": 1, "grants": [
        {"id": "v1", "operation": "tickets/test_simple_text"}, {"id": "v2", "operation": "tickets/greet"}]}
    for operation in ("test_simple_text", "greet"):
        policy.grant(site.policy, "group:company|support", f"tickets/{operation}", id="u-" + operation)
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
    assert told["tools"][0]["tools"] == ["test_simple_text", "greet"]
    answered = [call for call in told["call"] if call["status"] == 200]
    assert [call["tool"] for call in answered] == ["test_simple_text", "greet"], told
    # The second call needs more: 403 insufficient_scope, one more sign-in for both scopes, and the call again.
    assert len(more) == 1 and {"tickets:read", "tickets:write"} <= set(more[0]["scope"].split()), told["authorize"]
    event = place.nginx.event(answered[1]["request_id"])
    assert event["decision"] == "allow" and event["user"]["id"] == "company|mira" and event["operation"] == "tickets/greet"


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
