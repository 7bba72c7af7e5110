"""Circuit breakers: each refusal beside the call that passes; tripped by denials and errors, opened and closed by hand, on
one node and on several."""
import json
import os
import re
import signal
import time

import pytest

from plugins import mcp, policy
from plugins.agwctl import BINARY, run, run_json, where
from plugins.backend import json_answer
from plugins.nginx import ROOT
from plugins.redis import key
from plugins.server import HANG
from plugins.site import allowed, denied, problem
from plugins.wait import eventually

AGENT = "agent_breaker agent denials=50%/1h min=4 for=1h;"
BY_HAND = "agent_breaker agent denials=50%/1h min=4 by_hand;"
DOCS = "company|docs-assistant"
FAILS = json_answer({"message": "out of order"}, 500)
needs_agwctl = pytest.mark.skipif(not os.path.exists(BINARY), reason="agwctl is not built: make build")


def events(site, kind):
    return [event for event in site.nginx.audit() if event["type"] == f"breaker.{kind}"]


def narrow(site, token=None, ticket="T-2"):
    """A call that a narrow agent has no grant for, or (T-1) one that it has."""
    return site.call(token=token or site.token(agent="narrow-agent"), arguments={"id": ticket})


def be_denied(site, token=None, times=6):
    for _ in range(times):
        denied(narrow(site, token), "agent_grant_missing")


def held(answer, retry=None):
    """Refused by an agent's breaker."""
    assert answer.status == 403, f"{answer.status} {answer.text}"
    error = answer.json()["error"]
    assert error["code"] == 4030 and error["data"]["reason"] == "agent_breaker_open", error
    event = answer.event()
    assert event["decision"] == "deny" and event["reason"] == "agent_breaker_open" and event["outcome"] == "refused", event
    assert event["checks"]["agent"] == "fail", event
    if retry is None:
        assert answer.header("Retry-After") is None and "retry_after" not in error["data"], answer.headers
    else:
        assert 0 < int(answer.header("Retry-After")) <= retry
        assert error["data"]["retry_after"] == int(answer.header("Retry-After"))
    return event


def fail(site, times=6):
    site.backend.answer = FAILS
    for _ in range(times):
        assert site.call().status in (500, 503)
    eventually(lambda: site.call().status == 503)


def shut(answer, retry):
    """Refused because the backend's is open."""
    assert answer.status == 503, f"{answer.status} {answer.text}"
    error = answer.json()["error"]
    assert error["code"] == 5030 and error["data"]["reason"] == "backend_breaker_open", error
    assert 0 < int(answer.header("Retry-After")) <= retry
    assert answer.event()["outcome"] == "refused"


def test_an_agent_that_is_denied_too_often(make_site):
    site = make_site(mcp=AGENT, workers="2")
    token = site.token(agent="narrow-agent")
    allowed(narrow(site, token, "T-1"))
    be_denied(site, token)
    eventually(lambda: narrow(site, token, "T-1").status == 403)
    # On every worker, whatever it asks; and its denials have their own reasons still.
    for _ in range(8):
        held(narrow(site, token, "T-1"), 3600)
    assert site.post(mcp.message("tools/list"), token).status == 403
    denied(narrow(site, token), "agent_grant_missing")
    # Another agent's calls are its own, and so are the calls of other locations' breakers.
    allowed(site.call())
    assert site.rest(token=token).status == 200
    eventually(lambda: len(events(site, "open")) == 1)
    assert not events(site, "close")
    event = events(site, "open")[0]
    assert event["reason"] == "agent_breaker_open" and event["agent"]["id"] == "company|narrow-agent", event
    assert "agent denials=50%/1h at tickets/*: " in event["detail"] and "until 20" in event["text"], event
    assert site.series('agent_breaker_trips_total{subject="agent",place="tickets/*"}') == 1
    assert site.series("agent_breaker_open_agents") == 1


def test_http_and_server_hold_everywhere(make_site):
    for place in ("http", "server"):
        site = make_site(**{place: AGENT})
        token = site.token(agent="narrow-agent")
        assert site.rest(token=token).status == 200
        be_denied(site, token)
        eventually(lambda: site.rest(token=token).status == 403)
        problem(site.rest(token=token), 403, "agent_breaker_open")
        assert site.rest().status == 200


