"""Changing one thing in Redis from the command line: at once in force, recorded, and never over somebody else's change."""
import json
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone

import pytest

from plugins import policy
from plugins.agwctl import BINARY, run, run_json, where
from plugins.redis import key
from plugins.site import allowed, hidden
from plugins.wait import eventually

pytestmark = pytest.mark.skipif(not os.path.exists(BINARY), reason="agwctl is not built: make build")
BARE, DOCS = "agent:company|bare-agent", "agent:company|docs-assistant"


@pytest.fixture
def file(tmp_path):
    def write(content, name="policy.json"):
        (tmp_path / name).write_text(json.dumps(content))
        return tmp_path / name
    return write


@pytest.fixture
def server(make_redis, file):
    server = make_redis()
    run("apply", file(policy.base()), *where(server))
    return server


def version(server):
    return int(server.client.hget(key("meta"), "version"))


def changes(server):
    return [fields for _, fields in server.client.xrange("agw:v:{default}:changes")]


def policy_keys(server):
    return {k: server.client.hgetall(k) for k in server.client.scan_iter("agw:p:*")}


def test_a_grant_is_in_force_at_once_and_so_is_its_revocation(make_site, server):
    site = make_site(store=server.store)

    def call():
        return site.call(token=site.token(agent="bare-agent"))

    hidden(call(), "ticket.read")
    before = version(server)
    run("grant", BARE, "tickets/ticket.read", "ticket:*", "--id", "pilot", "--reason", "pilot of support", "--author",
        "ada", "--ticket", "SEC-12", *where(server))
    allowed(call())
    assert version(server) == before + 1
    assert changes(server)[-1] == {"version": str(before + 1), "by": "ada", "reason": "pilot of support",
                                   "ticket": "SEC-12", "what": f"+grants:{BARE}"}
    assert json.loads(server.client.hget(key(f"grants:{BARE}"), "pilot")) == {
        "operation": "tickets/ticket.read", "resource": "ticket:*", "by": "ada", "reason": "pilot of support",
        "ticket": "SEC-12"}
    said = run("revoke", BARE, "pilot", "--reason", "it is over", *where(server)).stdout
    assert "- pilot: allow tickets/ticket.read on ticket:*, by ada: pilot of support [SEC-12]" in said
    hidden(call(), "ticket.read")
    assert version(server) == before + 2 and changes(server)[-1]["reason"] == "it is over"
    assert not server.client.exists(key(f"grants:{BARE}"))


def test_a_denial_wins(make_site, server):
    site = make_site(store=server.store)
    allowed(site.call())
    run("grant", DOCS, "tickets/*", "--deny", "--id", "stop", *where(server))
    assert site.call().event()["reason"] == "agent_grant_denied"
    run("revoke", DOCS, "--operation", "tickets/*", *where(server))
    allowed(site.call())


def test_a_grant_for_some_is_for_nobody_else(make_site, server):
    site = make_site(store=server.store)

    def call(**token):
        return site.call(token=site.token(agent="bare-agent", **token))

    run("grant", BARE, "tickets/*", "--whom", "user:company|mira", *where(server))
    allowed(call())
    run("revoke", BARE, "--all", *where(server))
    run("grant", BARE, "tickets/*", "--whom", "user:company|omar", *where(server))
    assert call().event()["reason"] == "agent_grant_missing"


def test_an_entitlement_is_given_and_taken(make_site, server):
    site = make_site(store=server.store)

    def call():
        return site.call(token=site.token(user="zoe", groups=[]))

    assert call().event()["reason"] == "user_entitlement_missing"
    run("grant", "user:company|zoe", "tickets/ticket.read", "ticket:T-1", "--id", "e", *where(server))
    allowed(call())
    run("revoke", "user:company|zoe", "e", *where(server))
    assert call().event()["reason"] == "user_entitlement_missing"


def test_an_elevation_ends_by_itself(make_site, server):
    site = make_site(store=server.store)

    def call():
        return site.call(token=site.token(agent="bare-agent"))

    run("elevate", BARE, "tickets/ticket.read", "--for", "3s", *where(server))
    allowed(call())
    eventually(lambda: call().event()["reason"] == "agent_grant_missing", timeout=10)
    run("elevate", BARE, "tickets/ticket.list", "--for", "1h", "--id", "hour", *where(server))
    until = datetime.fromisoformat(json.loads(server.client.hget(key(f"grants:{BARE}"), "hour"))["until"])
    assert abs(until - datetime.now(timezone.utc) - timedelta(hours=1)) < timedelta(seconds=30)


def test_disconnecting_a_user_from_an_agent(make_site, server):
    site = make_site(store=server.store)
    allowed(site.call())
    who = ("company|mira", "company|docs-assistant")
    run("disconnect", *who, *where(server))
    assert site.call().event()["reason"] == "delegation_disconnected"
    assert "nothing changes" in run("disconnect", *who, *where(server)).stdout
    run("connect", *who, *where(server))
    allowed(site.call())
    assert [e["what"] for e in changes(server)[-2:]] == ["~delegation:company|mira:company|docs-assistant"] * 2


