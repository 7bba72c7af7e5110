"""Open streams end with what let them begin; beside each that ends stands one that goes on."""
import os
import threading
import time

import pytest

from plugins import mcp, policy
from plugins.agwctl import BINARY, run, where
from plugins.backend import plain, sse_answer
from plugins.nginx import ASAN
from plugins.redis import key
from plugins.wait import Lateness, eventually

BOUND = 10 if ASAN else 1  # seconds: what the documentation states; under sanitizers everything takes longer
FOR_EVER = 15.0
LISTEN = [("Accept", "text/event-stream")]


def event(text):
    return f"data: {text}\n\n"


class Feed:
    """A stream of the backend's: an event each 20 ms, until somebody closes the connection."""

    def __init__(self):
        self.open, self.lock = 0, threading.Lock()

    def __call__(self, received):
        if received.method == "POST" and b'"ping"' in received.body:
            return plain(received)
        feed = self

        class Endless(list):
            def __iter__(self):
                with feed.lock:
                    feed.open += 1
                try:
                    number = 0
                    while True:
                        yield event(f"n{number}")
                        yield 0.02
                        number += 1
                finally:
                    with feed.lock:
                        feed.open -= 1

        answer = sse_answer([])
        answer.body = Endless()
        return answer


def listen(site, how="GET", **who):
    token = site.token(**who)
    if how == "GET":
        stream = site.begin("GET", "/mcp", token, LISTEN)
    elif how == "listen":
        headers, body = mcp.modern("subscriptions/listen", {"notifications": {"toolsListChanged": True}})
        stream = site.begin_post(body, token, headers)
    elif how == "modern call":
        headers, body = mcp.modern_call("ticket.read", {"id": "T-1"})
        stream = site.begin_post(body, token, headers)
    else:
        stream = site.begin_post(mcp.call("ticket.read", {"id": "T-1"}), token)
    stream.begun = time.monotonic()
    assert stream.head().status == 200
    stream.read_until(b"n0")
    return stream


def ends(stream, since):
    """The rest, closed as a whole answer is: a chunk that was cut off would raise. How long it took."""
    while stream.read_some():
        assert time.monotonic() < since + FOR_EVER, "it goes on"
    stream.close()
    return time.monotonic() - since


def goes_on(stream):
    for _ in range(5):
        assert stream.read_some()


def event_of(site, stream):
    request_id = stream.head().header("X-Request-Id")
    return site.nginx.event(request_id)


def ended_for(site, stream, reason):
    found = event_of(site, stream)
    assert found["decision"] == "allow" and found["outcome"] == "error" and found["reason"] == reason, found
    ids = [e["id"] for e in site.nginx.audit()]
    assert ids.count(found["id"]) == 1


@pytest.fixture
def feeding(make_site):
    def begin(**pieces):
        site = make_site(**pieces)
        site.feed = site.backend.answer = Feed()
        return site
    return begin


CHANGES = {
    "delegation_disconnected": lambda t: t["delegations"].append(
        {"user": "company|vera", "agent": "company|docs-assistant", "status": "disconnected"}),
    "user_disabled": lambda t: t["users"].update({"company|vera": {"status": "disabled"}}),
    "token_issued_before": lambda t: t["users"].update({"company|vera": {"not_before": "2099-01-01T00:00:00Z"}}),
}


@pytest.mark.parametrize("how", ["GET", "listen", "call", "modern call"])
@pytest.mark.parametrize("reason", CHANGES)
def test_an_edit_of_the_policy_file_ends_it(feeding, how, reason):
    site = feeding()
    stays, goes = listen(site, how), listen(site, how, user="vera")
    begun = time.monotonic()
    site.change_policy(CHANGES[reason])
    ends(goes, begun)
    ended_for(site, goes, reason)
    goes_on(stays)
    assert eventually(lambda: site.feed.open == 1), "the backend's connection was closed"
    stays.reset()


