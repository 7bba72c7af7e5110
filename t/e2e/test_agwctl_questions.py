"""What agwctl says about who may do what is what the gateway does, for a file and for Redis."""
import json
import os

import pytest

from plugins import policy
from plugins.agwctl import BINARY, run, run_json, where
from plugins.policy import tenant

pytestmark = pytest.mark.skipif(not os.path.exists(BINARY), reason="agwctl is not built: make build")
AGENTS = ("docs-assistant", "narrow-agent", "bare-agent", "low-agent", "disabled-agent", "quarantined-agent", "registered-itself")
USERS = ("mira", "omar", "dora", "otto", "nobody")


@pytest.fixture
def file(tmp_path):
    def write(content, name="policy.json"):
        (tmp_path / name).write_text(content if isinstance(content, str) else json.dumps(content))
        return tmp_path / name
    return write


@pytest.fixture(params=["file", "redis"])
def asked(request, make_site, make_redis, file):
    """A site, and agwctl's options to ask about it."""
    content = policy.base()
    policy.grant(content, "user:company|mira", "tickets/*", "ticket:*", id="mira")
    policy.grant(content, "agent:company|docs-assistant", "tickets/*", "ticket:T-9", id="not-this", effect="deny")
    if request.param == "file":
        site = make_site()
        site.write_policy(content)
        return site, ("--store", f"file:{site.policy_path}", "--state", site.prefix / "state")
    server = make_redis()
    run("apply", file(content), *where(server))
    site = make_site(store=server.store)
    return site, (*where(server), "--state", site.prefix / "state")


def test_who_can_is_what_the_gateway_does(asked):
    site, options = asked
    for resource in ("T-1", "T-9"):
        said = run_json("who-can", "tickets/ticket.read", f"ticket:{resource}", *options)
        named = {(row.get("agent", f"tier {row.get('tier')}"), row["user"]) for row in said["allowed"] if row.get("user")
                 and not row["groups"]}
        for agent in AGENTS:
            known = agent != "registered-itself"
            for user in USERS:
                told = (f"company|{agent}" if known else "tier visitor", f"company|{user}") in named
                token = site.token(user=user, agent=agent, groups=[])
                reason = site.call(arguments={"id": resource}, token=token).event()["reason"]
                assert told == (reason == "allowed"), (agent, user, resource, reason)


def test_members_of_a_group_and_who_of_them_is_excepted(asked):
    site, options = asked
    said = run_json("who-can", "tickets/ticket.read", "ticket:T-1", *options)["allowed"]
    rows = {row["agent"]: row["except"] for row in said if row["groups"] == ["company|support"] and "agent" in row}
    assert set(rows) == {"company|docs-assistant", "company|narrow-agent", "company|low-agent"}
    excepted = {row["user"].split("|")[1]: row["reason"] for row in rows["company|docs-assistant"]}
    assert excepted == {"dora": "user_disabled", "otto": "delegation_disconnected"}
    for user in USERS:
        reason = site.call(token=site.token(user=user, groups=["support"])).event()["reason"]
        assert reason == excepted.get(user, "allowed")


def test_what_can_is_what_the_gateway_does(asked):
    site, options = asked
    for agent, user in (("docs-assistant", "mira"), ("narrow-agent", "omar"), ("low-agent", "mira")):
        said = run_json("what-can", f"company|{agent}", f"company|{user}", *options)
        rows = {row["operation"]: row for row in said["operations"]}
        for resource in ("T-1", "T-2", "T-9"):
            row = rows["tickets/ticket.read"]
            told = any(p in ("*", "ticket:*", f"ticket:{resource}") for p in row["allowed"]) and \
                f"ticket:{resource}" not in [e["resource"] for e in row["except"]]
            token = site.token(user=user, agent=agent, groups=[])
            reason = site.call(arguments={"id": resource}, token=token).event()["reason"]
            assert told == (reason == "allowed"), (agent, user, resource, row)
        assert rows["tickets/ticket.delete"]["allowed"] == (["ticket:*"] if agent == "docs-assistant" else [])


def test_nobody_and_nothing_are_an_answer_too(asked):
    _, options = asked
    assert "nothing" in run("what-can", "company|bare-agent", "company|mira", *options, status=3).stdout
    run("who-can", "tickets/none", "ticket:T-1", *options, status=3)


def test_a_stop_that_was_pulled_counts(make_redis, file):
    server = make_redis()
    run("apply", file(policy.base()), *where(server))
    run("who-can", "tickets/ticket.read", "ticket:T-1", *where(server))
    server.client.hset("agw:p:{default}:tenant", "stop", "1")
    assert "nobody" in run("who-can", "tickets/ticket.read", "ticket:T-1", *where(server), status=3).stdout


def test_a_table_of_expectations_is_what_the_gateway_does(asked, file):
    site, options = asked
    rows = []
    for agent in AGENTS:
        for user in USERS:
            token = site.token(user=user, agent=agent, groups=["support"] if user == "mira" else [])
            rows.append({"agent": f"company|{agent}", "user": f"company|{user}", "operation": "tickets/ticket.read",
                         "resource": "ticket:T-1", "groups": ["company|support"] if user == "mira" else [],
                         "expect": site.call(token=token).event()["reason"].replace("allowed", "allow")})
    assert {"allow", "agent_grant_missing", "user_disabled", "agent_quarantined"} <= {row["expect"] for row in rows}
    assert f"{len(rows)} of {len(rows)} as expected" in run("test", file({"tests": rows}, "t.json"), *options).stdout
    rows[3]["expect"] = "allow"
    said = run_json("test", file({"tests": rows}, "t.json"), *options, status=3)
    assert said["failed"] == 1 and [r["test"] for r in said["results"] if not r["good"]] == ["tests[3]"]


