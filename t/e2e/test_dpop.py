"""Tokens that are bound to a key by DPoP (RFC 9449): each check of section 4.3, nonces, replay, challenges."""
import json
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from plugins import policy
from plugins.dpop import Holder
from plugins.nginx import ROOT
from plugins.site import allowed
from plugins.wait import eventually
from test_mcp_stream_ends import LISTEN, Feed

ALGORITHMS = ["ES256", "ES384", "ES512", "PS256", "RS256", "Ed25519"]


@pytest.fixture(scope="module")
def holder():
    return Holder()


def old_enough(site):
    """Proofs that are made from now on are younger than what the gateway remembers of proofs."""
    time.sleep(1.1 - time.time() % 1)
    return site


@pytest.fixture(scope="module")
def ripe():
    return set()


@pytest.fixture
def here(site, ripe):
    if site not in ripe:
        ripe.add(old_enough(site))
    return site


def refused(answer, reason, error="invalid_dpop_proof"):
    assert answer.status == 401, f"{answer.status} {answer.text}"
    assert answer.json()["reason"] == reason
    challenge = answer.header("WWW-Authenticate")
    assert challenge.startswith('DPoP algs="ES256 ') and f'error="{error}"' in challenge, challenge
    assert answer.event()["reason"] == reason
    return answer


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_a_proof_with_each_algorithm(here, alg):
    holder = Holder(alg)
    allowed(holder.call(here))
    sent = here.backend.last
    assert sent.header("Authorization") is None and sent.header("DPoP") is None


def test_a_second_call_needs_a_second_proof(here, holder):
    token = holder.token(here)
    proof = holder.proof(token, here.resource)
    allowed(holder.call(here, token, proof))
    before = here.backend.count()
    refused(holder.call(here, token, proof), "proof_replayed")
    assert here.backend.count() == before
    allowed(holder.call(here, token))


def test_two_workers_take_a_proof_once(here, holder):
    token = holder.token(here)
    proofs = [holder.proof(token, here.resource) for _ in range(20)]
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda proof: holder.call(here, token, proof).status, proofs * 4))
    assert found.count(200) == 20 and found.count(401) == 60


def wrong_ones(holder):
    other = Holder()
    return {
        "3 no jti": ({"jti": None}, "proof_malformed"),
        "3 no iat": ({"iat": None}, "proof_malformed"),
        "3 iat in words": ({"iat": "now"}, "proof_malformed"),
        "4 typ": ({"header": {"typ": "jwt"}}, "proof_malformed"),
        "5 none": ({"header": {"alg": "none"}, "signer": b""}, "proof_algorithm_refused"),
        "5 HMAC": ({"header": {"alg": "HS256"}, "signer": b"secret"}, "proof_algorithm_refused"),
        "6 signature": ({"signer": other.key}, "proof_signature_invalid"),
        "7 private": ({"header": {"jwk": holder.jwk | {"d": "AA"}}}, "proof_malformed"),
        "7 symmetric": ({"header": {"jwk": {"kty": "oct", "k": "AA"}}}, "proof_malformed"),
        "8 htm": ({"htm": "GET"}, "proof_mismatch"),
        "9 htu": ({"htu": "https://elsewhere.example/mcp"}, "proof_mismatch"),
        "11 old": ({"iat": int(time.time()) - 61}, "proof_expired"),
        "11 ahead": ({"iat": int(time.time()) + 60}, "proof_expired"),
        "12 no ath": ({"ath": None}, "proof_mismatch"),
        "12 ath of another": ({"ath": "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo"}, "proof_mismatch"),
    }


@pytest.mark.parametrize("name", list(wrong_ones(Holder())))
def test_each_check_refuses(here, holder, name):
    how, reason = wrong_ones(holder)[name]
    token = holder.token(here)
    refused(holder.call(here, token, holder.proof(token, here.resource, **how)), reason)
    allowed(holder.call(here, token))


def test_the_proof_is_of_the_tokens_own_key(here, holder):
    thief = Holder()
    token = holder.token(here)
    refused(thief.call(here, token, thief.proof(token, here.resource)), "proof_mismatch")


def test_two_proofs_are_none(here, holder):
    token = holder.token(here)
    both = [("DPoP", holder.proof(token, here.resource))]
    refused(holder.call(here, token, holder.proof(token, here.resource), headers=both), "proof_malformed")