def test_an_agent_that_is_disabled(feeding):
    site = feeding()
    site.change_policy(lambda t: t["agents"].update({"company|second": {"bundles": ["support"]}}))
    eventually(lambda: site.post(mcp.message("ping"), site.token(agent="second")).status == 200)
    stays, goes = listen(site), listen(site, agent="second")
    site.change_policy(lambda t: t["agents"].update({"company|second": {"status": "disabled"}}))
    ends(goes, time.monotonic())
    ended_for(site, goes, "agent_disabled")
    goes_on(stays)
    stays.reset()


def test_a_token_that_expires(feeding):
    site = feeding(skew="0s")
    stays = listen(site)
    goes = listen(site, lifetime=3)
    ends(goes, goes.begun)
    assert 1.5 < time.monotonic() - goes.begun
    ended_for(site, goes, "token_expired")
    goes_on(stays)
    stays.reset()


def test_a_calls_stream_ends_with_its_grant_and_a_listeners_does_not(feeding):
    site = feeding()
    listener, calling = listen(site, "GET", agent="narrow-agent"), listen(site, "call", agent="narrow-agent")
    other = listen(site, "call")
    site.change_policy(lambda t: t.update(grants=[]))
    ends(calling, time.monotonic())
    ended_for(site, calling, "agent_grant_missing")
    goes_on(listener)
    goes_on(other)
    listener.reset()
    other.reset()


def test_a_stream_that_has_not_begun_is_told_what_a_call_would_be_told(make_site):
    site = make_site()
    hold = threading.Event()

    def silent(received):
        hold.wait(30)
        return sse_answer([event("late")])

    site.backend.answer = silent
    goes, stays = (site.begin("GET", "/mcp", site.token(user=who), LISTEN) for who in ("vera", "mira"))
    eventually(lambda: site.backend.count() == 2)
    site.change_policy(CHANGES["user_disabled"])
    answer = goes.finish()
    assert answer.status == 403 and answer.json()["reason"] == "user_disabled"
    found = site.nginx.event(answer.header("X-Request-Id"))
    assert found["reason"] == "user_disabled" and found["outcome"] == "refused"
    hold.set()
    assert b"late" in stays.finish().body


def test_streams_over_http2(make_site):
    import httpx
    site = make_site(listen=" http2")
    site.feed = site.backend.answer = Feed()
    with httpx.Client(http1=False, http2=True, timeout=20) as client:
        with client.stream("GET", site.resource, headers={"Authorization": "Bearer " + site.token(user="vera"),
                                                          "Accept": "text/event-stream"}) as answer:
            parts = answer.iter_bytes()
            assert b"n0" in next(parts)
            site.change_policy(CHANGES["user_disabled"])
            for _ in parts:
                pass
        # The connection lives on: only that stream has ended.
        site.backend.answer = None
        again = client.get(site.resource, headers={"Authorization": "Bearer " + site.token()})
        assert again.status_code == 200
    assert eventually(lambda: site.feed.open == 0)


def test_where_a_location_only_observes_nothing_ends(feeding):
    site = feeding(mcp="agent_mode observe;")
    stream = listen(site, user="vera")
    site.change_policy(CHANGES["user_disabled"])
    eventually(lambda: [e for e in (site.post(mcp.message("ping"), site.token(user="vera")).event(),)
                        if e["reason"] == "user_disabled"])
    goes_on(stream)
    stream.reset()


# --- Redis ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def with_redis(make_site, make_redis):
    store = make_redis()
    store.load(policy.base())
    site = make_site(store=store.store, timeout="1s")
    site.redis = store
    site.feed = site.backend.answer = Feed()
    return site


def second_agent_of(tenant):
    tenant["agents"]["company|second"] = {"bundles": ["support"]}


def disconnect_vera(tenant):
    tenant["delegations"].append({"user": "company|vera", "agent": "company|second", "status": "disconnected"})


