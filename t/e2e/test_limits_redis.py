"""Limits whose counters are in Redis: one for all nginx, over restarts, and what happens when it is gone."""
import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from plugins import mcp, policy
from plugins.backend import json_answer
from plugins.nginx import ROOT
from plugins.server import HANG
from plugins.site import allowed
from plugins.wait import eventually

READ = "agent_tool ticket.read {{ scope tickets:read; resource ticket:<id>; {} }}"


@pytest.fixture
def server(make_redis):
    made = make_redis()
    made.load(policy.base())
    return made


def limited(answer, reason="limit_exceeded"):
    assert answer.status == 429, f"{answer.status} {answer.text}"
    data = answer.json()["error"]["data"]
    assert data["reason"] == reason and data["retry_after"] == int(answer.header("Retry-After")) >= 1
    return data


def pair(make_site, server, tools, **pieces):
    """Two nginx with one Redis, and a token that both take."""
    one = make_site(store=server.store, tools=tools, workers="2", **pieces)
    two = make_site(store=server.store, tools=tools, workers="2", authority=one.issuer, **pieces)
    one.issuer.audience = [one.resource, two.resource]
    return one, two, one.token()


@pytest.mark.parametrize("kind", ["40r/h", "40r/d", "40r/month", "40r/h window", "40u/d"])
def test_64_clients_on_two_nginx_never_get_more(make_site, server, kind):
    one, two, token = pair(make_site, server, READ.format(f"limit agent {kind};"))
    with ThreadPoolExecutor(64) as pool:
        found = list(pool.map(lambda i: (one if i % 2 else two).call(token=token, id=i).status, range(256)))
    assert found.count(200) == 40 and found.count(429) == 216, {s: found.count(s) for s in set(found)}
    assert one.backend.count() + two.backend.count() == 40


@pytest.mark.parametrize("kind", ["2r/h", "2r/d", "2r/month"])
def test_what_was_used_survives_a_restart_of_nginx(make_site, server, kind):
    one = make_site(store=server.store, tools=READ.format(f"limit agent {kind};"))
    token = one.token()
    allowed(one.call(token=token))
    one.nginx.stop()
    one.start()
    second = one.call(token=token)
    allowed(second)
    assert re.search(r";r=0;t=\d+$", second.header("RateLimit"))
    limited(one.call(token=token))
    keys = [k for k in server.client.scan_iter("agw:v:*") if ":limit:" in k]
    assert len(keys) == 1 and keys[0].startswith("agw:v:{default}:limit:tickets/ticket.read:agent:r/"), keys
    assert server.client.pttl(keys[0]) > 0


def test_two_limits_take_both_or_none(make_site, server):
    site = make_site(store=server.store, tools=READ.format("limit agent 5r/h; limit user 1r/h;"))
    allowed(site.call())
    for _ in range(10):
        assert limited(site.call())["limit"] == "user 1r/h"
    for user in ("a", "b", "c", "d"):
        allowed(site.call(token=site.token(user=user)))
    assert limited(site.call(token=site.token(user="e")))["limit"] == "agent 5r/h"


@pytest.mark.parametrize("how", ["close", "reset"])
def test_calls_at_once_over_two_nginx(make_site, server, how):
    one, two, token = pair(make_site, server, READ.format("limit agent 2c;"))
    one.backend.answer = two.backend.answer = HANG
    streams = [s.begin_post(mcp.call("ticket.read", {"id": "T-1"}), token) for s in (one, two)]
    eventually(lambda: one.backend.count() == 1 and two.backend.count() == 1)
    limited(one.call(token=token), "limit_concurrency")
    limited(two.call(token=token), "limit_concurrency")
    one.backend.answer = two.backend.answer = None
    for stream in streams:
        stream.close() if how == "close" else stream.reset()
    eventually(lambda: one.call(token=token).status == 200 and two.call(token=token).status == 200)
    eventually(lambda: not list(server.client.scan_iter("agw:v:*:limit:*")))


def test_a_burst_waits_for_its_turn(make_site, server):
    one, two, token = pair(make_site, server, READ.format("limit agent 20r/s burst=1 queue=10s;"))
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda i: (one if i % 2 else two).call(token=token, id=i).status, range(16)))
    assert found == [200] * 16