def test_a_bound_token_is_no_bearer_token(here, holder):
    token = holder.token(here)
    refused(here.call(token=token), "proof_missing", "invalid_token")
    proof = holder.proof(token, here.resource)
    answer = here.call(token=None, headers=holder.headers(token, proof, "Bearer"))
    refused(answer, "proof_missing", "invalid_token")
    refused(here.call(token=None, headers=[("Authorization", f"DPoP {token}")]), "proof_missing", "invalid_token")
    allowed(holder.call(here, token, proof))  # it wasn't used up


def test_the_scheme_is_for_bound_tokens(here, holder):
    token = here.token()
    refused(holder.call(here, token, holder.proof(token, here.resource)), "token_unbound", "invalid_token")
    allowed(here.call(token=token))


def test_htu_is_the_resource_whatever_host_says(here, holder):
    token = holder.token(here)
    spoofed = holder.proof(token, "http://evil.example/mcp")
    answer = here.send("POST", "/mcp", None, [*holder.headers(token, spoofed), ("Host", "evil.example"),
                                              ("Content-Type", "application/json")], b"{}")
    assert answer.status in (401, 403)
    upper = here.resource.replace("http://", "HTTP://") + "?x=1#y"
    allowed(holder.call(here, token, holder.proof(token, upper)))


def test_rest_proofs_name_method_and_path(here, holder):
    token = holder.token(here)
    base = here.resource.removesuffix("/mcp")

    def ask(path, url, method="GET"):
        return here.rest("GET", path, None, holder.headers(token, holder.proof(token, url, method)))

    assert ask("/api/tickets/T-1", base + "/api/tickets/T-1").status == 200
    assert ask("/api/tickets/T-1?x=2", base + "/api/tickets/T-1").status == 200
    assert ask("/api/tickets/T-1", base + "/api/tickets/T-2").status == 401
    assert ask("/api/tickets/T-1", base + "/api/tickets/T-1", "POST").status == 401
    mine = here.send("GET", "/.well-known/agent-permissions/mcp", None, holder.headers(
        token, holder.proof(token, base + "/.well-known/agent-permissions/mcp", "GET")))
    assert mine.status == 200 and mine.json()["operations"]


def test_a_proof_is_used_up_though_the_call_is_denied(here, holder):
    token = holder.token(here)
    proof = holder.proof(token, here.resource)
    first = holder.call(here, token, proof, tool="no_such_tool")
    assert first.status == 200 and "error" in first.json()
    refused(holder.call(here, token, proof), "proof_replayed")


def test_nonces(make_site, holder):
    site = make_site(mcp="agent_dpop nonce=on lifetime=10s;")
    token = holder.token(site)
    first = refused(holder.call(site, token, holder.proof(token, site.resource)), "proof_nonce_needed", "use_dpop_nonce")
    nonce = first.header("DPoP-Nonce")
    # The client's own clock means nothing any more.
    proof = holder.proof(token, site.resource, nonce=nonce, iat=1)
    allowed(holder.call(site, token, proof))
    refused(holder.call(site, token, proof), "proof_replayed")
    refused(holder.call(site, token, holder.proof(token, site.resource, nonce="x" * 60)), "proof_nonce_needed",
            "use_dpop_nonce")

    def renewed():
        answer = holder.call(site, token, holder.proof(token, site.resource, nonce=nonce))
        allowed(answer)
        return answer.header("DPoP-Nonce")

    later = eventually(renewed, timeout=9)
    assert later != nonce
    eventually(lambda: holder.call(site, token, holder.proof(token, site.resource, nonce=nonce)).status == 401, timeout=9)
    allowed(holder.call(site, token, holder.proof(token, site.resource, nonce=later)))


def test_a_proof_from_before_the_start_needs_a_nonce(make_site, holder):
    site = make_site(start=False)
    token = holder.token(site)
    proof = holder.proof(token, site.resource)
    time.sleep(1.1 - time.time() % 1)
    site.start()
    refused(holder.call(site, token, proof), "proof_nonce_needed", "use_dpop_nonce")
    allowed(holder.call(site, token))


