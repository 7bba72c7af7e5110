"""Revocation: each kind refused beside what still passes, on both workers of two nginx, and lifted again; kept when a
policy file is applied."""
import json
import os
import time

import pytest

from plugins import mcp, policy
from plugins.agwctl import BINARY, run, run_json, where
from plugins.redis import key
from plugins.site import allowed
from plugins.wait import eventually
from test_copy import hears

pytestmark = pytest.mark.skipif(not os.path.exists(BINARY), reason="agwctl is not built: make build")

DOCS, LOW = "company|docs-assistant", "company|low-agent"


def refused(answer, status, reason):
    assert answer.status == status, f"{answer.status} {answer.text}"
    assert answer.event()["reason"] == reason, answer.event()
    if status == 401:
        assert 'error="invalid_token"' in answer.header("WWW-Authenticate")


def everywhere(sites, look, calls=8):
    """`look(site)` on connections of their own, so that both workers of each are asked."""
    for site in sites:
        for _ in range(calls):
            look(site)


@pytest.fixture
def sites(make_site, make_redis):
    """Two nginx of two workers each, one Redis; what one issuer is to the first, another is to the second."""
    server = make_redis()
    server.load(policy.base())
    found = [make_site(store=server.store) for _ in range(2)]
    for site in found:
        site.redis = server
        hears(site)
    return found


def pulled(server):
    """What is revoked by hand."""
    tenants = run_json("revocations", *where(server))["tenants"]
    return [row for tenant in tenants for row in tenant["revocations"] if row["by"] == "hand"]


def newer(site, **who):
    """A token that is issued after now."""
    return site.token(iat=int(time.time()) + 1, **who)


# what: (arguments of agwctl revoke, status, reason, whose calls are refused, whose aren't)
KINDS = {
    "a token": (["jti", "company|mine"], 401, "token_revoked", {"jti": "mine"}, {"jti": "other"}),
    "a session": (["sid", "company|s1"], 401, "token_revoked", {"sid": "s1"}, {"sid": "s2"}),
    "a user": (["user", "company|vera"], 403, "user_disabled", {"user": "vera"}, {}),
    "a user without groups": (["user", "company|omar"], 403, "user_disabled", {"user": "omar", "groups": []}, {}),
    "an agent": (["agent", LOW], 403, "agent_disabled", {"agent": "low-agent"}, {}),
    "an agent without a record": (["agent", "company|registered"], 403, "agent_disabled", {"agent": "registered"},
                                  {"agent": "another"}),
    "a client": (["client", LOW], 403, "client_disabled", {"agent": "low-agent"}, {}),
    "a tier": (["tier", "visitor"], 403, "tier_disabled", {"agent": "low-agent"}, {}),
    "a tenant": (["tenant", "default"], 403, "tenant_refused", {}, None),
    "a user's tokens": (["issued-before", "now", "user:company|vera"], 401, "token_issued_before", {"user": "vera"}, {}),
    "an agent's tokens": (["issued-before", "now", "agent:" + LOW], 401, "token_issued_before", {"agent": "low-agent"}, {}),
    "tokens of an agent without a record": (["issued-before", "now", "agent:company|registered"], 401,
                                            "token_issued_before", {"agent": "registered"}, {"agent": "another"}),
    "a client's tokens": (["issued-before", "now", "client:" + LOW], 401, "token_issued_before", {"agent": "low-agent"}, {}),
    "a tier's tokens": (["issued-before", "now", "tier:visitor"], 401, "token_issued_before", {"agent": "low-agent"}, {}),
    "an issuer's tokens": (["issued-before", "now", "issuer:company"], 401, "token_issued_before", {}, "newer"),
    "a tenant's tokens": (["issued-before", "now"], 401, "token_issued_before", {}, "newer"),
    "everybody's tokens": (["issued-before", "now", "--all-tenants"], 401, "token_issued_before", {}, "newer"),
}


