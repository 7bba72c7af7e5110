"""Limits: each refusal beside the call that is let through, over MCP and REST, by one worker and by many."""
import os
import re
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from plugins import mcp
from plugins.backend import json_answer
from plugins.server import HANG
from plugins.site import allowed, problem
from plugins.wait import eventually

READ = "agent_tool ticket.read {{ scope tickets:read; resource ticket:<id>; {} }}"
TWO = READ + " agent_tool ticket.list {{ scope tickets:read; {} }}"


def limited(answer, reason="limit_exceeded"):
    assert answer.status == 429, f"{answer.status} {answer.text}"
    assert int(answer.header("Retry-After")) >= 1
    error = answer.json()["error"]
    assert error["code"] == 4290 and error["data"]["decision"] == "rate_limited", error
    assert error["data"]["reason"] == reason, error
    assert error["data"]["retry_after"] == int(answer.header("Retry-After"))
    event = answer.event()
    assert event["decision"] == "rate_limited" and event["reason"] == reason, event
    assert event["checks"]["limit"] == "fail" and event["outcome"] == "refused"
    return error


def crossings(site):
    return [event for event in site.nginx.audit() if event["type"] == "limit.threshold"]


@pytest.mark.parametrize("modern", [False, True])
def test_a_call_beyond_a_limit(make_site, modern):
    site = make_site(tools=READ.format("limit agent 2r/h;"))
    first = site.call(modern=modern)
    allowed(first)
    assert first.header("RateLimit-Policy") == '"agent 2r/h";q=2;w=3600'
    assert re.fullmatch(r'"agent 2r/h";r=1;t=1[78]\d\d', first.header("RateLimit"))
    assert first.event()["checks"]["limit"] == "pass"
    allowed(site.call(modern=modern))
    answer = site.call(modern=modern)
    assert limited(answer)["data"]["limit"] == "agent 2r/h"
    assert 1700 < int(answer.header("Retry-After")) <= 1800
    assert re.fullmatch(r'"agent 2r/h";r=0;t=3[56]\d\d', answer.header("RateLimit"))
    assert site.backend.count() == 2
    # Another agent's calls are its own.
    allowed(site.call(token=site.token(agent="low-agent"), modern=modern))


def test_over_rest(make_site):
    site = make_site(operations="agent_operation ticket.read GET /api/tickets/<id> "
                                "{ scope tickets:read; resource ticket:<id>; limit user 1r/h; }")
    assert site.rest().status == 200
    answer = site.rest()
    body = problem(answer, 429, "limit_exceeded")
    assert body["title"] == "Too Many Requests" and body["retry_after"] == int(answer.header("Retry-After"))
    assert site.rest(token=site.token(user="mila")).status == 200


def test_a_locations_limit_is_one_for_its_namespace(make_site):
    site = make_site(mcp="agent_limit agent 2r/h;", tools=TWO.format("", ""))
    allowed(site.call())
    allowed(site.call("ticket.list", {}))
    limited(site.call())
    # Handshakes and lists use nothing up.
    assert site.post(mcp.message("tools/list")).status == 200


def test_combinations_are_counted_apart(make_site):
    site = make_site(mcp="agent_limit agent+tool 1r/h;", tools=TWO.format("", ""))
    allowed(site.call())
    limited(site.call())
    allowed(site.call("ticket.list", {}))
    limited(site.call("ticket.list", {}))


def test_off_and_replacing(make_site):
    site = make_site(http="agent_limit agent 1r/h;", mcp="agent_limit off;", api="agent_limit agent 2r/h;")
    for _ in range(3):
        allowed(site.call())
    assert [site.rest().status for _ in range(3)] == [200, 200, 429]


def test_http_counts_all_locations_together(make_site):
    site = make_site(http="agent_limit agent 2r/h;")
    allowed(site.call())
    assert site.rest().status == 200
    limited(site.call())
    assert site.rest().status == 429


def test_what_is_denied_uses_nothing_up(make_site):
    site = make_site(tools=READ.format("limit user 1r/h;"))
    for _ in range(3):
        assert "error" in site.call(token=site.token(agent="narrow-agent"), arguments={"id": "T-2"}).json()
    allowed(site.call(token=site.token(agent="narrow-agent")))
    limited(site.call())


def test_observing_uses_nothing_up(make_site):
    site = make_site(tools=READ.format("limit agent 1r/h;"), mcp="agent_mode observe;")
    for expected in ("allowed", "limit_exceeded"):
        answer = site.call()
        allowed(answer)
        event = answer.event()
        assert event["reason"] == expected and event["enforced"] is False
    site.reload(mcp="", gone=True)
    allowed(site.call())
    limited(site.call())


def test_a_reload_keeps_what_was_used(make_site):
    site = make_site(tools=READ.format("limit agent 3r/h;"))
    allowed(site.call())
    site.reload(tools=READ.format("limit agent 2r/h;"), gone=True)
    allowed(site.call())
    limited(site.call())


@pytest.mark.parametrize("kind", ["40r/h", "40r/d", "40r/h window"])
def test_64_clients_on_all_workers_never_get_more(make_site, kind):
    site = make_site(tools=READ.format(f"limit agent {kind};"), workers="4")
    token = site.token()
    with ThreadPoolExecutor(64) as pool:
        found = list(pool.map(lambda i: site.call(token=token, id=i).status, range(256)))
    assert found.count(200) == 40 and found.count(429) == 216, {s: found.count(s) for s in set(found)}
    assert site.backend.count() == 40


