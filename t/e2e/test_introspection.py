"""What the issuer says of a token: opaque tokens, JWTs that are asked about too, signed answers, and what it hears."""
import hashlib
import json
import os
import subprocess
import threading
import time

import httpx
import pytest

from plugins import jose
from plugins.backend import sse_answer
from plugins.fixture import app, node, packages
from plugins.issuer import Issuer
from plugins.nginx import ROOT
from plugins.site import allowed, denied, problem
from plugins.wait import accepts, eventually, free_port

ALWAYS = "agent_introspect always;"
LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}


@pytest.fixture
def make(make_site):
    """make(directives of the locations, more of the issuer): a site that asks its issuer."""
    def begin(words=ALWAYS, more="opaque_tokens any;", start=True, **pieces):
        site = make_site(start=False, **({"mcp": words, "api": words, "issuer": more} | pieces))
        return site.start() if start else site

    return begin


def opaque(site, prefix="", **claims):
    claims.setdefault("groups", ["support"])
    return site.issuer.opaque(prefix, **claims)


def refused(answer, status, reason):
    assert answer.status == status, f"{answer.status} {answer.text}"
    assert answer.event()["reason"] == reason, answer.event()
    if status == 401:
        assert answer.challenge["error"] == "invalid_token"
    else:
        assert answer.json()["error"]["data"]["reason"] == reason
    if status == 503:
        assert answer.header("Retry-After")


def test_an_opaque_token_end_to_end(make):
    site = make()
    token = opaque(site)
    answer = site.call(token=token)
    allowed(answer)
    event = answer.event()
    assert event["user"]["id"] == "company|mira" and event["agent"]["id"] == "company|docs-assistant"
    assert token not in json.dumps(event) and token not in site.nginx.error_log
    asked = site.issuer.introspections[-1]
    assert asked["token"] == token and asked["token_type_hint"] == "access_token" and asked["client"] == "gateway"
    assert asked["accept"] == "application/json" and not [name for name in asked if name.startswith("agent_")]
    assert site.rest(token=token).status == 200
    denied(site.call(arguments={"id": "T-2"}, token=opaque(site, user="omar", groups=[])), "user_entitlement_missing")
    refused(site.call(token="nobody-knows-it"), 401, "token_inactive")
    refused(site.call(token=opaque(site, aud="https://elsewhere.example")), 401, "token_audience_mismatch")
    allowed(site.call(token=site.token()))
    assert not [form for form in site.issuer.introspections if form["token"].count(".") == 2], "JWTs aren't asked about"


def test_always_means_the_next_call(make):
    site = make()
    token = opaque(site)
    for _ in range(4):
        allowed(site.call(token=token))
        site.issuer.revoked.add(token)
        refused(site.call(token=token), 401, "token_inactive")
        site.issuer.revoked.clear()
    # A policy behind it, for the same token.
    site.issuer.introspection_changes = {"scope": "other"}
    assert site.call(token=token).status == 403
    site.issuer.introspection_changes = {}
    allowed(site.call(token=token))
    assert len(site.issuer.introspections) == 10


