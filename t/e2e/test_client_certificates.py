"""Client certificates by nginx's own TLS: what a token is bound to (RFC 8705), and who a workload is (X.509-SVID)."""
import http.client
import json
import subprocess
import time

import pytest

from plugins import jose, mcp, policy
from plugins.clients import Clients
from plugins.dpop import Holder
from plugins.site import allowed

CI = "spiffe://prod.example/ns/ci/sa/runner"
MESH = """agent_issuer mesh {{
        issuer spiffe://prod.example;
        workload {ci} company|docs-assistant;
        workload "subject:CN=legacy,O=Example" company|docs-assistant;
        workload_scope tickets:read;
        {more}
    }}"""


@pytest.fixture(scope="module")
def clients(tmp_path_factory, certs):
    return Clients(tmp_path_factory.mktemp("clients"), certs / "ca/cert.pem")


def tls(clients, certs, verify="optional", crl=False):
    lines = (f"ssl_certificate {certs}/leaf/cert.pem; ssl_certificate_key {certs}/leaf/key.pem; "
             f"ssl_verify_client {verify};")
    if verify != "off":
        lines += f" ssl_client_certificate {clients.ca};"
    return lines + (f" ssl_crl {clients.crl};" if crl else "")


def make(make_site, clients, certs, verify="optional", crl=False, listen=" ssl", start=True, **pieces):
    site = make_site(start=False, listen=listen, server=tls(clients, certs, verify, crl),
                     resource="https://tools.example/mcp", **pieces)
    site.issuer.audience = ["https://tools.example/mcp"]
    return site.start() if start else site


def mesh(make_site, clients, certs, more="", **pieces):
    return make(make_site, clients, certs, trust="company mesh", http=MESH.format(ci=CI, more=more), **pieces)


@pytest.fixture
def bound(make_site, clients, certs):
    return make(make_site, clients, certs)


def admit_machine(site):
    """The agent may act for nobody, too."""
    policy.grant(site.policy, "agent:company|docs-assistant", "tickets/ticket.read", "ticket:*", id="machines",
                 **{"for": ["machine"]})
    site.write_policy(site.policy)


def reason(answer, status):
    assert answer.status == status, f"{answer.status} {answer.text}"
    value = answer.json()
    found = value["reason"] if "reason" in value else value["error"]["data"]["reason"]
    assert answer.event()["reason"] == found
    return found


# --- what a token is bound to ------------------------------------------------------------------------------------------


def test_a_token_is_good_with_its_certificate_only(bound, clients):
    mine, other = clients.client(), clients.client()
    token = bound.token(cnf={"x5t#S256": mine.thumbprint})
    allowed(bound.call(token=token, tls=mine.tls))
    assert reason(bound.call(token=token, tls=other.tls), 401) == "certificate_mismatch"
    answer = bound.call(token=token, tls=clients.server_ca)
    assert reason(answer, 401) == "certificate_missing" and answer.challenge["error"] == "invalid_token"
    allowed(bound.call(tls=other.tls))


def test_a_header_is_no_certificate(bound, clients):
    mine = clients.client()
    token = bound.token(cnf={"x5t#S256": mine.thumbprint})
    pem = mine.path.read_text().split("-----BEGIN PRIVATE")[0].replace("\n", "%0A")
    for name in ("X-SSL-Client-Cert", "X-Forwarded-Client-Cert", "Client-Cert", "SSL-Client-Cert"):
        assert reason(bound.call(token=token, tls=clients.server_ca, headers=[(name, pem)]), 401) == "certificate_missing"


def test_a_connection_that_is_kept_keeps_its_certificate(bound, clients):
    mine = clients.client()
    good = bound.token(cnf={"x5t#S256": mine.thumbprint})
    bad = bound.token(cnf={"x5t#S256": clients.client().thumbprint})
    line = http.client.HTTPSConnection("127.0.0.1", bound.port, context=mine.tls)
    for token, status in [(good, 200), (bad, 401), (good, 200)]:
        line.request("POST", "/mcp", json.dumps(mcp.call("ticket.read", {"id": "T-1"}, 1)), {
            "Content-Type": "application/json", "Accept": "application/json, text/event-stream",
            "Authorization": f"Bearer {token}"})
        answer = line.getresponse()
        answer.read()
        assert answer.status == status
    line.close()