@pytest.mark.parametrize("what", KINDS)
def test_a_revocation_holds_with_the_next_call_on_every_worker(sites, what):
    arguments, status, reason, whose, others = KINDS[what]
    server = sites[0].redis
    tokens = {site: site.token(**whose) for site in sites}

    def passes(site):
        allowed(site.call(token=tokens[site]))

    def is_refused(site):
        refused(site.call(token=tokens[site]), status, reason)
        assert site.post(mcp.message("tools/list"), tokens[site]).status == status

    def others_pass(site):
        if others is not None:
            allowed(site.call(token=newer(site, **whose) if others == "newer" else site.token(**others)))

    everywhere(sites, passes)
    run("revoke", *arguments, "--dry-run", *where(server))
    everywhere(sites, passes)
    run("revoke", *arguments, *where(server))
    everywhere(sites, is_refused)
    everywhere(sites, others_pass)
    if reason == "token_issued_before" and others != "newer":
        everywhere(sites, lambda site: allowed(site.call(token=newer(site, **whose))))
    assert len(pulled(server)) == 1
    # Revoked again it stays so; and a policy file that knows nothing of it doesn't undo it.
    run("revoke", *arguments, *where(server))
    written = sites[0].prefix / "applied.json"
    written.write_text(json.dumps(policy.base()))
    run("apply", written, *where(server))
    everywhere(sites, is_refused, 4)
    assert "revoked" not in run("export", *where(server)).stdout
    run("revoke", *arguments, "--lift", *where(server))
    everywhere(sites, passes)
    assert not pulled(server)


def test_a_key_that_an_issuer_signs_with(sites):
    server = sites[0].redis
    for site in sites:
        site.issuer.all_keys()
    tokens = {site: {alg: site.token(alg=alg) for alg in ("ES256", "RS256")} for site in sites}
    unnamed = {site: site.token(alg="RS256", header={"kid": None}) for site in sites}
    for site in sites:  # an unknown key is fetched at most once a second
        eventually(lambda site=site: all(site.call(token=tokens[site]["RS256"]).status == 200 for _ in range(8)))
    everywhere(sites, lambda site: [allowed(site.call(token=t)) for t in tokens[site].values()], 4)
    for site in sites:
        run("revoke", "key", f"company|{site.issuer.key('RS256').kid}", *where(server))
    everywhere(sites, lambda site: refused(site.call(token=tokens[site]["RS256"]), 401, "token_key_revoked"))
    everywhere(sites, lambda site: allowed(site.call(token=tokens[site]["ES256"])))
    # A token that doesn't name its key has one all the same, where it is accepted at all.
    for site in sites:
        assert site.call(token=unnamed[site]).status == 401
    for site in sites:
        run("revoke", "key", f"company|{site.issuer.key('RS256').kid}", "--lift", *where(server))
    everywhere(sites, lambda site: allowed(site.call(token=tokens[site]["RS256"])), 4)


def test_a_token_is_forgotten_when_it_could_no_longer_live(sites):
    server = sites[0].redis
    token = sites[0].token(jti="short")
    run("revoke", "jti", "company|short", "--for", "1s", *where(server))
    refused(sites[0].call(token=token), 401, "token_revoked")
    assert eventually(lambda: sites[0].call(token=token).status == 200, timeout=10)
    run("revoke", "jti", "company|short", *where(server))
    assert server.client.ttl(key("revoked:jti:company|short")) == -1
    assert server.client.get(key("revoked:jti:company|short")) == "a test"


@pytest.mark.parametrize("arguments,says", [
    (["jti", "mine"], "ISSUER|NAME"), (["jti"], "what is to be revoked"), (["user", "company|vera", "--for", "1h"], "--for"),
    (["tier", "nobody"], "not defined"), (["issued-before", "soon"], "time"), (["issued-before", "2999-01-01T00:00:00Z"], "future"),
    (["issued-before", "now", "everybody"], "user:"), (["issued-before", "now", "tier:nobody"], "not defined"),
    (["user", "company|vera", "--all-tenants"], "issued-before"), (["passwords", "company|x"], "HOLDER"),
    (["agent:company|docs-assistant", "b1", "--lift"], "grant"), (["issued-before", "now", "user:company|vera", "--all-tenants"], "nobody"),
    (["user", "company|vera", "--all"], "HOLDER")])