def test_bytes_of_answers(make_site, server):
    site = make_site(store=server.store, tools=READ.format("limit agent 1kb/d;"))
    site.backend.answer = json_answer({"jsonrpc": "2.0", "id": 1, "result": {"text": "x" * 2000}})
    allowed(site.call())
    eventually(lambda: site.call().status == 429)


def test_a_threshold_is_one_event_for_all(make_site, server):
    one, two, token = pair(make_site, server, READ.format("limit agent 10r/d warn=50,80;"))
    for i in range(12):
        (one if i % 2 else two).call(token=token, id=i)

    def told():
        return sorted(re.search(r"(\d+) %", e["text"])[1] for s in (one, two) for e in s.nginx.audit()
                      if e["type"] == "limit.threshold")
    eventually(lambda: told() == ["50", "80"])


def test_redis_that_forgot_the_script(make_site, server):
    site = make_site(store=server.store, tools=READ.format("limit agent 2r/h;"))
    allowed(site.call())
    server.client.script_flush()
    allowed(site.call())
    limited(site.call())


def test_a_key_of_another_type_denies_that_call_only(make_site, server):
    site = make_site(store=server.store, tools=READ.format("limit agent 2r/h;"))
    server.client.set("agw:v:{default}:limit:tickets/ticket.read:agent:r/h:company|docs-assistant", "x")
    answer = site.call()
    assert answer.status == 503 and answer.json()["error"]["data"]["reason"] == "limit_unavailable"
    allowed(site.call(token=site.token(agent="low-agent")))


def test_counters_that_may_not_be_written(make_site, make_redis):
    """Denied, unless the configuration says that the node counts for itself."""
    server = make_redis()
    server.load(policy.base())
    admin = server.client
    admin.execute_command("ACL", "SETUSER", "default", "-eval", "-evalsha")
    site = make_site(store=server.store, tools=READ.format("limit agent 2r/h;"))
    answer = site.call()
    assert answer.status == 503 and answer.json()["error"]["data"]["reason"] == "limit_unavailable"
    assert int(answer.header("Retry-After")) >= 1
    assert site.backend.count() == 0
    other = make_site(store=server.store, tools=READ.format("limit agent 2r/h;"), http="agent_limit_on_error local;")
    allowed(other.call())
    allowed(other.call())
    limited(other.call())
    admin.execute_command("ACL", "SETUSER", "default", "+eval", "+evalsha")
    allowed(site.call())


def test_the_permissions_that_the_docs_name_are_enough(make_site, make_redis):
    server = make_redis("acl")
    server.load(policy.base())
    text = (ROOT / "docs/store.md").read_text()
    first = re.search(r"^user gateway on >… (.*?)^```", text, re.M | re.S)[1].replace("\\", " ").split()
    more = re.search(r"^ +(\+eval .*)$", text, re.M)[1].split()
    server.client.execute_command("ACL", "SETUSER", "gateway", "resetkeys", "resetchannels", "nocommands", *first, *more)
    site = make_site(store=server.store, tools=READ.format("limit agent 1r/h; limit agent 10r/d; limit agent 5c;"))
    allowed(site.call())
    limited(site.call())
    eventually(lambda: not server.client.exists("agw:v:{default}:limit:tickets/ticket.read:agent:c:company|docs-assistant"))


def test_a_counter_of_a_wrong_type_is_said_once(make_site, server):
    site = make_site(store=server.store, tools=READ.format("limit agent 40r/h;"), workers="1")
    token = site.token()
    allowed(site.call(token=token))
    [counter] = [k for k in server.client.scan_iter("agw:v:*") if ":limit:" in k]
    server.client.delete(counter)
    server.client.rpush(counter, "x")
    for _ in range(5):
        answer = site.call(token=token)
        assert "result" not in answer.text and answer.event()["reason"] == "limit_unavailable"
    said = [line for line in site.nginx.error_log.splitlines() if counter in line]
    assert len(said) == 1 and "is not a hash" in said[0]
    server.client.delete(counter)
    allowed(site.call(token=token))