def test_off_and_replacing(make_site):
    site = make_site(http="agent_breaker agent denials=50%/1h min=1000 for=1h;", mcp="agent_breaker off;", api=AGENT)
    token = site.token(agent="narrow-agent")
    be_denied(site, token, 8)
    allowed(narrow(site, token, "T-1"))
    for _ in range(6):
        problem(site.rest(target="/api/tickets/T-2", token=token), 403, "agent_grant_missing")
    eventually(lambda: site.rest(token=token).status == 403)
    allowed(narrow(site, token, "T-1"))


def test_what_isnt_the_agents_doing(make_site):
    site = make_site(mcp="agent_breaker agent denials=1%/1h min=1 for=1h; agent_limit agent 2r/h;")
    assert site.call(token=None).status == 401
    assert site.call(token=site.token() + "x").status == 401
    assert site.call(token=site.token(exp=1)).status == 401
    allowed(site.call())
    site.backend.answer = FAILS
    assert site.call().status == 500
    site.backend.answer = None
    for _ in range(3):
        assert site.call().status == 429
    # Nothing of it: it is still a limit that refuses.
    assert site.call().event()["reason"] == "limit_exceeded"
    assert not events(site, "open")


def test_an_agents_errors(make_site):
    site = make_site(mcp="agent_breaker agent errors=50%/1h min=4 for=1h;")
    be_denied(site)
    site.backend.answer = FAILS
    for _ in range(5):
        assert site.call().status in (500, 403)
    eventually(lambda: site.call().status == 403)
    held(site.call(), 3600)
    site.backend.answer = None
    allowed(narrow(site, ticket="T-1"))
    assert site.rest().status == 200


def test_an_agents_closes_after_its_time(make_site):
    site = make_site(mcp="agent_breaker agent denials=50%/1h min=4 for=1s;")
    be_denied(site)
    eventually(lambda: len(events(site, "open")) == 1)
    eventually(lambda: narrow(site, ticket="T-1").status == 200)
    eventually(lambda: len(events(site, "close")) == 1)
    assert "its time is over" in events(site, "close")[0]["text"]
    # It begins anew: what was denied before is forgotten.
    denied(narrow(site), "agent_grant_missing")
    allowed(narrow(site, ticket="T-1"))


@pytest.mark.parametrize("how", ["answer", "connection", "silence"])
def test_a_backend_that_fails_is_not_asked(make_site, how):
    site = make_site(http="agent_breaker backend errors=50%/1h min=4 for=1h;",
                     mcp="proxy_read_timeout 200ms; proxy_next_upstream off;")
    allowed(site.call())
    if how == "answer":
        site.backend.answer = FAILS
    elif how == "silence":
        site.backend.answer = HANG
    else:
        site.backend.stop()
    if how != "answer":
        site.nginx.allow(r"upstream|connect\(\) failed|recv\(\) failed")
    expected = {"answer": (500,), "silence": (504,), "connection": (502,)}[how]
    for _ in range(5):
        assert site.call().status in (*expected, 503)
    eventually(lambda: site.call().status == 503)
    asked = site.backend.count()
    shut(site.call(), 3600)
    problem(site.rest(), 503, "backend_breaker_open")
    assert site.post(mcp.message("tools/list")).status == 503
    assert site.backend.count() == asked
    # What is denied anyway says why.
    denied(narrow(site), "agent_grant_missing")
    eventually(lambda: len(events(site, "open")) == 1)
    assert site.series('agent_breaker_open_backends{backend="tickets"}') == 1


def test_a_backend_that_recovers(make_site):
    site = make_site(mcp="agent_breaker backend errors=50%/1h min=4 for=1s; agent_limit user 7r/h;")
    site.backend.answer = FAILS
    for _ in range(4):
        site.call()
    eventually(lambda: len(events(site, "open")) == 1)
    other = site.token(user="mila")
    site.backend.answer = None
    eventually(lambda: site.call(token=other).status == 200)
    eventually(lambda: len(events(site, "close")) == 1)
    assert "because a call succeeded" in events(site, "close")[0]["text"]
    for _ in range(3):
        allowed(site.call())
    assert site.call().status == 429
    assert site.series('agent_breaker_open_backends{backend="tickets"}') == 0


