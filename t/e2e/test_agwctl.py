"""The command-line tool: what it writes is what the gateway reads, and what it explains is what the gateway does."""
import json
import os
import subprocess

import pytest

from plugins import policy
from plugins.agwctl import BINARY, run, where
from plugins.nginx import ROOT
from plugins.policy import tenant
from plugins.redis import key
from plugins.site import allowed, hidden
from plugins.wait import eventually

pytestmark = pytest.mark.skipif(not os.path.exists(BINARY), reason="agwctl is not built: make build")


@pytest.fixture
def file(tmp_path):
    def write(content, name="policy.json"):
        path = tmp_path / name
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path
    return write


@pytest.mark.parametrize("kind", ["tcp", "unix", "tls", "password"])
def test_what_it_applies_is_what_the_gateway_reads(make_site, make_redis, file, kind):
    server = make_redis(kind)
    run("apply", file(policy.base()), *where(server))
    site = make_site(store=server.store)
    allowed(site.call())
    hidden(site.call(token=site.token(agent="bare-agent")), "ticket.read")
    visitor = site.call(token=site.token(agent="registered-itself"))
    allowed(visitor)
    assert visitor.event()["agent"]["tier"] == "visitor"
    assert site.call(token=site.token(user="dora")).status == 403
    content = policy.base()
    tenant(content)["agents"]["company|docs-assistant"]["bundles"] = []
    version = int(server.client.hget(key("meta"), "version"))
    said = run("apply", file(content), *where(server)).stdout
    assert "docs-assistant" in said, "it shows what changes"
    assert int(server.client.hget(key("meta"), "version")) == version + 1
    hidden(site.call(), "ticket.read")


def test_applying_the_same_again_changes_nothing(make_redis, file):
    server = make_redis()
    run("apply", file(policy.base()), *where(server))
    before = {k: server.client.hgetall(k) for k in server.client.scan_iter("agw:p:*") if not k.endswith(":meta")}
    said = run("apply", file(policy.base()), *where(server)).stdout
    after = {k: server.client.hgetall(k) for k in server.client.scan_iter("agw:p:*") if not k.endswith(":meta")}
    assert before == after and "docs-assistant" not in said


def test_what_a_file_no_longer_names_is_gone(make_redis, file):
    server = make_redis()
    run("apply", file(policy.base()), *where(server))
    content = policy.base()
    del tenant(content)["agents"]["company|bare-agent"]
    tenant(content)["grants"] = []
    run("apply", file(content), *where(server))
    assert not server.client.exists(key("agent:company|bare-agent"))
    assert not server.client.exists(key("grants:agent:company|narrow-agent"))
    assert server.client.exists(key("agent:company|docs-assistant"))


def test_what_it_exports_is_what_it_applied(make_redis, file):
    server, twin = make_redis(), make_redis()
    run("apply", file(policy.base()), *where(server))
    exported = run("export", *where(server)).stdout
    assert json.loads(exported)["schema"] == 1
    run("apply", file(exported, "exported.json"), *where(twin))
    assert run("export", *where(twin)).stdout == exported

    def content(s):
        return {k: s.client.hgetall(k) for k in s.client.scan_iter("agw:p:*") if not k.endswith(":meta")}

    assert content(server) == content(twin)


@pytest.mark.parametrize("text,words", [
    ("{", "line|JSON"), ('{"schema": 7, "tenants": {}}', "schema"),
    ('{"schema": 1, "tenants": {"default": {"grants": [{"id": "g", "to": "agent:company|a", "operation": "x*"}]}}}',
     "grants"),
    ('{"schema": 1, "tenants": {"default": {"agents": {"company|a": {"bundles": ["none"]}}}}}', "none")])
def test_check_says_what_is_wrong_and_where(make_redis, file, text, words):
    import re
    path = file(text)
    done = run("check", path, status=1)
    assert re.search(words, done.stdout + done.stderr) and "policy.json" in done.stdout + done.stderr
    server = make_redis()
    run("apply", path, *where(server), status=1)
    assert not list(server.client.scan_iter("*")), "nothing of a broken file is written"


def test_check_passes_what_is_good(file):
    run("check", file(policy.base()))
    run("check", ROOT / "conf/examples/policy.json")