@pytest.mark.parametrize("command,words", [
    (("grant", BARE, "tickets/ticket.read", "--reason", ""), "--reason is missing.*write"),
    (("grant", BARE, "tickets/ticket.read", "--reason", "  "), "--reason is missing"),
    (("revoke", BARE, "--all", "--reason", ""), "--reason is missing"),
    (("disconnect", "company|a", "company|b", "--reason", ""), "--reason is missing"),
    (("elevate", BARE, "tickets/*", "--for", "1h", "--reason", ""), "--reason is missing"),
    (("grant", "company|bare-agent", "tickets/ticket.read"), "HOLDER.*write for example agent:company"),
    (("grant", "agent:bare-agent", "tickets/ticket.read"), "HOLDER"),
    (("grant", BARE, "tickets"), "OPERATION.*write for example"),
    (("grant", BARE, "tick*"), "OPERATION"),
    (("grant", BARE, "tickets/*", "T*"), "RESOURCE.*ticket:T-1"),
    (("grant", BARE, "tickets/*", "--whom", "mira"), "--whom.*group:company"),
    (("grant", "user:company|mira", "tickets/*", "--whom", "user:company|mira"), "leave --whom out"),
    (("grant", BARE, "tickets/*", "--until", "tomorrow"), "--until must be a time as"),
    (("grant", BARE, "tickets/*", "--until", "2020-01-01T00:00:00Z"), "over already"),
    (("elevate", BARE, "tickets/*", "--for", "1 hour"), "30m, 1h or 2d"),
    (("elevate", BARE, "tickets/*", "--for", "0h"), "30m, 1h or 2d"),
    (("elevate", BARE, "tickets/*"), "--for is required"),
    (("revoke", BARE), "IDs, or --operation PATTERN, or --all"),
    (("revoke", BARE, "x", "--all"), "IDs, or --operation PATTERN, or --all"),
    (("disconnect", "mira", "company|docs-assistant"), "USER.*company.mira"),
    (("grant", BARE, "tickets/*", "--tenant", "a}b"), "--tenant")])
def test_what_makes_no_sense_is_refused_with_what_to_write(server, command, words):
    before = policy_keys(server)
    done = run(*command, *where(server), status=2)
    assert re.search(words, done.stderr), done.stderr
    assert policy_keys(server) == before


def test_what_is_not_there_is_said(server):
    before = policy_keys(server)
    run("grant", DOCS, "search/docs", "--id", "x", "--dry-run", *where(server))
    for command, words in [(("grant", "bundle:none", "tickets/*"), 'the bundle "none" is not defined'),
                           (("grant", "tier:none", "tickets/*", "--deny"), 'the tier "none" is not defined'),
                           (("grant", "agent:company|narrow-agent", "tickets/*", "--id", "g1"), "already.*another --id"),
                           (("revoke", DOCS, "x"), "has no grant \"x\".*bundle:support"),
                           (("revoke", "agent:company|narrow-agent", "x"), "it has g1"),
                           (("grant", DOCS, "tickets/*", "--tenant", "other"), "agwctl apply")]:
        assert re.search(words, run(*command, *where(server), status=1).stderr), command
    assert policy_keys(server) == before


def test_what_cannot_be_read_can_be_revoked(server):
    server.client.hset(key(f"grants:{BARE}"), "broken", "{")
    run("revoke", BARE, "broken", *where(server))
    assert not server.client.exists(key(f"grants:{BARE}"))


def test_nothing_in_the_store_drives_the_terminal(server):
    server.client.hset(key(f"grants:{BARE}"), "\x1b[2Jid", "{}")
    done = run("revoke", BARE, "other", *where(server), status=1)
    assert "\\u001b[2Jid" in done.stderr and "\x1b" not in done.stdout + done.stderr
    done = run("revoke", BARE, "\x1b[2Jid", *where(server))
    assert "\x1b" not in done.stdout + done.stderr


def test_a_dry_run_writes_nothing_and_shows_what_would_be(server, file):
    before = policy_keys(server), changes(server)
    content = policy.base()
    policy.tenant(content)["grants"][0]["operation"] = "tickets/*"
    said = run("apply", file(content), "--dry-run", "--reason", "", *where(server)).stdout
    assert f"version {version(server)} → version {version(server) + 1} (dry run)" in said
    assert "- g1: allow tickets/ticket.read on ticket:T-1, by company|ada: pilot [SEC-12]" in said
    assert "+ g1: allow tickets/* on ticket:T-1, by company|ada: pilot [SEC-12]" in said
    run("grant", BARE, "tickets/*", "--dry-run", *where(server))
    run("disconnect", "company|mira", "company|docs-assistant", "--dry-run", *where(server))
    assert (policy_keys(server), changes(server)) == before