def test_over_http_2(make_site, clients, certs):
    site = make(make_site, clients, certs, listen=" ssl http2")
    mine = clients.client()
    found = []
    for token in (site.token(cnf={"x5t#S256": mine.thumbprint}), site.token(cnf={"x5t#S256": clients.client().thumbprint})):
        done = subprocess.run(
            ["curl", "-s", "--http2", "--cacert", clients.server_ca, "--cert", mine.path, "-o", "/dev/null", "-w",
             "%{http_code} %{http_version}", "-H", f"Authorization: Bearer {token}", "-H", "Content-Type: application/json",
             "-H", "Accept: application/json, text/event-stream", "-d",
             json.dumps(mcp.call("ticket.read", {"id": "T-1"}, 1)), f"https://127.0.0.1:{site.port}/mcp"],
            capture_output=True, text=True, timeout=30)
        found.append(done.stdout)
    assert found == ["200 2", "401 2"]


def test_a_certificate_that_nobody_signed_holds_a_token(make_site, clients, certs):
    """RFC 8705 section 2.2: self-signed certificates hold tokens; they name nobody."""
    site = make(make_site, clients, certs, verify="optional_no_ca")
    stranger = clients.stranger()
    token = site.token(cnf={"x5t#S256": stranger.thumbprint})
    allowed(site.call(token=token, tls=stranger.tls))
    assert reason(site.call(token=token, tls=clients.client().tls), 401) == "certificate_mismatch"


def test_tokens_have_to_be_bound(make_site, clients, certs):
    site = make(make_site, clients, certs, mcp="agent_sender_constraint require mtls;")
    mine = clients.client()
    assert reason(site.call(tls=mine.tls), 401) == "token_unbound"
    allowed(site.call(token=site.token(cnf={"x5t#S256": mine.thumbprint}), tls=mine.tls))
    found = site.send("GET", "/.well-known/oauth-protected-resource/mcp", None, tls=mine.tls).json()
    assert found["tls_client_certificate_bound_access_tokens"] is True


def test_bound_to_both(bound, clients):
    mine, holder = clients.client(), Holder()
    time.sleep(1.1 - time.time() % 1)
    token = bound.token(cnf={"x5t#S256": mine.thumbprint, "jkt": holder.thumbprint})
    url = "https://tools.example/mcp"
    allowed(holder.call(bound, token, url=url, tls=mine.tls))
    assert reason(bound.call(token=token, tls=mine.tls), 401) == "proof_missing"
    assert reason(holder.call(bound, token, url=url, tls=clients.server_ca), 401) == "certificate_missing"


# --- who a workload is ---------------------------------------------------------------------------------------------------


def test_a_workload_without_a_token_is_a_machine(make_site, clients, certs):
    site = mesh(make_site, clients, certs)
    assert site.call(token=None, tls=clients.server_ca).status == 401
    answer = site.call(token=None, tls=clients.client(CI).tls)
    # There is no user: nothing but a grant for machines may let it in.
    assert reason(answer, 403) == "machine_refused"
    event = answer.event()
    assert event["agent"]["id"] == "company|docs-assistant" and event["user"]["id"] == ""
    admit_machine(site)
    allowed(site.call(token=None, tls=clients.client(CI).tls))
    assert reason(site.call(token=None, tls=clients.client("spiffe://prod.example/ns/ci/sa/other").tls), 403) == "machine_refused"


def test_a_workload_beside_its_users_token(make_site, clients, certs):
    site = mesh(make_site, clients, certs)
    allowed(site.call(tls=clients.client(CI).tls))
    allowed(site.call(tls=clients.client(name="legacy").tls))
    allowed(site.call(tls=clients.client(name="somebody").tls))  # it names no workload, and the token speaks
    other = clients.client("spiffe://prod.example/ns/ci/sa/other")
    assert reason(site.call(tls=other.tls), 403) == "workload_mismatch"


BAD = {
    "another trust domain": (("spiffe://test.example/ns/ci/sa/runner",), {}, "workload_unknown"),
    "two URIs": ((CI, "spiffe://prod.example/other"), {}, "workload_invalid"),
    "a URI of another kind beside it": ((CI, "https://ci.example"), {}, "workload_invalid"),
    "an authority's": ((CI,), {"ca": True}, "workload_invalid"),
    "it may not sign": ((CI,), {"signs": False}, "workload_invalid"),
    "no path": (("spiffe://prod.example",), {}, "workload_invalid"),
    "a name that has two forms": (("spiffe://prod.example/ns/../x",), {}, "workload_invalid"),
}