def test_a_burst_waits_for_its_turn(make_site):
    site = make_site(tools=READ.format("limit agent 20r/s burst=1 queue=5s;"))
    token = site.token()
    began = time.monotonic()
    with ThreadPoolExecutor(21) as pool:
        found = list(pool.map(lambda i: site.call(token=token, id=i).status, range(21)))
    assert found == [200] * 21
    assert 0.9 < time.monotonic() - began < 3


def test_no_longer_than_it_may(make_site):
    site = make_site(tools=READ.format("limit agent 1r/m burst=1 queue=1s;"))
    allowed(site.call())
    limited(site.call())


@pytest.mark.parametrize("how", ["close", "reset", "answer"])
def test_calls_at_once_end_however_the_call_ends(make_site, how):
    """A client that doesn't close its side is waited for, and holds no place meanwhile."""
    site = make_site(tools=READ.format("limit agent 2c;"),
                     http="lingering_close always; lingering_timeout 60s; lingering_time 60s;")
    token = site.token()
    go_on = threading.Event()

    def wait(_):
        go_on.wait(20)

    site.backend.answer = wait if how == "answer" else HANG
    streams = [site.begin_post(mcp.call("ticket.read", {"id": "T-1"}), token) for _ in range(2)]
    eventually(lambda: site.backend.count() == 2)
    answer = site.call(token=token)
    limited(answer, "limit_concurrency")
    assert answer.header("RateLimit-Policy") == '"agent 2c";q=2;qu="concurrent-requests"'
    for stream in streams:
        if how != "answer":
            stream.close() if how == "close" else stream.reset()
    go_on.set()
    site.backend.answer = None
    eventually(lambda: site.call(token=token).status == 200, timeout=15)
    if how == "answer":
        assert all(stream.finish().status == 200 for stream in streams)


def test_a_place_is_held_until_the_answer_has_gone_out(make_site):
    site = make_site(tools=READ.format("limit agent 1c;"))
    token = site.token()
    site.backend.answer = lambda _: json_answer({"jsonrpc": "2.0", "id": 1, "result": {"text": "x" * (24 << 20)}})
    slow = site.begin_post(mcp.call("ticket.read", {"id": "T-1"}), token)
    assert slow.head().status == 200
    site.backend.answer = None
    limited(site.call(token=token), "limit_concurrency")
    eventually(lambda: site.backend.count() == 1)
    limited(site.call(token=token), "limit_concurrency")
    slow.finish()
    eventually(lambda: site.call(token=token).status == 200)


@pytest.mark.long
@pytest.mark.timeout(90)
def test_a_killed_workers_places_run_out_and_a_living_ones_do_not(make_site):
    site = make_site(tools=READ.format("limit agent 2c;"), workers="2")
    site.nginx.allow("exited on signal 9")
    token = site.token()
    site.backend.answer = HANG
    dying = site.begin_post(mcp.call("ticket.read", {"id": "T-1"}), token)
    eventually(lambda: site.backend.count() == 1)
    workers = set(site.nginx.workers())
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: len(set(site.nginx.workers()) - workers) == 2)
    living = site.begin_post(mcp.call("ticket.read", {"id": "T-1"}), token)
    eventually(lambda: site.backend.count() == 2)
    site.backend.answer = None
    began = time.monotonic()
    limited(site.call(token=token), "limit_concurrency")
    eventually(lambda: site.call(token=token).status == 200, timeout=40, interval=0.5)
    assert time.monotonic() - began > 20
    dying.close()
    living.close()


def test_bytes_of_requests_and_answers(make_site):
    site = make_site(tools=READ.format("limit agent 1kb/d;"))
    site.backend.answer = json_answer({"jsonrpc": "2.0", "id": 1, "result": {"text": "x" * 2000}})
    allowed(site.call())
    # What an answer took is counted when it has been sent.
    eventually(lambda: site.call().status == 429)
    limited(site.call())


def test_costs(make_site):
    site = make_site(mcp="agent_limit agent 10u/d;", tools=TWO.format("cost 4;", ""))
    assert [site.call(id=i).status for i in range(3)] == [200, 200, 429]
    assert [site.call("ticket.list", {}, id=i).status for i in range(3)] == [200, 200, 429]


def test_a_threshold_is_one_event(make_site):
    site = make_site(tools=READ.format("limit agent 10r/d warn=50,80;"))
    for i in range(12):
        last = site.call(id=i)
    limited(last)
    eventually(lambda: len(crossings(site)) == 2)
    events = crossings(site)
    assert sorted(re.search(r"(\d+) %", e["text"])[1] for e in events) == ["50", "80"], events


def test_a_small_room_denies_and_forgets_nobody(make_site):
    each = [f"limit user{more} {amount};" for more in ("", "+agent", "+tool", "+class", "+tenant", "+team")
            for amount in ("1r/d", "5u/d", "9mb/d", "5r/month", "5u/month", "9mb/month")]
    site = make_site(start=False, tools=READ.format("\n".join(each)))
    whole = re.search(r"agent_zone.*?\n    \}\n", site.conf(), re.S)[0]
    site.start(gateway=whole.replace("agents 8m", "agents 1m"))
    first = site.token(user="user-0")
    allowed(site.call(token=first))
    answers = (site.call(token=site.token(user=f"user-{i}")) for i in range(1, 1000))
    full = next(answer for answer in answers if answer.status != 200)
    assert full.status == 503 and full.json()["error"]["data"]["reason"] == "limit_room_full", full.text
    limited(site.call(token=first))


def test_explaining_uses_nothing_up(make_site):
    site = make_site(tools=READ.format("limit agent 1r/h;"))
    routes = (site.prefix / "state/routes.json").read_text()
    assert '"limits":[{"place":"tickets/ticket.read","limit":"agent 1r/h"}]' in routes
    allowed(site.call())