def test_changes_as_json(server, file):
    before = version(server)
    said = run_json("grant", BARE, "tickets/*", "--id", "x", *where(server))
    grant = server.client.hget(key(f"grants:{BARE}"), "x")
    assert said == {"dry_run": False, "tenants": [{"tenant": "default", "from": before, "to": before + 1, "written": True,
                    "changes": [{"key": f"grants:{BARE}", "change": "created", "removed": {}, "written": {"x": grant}}]}]}
    said = run_json("apply", file(policy.base()), "--dry-run", *where(server))
    assert said == {"dry_run": True, "tenants": [{"tenant": "default", "from": before + 1, "to": before + 2, "written": False,
                    "changes": [{"key": f"grants:{BARE}", "change": "deleted", "removed": {"x": grant}, "written": {}}]}]}


def test_the_author_is_who_runs_it(server):
    import pwd
    run("grant", BARE, "tickets/*", "--id", "x", *where(server))
    login = pwd.getpwuid(os.geteuid()).pw_name
    assert changes(server)[-1]["by"] == login
    assert json.loads(server.client.hget(key(f"grants:{BARE}"), "x"))["by"] == login


def test_a_version_that_was_looked_at(server, file):
    """What somebody reviewed is applied, or nothing."""
    seen = version(server)
    run("grant", BARE, "tickets/*", "--id", "x", *where(server))
    before = policy_keys(server)
    done = run("apply", file(policy.base()), "--if-version", seen, *where(server), status=1)
    assert "nothing is written" in done.stderr and f"not {seen}" in done.stderr
    run("grant", BARE, "search/*", "--if-version", seen, *where(server), status=1)
    assert policy_keys(server) == before
    run("apply", file(policy.base()), "--if-version", seen + 1, *where(server))
    run("grant", BARE, "search/*", "--if-version", f"{seen + 2}", *where(server))
    run("apply", file(policy.base()), "--if-version", "now", *where(server), status=2)


def test_changes_at_once_are_all_made(server):
    before = version(server)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: run("grant", BARE, "tickets/*", "--id", f"g{i}", *where(server)), range(24)))
    assert version(server) == before + 24
    assert len(server.client.hgetall(key(f"grants:{BARE}"))) == 24
    assert [int(e["version"]) for e in changes(server)[-24:]] == list(range(before + 1, before + 25))


def test_policies_applied_at_once_are_whole(server, file):
    """Each is written after the one that it was compared with, or refused."""
    files = []
    for i in range(12):
        content = policy.base()
        policy.grant(content, BARE, f"tickets/o{i}", id=f"g{i}")
        files.append(file(content, f"p{i}.json"))
    before = version(server)

    def apply(path):
        return subprocess.run([BINARY, "apply", str(path), "--reason", "race", *where(server)], capture_output=True,
                              text=True, timeout=60)

    with ThreadPoolExecutor(6) as pool:
        done = list(pool.map(apply, files))
    assert all(d.returncode == 0 or "by somebody else" in d.stderr for d in done)
    assert version(server) - before == sum(d.returncode == 0 for d in done) > 0
    assert len(server.client.hgetall(key(f"grants:{BARE}"))) == 1


def test_acknowledged_by_replicas(make_redis, server, file):
    replica = make_redis()
    replica.client.replicaof("127.0.0.1", server.port)
    # The server counts a replica later than the replica believes in its link.
    eventually(lambda: server.client.info("replication").get("slave0", {}).get("state") == "online", timeout=15)
    run("grant", BARE, "tickets/*", "--id", "x", "--replicas", "1", *where(server))
    assert replica.client.hexists(key(f"grants:{BARE}"), "x"), "acknowledged is: a replica has it"
    before = policy_keys(server)
    done = run("grant", BARE, "tickets/*", "--id", "y", "--replicas", "2", *where(server), status=1)
    assert "nothing is written" in done.stderr and policy_keys(server) == before
    replica.hang()
    done = run("grant", BARE, "tickets/*", "--id", "z", *where(server), status=1)
    replica.go_on()
    assert "written, but only 0 of 1 replicas have it" in done.stderr
    assert server.client.hexists(key(f"grants:{BARE}"), "z")


def test_fault_a_user_who_may_not_write(make_redis, file):
    server = make_redis("acl")  # the gateway's own user reads policy
    server.load(policy.base())
    before = policy_keys(server)
    for command in (("grant", BARE, "tickets/*"), ("apply", file(policy.base())), ("revoke", BARE, "--all"),
                    ("disconnect", "company|mira", "company|docs-assistant")):
        assert run(*command, *where(server), status=1).stderr
    assert policy_keys(server) == before
