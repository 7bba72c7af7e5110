"""Who changed the policy, when and why, stands in the audit log: once, whatever restarts or fails meanwhile."""
import json
import os
import signal

import pytest

from plugins import policy
from plugins.agwctl import BINARY, run, where
from plugins.site import allowed
from plugins.wait import eventually

pytestmark = pytest.mark.skipif(not os.path.exists(BINARY), reason="agwctl is not built: make build")
BARE = "agent:company|bare-agent"


@pytest.fixture
def server(make_redis, tmp_path):
    server = make_redis()
    (tmp_path / "policy.json").write_text(json.dumps(policy.base()))
    run("apply", tmp_path / "policy.json", "--author", "root", *where(server))
    return server


def told(site):
    lines = [json.loads(line) for line in (site.prefix / "audit.jsonl").read_text().splitlines()]
    return [line for line in lines if line["type"] == "policy.change"]


def give(server, number):
    run("grant", BARE, "tickets/ticket.read", f"ticket:T-{number}", "--id", f"g{number}", "--reason",
        f"reason {number}", "--author", "ada", "--ticket", "SEC-12", *where(server))


def test_each_change_is_one_event(make_site, server):
    site = make_site(store=server.store)
    give(server, 1)
    eventually(lambda: len(told(site)) == 2, timeout=10)
    first, second = told(site)
    assert first["change"]["by"] == "root" and first["id"].startswith("default:"), "what was before this nginx, too"
    change = second.pop("change")
    assert change == {"version": "2", "by": "ada", "reason": "reason 1", "ticket": "SEC-12",
                      "what": "+grants:" + BARE}
    assert second["tenant"] == "default" and second["decision"] == "allow" and second["outcome"] == "ok"
    assert second["text"] == "ada changed the policy of tenant default to version 2: reason 1 (SEC-12)"


def test_a_restart_neither_repeats_nor_loses(make_site, server):
    site = make_site(store=server.store)
    give(server, 1)
    eventually(lambda: len(told(site)) == 2, timeout=10)
    site.nginx.stop()
    give(server, 2)
    site.nginx.start(site.conf())
    give(server, 3)
    eventually(lambda: len(told(site)) == 4, timeout=10)
    assert [event["change"]["version"] for event in told(site)] == ["1", "2", "3", "4"]


def test_workers_that_are_killed_lose_nothing(make_site, server):
    site = make_site(store=server.store)
    site.nginx.allow("exited on signal 9")
    for number in range(4):
        give(server, number)
        for pid in site.nginx.workers():
            os.kill(pid, signal.SIGKILL)
    eventually(lambda: {event["change"]["version"] for event in told(site)} == {"1", "2", "3", "4", "5"}, timeout=25)


def test_two_gateways_tell_it_once_between_them(make_site, server):
    one, other = make_site(store=server.store), make_site(store=server.store)
    for number in range(6):
        give(server, number)
    eventually(lambda: len(told(one)) + len(told(other)) == 7, timeout=10)
    ids = [event["id"] for event in told(one) + told(other)]
    assert len(set(ids)) == 7


def test_without_the_right_calls_pass_and_the_log_says_it(make_site, make_redis):
    server = make_redis("acl")
    server.load(policy.base())
    server.client.execute_command("ACL", "SETUSER", "gateway", "resetkeys", "%R~agw:p:*")
    site = make_site(store=server.store)
    allowed(site.call())
    eventually(lambda: "agw:v:{default}:changes: NOPERM" in site.nginx.error_log, timeout=10)
    allowed(site.call())
    server.client.execute_command("ACL", "SETUSER", "gateway", "%RW~agw:v:*")
    server.client.xadd("agw:v:{default}:changes", {"version": "9", "by": "ada", "reason": "by hand"})
    eventually(lambda: [event["change"]["version"] for event in told(site)] == ["9"], timeout=20)