def test_max_age_is_a_bound_and_calls_share_a_question(make):
    site = make("agent_introspect max_age=700ms;", workers="1")
    token = opaque(site)
    answers = []
    site.issuer.fault = {"introspect": "slow"}
    threads = [threading.Thread(target=lambda: answers.append(site.call(token=token).status)) for _ in range(12)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    site.issuer.fault = {}
    assert answers == [200] * 12 and len(site.issuer.introspections) == 1
    eventually(lambda: site.call(token=token).status == 200 and len(site.issuer.introspections) == 2)
    site.issuer.revoked.add(token)
    since = time.monotonic()
    eventually(lambda: site.call(token=token).status == 401, timeout=3, interval=0.02)
    assert time.monotonic() - since < 1.2
    assert site.call(token=token).event()["reason"] == "token_inactive"


FAULTS = ("hang", "garbage", "500", "empty", "cut", "oversized", "redirect", "refuse")


@pytest.mark.parametrize("words", [ALWAYS, "agent_introspect max_age=50ms;"])
def test_what_the_endpoint_does_wrong_is_a_denial(make, words):
    site = make(words, timeout="500ms", workers="1")  # each worker remembers for itself
    token = opaque(site)
    allowed(site.call(token=token))

    def first_refusal():
        """With `always` the next call; else one as soon as what was said is too old. None takes longer than `timeout`."""
        while (answer := site.call(token=token, timeout=3)).status == 200:
            assert words != ALWAYS
        return answer

    for fault in FAULTS:
        site.issuer.fault = {"introspect": fault}
        refused(first_refusal(), 503, "introspection_unavailable")
        site.issuer.fault = {}
        allowed(site.call(token=token))
    site.issuer.stop()
    refused(first_refusal(), 503, "introspection_unavailable")
    before = site.backend.count()
    refused(site.call(token=token), 503, "introspection_unavailable")
    assert site.backend.count() == before


def test_a_client_that_is_refused_has_a_reason_of_its_own(make):
    site = make()
    token = opaque(site)
    site.secret_file.write_text("another secret\n")
    refused(site.call(token=token), 502, "introspection_refused")
    site.secret_file.write_text("gateway-secret\n")
    allowed(site.call(token=token))
    assert "another secret" not in site.nginx.error_log


def test_by_private_key(make):
    site = make(start=False, client="client gateway-jwt key_file=@PREFIX@/client.pem alg=ES256 kid=k1;")
    key = jose.Key("ES256", "k1")
    site.issuer.client_keys["gateway-jwt"] = key
    (site.prefix / "client.pem").write_bytes(key.private_pem())
    (site.prefix / "client.pem").chmod(0o600)
    site.start()
    allowed(site.call(token=opaque(site)))
    assert site.issuer.introspections[-1]["client"] == "gateway-jwt" and not site.issuer.refused


def test_signed_answers(make):
    site = make(more="opaque_tokens any; introspection_response jwt;")
    token = opaque(site)
    allowed(site.call(token=token))
    assert site.issuer.introspections[-1]["accept"] == "application/token-introspection+jwt"
    site.issuer.revoked.add(token)
    refused(site.call(token=token), 401, "token_inactive")
    site.issuer.revoked.clear()
    now = int(time.time())
    for envelope in ({"aud": "tickets-api"}, {"iss": "https://evil.example"}, {"iat": now - 3600}, {"iat": now + 3600},
                     {"token_introspection": {"active": "true"}}, {"token_introspection": None}):
        site.issuer.introspection_envelope = envelope
        refused(site.call(token=token), 503, "introspection_unavailable")
    site.issuer.introspection_envelope = {}
    for header in ({"typ": "at+jwt"}, {"typ": "JWT"}, {"alg": "none"}, {"kid": "unknown"}):
        site.issuer.introspection_header = header
        refused(site.call(token=token), 503, "introspection_unavailable")
    site.issuer.introspection_header = {}
    site.issuer.introspection_type = "application/json"
    refused(site.call(token=token), 503, "introspection_unavailable")
    site.issuer.introspection_type = None
    allowed(site.call(token=token))


def test_plain_answers_must_say_that_they_are_json(make):
    site = make()
    token = opaque(site)
    site.issuer.introspection_type = "text/html"
    refused(site.call(token=token), 503, "introspection_unavailable")
    site.issuer.introspection_type = "application/json;charset=UTF-8"
    allowed(site.call(token=token))


def test_a_jwt_that_is_asked_about_too(make):
    site = make("agent_introspect always jwt;", more="")
    token = site.token(scope="tickets:read tickets:write")
    allowed(site.call(token=token))
    assert site.issuer.introspections[-1]["token"] == token
    site.issuer.revoked.add(token)
    refused(site.call(token=token), 401, "token_inactive")
    site.issuer.revoked.clear()
    # What the issuer no longer names is gone; what it adds isn't believed.
    site.issuer.introspection_changes = {"scope": "tickets:read admin"}
    allowed(site.call(token=token))
    answer = site.call("delete_ticket", {"ticketId": "T-1"}, token)
    assert answer.status == 403 and answer.event()["reason"] == "scope_missing"
    site.issuer.introspection_changes = {"sub": "omar"}
    refused(site.call(token=token), 401, "token_claim_invalid")
    before = len(site.issuer.introspections)
    refused(site.call(token=site.token(key=jose.Key("ES256"), header={"kid": site.issuer.key().kid})), 401,
            "token_signature_invalid")
    refused(site.call(token="opaque"), 401, "token_malformed")
    assert len(site.issuer.introspections) == before


def test_the_issuer_hears_what_the_token_is_used_for(make):
    site = make(ALWAYS + "agent_introspect_context digest;")
    token = opaque(site)
    site.issuer.judge = lambda form, claims: form.get("agent_resource") in (None, "ticket:T-1")
    allowed(site.call(arguments={"id": "T-1"}, token=token))
    asked = site.issuer.introspections[-1]
    assert asked["agent_operation"] == "tickets/ticket.read" and asked["agent_resource"] == "ticket:T-1"
    assert asked["agent_arguments_sha256"] == hashlib.sha256(b'{"id":"T-1"}').hexdigest()
    assert "agent_arguments" not in asked
    refused(site.call(arguments={"id": "T-2"}, token=token), 401, "token_inactive")
    allowed(site.post(LIST, token))
    assert not [name for name in site.issuer.introspections[-1] if name.startswith("agent_")]
    assert site.rest(token=token).status == 200
    assert site.issuer.introspections[-1]["agent_operation"] == "tickets/ticket.read"
    problem(site.rest(target="/api/tickets/T-2", token=token), 401, "token_inactive")
    refused(site.post(LIST, "stranger"), 401, "token_inactive")
    assert site.send("POST", "/mcp", "stranger", [("Content-Type", "application/json")], b"no json").status == 401
    allowed(site.call(token=site.token()))


def test_whole_arguments_and_nothing_is_shared_between_calls(make):
    site = make("agent_introspect max_age=1h; agent_introspect_context arguments;", workers="1")
    token = opaque(site)
    site.issuer.judge = lambda form, claims: json.loads(form.get("agent_arguments", "{}")).get("note") != "secret"
    allowed(site.call(arguments={"id": "T-1", "note": "fine"}, token=token))
    assert site.issuer.introspections[-1]["agent_arguments"] == '{"id":"T-1","note":"fine"}'
    allowed(site.call(arguments={"note": "fine", "id": "T-1"}, token=token))
    assert len(site.issuer.introspections) == 1, "the same call, written in another way"
    refused(site.call(arguments={"id": "T-1", "note": "secret"}, token=token), 401, "token_inactive")
    allowed(site.call(arguments={"id": "T-1", "note": "fine"}, token=token))
    assert len(site.issuer.introspections) == 2
    answer = site.call(arguments={"id": "T-1", "note": "x" * 17_000}, token=token)
    assert answer.status == 413 and answer.event()["reason"] == "body_too_large"
    site.rest("POST", "/api/tickets", token, [("Content-Type", "application/json")], b'{"id": "T-1"}')
    assert json.loads(site.issuer.introspections[-1]["agent_arguments"]) == {
        "method": "POST", "path": "/api/tickets", "body": {"id": "T-1"}}


@pytest.mark.parametrize("words", [ALWAYS, "agent_introspect max_age=300ms;", ALWAYS + "agent_introspect_context digest;"])
def test_an_open_stream_ends_with_its_token(make, words):
    site = make(words)
    gone, stays = opaque(site), opaque(site)
    site.backend.answer = lambda received: sse_answer([piece for i in range(600) for piece in (f"data: {i}\n\n", 0.05)])
    streams = {}
    for token in (gone, stays):
        streams[token] = site.begin("GET", "/mcp", token, [("Accept", "text/event-stream")])
        assert streams[token].head().status == 200
        streams[token].read_until(b"data: 1")
    site.issuer.revoked.add(gone)
    since = time.monotonic()
    streams[gone].finish()
    assert time.monotonic() - since < 3
    assert streams[stays].read_some() and streams[stays].read_some()
    asked = [form["token"] for form in site.issuer.introspections].count(stays)
    assert asked < 15, "an open stream doesn't ask with each look"
    streams[stays].close()


def test_two_issuers_of_opaque_tokens_are_told_apart_by_their_prefix(make, serve):
    other = serve(Issuer())
    site = make(start=False, more="opaque_tokens prefix=co_;", trust="company partner")
    site.pieces["http"] = f"""agent_issuer partner {{ issuer {other.url}; opaque_tokens prefix=pa_;
        client gateway secret_file={site.prefix}/secret; claims agent=azp groups=groups; clock_skew 2s; }}"""
    site.start()
    other.audience = site.issuer.audience
    allowed(site.call(token=opaque(site, "co_")))
    assert not other.introspections
    before = len(site.issuer.introspections)
    answer = site.call(token=other.opaque("pa_", groups=["support"]))
    assert answer.event()["user"]["id"] == "partner|mira" and answer.event()["decision"] == "deny"
    assert len(other.introspections) == 1 and len(site.issuer.introspections) == before
    refused(site.call(token=opaque(site, "xx_")), 401, "token_malformed")
    # One issuer's token under the other's prefix is the other's to know.
    refused(site.call(token=other.opaque("co_")), 401, "token_inactive")
    assert len(other.introspections) == 1


def test_an_issuer_without_keys(make):
    site = make(start=False, algorithms="ES256")
    site.issuer.metadata_changes = {"jwks_uri": None}
    conf = site.conf().replace("algorithms ES256;", "")
    site.issuer.metadata = lambda: {"issuer": site.issuer.url, "introspection_endpoint": site.issuer.url + "/introspect"}
    site.nginx.start(conf)
    allowed(site.call(token=opaque(site)))
    refused(site.call(token=site.token()), 401, "token_algorithm_refused")
    assert site.send("GET", "/ready", None).status == 200 and site.issuer.count("/jwks") == 0


def test_bytes_that_no_token_has_are_not_sent(make):
    site = make()
    for token in ("a,b", "a=b", "\xe4\xf6", "x" * 17_000):
        refused(site.call(token=token), 401, "token_malformed")
    assert not site.issuer.introspections


def test_a_location_may_turn_it_off(make):
    site = make(words="", http=ALWAYS, mcp="", api="agent_introspect off;")
    token = opaque(site)
    allowed(site.call(token=token))
    problem(site.rest(token=token), 401, "token_malformed")


class OpaqueServer:
    """oidc-provider (t/e2e/servers/opaque.mjs), with tokens that only it can read."""

    def __init__(self, folder, resource):
        self.port, self.resource = free_port(), resource
        self.url = f"http://127.0.0.1:{self.port}"
        package = packages(app("demo") / "authorization-server.mjs") / "oidc-provider"
        self._env = os.environ | {"PORT": str(self.port), "RESOURCE": resource, "SECRET": "gateway-secret",
                                  "OIDC_PROVIDER": (package / "lib/index.js").as_uri()}
        self._log = folder / "opaque.log"
        self.process = None

    def start(self):
        self.process = subprocess.Popen([node(), str(ROOT / "t/e2e/servers/opaque.mjs")], env=self._env,
                                        stdin=subprocess.DEVNULL, stdout=self._log.open("ab"), stderr=subprocess.STDOUT)

        def up():
            assert self.process.poll() is None, self._log.read_text()
            return accepts(self.port)

        eventually(up, timeout=60)
        return self

    def stop(self):
        self.process.terminate()
        self.process.wait(20)

    def post(self, path, **form):
        answer = httpx.post(self.url + path, auth=("docs-assistant", "gateway-secret"), data=form, timeout=30)
        assert answer.status_code == 200, answer.text
        return answer

    def token(self, scope="tickets:read"):
        return self.post("/token", grant_type="client_credentials", scope=scope, resource=self.resource).json()["access_token"]


def test_oidc_provider(make, serve, tmp_path):
    site = make(start=False)
    server = serve(OpaqueServer(tmp_path, site.resource))
    site.pieces |= {"keys": f"issuer {server.url};", "issuer": "opaque_tokens any; claims agent=client_id groups=groups;"}
    site.start()
    token = server.token()
    assert "." not in token
    answer = site.call(token=token)
    allowed(answer)
    assert answer.event()["user"]["id"] == "company|mira" and answer.event()["agent"]["id"] == "company|docs-assistant"
    assert site.call("delete_ticket", {"ticketId": "T-1"}, token).status == 403
    allowed(site.call("delete_ticket", {"ticketId": "T-1"}, server.token("tickets:read tickets:write")))
    refused(site.call(token=token[:-1] + ("A" if token[-1] != "A" else "B")), 401, "token_inactive")
    server.post("/token/revocation", token=token)
    refused(site.call(token=token), 401, "token_inactive")
    allowed(site.call(token=server.token()))
