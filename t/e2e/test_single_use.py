"""Tokens that are good for one operation: over workers, nginx and restarts, and what uses nothing up."""
import json
import os
import re
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from plugins import jose, mcp, policy
from plugins.backend import json_answer
from plugins.nginx import ROOT
from plugins.redis import key
from plugins.site import allowed, denied
from plugins.wait import eventually

ONCE = {"mcp": "agent_introspect always;", "api": "agent_introspect always;", "issuer": "opaque_tokens any;", "skew": "0s",
        "timeout": "20s"}
LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
# P-256's order: (r, n - s) is as good a signature as (r, s).
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@pytest.fixture
def server(make_redis):
    made = make_redis()
    load(made)
    return made


def load(server, **meta):
    """A store that was born long ago."""
    server.load(policy.base())
    server.client.hset(key("meta"), mapping={"born": str(int(time.time()) - 3600)} | meta)


@pytest.fixture(params=["file", "redis"])
def site(request, make_site, make_redis):
    pieces = dict(ONCE)
    if request.param == "redis":
        server = make_redis()
        load(server)
        pieces["store"] = server.store
    made = make_site(workers="2", **pieces)
    old_enough()
    return made


def old_enough():
    """Of tokens of this second it can't be said that they are younger than a nginx that has just begun."""
    second = int(time.time())
    eventually(lambda: int(time.time()) > second)


def once(site, **claims):
    return site.issuer.opaque(groups=["support"], jit_single_use=True, **claims)


def used(answer, reason="token_used"):
    assert answer.status == 401 and answer.challenge["error"] == "invalid_token", f"{answer.status} {answer.text}"
    event = answer.event()
    assert event["reason"] == reason and event["checks"]["token"] == "fail"


def test_the_second_operation_is_refused(site):
    token = once(site)
    allowed(site.call(token=token))
    for _ in range(6):
        used(site.call(token=token))
    used(site.call("ticket.list", {}, token))
    assert site.backend.count() == 1, [(r.target, r.header("User-Agent"), r.body[:80]) for r in site.backend.requests]
    allowed(site.call(token=once(site)))
    assert site.rest(token=once(site)).status == 200
    plain = site.issuer.opaque(groups=["support"])
    allowed(site.call(token=plain))
    allowed(site.call(token=plain))


def test_handshake_lists_and_denials_use_nothing_up(site):
    token = once(site)
    assert site.post({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}}, token).status == 200
    for _ in range(3):
        allowed(site.post(LIST, token))
    assert site.call("delete_ticket", {"ticketId": "T-1"}, token).status == 403
    allowed(site.call(token=token))
    used(site.call(token=token))
    allowed(site.post(LIST, token))
    narrow = site.issuer.opaque(user="omar", jit_single_use=True)
    denied(site.call(arguments={"id": "T-2"}, token=narrow), "user_entitlement_missing")
    allowed(site.call(token=narrow))


def test_of_many_at_once_one_passes(site):
    tokens = [once(site) for _ in range(12)]
    calls = [token for token in tokens for _ in range(8)]
    with ThreadPoolExecutor(32) as pool:
        found = list(pool.map(lambda token: (token, site.call(token=token).status), calls))
    for token in tokens:
        statuses = [status for one, status in found if one == token]
        assert sorted(statuses) == [200] + [401] * 7, statuses
    assert site.backend.count() == len(tokens)


def test_over_two_nginx_with_one_redis(make_site, server):
    one = make_site(store=server.store, workers="2", **ONCE)
    two = make_site(store=server.store, workers="2", authority=one.issuer, **ONCE)
    one.issuer.audience = [one.resource, two.resource]
    tokens = [once(one) for _ in range(10)]
    calls = [(token, site) for token in tokens for site in (one, two) * 4]
    with ThreadPoolExecutor(32) as pool:
        found = list(pool.map(lambda call: (call[0], call[1].call(token=call[0]).status), calls))
    for token in tokens:
        assert sorted(status for t, status in found if t == token) == [200] + [401] * 7
    assert one.backend.count() + two.backend.count() == len(tokens)
    names = list(server.client.scan_iter("agw:v:{default}:once:token:*"))
    assert len(names) == len(tokens)
    assert all(300_000 < server.client.pttl(name) < 400_000 for name in names)
    assert not [name for name in names for token in tokens if token in name], "a name says nothing of the token"


def test_a_reload_forgets_nothing(site):
    token = once(site)
    allowed(site.call(token=token))
    site.reload()
    used(site.call(token=token))


def test_a_restart_on_a_file_takes_nothing_from_before(make_site):
    site = make_site(**ONCE)
    old_enough()
    token, unused = once(site), once(site)
    allowed(site.call(token=token))
    os.kill(site.nginx.process.pid, signal.SIGQUIT)
    site.nginx.process.wait(20)
    old_enough()
    site.start()
    used(site.call(token=token), "token_predates_store")
    used(site.call(token=unused), "token_predates_store")
    old_enough()
    allowed(site.call(token=once(site)))