def test_what_is_wrong_with_a_command(make_redis, arguments, says):
    server = make_redis()
    server.load(policy.base())
    before = server.client.dbsize()
    done = run("revoke", *arguments, *where(server), status=1 if says == "not defined" else 2)
    assert says in done.stderr, done.stderr
    assert server.client.dbsize() == before


def test_in_a_policy_file(make_site):
    site = make_site()
    site.issuer.all_keys()
    eventually(lambda: all(site.call(token=site.token(alg="RS256")).status == 200 for _ in range(8)))
    rows = {
        "token_revoked": (401, lambda t: t.update(revoked={"jti": ["company|mine"], "sid": ["company|s1"]}),
                          {"jti": "mine"}, {"jti": "other"}),
        "client_disabled": (403, lambda t: t.update(clients={LOW: {"status": "disabled"}}), {"agent": "low-agent"}, {}),
        "token_issued_before": (401, lambda t: t.update(clients={LOW: {"not_before": "2099-01-01T00:00:00Z"}}),
                                {"agent": "low-agent"}, {}),
        "token_key_revoked": (401, lambda t: t.update(issuers={"company": {"revoked_keys": [site.issuer.key("RS256").kid]}}),
                              {"alg": "RS256"}, {}),
        "stopped": (403, lambda t: t.update(stop=True), {}, None),
    }
    for reason, (status, change, whose, others) in rows.items():
        token = site.token(**whose)
        allowed(site.call(token=token))
        site.policy = policy.base()
        site.change_policy(change)
        for _ in range(4):
            refused(site.call(token=token), status, reason)
            if others is not None:
                allowed(site.call(token=site.token(**others)))
        site.write_policy(policy.base())
        allowed(site.call(token=token))
    site.policy = policy.base()
    site.change_policy(lambda t: t.update(revoked={"sid": ["company|s1"]}))
    refused(site.call(token=site.token(sid="s1")), 401, "token_revoked")
    site.change_policy(lambda t: t.update(issuers={"company": {"not_before": "2099-01-01T00:00:00Z"}}))
    refused(site.call(), 401, "token_issued_before")


def test_a_file_for_redis_says_nothing_of_emergencies(make_redis, tmp_path):
    server = make_redis()
    server.load(policy.base())
    for change in ({"stop": True}, {"revoked": {"jti": ["company|x"]}}):
        content = policy.base()
        policy.tenant(content).update(change)
        (tmp_path / "policy.json").write_text(json.dumps(content))
        assert "leave" in run("apply", tmp_path / "policy.json", *where(server), status=1).stderr
    # Clients and issuers it may name; those that it doesn't name stay as they are.
    run("revoke", "client", "company|cli", *where(server))
    content = policy.base()
    policy.tenant(content).update(clients={"company|other": {"status": "disabled"}}, issuers={"company": {"revoked_keys": ["k1"]}})
    (tmp_path / "policy.json").write_text(json.dumps(content))
    run("apply", tmp_path / "policy.json", *where(server))
    assert server.client.hgetall(key("client:company|cli")) == {"revoked": "true"}
    assert server.client.hgetall(key("client:company|other"))["status"] == "disabled"
    assert json.loads(run("export", *where(server)).stdout)["tenants"]["default"]["issuers"] == {"company": {"revoked_keys": ["k1"]}}
    assert "nothing changes" in run("apply", tmp_path / "policy.json", *where(server)).stdout


def test_every_change_is_in_the_audit_log(sites):
    site = sites[0]
    run("revoke", "user", "company|vera", "--reason", "left the company", "--ticket", "HR-7", *where(site.redis))

    def told():
        events = [e for s in sites for e in s.nginx.audit() if e["type"] == "policy.change"]
        return [e for e in events if e["change"].get("reason") == "left the company"]
    (event,) = eventually(told)
    assert event["change"]["what"] == "+user:company|vera" and event["change"]["ticket"] == "HR-7"