def test_where_tokens_have_to_be_bound(make_site, holder):
    site = make_site(mcp="agent_sender_constraint require dpop;", api="agent_sender_constraint require;")
    stranger = site.call(token=None)
    assert stranger.status == 401 and stranger.header("WWW-Authenticate").startswith("DPoP algs=")
    assert "resource_metadata=" in stranger.header("WWW-Authenticate")
    refused(site.call(), "token_unbound", "invalid_token")
    assert site.rest().status == 401 and site.rest().json()["reason"] == "token_unbound"
    allowed(holder.call(site))
    found = site.send("GET", "/.well-known/oauth-protected-resource/mcp", None).json()
    assert found["dpop_bound_access_tokens_required"] is True
    assert "ES256" in found["dpop_signing_alg_values_supported"]
    api = site.send("GET", "/.well-known/oauth-protected-resource/api", None).json()
    assert "dpop_bound_access_tokens_required" not in api
    assert "DPoP" in site.send("GET", "/auth.md", None).text


def test_two_nginx_with_one_redis_take_a_proof_once(make_site, make_redis, holder):
    server = make_redis()
    server.load(policy.base())
    url = "http://127.0.0.1:1/mcp"
    key = make_site(start=False).prefix / "agent.key"
    key.write_bytes(b"k" * 32)
    key.chmod(0o600)
    shared = {"store": server.store, "resource": url, "http": f"agent_key {key};", "workers": "2"}
    one = make_site(**shared)
    two = make_site(authority=one.issuer, **shared)
    one.issuer.audience = [url]
    old_enough(one)
    token = one.token(cnf={"jkt": holder.thumbprint})
    proofs = [holder.proof(token, url) for _ in range(20)]
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda i: holder.call(one if i % 2 else two, token, proofs[i // 4]).status, range(80)))
    assert found.count(200) == 20 and found.count(401) == 60
    # A nonce of one is a nonce of the other.
    late = holder.proof(token, url, iat=int(time.time()) - 30)
    nonce = refused(holder.call(one, token, late), "proof_nonce_needed", "use_dpop_nonce").header("DPoP-Nonce")
    allowed(holder.call(two, token, holder.proof(token, url, nonce=nonce, iat=1)))
    # Nobody can say any more what was used.
    proof = holder.proof(token, url)
    allowed(holder.call(one, token, proof))
    server.client.delete(*server.client.scan_iter("agw:v:*"))
    refused(holder.call(two, token, proof), "proof_nonce_needed", "use_dpop_nonce")


def test_without_redis_nobody_can_say_whether_a_proof_was_used(make_site, make_redis, holder):
    server = make_redis()
    server.load(policy.base())
    site = make_site(store=server.store, http="agent_freshness max_age=1h;")
    old_enough(site)
    allowed(holder.call(site))
    site.nginx.allow(r"Redis")
    server.stop()
    answer = holder.call(site)
    assert answer.status == 503, answer.text


def test_a_stream_lives_with_the_token_and_not_with_the_proof(make_site, holder):
    feed = Feed()
    site = old_enough(make_site(mcp="agent_dpop window=5s;"))
    site.backend.answer = feed
    token = holder.token(site)
    stream = site.begin("GET", "/mcp", None, [*LISTEN, *holder.headers(
        token, holder.proof(token, site.resource, "GET"))])
    assert stream.head().status == 200
    until = time.monotonic() + 7  # the proof is good no longer
    while time.monotonic() < until:
        assert stream.read_some()
    site.change_policy(lambda t: t.setdefault("users", {}).update({"company|mira": {"status": "disabled"}}))
    stream.finish()
    assert feed.open == 0 or eventually(lambda: feed.open == 0)


@pytest.mark.parametrize("alg", ["ES256", "Ed25519", "PS256"])
@pytest.mark.parametrize("nonce", ["off", "on"])
def test_another_implementation(make_site, alg, nonce):
    """oauth4webapi's client makes the proofs, and answers a demand for a nonce by itself."""
    node, app = [subprocess.run([str(ROOT / "scripts" / command[0]), *command[1:]], check=True, capture_output=True,
                                text=True, timeout=300).stdout.strip()
                 for command in (["node"], ["node-app", "t/e2e/dpop"])]
    site = old_enough(make_site(mcp=f"agent_dpop nonce={nonce};"))
    with subprocess.Popen([node, f"{app}/call.mjs", alg, site.resource], stdin=subprocess.PIPE, text=True,
                          stdout=subprocess.PIPE) as client:
        thumbprint = client.stdout.readline().strip()
        told, _ = client.communicate(site.token(cnf={"jkt": thumbprint}) + "\n", timeout=60)
    assert json.loads(told) == (["nonce"] if nonce == "on" else []) + [200, 200, 200]