def test_a_token_older_than_the_store_is_refused(make_site, server):
    site = make_site(store=server.store, **ONCE)
    allowed(site.call(token=once(site)))
    server.client.hset(key("meta"), "born", str(int(time.time()) + 2))
    used(site.call(token=once(site)), "token_predates_store")
    used(site.call(token=once(site, iat=None)), "token_predates_store")
    load(server)
    eventually(lambda: site.call(token=once(site)).status == 200)


def test_what_it_is_depends_on_claim_issuer_and_tier(make_site):
    site = make_site(**ONCE | {"issuer": "opaque_tokens any; single_use claim=once;"})
    old_enough()
    twice = once(site)
    allowed(site.call(token=twice))
    allowed(site.call(token=twice))
    token = site.token(once=True)
    allowed(site.call(token=token))
    used(site.call(token=token))
    assert site.call(token=site.token(once="true")).event()["reason"] == "token_claim_invalid"
    site.reload(issuer="opaque_tokens any; single_use always;")
    token = site.token()
    allowed(site.call(token=token))
    used(site.call(token=token))
    site.reload(issuer="", mcp="agent_single_use developer;", api="")
    token, other = site.token(), site.token(agent="narrow-agent")
    allowed(site.call(token=token))
    used(site.call(token=token))
    allowed(site.call(token=other))
    allowed(site.call(token=other))


def test_the_twin_of_a_signature_is_the_same_token(make_site):
    """Anybody can make (r, n - s) of an ECDSA signature (r, s): another text of one token, and as valid."""
    site = make_site(**ONCE | {"issuer": "opaque_tokens any; single_use always;"})
    old_enough()
    token = site.token(alg="ES256")
    signed, _, signature = token.rpartition(".")
    raw = jose.b64u_decode(signature)
    twin = f"{signed}.{jose.b64u(raw[:32] + (ORDER - int.from_bytes(raw[32:], 'big')).to_bytes(32, 'big'))}"
    assert twin != token
    allowed(site.post(LIST, twin))
    allowed(site.call(token=token))
    used(site.call(token=twin))


def test_the_call_that_a_backend_asked_back_for_comes_again_once(site):
    def asking(received):
        message = json.loads(received.body)
        if message.get("params", {}).get("requestState") is not None:
            return None
        return json_answer({"jsonrpc": "2.0", "id": message["id"], "result": {
            "resultType": "input_required", "requestState": "own",
            "inputRequests": {"who": {"method": "elicitation/create", "params": {"mode": "form", "message": "?"}}}}})

    site.backend.answer = asking

    def call(token, ticket="T-1", **more):
        headers, body = mcp.modern_call("ticket.read", {"id": ticket}, 1)
        body["params"] |= more
        return site.post(body, token, headers)

    token = once(site)
    state = call(token).json()["result"]["requestState"]
    used(call(token))
    back = {"requestState": state, "inputResponses": {"who": {"action": "accept"}}}
    assert call(token, "T-2", **back).status == 400, "a state is one call's"
    allowed(call(token, **back))
    used(call(token, **back))
    assert site.backend.count() == 2


def test_where_redis_is_gone_it_is_refused(make_site, server):
    site = make_site(store=server.store, **ONCE)
    allowed(site.call(token=once(site)))
    server.stop()
    answer = site.call(token=once(site))
    assert answer.status == 503 and site.backend.count() == 1


def test_observed_calls_use_nothing_up(make_site):
    site = make_site(**ONCE)
    old_enough()
    token = once(site)
    site.reload(mcp=ONCE["mcp"] + "agent_mode observe;")
    for reason in ("allowed", "token_used"):
        answer = site.call(token=token)
        assert answer.status == 200 and answer.event()["reason"] == reason
    site.reload(mcp=ONCE["mcp"])
    allowed(site.call(token=token))
    used(site.call(token=token))


def test_the_permissions_that_the_docs_name_are_enough(make_site, make_redis):
    server = make_redis("acl")
    load(server)
    text = (ROOT / "docs/store.md").read_text()
    first = re.search(r"^user gateway on >… (.*?)^```", text, re.M | re.S)[1].replace("\\", " ").split()
    more = re.search(r"^ +(\+eval .*\+hlen.*)$", text, re.M)[1].split()
    server.client.execute_command("ACL", "SETUSER", "gateway", "resetkeys", "resetchannels", "nocommands", *first, *more)
    site = make_site(store=server.store, **ONCE)
    token = once(site)
    allowed(site.call(token=token))
    used(site.call(token=token))
    server.client.execute_command("ACL", "SETUSER", "gateway", "-eval", "-evalsha")
    answer = site.call(token=once(site))
    assert answer.status == 503 and answer.event()["reason"] == "token_use_unavailable"
