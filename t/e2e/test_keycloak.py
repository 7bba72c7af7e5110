"""With a real Keycloak: tokens, exchange, keys, users and the SDK's own login, as an operator would set it up."""
import json
import os
import subprocess
import sys

import httpx
import pytest

from plugins import jose, policy
from plugins.backend import json_answer
from plugins.dpop import Holder
from plugins.keycloak import PASSWORD
from plugins.nginx import ROOT
from plugins.site import EXCHANGE, NO_TOKEN, Site, allowed, denied
from plugins.wait import eventually

pytestmark = [pytest.mark.keycloak, pytest.mark.xdist_group("keycloak"), pytest.mark.timeout(400)]

TOOLS = """
    agent_tool ticket.read { scope tickets:read; resource ticket:<id>; }
    agent_tool ticket.list { scope tickets:read; }
    agent_tool delete_ticket { operation ticket.delete; scope tickets:write; resource ticket:<ticketId>;
                               exchange audience=tickets-api scope=tickets:write; }
    agent_tool docs.search { scope docs:read; exchange audience=docs-api scope=docs:read; }
    agent_tool elsewhere { scope tickets:read; exchange audience=nowhere scope=tickets:read; }
"""


@pytest.fixture(scope="module")
def realm_policy():
    content = policy.base()
    t = policy.tenant(content)
    t["agents"]["company|coding-agent"] = {"name": "Coding agent", "tier": "developer", "bundles": ["support"]}
    t["agents"]["company|ci-agent"] = {"name": "CI", "tier": "developer", "bundles": ["support"]}
    for operation in ("tickets/docs.search", "tickets/elsewhere"):
        for to in ("agent:company|coding-agent", "group:company|support"):
            policy.grant(content, to, operation, id=operation[8:] + to[:1])
    return content


@pytest.fixture
def site(keycloak, tmp_path, realm_policy, request):
    how = getattr(request, "param", {})
    made = Site(tmp_path, **({"forward": EXCHANGE, "tools": TOOLS, "timeout": "10s", "algorithms": "RS256 ES256",
                              "operations": "agent_operation ticket.read GET /api/tickets/<id> { scope tickets:read; }",
                              } | how))
    made.port = keycloak.gateway_port
    made.resource = f"http://127.0.0.1:{made.port}/mcp"
    made.pieces.setdefault("keys", f"issuer {keycloak.issuer};")
    made.pieces["issuer"] = "claims user=preferred_username agent=azp groups=groups;"
    made.pieces["client"] = made.pieces.get("client", f"client gateway secret_file={tmp_path}/secret;").replace(
        "@RUN@", str(keycloak.run))
    made.write_policy(realm_policy)
    made.start()
    yield made
    made.close()


def received(site):
    return jose.claims_of(site.backend.last.header("Authorization").removeprefix("Bearer "))


def test_a_call_end_to_end(site, keycloak):
    token = keycloak.token()
    answer = site.call(token=token)
    allowed(answer)
    sent = received(site)
    assert sent["aud"] == "tickets-api" and sent["azp"] == "gateway" and sent["scope"] == "tickets:read"
    assert sent["sub"] == jose.claims_of(token)["sub"] and token not in site.backend.last.raw_head.decode()
    event = answer.event()
    assert event["user"]["id"] == "company|mira" and event["agent"]["id"] == "company|coding-agent"
    omar = keycloak.token(user="omar")  # entitled to one ticket
    allowed(site.call(arguments={"id": "T-1"}, token=omar))
    denied(site.call(arguments={"id": "T-2"}, token=omar), "user_entitlement_missing")
    assert site.call(token=None).status == 401


def test_keycloak_would_widen_and_the_gateway_does_not(site, keycloak):
    answer = site.call("delete_ticket", {"ticketId": "T-1"}, keycloak.token(scope="tickets:read"))
    assert answer.status == 403 and answer.challenge["error"] == "insufficient_scope"
    assert set(answer.challenge["scope"].split()) == {"tickets:read", "tickets:write"}
    assert site.backend.count() == 0
    allowed(site.call("delete_ticket", {"ticketId": "T-1"}, keycloak.token(scope="tickets:read tickets:write")))
    assert received(site)["scope"] == "tickets:write"