# What ends the streams of vera through the second agent, in either store.
ENDINGS = {
    "delegation_disconnected": (disconnect_vera, lambda s: s.client.hset(
        key("delegation:company|vera:company|second"), "status", "disconnected")),
    "agent_disabled": (lambda t: t["agents"]["company|second"].update(status="disabled"),
                       lambda s: s.client.hset(key("agent:company|second"), "status", "disabled")),
    "token_expired": (None, None),
}


@pytest.mark.parametrize("store", ["file", "redis"])
@pytest.mark.parametrize("reason", ENDINGS)
def test_it_ends_within_a_second(feeding, make_redis, reason, store):
    """Many at once. This machine may be late; by how much is what a thread is late that has nothing else to do."""
    if store == "file":
        site = feeding(skew="0s")
        site.change_policy(second_agent_of)
        eventually(lambda: site.post(mcp.message("ping"), site.token(agent="second")).status == 200)
    else:
        content, redis = policy.base(), make_redis()
        second_agent_of(policy.tenant(content))
        redis.load(content)
        site = feeding(skew="0s", store=redis.store)
    in_file, in_redis = ENDINGS[reason]
    stays = listen(site)
    expiry = int(time.time()) + (4 if in_file is None else 300)
    streams = [listen(site, agent="second", user="vera", exp=expiry) for _ in range(20)]
    with Lateness() as late:
        begun = time.monotonic()
        if in_file and store == "file":
            site.change_policy(in_file)
        elif in_redis:
            in_redis(redis)
        else:
            begun += expiry - time.time()
        took = [ends(stream, begun) for stream in streams]
    assert max(took) < BOUND + late.seconds, (took, late.seconds)
    assert min(took) > -0.1, "not before its time"
    for stream in streams:
        ended_for(site, stream, reason)
    goes_on(stays)
    stays.reset()


TAKEN_AWAY = {
    "a delegation": ("delegation_disconnected", "GET",
                     lambda s: run("disconnect", "company|vera", "company|docs-assistant", *where(s))),
    "a user": ("user_disabled", "GET", lambda s: s.client.hset(key("user:company|vera"), "status", "disabled")),
    "a token": ("token_revoked", "GET", lambda s: s.client.set(key("revoked:jti:company|of-vera"), "x", ex=60)),
    "a grant": ("agent_grant_missing", "call",
                lambda s: run("revoke", "agent:company|narrow-agent", "g1", *where(s))),
}


@pytest.mark.skipif(not os.path.exists(BINARY), reason="agwctl is not built: make build")
@pytest.mark.parametrize("what", TAKEN_AWAY)
def test_what_is_taken_away_in_redis_ends_the_stream(with_redis, what):
    site = with_redis
    reason, how, take = TAKEN_AWAY[what]
    who = {"agent": "narrow-agent"} if what == "a grant" else {"user": "vera"}
    stays, goes = listen(site, how), listen(site, how, jti="of-vera", **who)
    begun = time.monotonic()
    take(site.redis)
    ends(goes, begun)
    ended_for(site, goes, reason)
    goes_on(stays)
    stays.reset()


@pytest.mark.parametrize("status", ["agent", "tenant"])
def test_an_agent_or_a_tenant_that_is_stopped_in_redis(with_redis, status):
    site = with_redis
    goes = listen(site)
    goes_on(goes)
    name = "tenant" if status == "tenant" else "agent:company|docs-assistant"
    site.redis.client.hset(key(name), "status", "disabled")
    ends(goes, time.monotonic())
    ended_for(site, goes, "tenant_refused" if status == "tenant" else "agent_disabled")
    if status == "agent":
        stream = listen(site, "call", agent="narrow-agent")
        goes_on(stream)
        stream.reset()


def test_a_cut_line_to_redis_ends_streams_as_it_ends_calls(with_redis):
    site = with_redis
    stream = listen(site)
    goes_on(stream)
    site.redis.stop()
    ends(stream, time.monotonic())
    ended_for(site, stream, "store_unavailable")