def test_a_backend_that_still_fails_stays_shut(make_site):
    site = make_site(mcp="agent_breaker backend errors=50%/1h min=4 for=1s;")
    fail(site)
    # One try for each second; each fails, and nobody is told twice of what was open all the time.
    asked = site.backend.count()
    eventually(lambda: site.call().status == 500, timeout=10)
    assert site.backend.count() == asked + 1
    site.backend.answer = None
    eventually(lambda: site.call().status == 200, timeout=10)
    eventually(lambda: len(events(site, "close")) == 1)
    assert len(events(site, "open")) == 1


def test_backends_own_refusals_and_clients_that_leave_dont_count(make_site):
    site = make_site(mcp="agent_breaker backend errors=1%/1h min=1 for=1h;")
    for status in (401, 403, 404, 429):
        site.backend.answer = json_answer({}, status)
        assert site.call().status in (status, 502)
    site.backend.answer = HANG
    before = site.backend.count()
    streams = [site.begin_post(mcp.call("ticket.read", {"id": "T-1"})) for _ in range(3)]
    eventually(lambda: site.backend.count() == before + 3)
    for stream in streams:
        stream.reset()
    site.backend.answer = None
    eventually(lambda: len([e for e in site.nginx.audit() if e["outcome"] == "aborted"]) == 3)
    allowed(site.call())
    assert not events(site, "open")


def test_a_reload_keeps_it(make_site):
    site = make_site(mcp=AGENT)
    token = site.token(agent="narrow-agent")
    be_denied(site, token)
    eventually(lambda: narrow(site, token, "T-1").status == 403)
    site.reload(mcp="agent_breaker agent denials=99%/1h min=4 for=1h;", gone=True)
    held(narrow(site, token, "T-1"), 3600)
    allowed(site.call())
    site.reload(mcp="", gone=True)
    allowed(narrow(site, token, "T-1"))


def test_observing_refuses_nothing(make_site):
    site = make_site(mcp=AGENT + " agent_mode observe;")
    token = site.token(agent="narrow-agent")
    for _ in range(6):
        allowed(narrow(site, token))
    eventually(lambda: narrow(site, token, "T-1").event()["reason"] == "agent_breaker_open")
    answer = narrow(site, token, "T-1")
    allowed(answer)
    event = answer.event()
    assert event["enforced"] is False and event["decision"] == "deny" and event["outcome"] == "ok", event
    eventually(lambda: events(site, "open"))
    assert events(site, "open")[0]["enforced"] is False
    assert "only observed" in events(site, "open")[0]["text"]
    site.reload(mcp=AGENT, gone=True)
    allowed(narrow(site, token, "T-1"))


@pytest.mark.timeout(90)
def test_a_worker_that_dies_trying(make_site):
    site = make_site(mcp="agent_breaker backend errors=50%/1h min=4 for=1s;", workers="1")
    site.nginx.allow("exited on signal 9")
    fail(site)
    site.backend.answer = HANG
    asked = site.backend.count()
    tried = []

    def tries():
        tried.append(site.begin_post(mcp.call("ticket.read", {"id": "T-1"})))
        return eventually(lambda: site.backend.count() > asked, timeout=0.5)

    eventually(tries, timeout=30)
    for pid in site.nginx.workers():
        os.kill(pid, signal.SIGKILL)
    site.backend.answer = None
    eventually(lambda: site.call().status == 200, timeout=40, interval=0.2)
    for stream in tried:
        stream.close()
    eventually(lambda: len(events(site, "close")) == 1)


def test_by_hand_in_a_policy_file(make_site):
    site = make_site(mcp=BY_HAND)
    token = site.token(agent="narrow-agent")
    be_denied(site, token)
    eventually(lambda: narrow(site, token, "T-1").status == 403)
    held(narrow(site, token, "T-1"))
    # Closed long ago: that was another trip.
    site.change_policy(lambda t: t.update(breakers={"company|narrow-agent": {"state": "closed",
                                                                            "since": "2026-01-01T00:00:00Z"}}))
    eventually(lambda: "policy.change" in [e["type"] for e in site.nginx.audit()])
    held(narrow(site, token, "T-1"))
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time()))
    eventually(lambda: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time())) != now)
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time()))
    site.change_policy(lambda t: t.update(breakers={"company|narrow-agent": {"state": "closed", "since": now}}))
    eventually(lambda: narrow(site, token, "T-1").status == 200)
    eventually(lambda: "by hand" in events(site, "close")[0]["text"] if events(site, "close") else False)
    # One that is opened there holds without any agent_breaker, too.
    site.change_policy(lambda t: t.update(breakers={DOCS: {"state": "open", "until": "2100-01-01T00:00:00Z"}}))
    eventually(lambda: site.rest().status == 403)
    assert int(site.rest().header("Retry-After")) == 7 * 24 * 3600
    held(site.call(), 7 * 24 * 3600)
    allowed(narrow(site, token, "T-1"))