def test_each_backend_its_own_audience(site, keycloak):
    token = keycloak.token(scope="tickets:read docs:read")
    allowed(site.call("docs.search", {}, token))
    assert received(site)["aud"] == "docs-api"
    answer = site.call("elsewhere", {}, token)
    assert answer.status == 502 and answer.event()["reason"] == "exchange_refused"


def test_a_token_for_nobody_in_particular(site, keycloak):
    """other-agent's tokens aren't for this resource."""
    answer = site.call(token=keycloak.token(client="other-agent", scope="openid"))
    assert answer.status == 401 and answer.event()["reason"] in ("token_audience_mismatch", "token_type_refused")


def test_a_user_who_is_disabled_in_keycloak(site, keycloak):
    """A known token serves until it ends; a new exchange is refused by Keycloak at once."""
    token = keycloak.token()
    keycloak.set_enabled("mira", False)
    try:
        answer = site.call(token=token)
        assert answer.status == 502 and answer.event()["reason"] == "exchange_refused"
    finally:
        keycloak.set_enabled("mira", True)
    allowed(site.call(token=keycloak.token()))


@pytest.mark.parametrize("site", [{"mcp": "agent_introspect always jwt;"}], indirect=True)
def test_introspection_of_its_jwts(site, keycloak):
    """What is changed in Keycloak holds with the next call of the same token."""
    token = keycloak.token()
    allowed(site.call(token=token))
    keycloak.set_enabled("mira", False)
    try:
        answer = site.call(token=token)
        assert answer.status == 401 and answer.event()["reason"] == "token_inactive"
    finally:
        keycloak.set_enabled("mira", True)
    allowed(site.call(token=token))
    keycloak.admin("POST", f"/users/{keycloak.user_id('mira')}/logout")
    answer = site.call(token=token)
    assert answer.status == 401 and answer.event()["reason"] == "token_inactive"
    allowed(site.call(token=keycloak.token()))


@pytest.mark.parametrize("site", [{"mcp": "agent_introspect max_age=1s jwt;"}], indirect=True)
def test_introspection_with_an_age(site, keycloak):
    token = keycloak.token()
    allowed(site.call(token=token))
    keycloak.admin("POST", f"/users/{keycloak.user_id('mira')}/logout")
    eventually(lambda: site.call(token=token).status == 401, timeout=5, interval=0.2)
    assert site.call(token=token).event()["reason"] == "token_inactive"


@pytest.mark.parametrize("site", [{"client": "client gateway-jwt key_file=@RUN@/gateway-jwt.pem alg=ES256 "
                                             "kid=gateway-jwt;"}], indirect=True)
def test_private_key_jwt(site, keycloak):
    allowed(site.call(token=keycloak.token()))
    assert received(site)["azp"] == "gateway-jwt"


def test_a_service_account(site, keycloak, realm_policy):
    answer = httpx.post(keycloak.token_url, auth=("ci-agent", "ci-agent-secret"), timeout=30,
                        data={"grant_type": "client_credentials", "scope": "tickets:read"})
    token = answer.json()["access_token"]
    refused = site.call(token=token)
    assert refused.event()["decision"] == "deny"
    # Known as a machine's it needs a grant for machines, and its groups and entitlements are nobody's.
    content = json.loads(json.dumps(realm_policy))
    site.reload(issuer=site.pieces["issuer"] + " type any; machine preferred_username=service-account-<client>;")
    refused = site.call(token=token)
    assert refused.status == 403 and refused.event()["reason"] == "machine_refused", refused.text
    policy.grant(content, "agent:company|ci-agent", "tickets/ticket.read", "ticket:T-1", **{"for": ["machine"]})
    site.write_policy(content)
    allowed(site.call(token=token))
    denied(site.call(arguments={"id": "T-2"}, token=token), "machine_grant_missing")
    allowed(site.call(token=keycloak.token()))


def test_key_rotation(site, keycloak):
    old = keycloak.token()
    allowed(site.call(token=old))
    keycloak.rotate_keys()
    new = eventually(lambda: (t := keycloak.token()) and jose.header_of(t)["kid"] != jose.header_of(old)["kid"] and t,
                     timeout=20)
    eventually(lambda: site.call(token=new).status == 200, timeout=10, interval=0.3)
    allowed(site.call(token=old))


