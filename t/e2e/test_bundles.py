"""A team's bundle comes from its organisation's: in both stores, with the parent's denials above all."""
import json
import os

import pytest

from plugins import policy
from plugins.agwctl import BINARY, run, run_json, where
from plugins.site import allowed, hidden
from plugins.wait import eventually, nothing_happens_for

pytestmark = pytest.mark.skipif(not os.path.exists(BINARY), reason="agwctl is not built: make build")


SINCE, UNTIL = "2026-01-01T00:00:00.000Z", "2999-01-01T00:00:00.000Z"


def inherited():
    content = policy.base()
    tenant = policy.tenant(content)
    tenant["bundles"] = {
        "org": {"version": 1, "grants": [{"id": "o1", "operation": "tickets/ticket.list"}]},
        "team": {"version": 4, "parent": "org", "grants": [
            {"id": "t1", "operation": "tickets/ticket.read", "resource": "ticket:*"}]},
        "reader": {"grants": []}}
    for agent in tenant["agents"].values():
        if "bundles" in agent:
            agent["bundles"] = ["team"]
    tenant["tiers"]["developer"]["bundles"] = tenant["tiers"]["stopped"]["bundles"] = ["team"]
    return content


@pytest.fixture
def file(tmp_path):
    (tmp_path / "policy.json").write_text(json.dumps(inherited()))
    return tmp_path / "policy.json"


def test_in_a_policy_file(make_site):
    site = make_site()
    site.write_policy(inherited())
    token = site.token()
    eventually(lambda: site.call("ticket.list", {}, token=token).status == 200)
    allowed(site.call("ticket.list", {}, token=token))
    allowed(site.call(token=token))
    content = inherited()
    policy.tenant(content)["bundles"]["org"]["grants"].append(
        {"id": "o2", "operation": "tickets/*", "resource": "ticket:T-9", "effect": "deny"})
    site.write_policy(content)
    answer = site.call(arguments={"id": "T-9"}, token=token)
    assert answer.event()["reason"] == "agent_grant_denied"
    allowed(site.call(token=token))


def test_in_redis(make_site, make_redis, file):
    server = make_redis()
    run("apply", file, *where(server))
    site = make_site(store=server.store)
    token = site.token()
    allowed(site.call("ticket.list", {}, token=token))
    allowed(site.call(token=token))
    run("grant", "bundle:org", "tickets/*", "ticket:T-9", "--deny", "--id", "o2", *where(server))
    assert site.call(arguments={"id": "T-9"}, token=token).event()["reason"] == "agent_grant_denied"
    allowed(site.call(token=token))
    run("revoke", "bundle:org", "o1", *where(server))
    hidden(site.call("ticket.list", {}, token=token), "ticket.list")


def test_what_was_applied_is_exported_and_applied_again_changes_nothing(make_redis, file, tmp_path):
    server = make_redis()
    run("apply", file, *where(server))
    text = run("export", *where(server)).stdout
    tenant = policy.tenant(json.loads(text))
    assert tenant["agents"]["company|docs-assistant"]["bundles"] == ["team"]
    assert tenant["bundles"]["team"]["parent"] == "org" and tenant["bundles"]["team"]["version"] == 4
    (tmp_path / "again.json").write_text(text)
    for name in ("policy.json", "again.json"):
        assert run_json("apply", tmp_path / name, *where(server))["tenants"][0]["changes"] == []


def test_a_holder_that_lost_the_parent_is_said_and_denied(make_site, make_redis, file):
    server = make_redis()
    run("apply", file, *where(server))
    site = make_site(store=server.store, http="agent_freshness strict;")
    allowed(site.call())
    server.client.hset("agw:p:{default}:agent:company|docs-assistant", "bundles", '["team"]')
    server.client.hincrby("agw:p:{default}:meta", "version", 1)
    said = run("export", *where(server), status=1).stderr
    assert "agent:company|docs-assistant" in said and "without its parent" in said
    assert site.call().json()["error"]["data"]["reason"] == "store_invalid"


def membership():
    """`night` is for who is on call, by a record of the store or by the token; the base's agents have no such grant."""
    content = policy.base()
    tenant = policy.tenant(content)
    tenant["bundles"]["night"] = {"members": ["group:store|oncall", "group:company|night"], "limits": ["user 100r/h"],
                                  "grants": [{"id": "n1", "operation": "tickets/ticket.read", "resource": "ticket:*"}]}
    tenant["users"]["company|nora"] = {"groups": ["store|oncall"]}
    for user in ("nora", "nils", "mira"):
        policy.grant(content, f"user:company|{user}", "tickets/ticket.read", "ticket:*", id=user)
    return content


