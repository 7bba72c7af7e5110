"""A team's bundle comes from its organisation's: in both stores, with the parent's denials above all."""
import json
import os

import pytest

from plugins import policy
from plugins.agwctl import BINARY, run, run_json, where
from plugins.site import allowed, hidden
from plugins.wait import eventually

pytestmark = pytest.mark.skipif(not os.path.exists(BINARY), reason="agwctl is not built: make build")


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


def test_a_holder_that_lost_the_parent_is_said(make_redis, file):
    server = make_redis()
    run("apply", file, *where(server))
    server.client.hset("agw:p:{default}:agent:company|docs-assistant", "bundles", '["team"]')
    said = run("export", *where(server), status=1).stderr
    assert "agent:company|docs-assistant" in said and "without its parent" in said