CASES = [("company|mira", "company|docs-assistant", "tickets/ticket.read", "ticket:T-1", "allowed"),
         ("company|dora", "company|docs-assistant", "tickets/ticket.read", "ticket:T-1", "user_disabled"),
         ("company|nobody", "company|docs-assistant", "tickets/ticket.read", "ticket:T-1", "user_entitlement_missing"),
         ("company|omar", "company|narrow-agent", "tickets/ticket.read", "ticket:T-1", "allowed"),
         ("company|omar", "company|narrow-agent", "tickets/ticket.read", "ticket:T-2", "user_entitlement_missing"),
         ("company|omar", "company|bare-agent", "tickets/ticket.read", "ticket:T-1", "agent_grant_missing"),
         ("company|otto", "company|docs-assistant", "tickets/ticket.read", "ticket:T-1", "user_entitlement_missing"),
         ("company|omar", "company|docs-assistant", "tickets/none", "ticket:T-1", "operation_unknown")]


def test_explain_is_what_the_gateway_does(make_site):
    site = make_site()
    content = policy.base()
    policy.grant(content, "user:company|mira", "tickets/*", id="mira")
    site.write_policy(content)
    for user, agent, operation, resource, reason in CASES:
        done = subprocess.run([BINARY, "explain", "--user", user, "--agent", agent, "--operation", operation,
                               "--resource", resource, "--state", str(site.prefix / "state"),
                               "--store", f"file:{site.policy_path}"], capture_output=True, text=True, timeout=30)
        said = done.stdout + done.stderr
        assert reason in said, f"{user} {agent} {operation}: {said}"
        for check in ("user", "agent", "delegation", "scope", "route"):
            assert check in said
        if operation == "tickets/ticket.read":
            token = site.token(user=user.split("|")[1], agent=agent.split("|")[1], groups=[])
            assert site.call(arguments={"id": resource[7:]}, token=token).event()["reason"] == reason


def test_explain_in_redis(make_site, make_redis, file):
    server = make_redis()
    run("apply", file(policy.base()), *where(server))
    site = make_site(store=server.store)
    done = subprocess.run([BINARY, "explain", "--user", "company|omar", "--agent", "company|narrow-agent", "--operation",
                           "tickets/ticket.read", "--resource", "ticket:T-1", "--state", str(site.prefix / "state"),
                           *where(server)], capture_output=True, text=True, timeout=30)
    assert "allowed" in done.stdout, done.stdout + done.stderr


def test_the_state_is_its_owners_alone(make_site):
    site = make_site()
    assert (site.prefix / "state").stat().st_mode & 0o777 == 0o700
    text = (site.prefix / "state/routes.json").read_text()
    routes = json.loads(text)
    assert "gateway-secret" not in text and any("ticket.read" in json.dumps(r) for r in routes["routes"])


def test_fault_redis_is_away(make_redis, file):
    server = make_redis()
    server.stop()
    done = subprocess.run([BINARY, "apply", str(file(policy.base())), "--reason", "r", *where(server)],
                          capture_output=True, text=True, timeout=30)
    assert done.returncode not in (0, -11, -6) and done.stderr


def test_exit_statuses(make_site, make_redis, file):
    """Scripts rely on them; docs/operations.md has the table."""
    good, broken = file(policy.base()), file("{", "broken.json")
    server, site = make_redis(), make_site()
    who = ("--user", "company|omar", "--operation", "tickets/ticket.read", "--resource", "ticket:T-1",
           "--state", site.prefix / "state", "--store", f"file:{site.policy_path}")
    allowed(site.call())
    log = site.nginx.audit_path
    changed = file("", "changed.jsonl")

    def lines():
        text = log.read_text()
        assert '"decision":"allow"' in text
        return text

    changed.write_text(eventually(lines).replace('"decision":"allow"', '"decision":"deny"', 1).replace('"seq":1', '"seq":3', 1))
    for status, commands in {
            0: [("check", good), ("apply", good, *where(server)), ("export", *where(server)),
                ("explain", "--agent", "company|narrow-agent", *who), ("audit", "verify", "--unkeyed", log), ("--help",)],
            1: [("check", broken), ("check", file("", "none.json")), ("apply", broken, *where(server)),
                ("export", "--store", "redis://127.0.0.1:1/0"), ("audit", "verify", "--unkeyed", "/nonexistent"),
                ("explain", "--agent", "company|narrow-agent", *who[:-1], "file:/nonexistent")],
            2: [(), ("applied", good), ("apply",), ("check",), ("explain", "--agent", "company|narrow-agent"),
                ("check", good, "--colour")],
            3: [("explain", "--agent", "company|bare-agent", *who), ("audit", "verify", "--unkeyed", changed)]}.items():
        for command in commands:
            done = run(*command, status=status)
            assert status == 0 or done.stdout + done.stderr, command
    table = (ROOT / "docs/operations.md").read_text()
    assert all(f"\n| {status} |" in table for status in range(4))


def test_help():
    said = run("--help").stdout
    assert all(word in said for word in ("apply", "export", "check", "explain"))