@pytest.fixture
def server(make_redis):
    made = make_redis()
    made.load(policy.base())
    return made


def pair(make_site, server, **pieces):
    """Two nginx with one Redis, and tokens that both take."""
    one = make_site(store=server.store, workers="2", **pieces)
    two = make_site(store=server.store, workers="2", authority=one.issuer, **pieces)
    one.issuer.audience = [one.resource, two.resource, f"http://127.0.0.1:{one.port}/api", f"http://127.0.0.1:{two.port}/api"]
    return one, two


@needs_agwctl
def test_by_hand_everywhere_at_once(make_site, server):
    one, two = pair(make_site, server, mcp=BY_HAND)
    docs, other = one.token(), one.token(agent="narrow-agent")
    for site in (one, two):
        allowed(site.call(token=docs))
    said = run("breaker", "open", DOCS, "--reason", "it reads everything", "--author", "ada", *where(server)).stdout
    assert "+ breaker:company|docs-assistant" in said and "state: open" in said
    for site in (one, two):
        eventually(lambda: site.call(token=docs).status == 403)
        for _ in range(6):
            held(site.call(token=docs))
        assert site.rest(token=docs).status == 403
        allowed(narrow(site, other, "T-1"))
    assert re.search(r"company\|docs-assistant +active, breaker open ", run("agents", *where(server)).stdout)
    entry = server.client.xrange("agw:v:{default}:changes")[-1][1]
    assert entry["by"] == "ada" and entry["reason"] == "it reads everything" and entry["what"] == f"+breaker:{DOCS}"
    assert entry["version"] == server.client.hget(key("meta"), "version")
    eventually(lambda: [e for s in (one, two) for e in s.nginx.audit() if e["type"] == "policy.change"])
    # Opening what is open changes nothing; only for some time is another thing.
    assert "nothing changes" in run("breaker", "open", DOCS, "--reason", "again", *where(server)).stdout
    run("breaker", "open", DOCS, "--for", "1h", "--reason", "for an hour", *where(server))
    eventually(lambda: one.call(token=docs).header("Retry-After"))
    held(one.call(token=docs), 3601)
    run("breaker", "close", DOCS, "--reason", "it was a test", *where(server))
    assert set(server.client.hgetall(key(f"breaker:{DOCS}"))) == {"state", "since"}
    for site in (one, two):
        eventually(lambda: site.call(token=docs).status == 200)


@needs_agwctl
def test_a_tripped_one_is_closed_on_its_node(make_site, server):
    one, two = pair(make_site, server, mcp=BY_HAND)
    token = one.token(agent="narrow-agent")
    be_denied(one, token)
    eventually(lambda: narrow(one, token, "T-1").status == 403)
    allowed(narrow(two, token, "T-1"))  # each node trips by itself
    for _ in range(2):
        run("breaker", "close", "company|narrow-agent", "--reason", "its grants were wrong", *where(server))
        eventually(lambda: narrow(one, token, "T-1").status == 200)
        allowed(narrow(two, token, "T-1"))
        be_denied(one, token, 8)
        eventually(lambda: narrow(one, token, "T-1").status == 403)
    eventually(lambda: len(events(one, "close")) == 2)
    assert not events(two, "close")


@needs_agwctl
def test_a_policy_that_doesnt_know_of_it_doesnt_close_it(make_site, server, tmp_path):
    site = make_site(store=server.store)
    run("breaker", "open", DOCS, "--reason", "emergency", *where(server))
    eventually(lambda: site.call().status == 403)
    exported = tmp_path / "exported.json"
    exported.write_text(run("export", *where(server)).stdout)
    assert f'"{DOCS}": {{"state": "open"' in exported.read_text()
    plain = tmp_path / "plain.json"
    content = policy.base()
    content["tenants"]["default"]["agents"]["company|bare-agent"]["name"] = "Another name"
    plain.write_text(json.dumps(content))
    assert "breaker" not in run("apply", plain, "--reason", "a name", *where(server)).stdout
    held(site.call())
    run("breaker", "close", DOCS, "--reason", "over", *where(server))
    eventually(lambda: site.call().status == 200)
    # What names it does open it.
    run("apply", exported, "--reason", "back to then", *where(server))
    eventually(lambda: site.call().status == 403)