def bound_token(keycloak, holder):
    """As a client gets one: the token endpoint sees a proof, too."""
    proof = holder.proof("", keycloak.token_url, ath=None)
    answer = httpx.post(keycloak.token_url, timeout=30, headers={"DPoP": proof}, data={
        "grant_type": "password", "client_id": "coding-agent", "username": "mira", "password": PASSWORD,
        "scope": "tickets:read"})
    assert answer.status_code == 200 and answer.json()["token_type"] == "DPoP", answer.text
    return answer.json()["access_token"]


@pytest.mark.parametrize("site", [{"forward": NO_TOKEN, "tools": "agent_tool ticket.read { scope tickets:read; resource ticket:<id>; }"}],
                         indirect=True)
def test_a_token_that_is_bound_by_dpop(site, keycloak):
    holder = Holder()
    token = bound_token(keycloak, holder)
    assert jose.claims_of(token)["cnf"]["jkt"] == holder.thumbprint
    eventually(lambda: holder.call(site, token).status == 200, timeout=10)
    assert site.call(token=token).json()["reason"] == "proof_missing"
    thief = Holder()
    assert thief.call(site, token, thief.proof(token, site.resource)).json()["reason"] == "proof_mismatch"


def test_a_bound_token_is_not_exchanged(site, keycloak):
    """Keycloak gives nothing for a token that is bound to another client's key: the backend is asked without one, or not at all."""
    holder = Holder()
    token = bound_token(keycloak, holder)
    site.nginx.allow("exchange")
    answer = eventually(lambda: (a := holder.call(site, token)).status != 401 and a, timeout=10)
    assert answer.json()["error"]["data"]["reason"] == "exchange_refused", answer.text


def sdk_client(generation):
    """The command that runs a headless client of the SDK."""
    if generation == "python":
        return [sys.executable, str(ROOT / "t/e2e/clients/login_python.py")]
    said = [subprocess.run([str(ROOT / "scripts" / command[0]), *command[1:]], check=True, capture_output=True, text=True,
                           timeout=300).stdout.strip() for command in (["node"], ["node-app", "t/e2e/clients", "demo"])]
    return [said[0], f"{said[1]}/login-{generation}.mjs"]


@pytest.mark.parametrize("generation", ["python", "v1", "v2"])
def test_an_sdk_logs_in_from_the_url_alone(site, keycloak, generation):
    """The SDK's client (Python, TypeScript 1 and 2) with the realm's own client id: 401, metadata, Keycloak's login
    page, token, call."""
    def mcp_server(received):
        try:
            message = json.loads(received.body)
        except ValueError:
            return json_answer({}, 405)
        result = {"initialize": {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}},
                                 "serverInfo": {"name": "tickets", "version": "1"}},
                  "tools/list": {"tools": [{"name": "ticket.read", "inputSchema": {"type": "object"}}]},
                  "tools/call": {"content": [{"type": "text", "text": '{"did": "it"}'}]}}.get(message.get("method"))
        if "id" not in message:
            return json_answer({}, 202)
        if result is None:
            return json_answer({"jsonrpc": "2.0", "id": message["id"], "error": {"code": -32601, "message": "no"}})
        return json_answer({"jsonrpc": "2.0", "id": message["id"], "result": result})

    site.backend.answer = mcp_server
    done = subprocess.run(
        [*sdk_client(generation), "--url", site.resource, "--mode", "prereg", "--client-id", "coding-agent",
         "--user", "mira", "--password", PASSWORD, "--no-refresh", "--era", "legacy", "--call", 'ticket.read {"id": "T-1"}'],
        capture_output=True, text=True, timeout=120, env=os.environ)
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, done.stdout + done.stderr
    call = [t for t in told if t["event"] == "call"][0]
    assert call["status"] == 200 and call["result"] == {"did": "it"}, call
    asked = [t for t in told if t["event"] == "authorize"][0]
    assert asked["scope"].split()[0] == "tickets:read" and asked["resource"] == site.resource
    eventually(lambda: any(e.get("operation") == "tickets/ticket.read" and e["decision"] == "allow"
                           for e in site.nginx.audit()))