def test_agents_and_users_are_listed(asked):
    _, options = asked
    agents = {row["agent"]: row for row in run_json("agents", *options)["agents"]}
    assert agents["company|docs-assistant"] == {
        "tenant": "default", "agent": "company|docs-assistant", "record": True, "status": "active", "tier": "developer",
        "bundles": ["support"], "grants": 1, "owner": "platform@company.example", "name": "Docs assistant",
        "disconnected": ["company|otto"]}
    users = {row["user"]: row for row in run_json("users", *options)["users"]}
    assert users["company|dora"]["status"] == "disabled" and users["company|mira"]["entitlements"] == 1
    assert "company|quarantined-agent" in run("agents", *options).stdout


def test_lint_knows_what_nginx_knows(asked):
    _, options = asked
    found = {(row["code"], row["where"]) for row in run_json("lint", *options, status=3)["findings"]}
    assert ("unowned", "tickets/ticket.read") in found and ("unclassified", "tickets/ticket.list") in found
    assert ("unclassified", "tickets/ticket.read") not in found, "the location says confidential"
    assert ("wildcard_destructive", "bundle:support b1") in found
    assert {code for code, _ in found} == {"unowned", "unclassified", "wildcard_destructive"}
    run("lint", *options, "--ignore", "unowned", "--ignore", "unclassified", "--ignore", "wildcard_destructive")


def test_lint_finds_what_has_ended_in_redis(make_redis, file):
    server = make_redis()
    content = policy.base()
    tenant(content)["grants"][0]["until"] = "2020-01-01T00:00:00Z"
    run("apply", file(content), *where(server))
    assert "expired" in run("lint", *where(server), status=3).stdout
    run("revoke", "agent:company|narrow-agent", "g1", *where(server))
    run("lint", *where(server))


def test_the_store_that_nginx_uses_is_the_default(make_site):
    site = make_site()
    run("who-can", "tickets/ticket.read", "ticket:T-1", "--state", site.prefix / "state")
    assert "company|docs-assistant" in run("agents", "--state", site.prefix / "state").stdout
    done = run("agents", "--state", site.prefix, status=1)
    assert "agent_state" in done.stderr


def as_yaml(value, indent=""):
    """Blocks, as people write them; scalars as JSON."""
    if isinstance(value, dict) and value:
        return "".join(f"\n{indent}{key if key.replace('|', '').replace('-', '').isalnum() else json.dumps(key)}: "
                       f"{as_yaml(item, indent + '  ')}" for key, item in value.items())
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return "".join(f"\n{indent}-{as_yaml(item, indent + '  ')}" for item in value)
    return json.dumps(value)


def test_yaml_is_applied_like_json(make_redis, file):
    server, twin = make_redis(), make_redis()
    run("apply", file(as_yaml(policy.base()), "policy.yaml"), *where(server))
    run("apply", file(policy.base()), *where(twin))
    assert run("export", *where(server)).stdout == run("export", *where(twin)).stdout
    broken = file(as_yaml(policy.base()).replace('tier: "visitor"', 'tier: "visitr"'), "broken.yaml")
    done = run("apply", broken, *where(server), status=1)
    assert "broken.yaml:" in done.stderr and "visitr" in done.stderr
    assert run("export", *where(server)).stdout == run("export", *where(twin)).stdout


def test_fault_a_store_that_does_not_answer(make_redis):
    server = make_redis()
    server.stop()
    for command in (("agents",), ("users",), ("lint",), ("who-can", "a/b"), ("what-can", "c|a", "c|u")):
        assert run(*command, *where(server), status=1).stderr


def test_lint_of_a_file_says_the_lines(tmp_path):
    path = tmp_path / "policy.yaml"
    path.write_text("""schema: 1
tenants:
  default:
    agents:
      company|docs: {bundles: [used]}
    bundles:
      used: {parent: base, grants: [{id: b1, operation: tickets/ticket.read}]}
      base: {grants: []}
      idle:
        grants: []
    entitlements:
      - {id: e1, to: 'user:company|mira', operation: tickets/ticket.read}
      - {id: e2, to: 'user:company|mira', operation: tickets/ticket.read, until: 2020-01-01T00:00:00Z}
""")
    found = {(row["code"], row["where"]): row["line"] for row in run_json("lint", path, status=3)["findings"]}
    assert found[("expired", "user:company|mira e2")] == 13
    assert found[("unreachable", "bundle:idle")] == 9
    assert ("unreachable", "bundle:base") not in found, "whoever has a bundle has its parent's"
    told = run("lint", path, status=3).stdout
    assert told.splitlines()[0].split()[0] == "LINE"


def test_check_for_scripts(tmp_path):
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    good.write_text(json.dumps(policy.base()))
    bad.write_text('{"schema": 1,\n "tenants": {"default":\n {"agents": {"docs": {}}}}}')
    said = run_json("check", good)
    assert said["good"] is True and said["tenants"][0]["tenant"] == "default" and said["tenants"][0]["bundles"] == 2
    said = run_json("check", bad, status=1)
    assert said["good"] is False and said["line"] == 3 and said["path"] == "tenants.default.agents.docs"
    assert "ISSUER|NAME" in said["message"]