@needs_agwctl
def test_explaining_it(make_site, server):
    site = make_site(store=server.store)
    asked = ("explain", "--state", site.prefix / "state", "--user", "company|mira", "--agent", DOCS, "--group",
             "company|support", "--operation", "tickets/ticket.read", "--resource", "ticket:T-1", *where(server))
    assert {r["reason"] for r in run_json(*asked)["results"]} == {"allowed"}
    run("breaker", "open", DOCS, "--reason", "emergency", *where(server))
    assert {r["reason"] for r in run_json(*asked, status=3)["results"]} == {"agent_breaker_open"}


@needs_agwctl
@pytest.mark.parametrize("words, said", [
    (("open", "docs", "--reason", "x"), "ISSUER|NAME"),
    (("open", DOCS, "--until", "2020-01-01T00:00:00Z", "--reason", "x"), "over already"),
    (("open", DOCS, "--for", "soon", "--reason", "x"), "30m"),
    (("close", DOCS), "--reason is missing")])
def test_what_agwctl_is_told_wrong(server, words, said):
    before = server.client.hget(key("meta"), "version")
    assert said in run("breaker", *words, *where(server), status=2).stderr
    assert server.client.hget(key("meta"), "version") == before


@pytest.mark.parametrize("damage", ["type", "state", "time"])
def test_a_record_that_cant_be_read_denies_that_agent(make_site, server, damage):
    site = make_site(store=server.store)
    allowed(site.call())
    where_it_is = key(f"breaker:{DOCS}")
    if damage == "type":
        server.client.set(where_it_is, "open")
    else:
        server.client.hset(where_it_is, mapping={"state": "ajar"} if damage == "state" else
                           {"state": "closed", "since": "yesterday"})
    server.bump()
    site.nginx.allow("store_invalid")
    eventually(lambda: site.call().status == 503)
    assert site.call().event()["reason"] == "store_invalid"
    allowed(narrow(site, ticket="T-1"))
    server.client.delete(where_it_is)
    server.bump()
    eventually(lambda: site.call().status == 200)


def test_a_warm_call_asks_redis_nothing(make_site, server):
    site = make_site(store=server.store, mcp=AGENT, workers="1")
    token = site.token()
    allowed(site.call(token=token))
    before = site.series("agent_copy_misses_total")
    for _ in range(5):
        allowed(site.call(token=token))
    assert site.series("agent_copy_misses_total") == before


def test_the_pages_example(make_site):
    block = re.search(r"```nginx\n(.*?)```", (ROOT / "docs/breakers.md").read_text(), re.S)[1]
    http, location = (re.findall(r"agent_breaker .*?;", part) for part in block.split("location /mcp"))
    assert len(http) == 1 and len(location) == 3
    allowed(make_site(http="\n".join(http), mcp="\n".join(location)).call())


def test_a_full_room_denies_nobody_and_is_told(make_site):
    site = make_site(start=False, mcp="agent_breaker agent denials=50%/1h min=1 for=1h;")
    whole = re.search(r"agent_zone.*?\n    \}\n", site.conf(), re.S)[0]
    site.start(gateway=whole.replace("agents 8m", "agents 1m"))
    site.nginx.allow("agent_breaker: there is no room")
    first = site.token(agent="narrow-agent")
    denied(narrow(site, first), "agent_grant_missing")
    eventually(lambda: narrow(site, first, "T-1").status == 403)
    for i in range(1000):
        assert site.call(token=site.token(agent=f"agent-{i}", provider="claude-code")).status in (200, 403)
        if site.series("agent_breaker_uncounted_total") > 0:
            break
    allowed(site.call())
    held(narrow(site, first, "T-1"), 3600)
    assert site.series("agent_breaker_uncounted_total") > 0
    assert site.nginx.errors("there is no room for more breakers")