@pytest.mark.parametrize("name", list(BAD))
@pytest.mark.parametrize("token", [True, None], ids=["with a token", "alone"])
def test_a_certificate_that_must_not_name_a_workload(make_site, clients, certs, name, token):
    uris, how, wanted = BAD[name]
    site = mesh(make_site, clients, certs)
    assert reason(site.call(token=token, tls=clients.client(*uris, **how).tls), 403) == wanted
    assert site.backend.count() == 0
    allowed(site.call(tls=clients.client(CI).tls))


def test_a_revoked_certificate_is_refused(make_site, clients, certs):
    good, revoked = clients.client(CI), clients.client(CI)
    site = mesh(make_site, clients, certs, crl=True)
    allowed(site.call(tls=revoked.tls))
    clients.revoke(revoked)
    site.reload()
    assert site.call(tls=revoked.tls).status == 400
    allowed(site.call(tls=good.tls))
    assert site.call(tls=clients.stranger().tls).status == 400
    clients.revoke()


def test_jwt_svids(make_site, clients, certs, tmp_path):
    key, x509_key = jose.Key("ES256"), jose.Key("ES256")
    bundle = tmp_path / "bundle.json"
    bundle.write_text(json.dumps({"keys": [key.jwk(use="jwt-svid", alg=None), x509_key.jwk(use="x509-svid", alg=None)]}))
    more = f"jwks_file {bundle}; algorithms ES256; certificates off;"
    site = mesh(make_site, clients, certs, more=more, verify="off")

    def svid(signer=key, **claims):
        payload = {"sub": CI, "aud": ["https://tools.example/mcp"], "exp": int(time.time()) + 60} | claims
        return jose.compact({"alg": "ES256", "typ": "JWT", "kid": signer.kid},
                            {k: v for k, v in payload.items() if v is not None}, signer)

    def ask(token):
        return site.call(token=token, tls=clients.server_ca)

    answer = ask(svid())
    assert reason(answer, 403) == "machine_refused"  # who it is, is known
    assert answer.event()["agent"]["id"] == "company|docs-assistant"
    admit_machine(site)
    allowed(ask(svid()))
    for token, wanted in [(svid(sub="spiffe://test.example/x"), "token_issuer_unknown"),
                          (svid(sub="spiffe://prod.example"), "token_claim_invalid"),
                          (svid(sub="mira"), "token_issuer_unknown"),
                          (svid(aud=["https://elsewhere.example"]), "token_audience_mismatch"),
                          (svid(aud=None), "token_audience_mismatch"), (svid(exp=None), "token_claim_invalid"),
                          (svid(exp=int(time.time()) - 60), "token_expired"),
                          (svid(x509_key), "token_key_unknown"), (svid(jose.Key("ES256")), "token_key_unknown")]:
        assert reason(ask(token), 401) == wanted
    allowed(ask(site.token()))
    assert "spiffe" not in site.send("GET", "/.well-known/oauth-protected-resource/mcp", None, tls=clients.server_ca).text


def test_what_is_wrong_is_said_by_nginx_t(make_site, clients, certs):
    site = make(make_site, clients, certs, trust="company mesh", start=False)
    site.nginx.allow(r"\[emerg\]")

    def said(words, more="", verify="optional", http=None):
        conf = site.conf(http=http or MESH.format(ci=CI, more=more), server=tls(clients, certs, verify))
        status, text = site.nginx.test(conf)
        assert (status == 0) == (words is None) and (words is None or words in text), text

    said(None)
    said(None, verify="on")
    said("ssl_verify_client optional", verify="off")
    said("ssl_verify_client optional", verify="optional_no_ca")
    said("knows no workload", more="certificates off;")
    said("means nothing", more="discovery openid;")
    said("another trust domain", more="workload spiffe://test.example/x a;")
    said("write a workload's SPIFFE ID", more="workload spiffe://prod.example/ a;")
    said("twice", more=f"workload {CI} other;")
    said("one tenant", more="tenants a b;")
    said("write a trust domain alone", http="agent_issuer mesh { issuer spiffe://prod.example/x; }")
    said("is no trust domain", http=f"agent_issuer mesh {{ issuer https://x.example; algorithms ES256; workload {CI} a; }}")
