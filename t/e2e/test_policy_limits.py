"""Limits that policy says, of the tenant and of bundles: in both stores, as those of nginx.conf, edited without it."""
import json
import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from plugins import mcp, policy
from plugins.agwctl import BINARY, run, run_json, where
from plugins.redis import key
from plugins.server import HANG
from plugins.site import allowed
from plugins.wait import eventually, nothing_happens_for

TWO = "agent_tool ticket.read { scope tickets:read; resource ticket:<id>; } agent_tool ticket.list { scope tickets:read; }"
FRESHNESS = ("push", "strict")


def limited(answer, limit, reason="limit_exceeded"):
    assert answer.status == 429, f"{answer.status} {answer.text}"
    data = answer.json()["error"]["data"]
    assert data["reason"] == reason and data["limit"] == limit, data
    assert data["retry_after"] == int(answer.header("Retry-After")) >= 1
    event = answer.event()
    assert event["reason"] == reason and event["checks"]["limit"] == "fail"


def limiting(tenant=(), **bundles):
    """The stories' policy with limits of the tenant and of bundles."""
    content = policy.base()
    policy.tenant(content)["limits"] = list(tenant)
    for name, limits in bundles.items():
        policy.tenant(content)["bundles"][name]["limits"] = list(limits)
    return content


class Store:
    """A site on either store, whose policy is replaced as an operator does it: the next call is judged by it."""

    def __init__(self, kind, make_site, make_redis, **pieces):
        self.server = None if kind == "file" else make_redis()
        if self.server is None:
            self.site = make_site(tools=TWO, **pieces)
            return
        self.server.load(policy.base())
        self.site = make_site(store=self.server.store, tools=TWO, http=f"agent_freshness {kind};", **pieces)

    def write(self, content):
        if self.server is None:
            self.site.write_policy(content)
        else:
            self.server.load(content)
        nothing_happens_for(0.05)


@pytest.fixture(params=["file", *FRESHNESS])
def store(request, make_site, make_redis):
    return Store(request.param, make_site, make_redis)


def test_of_the_tenant_they_are_for_every_operation(store):
    store.write(limiting(["agent 2r/h"]))
    site = store.site
    first = site.call()
    allowed(first)
    assert first.header("RateLimit-Policy") == '"agent 2r/h";q=2;w=3600'
    allowed(site.call("ticket.list", {}))
    limited(site.call(), "agent 2r/h")
    assert site.backend.count() == 2
    # Another agent's calls are its own; handshakes and lists use nothing up.
    allowed(site.call(token=site.token(agent="narrow-agent")))
    assert site.post(mcp.message("tools/list")).status == 200


def test_a_tighter_one_holds_for_the_next_call_and_goes_on_with_what_was_used(store):
    site = store.site
    store.write(limiting(["agent 100r/h"]))
    for _ in range(3):
        allowed(site.call())
    store.write(limiting(["agent 3r/h"]))
    limited(site.call(), "agent 3r/h")
    store.write(limiting())
    plain = site.call()
    allowed(plain)
    assert plain.header("RateLimit") is None


def test_of_a_bundle_they_are_for_who_comes_by_it(store):
    content = limiting(support=["agent 1r/h"])
    tenant = policy.tenant(content)
    tenant["bundles"]["mail"] = {"limits": ["agent 1r/h"], "grants": [{"id": "m1", "operation": "mail/*"}]}
    tenant["agents"]["company|narrow-agent"]["bundles"] = ["mail"]
    store.write(content)
    site = store.site
    allowed(site.call())
    limited(site.call("ticket.list", {}), "agent 1r/h")
    # One with a grant of its own isn't, whatever else it has; one with the bundle has its own count.
    for _ in range(2):
        allowed(site.call(token=site.token(agent="narrow-agent")))
    allowed(site.call(token=site.token(agent="low-agent")))
    limited(site.call(token=site.token(agent="low-agent")), "agent 1r/h")


def test_beside_those_of_nginx_each_is_met(make_site, make_redis):
    for kind in ("file", "push"):
        store = Store(kind, make_site, make_redis, mcp="agent_limit agent 3r/h;")
        store.write(limiting(["user 2r/h name=people"]))
        site = store.site
        allowed(site.call())
        allowed(site.call())
        limited(site.call(), "people")
        allowed(site.call(token=site.token(user="mila")))
        limited(site.call(token=site.token(user="mila")), "agent 3r/h")


def test_calls_at_once_are_given_back_though_the_policy_was_edited(store):
    site = store.site
    store.write(limiting(support=["agent 1c"]))
    token = site.token()
    answer, site.backend.answer = site.backend.answer, HANG
    stream = site.begin_post(mcp.call("ticket.read", {"id": "T-1"}), token)
    eventually(lambda: site.backend.count() == 1)
    site.backend.answer = answer
    limited(site.call(token=token), "agent 1c", "limit_concurrency")
    store.write(limiting(support=["agent 1c", "user 1000r/h"]))
    limited(site.call(token=token), "agent 1c", "limit_concurrency")
    stream.close()
    eventually(lambda: site.call(token=token).status == 200)