@pytest.mark.parametrize("kind", ["file", "push", "strict"])
def test_members_have_a_bundles_grants_through_any_agent_with_a_record(make_site, make_redis, kind):
    server = make_redis() if kind != "file" else None
    if server:
        server.load(membership())
    site = make_site(**({"store": server.store, "http": f"agent_freshness {kind};"} if server else {}))

    def write(content):
        server.load(content) if server else site.write_policy(content)
        nothing_happens_for(0.05)

    def token(user, agent="bare-agent", groups=()):
        return site.token(user=user, agent=agent, groups=list(groups))

    write(membership())
    answer = site.call(token=token("nora"))
    allowed(answer)
    assert '"user 100r/h"' in answer.header("RateLimit-Policy")
    allowed(site.call(token=token("nils", groups=["night"])))
    hidden(site.call(token=token("nils", groups=["support"])), "ticket.read")
    # What the user may not do itself no membership gives.
    without = membership()
    policy.tenant(without)["entitlements"] = [row for row in policy.tenant(without)["entitlements"] if row["id"] != "nora"]
    write(without)
    assert site.call(token=token("nora")).event()["reason"] == "user_entitlement_missing"
    write(membership())
    allowed(site.call(token=token("nora")))
    # Who stands for nobody's registration has its tier's bundles and nothing else.
    bare = membership()
    policy.tenant(bare)["bundles"]["reader"]["grants"] = []
    write(bare)
    assert site.call(token=token("nora", "registered-itself")).event()["reason"] == "agent_grant_missing"
    allowed(site.call(token=token("nora")))
    assert site.call(token=token("nora", "disabled-agent")).event()["reason"] == "agent_disabled"
    # And who leaves the group leaves the bundle.
    policy.tenant(bare)["users"]["company|nora"] = {"groups": []}
    write(bare)
    hidden(site.call(token=token("nora")), "ticket.read")
    allowed(site.call(token=token("nils", groups=["night"])))


def test_who_can_and_what_can_know_members(make_site, make_redis, tmp_path):
    server = make_redis()
    (tmp_path / "policy.json").write_text(json.dumps(membership()))
    run("apply", tmp_path / "policy.json", *where(server))
    exported = policy.tenant(json.loads(run("export", *where(server)).stdout))
    assert sorted(exported["bundles"]["night"]["members"]) == ["group:company|night", "group:store|oncall"]
    for store in (where(server), ("--store", f"file:{tmp_path / 'policy.json'}")):
        rows = run_json("who-can", "tickets/ticket.read", "ticket:T-1", *store)["allowed"]
        bare = [(row.get("user"), row["groups"]) for row in rows if row.get("agent") == "company|bare-agent"]
        assert ("company|nora", []) in bare and ("company|nils", ["company|night"]) in bare, bare
        assert ("company|nils", []) not in bare
        run("what-can", "company|bare-agent", "company|nils", *store, status=3)
        assert "tickets/ticket.read" in run("what-can", "company|bare-agent", "company|nils", "--group", "company|night",
                                            *store).stdout


def test_every_field_of_a_grant_is_kept_and_exported(make_redis, tmp_path):
    server = make_redis()
    whole = {"id": "g9", "to": "agent:company|bare-agent", "operation": "tickets/*", "effect": "deny", "resource": "ticket:*",
             "for": ["user:company|mira", "group:company|support", "group:store|oncall"], "since": SINCE,
             "until": UNTIL, "by": "company|ada", "reason": "an \"odd\" ümlaut", "ticket": "SEC-12"}
    entitled = {k: v for k, v in whole.items() if k not in ("to", "for")} | {"to": "group:store|oncall"}
    content = policy.base()
    tenant = policy.tenant(content)
    tenant["grants"].append(whole)
    tenant["entitlements"].append(entitled)
    tenant["bundles"]["support"]["grants"].append({k: v for k, v in whole.items() if k != "to"})
    (tmp_path / "policy.json").write_text(json.dumps(content))
    run("apply", tmp_path / "policy.json", *where(server))
    exported = policy.tenant(json.loads(run("export", *where(server)).stdout))
    assert whole in exported["grants"]
    assert entitled in exported["entitlements"]
    assert {k: v for k, v in whole.items() if k != "to"} in exported["bundles"]["support"]["grants"]
    # And given by a command.
    run("grant", "agent:company|bare-agent", "tickets/ticket.read", "ticket:T-1", "--whom", "user:company|mira", "--since",
        SINCE, "--until", UNTIL, "--id", "g8", "--author", "ada", "--reason", "pilot",
        "--ticket", "SEC-13", *where(server))
    exported = policy.tenant(json.loads(run("export", *where(server)).stdout))
    assert {"id": "g8", "to": "agent:company|bare-agent", "operation": "tickets/ticket.read", "resource": "ticket:T-1",
            "for": ["user:company|mira"], "since": SINCE, "until": UNTIL, "by": "ada",
            "reason": "pilot", "ticket": "SEC-13"} in exported["grants"]