def test_64_clients_on_two_nginx_never_get_more(make_site, make_redis):
    server = make_redis()
    server.load(limiting(["tenant 1000r/h"], support=["agent 40r/h"]))
    one = make_site(store=server.store, tools=TWO, workers="2")
    two = make_site(store=server.store, tools=TWO, workers="2", authority=one.issuer)
    one.issuer.audience = [one.resource, two.resource]
    token = one.token()
    with ThreadPoolExecutor(64) as pool:
        found = list(pool.map(lambda i: (one if i % 2 else two).call(token=token, id=i).status, range(256)))
    assert found.count(200) == 40 and found.count(429) == 216, {s: found.count(s) for s in set(found)}
    keys = [k for k in server.client.scan_iter("agw:v:*") if ":limit:" in k]
    assert sorted(keys) == ["agw:v:{default}:limit:bundle|support:agent:r/h:company|docs-assistant",
                            "agw:v:{default}:limit:policy:tenant:r/h:tenant"], keys


@pytest.mark.parametrize("freshness", FRESHNESS)
def test_one_that_cannot_be_read_denies_what_depends_on_it(make_site, make_redis, freshness):
    server = make_redis()
    server.load(policy.base())
    site = make_site(store=server.store, tools=TWO, http=f"agent_freshness {freshness};")
    narrow = site.token(agent="narrow-agent")

    def write(name, **fields):
        server.client.hset(name, mapping=fields)
        server.bump()
        nothing_happens_for(0.05)

    def reason(token=True):
        return site.call(token=token).json()["error"]["data"]["reason"]

    allowed(site.call())
    write(key("bundle:support"), limits='["agent plenty"]')
    assert reason() == "store_invalid"
    allowed(site.call(token=narrow))
    write(key("bundle:support"), limits='["agent 100r/h"]')
    allowed(site.call())
    write(key("limits"), agent='["plenty"]')
    assert reason() == reason(narrow) == "store_invalid"
    eventually(lambda: "}:limits, field agent" in site.nginx.error_log)
    assert "plenty" not in site.nginx.error_log
    assert site.post(mcp.message("tools/list")).status == 200
    write(key("limits"), agent='["100r/h"]')
    allowed(site.call(token=narrow))
    write(key("bundle:support"), parent="company")
    assert reason() == "store_invalid", "whose denials and limits this call doesn't know"
    allowed(site.call(token=narrow))


def test_a_warm_copy_asks_for_no_limit(make_site, make_redis):
    from test_copy import warm, watched
    server = make_redis()
    server.load(limiting(["tenant 100000r/h"], support=["agent 100000r/h"]))
    site = make_site(store=server.store, tools=TWO)
    token = site.token()
    warm(site, token)
    with server.client.monitor() as monitor:
        for _ in range(20):
            allowed(site.call(token=token))
        server.client.echo("that was all")
        assert watched(monitor, "that was all") == []


def test_a_parents_are_met_by_who_has_the_child(make_site, make_redis, tmp_path):
    if not os.path.exists(BINARY):
        pytest.skip("agwctl is not built: make build")
    content = limiting()
    bundles = policy.tenant(content)["bundles"]
    bundles["company"] = {"limits": ["agent 2r/h name=company"], "grants": []}
    bundles["support"] |= {"parent": "company", "limits": ["agent 50r/h"]}
    (tmp_path / "policy.json").write_text(json.dumps(content))
    server = make_redis()
    run("apply", tmp_path / "policy.json", *where(server))
    sites = [make_site(tools=TWO), make_site(store=server.store, tools=TWO)]
    sites[0].write_policy(content)
    for site in sites:
        allowed(site.call())
        allowed(site.call("ticket.list", {}))
        limited(site.call(), "company")
        allowed(site.call(token=site.token(agent="narrow-agent")))


def test_agwctl_writes_exports_explains_and_judges_them(make_site, make_redis, tmp_path):
    if not os.path.exists(BINARY):
        pytest.skip("agwctl is not built: make build")
    content = limiting(["agent+tool 100r/m burst=20", "tenant 30u/d warn=80"], support=["user 8c"])
    policy.tenant(content)["bundles"]["support"]["members"] = ["group:store|night"]
    path = tmp_path / "policy.json"
    path.write_text(json.dumps(content))
    server = make_redis()
    assert "limits" in run("apply", path, "--dry-run", *where(server)).stdout
    run("apply", path, *where(server))
    assert run_json("apply", path, *where(server))["tenants"][0]["changes"] == []
    exported = json.loads(run("export", *where(server)).stdout)
    assert policy.tenant(exported)["limits"] == policy.tenant(content)["limits"]
    for member in ("limits", "members"):
        assert policy.tenant(exported)["bundles"]["support"][member] == policy.tenant(content)["bundles"]["support"][member]
    report = " agent_tool report { operation ticket.report; scope tickets:read; cost 40; resource ticket:<id>; }"
    site = make_site(store=server.store, tools=TWO + report, mcp="agent_limit backend 50c;")
    state = ("--state", site.prefix / "state", *where(server))
    said = run_json("explain", "--user", "company|mira", "--agent", "company|docs-assistant", "--group", "company|support",
                    "--operation", "tickets/ticket.read", "--resource", "ticket:T-1", *state)["results"][0]
    assert [(row["limit"], row["declared"]) for row in said["limits"]] == [
        ("backend 50c", "tickets/*"), ("agent+tool 100r/m burst=20", "tenant default"),
        ("tenant 30u/d warn=80", "tenant default"),
        ("user 8c", "bundle support")]
    found = {(row["code"], row["where"]): row["text"] for row in run_json("lint", *state, status=3)["findings"]}
    assert "tickets/ticket.report (40)" in found["never_met", "limits"]
    assert "store|night" in found["unreachable", "bundle:support"]
