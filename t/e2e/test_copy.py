"""Each worker's own copy of what Redis holds: as fast as a file, as true as the last write."""
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from plugins import policy
from plugins.redis import key
from plugins.redis_proxy import Proxy
from plugins.site import allowed, hidden
from plugins.wait import eventually, nothing_happens_for

AGENT = key("agent:company|docs-assistant")
LEASE = 1.0


def start(make_site, server, **pieces):
    if not server.version:
        server.load(policy.base())
    return make_site(store=pieces.pop("store", server.store), **pieces)


def write(server, name=AGENT, **fields):
    """As agwctl does: the version is raised in the same transaction."""
    server.version += 1
    pipe = server.client.pipeline(transaction=True)
    pipe.hset(name, mapping=fields)
    pipe.hset(key("meta"), "version", str(server.version))
    pipe.execute()


def hears(site, workers=2):
    """Every worker hears of changes."""
    def all_of_them():
        beats = [v for k, v in site.nginx.metrics(site.port).items() if k.startswith("agent_copy_heartbeat")]
        return len(beats) == workers and all(time.time() - beat < LEASE for beat in beats)
    eventually(all_of_them, timeout=10)


def warm(site, token, calls=24):
    hears(site)
    for _ in range(calls):
        allowed(site.call(token=token))


def until(monitor, marker):
    for command in monitor.listen():
        if marker in command["command"]:
            return
        yield command["command"]


def watched(monitor, marker):
    """What was asked about policy but for meta, which is read with every heartbeat."""
    return [c for c in until(monitor, marker) if "agw:p:" in c and ":meta" not in c]


@pytest.mark.parametrize("kind", ["tcp", "acl", "tls"])
def test_a_warm_copy_makes_no_trip(make_site, make_redis, kind):
    server = make_redis(kind)
    site = start(make_site, server)
    token = site.token()
    warm(site, token)
    with server.client.monitor() as monitor:
        for _ in range(50):
            allowed(site.call(token=token))
        server.client.echo("that was all")
        assert watched(monitor, "that was all") == []
    assert site.series("agent_copy_hits_total") >= 50
    assert site.series("agent_copy_misses_total") <= 26
    # And strict asks whether the copy holds, for every call.
    site.reload(gone=True, http="agent_freshness strict;")
    warm(site, token)
    with server.client.monitor() as monitor:
        for _ in range(20):
            allowed(site.call(token=token))
        server.client.echo("that was all")
        asked = list(until(monitor, "that was all"))
    assert not [c for c in asked if "agw:p:" in c and ":meta" not in c]
    assert len([c for c in asked if c.startswith("PING")]) >= 20
    assert len([c for c in asked if c.startswith("HGETALL") and ":meta" in c]) >= 20


def test_strict_sees_what_was_acknowledged_before_the_call(make_site, make_redis):
    server = make_redis()
    sites = [start(make_site, server, http="agent_freshness strict;") for _ in range(2)]
    tokens = [site.token() for site in sites]
    for site, token in zip(sites, tokens, strict=True):
        warm(site, token)
    for i in range(40):
        state = "quarantined" if i % 2 == 0 else "active"
        # Half of them by hand: nothing but the message tells of them.
        if i % 4 < 2:
            write(server, status=state)
        else:
            server.client.hset(AGENT, "status", state)
        for site, token in zip(sites, tokens, strict=True):
            for _ in range(3):
                assert site.call(token=token).status == (403 if i % 2 == 0 else 200), i


def test_strict_believes_no_heartbeat_that_was_sent_before_the_call(make_site, make_redis, serve):
    server = make_redis()
    line = serve(Proxy(server.port))
    site = start(make_site, server, store=line.store, http="agent_freshness strict;", workers="1")
    token = site.token()
    hears(site, workers=1)
    allowed(site.call(token=token))
    with ThreadPoolExecutor() as pool:
        line.mute = True
        before = pool.submit(site.call, token=token)
        eventually(lambda: line.waiting > 0)
        server.client.hset(AGENT, "status", "quarantined")
        after = pool.submit(site.call, token=token)
        nothing_happens_for(0.1)
        while not before.done():
            line.let_pass()
            nothing_happens_for(0.02)
        nothing_happens_for(0.1)
        line.mute = False
        assert before.result().status in (200, 403)
        assert after.result().status == 403


def test_a_write_is_seen_at_once_by_all_workers_of_two_nginx(make_site, make_redis):
    server = make_redis()
    sites = [start(make_site, server), start(make_site, server)]
    tokens = [site.token() for site in sites]
    for site, token in zip(sites, tokens, strict=True):
        warm(site, token)
    for _ in range(5):
        write(server, status="quarantined")
        nothing_happens_for(0.05)
        for site, token in zip(sites, tokens, strict=True):
            for _ in range(8):
                assert site.call(token=token).status == 403
        write(server, status="active")
        nothing_happens_for(0.05)
        for site, token in zip(sites, tokens, strict=True):
            for _ in range(8):
                allowed(site.call(token=token))


def test_everything_that_policy_says_is_followed(make_site, make_redis):
    """A record of each kind is written, added and taken away under warm copies."""
    server = make_redis()
    site = start(make_site, server)
    token = site.token(jti="token-1")
    bundle, people = key("grants:bundle:support"), key("entitlements:group:company|support")
    changes = [
        (lambda c: c.hset(key("tenant"), "status", "disabled"), lambda c: c.delete(key("tenant"))),
        (lambda c: c.hset(key("user:company|mira"), "status", "disabled"), lambda c: c.hdel(key("user:company|mira"), "status")),
        (lambda c: c.hset(key("delegation:company|mira:company|docs-assistant"), "status", "disconnected"),
         lambda c: c.delete(key("delegation:company|mira:company|docs-assistant"))),
        (lambda c: c.hset(key("operation:tickets/ticket.read"), "frozen", "true"),
         lambda c: c.delete(key("operation:tickets/ticket.read"))),
        (lambda c: c.set(key("revoked:jti:company|token-1"), "x", ex=60), lambda c: c.delete(key("revoked:jti:company|token-1"))),
        (lambda c: c.hset(key("issuer:company"), "not_before", "2100-01-01T00:00:00Z"), lambda c: c.delete(key("issuer:company"))),
        (lambda c: c.rename(bundle, "kept"), lambda c: c.rename("kept", bundle)),
        (lambda c: c.rename(people, "kept"), lambda c: c.rename("kept", people)),
    ]
    for i, (there, back) in enumerate(changes):
        warm(site, token, 8)
        there(server.client)
        nothing_happens_for(0.05)
        for _ in range(4):
            assert "result" not in site.call(token=token).text, i
        back(server.client)
        nothing_happens_for(0.05)
    warm(site, token)
    server.client.flushall()
    nothing_happens_for(0.05)
    assert site.call(token=token).json()["error"]["data"]["reason"] == "store_uninitialised"


def test_fault_the_line_that_tells_of_writes_is_cut(make_site, make_redis):
    server = make_redis()
    site = start(make_site, server)
    token = site.token()
    for _ in range(3):
        warm(site, token, 8)
        server.client.client_kill_filter(_type="pubsub")
        write(server, status="quarantined")
        for _ in range(8):
            # Redis itself has closed it, before the write was answered.
            eventually(lambda: site.call(token=token).status == 403, timeout=0.5)
        write(server, status="active")
        eventually(lambda: site.call(token=token).status == 200)
    eventually(lambda: "doesn't hear of changes" in site.nginx.error_log)


def test_fault_the_line_that_tells_of_writes_is_half_open(make_site, make_redis, serve):
    server = make_redis()
    line = serve(Proxy(server.port))
    site = start(make_site, server, store=line.store)
    token = site.token()
    warm(site, token)
    line.held = True
    write(server, status="quarantined")
    acknowledged = time.monotonic()
    while (begun := time.monotonic()) < acknowledged + 2.5 * LEASE:
        status = site.call(token=token).status
        assert status == 403 or begun < acknowledged + LEASE, "a stale allow after the lease"
    line.held = False
    write(server, status="active")
    eventually(lambda: site.call(token=token).status == 200, timeout=10)
    hears(site)


def test_fault_redis_stops(make_site, make_redis):
    server = make_redis()
    site = start(make_site, server)
    token = site.token()
    warm(site, token)
    server.hang()
    try:
        hung = time.monotonic()
        allowed(site.call(token=token))
        while time.monotonic() < hung + LEASE + 0.2:
            site.call(token=token)
        for _ in range(4):
            answer = site.call(token=token)
            assert answer.status == 503 and answer.event()["reason"] == "store_unavailable"
    finally:
        server.go_on()
    eventually(lambda: site.call(token=token).status == 200, timeout=10, interval=0.2)
    hears(site)


def test_fault_clients_of_redis_are_paused(make_site, make_redis):
    """A failover in hand: writes wait, and so does what reads; nothing is decided by what may be old."""
    server = make_redis()
    site = start(make_site, server)
    token = site.token()
    warm(site, token)
    server.client.execute_command("CLIENT", "PAUSE", "2500", "ALL")
    nothing_happens_for(LEASE + 0.3)
    assert site.call(token=token).status == 503
    eventually(lambda: site.call(token=token).status == 200, timeout=10, interval=0.2)


def test_fault_a_replica_is_never_read(make_site, make_redis):
    server, leader = make_redis(), make_redis()
    site = start(make_site, server)
    token = site.token()
    warm(site, token)
    server.client.execute_command("REPLICAOF", "127.0.0.1", leader.port)
    nothing_happens_for(0.6 * LEASE)
    for _ in range(4):
        assert site.call(token=token).status == 503
    assert "replica" in site.nginx.error_log
    strict = make_site(store=server.store, http="agent_freshness strict;")
    answer = strict.call()
    assert answer.status == 503 and "replica" in strict.nginx.error_log


def test_fault_a_store_that_evicts_is_not_whole(make_site, make_redis):
    server = make_redis()
    site = start(make_site, server)
    token = site.token()
    warm(site, token)
    server.client.config_set("maxmemory-policy", "volatile-lru")
    allowed(site.call(token=token))
    server.client.config_set("maxmemory", "100mb")
    nothing_happens_for(0.6 * LEASE)
    for _ in range(4):
        assert site.call(token=token).status == 503
    assert "noeviction" in site.nginx.error_log
    server.client.config_set("maxmemory-policy", "noeviction")
    eventually(lambda: site.call(token=token).status == 200, timeout=10, interval=0.2)


def test_fault_a_store_that_went_back_under_warm_copies(make_site, make_redis):
    server = make_redis()
    site = start(make_site, server)
    token = site.token()
    warm(site, token)
    server.client.hset(key("meta"), "version", "0")
    nothing_happens_for(0.05)
    for _ in range(4):
        answer = site.call(token=token)
        assert answer.status == 503 and answer.event()["reason"] == "store_rolled_back"


def test_copies_of_an_age(make_site, make_redis):
    server = make_redis()
    site = start(make_site, server, http="agent_freshness max_age=1s;")
    token = site.token()
    for _ in range(8):
        allowed(site.call(token=token))
    write(server, status="quarantined")
    acknowledged = time.monotonic()
    while (begun := time.monotonic()) < acknowledged + 2:
        status = site.call(token=token).status
        assert status == 403 or begun < acknowledged + 1.0
    assert not server.client.client_list(_type="pubsub")


def test_a_small_copy_is_right_too(make_site, make_redis):
    server = make_redis()
    content = policy.base()
    tenant = policy.tenant(content)
    agents = [f"agent-{i}" for i in range(60)]
    for i, name in enumerate(agents):
        tenant["agents"][f"company|{name}"] = {"bundles": ["support"] if i % 2 else []}
        tenant["grants"] = tenant.get("grants", []) + [
            {"id": f"g{i}-{n}", "to": f"agent:company|{name}", "operation": f"other/op{n}"} for n in range(60)]
    server.load(content)
    site = start(make_site, server, http="agent_copy_limit 1m;")
    tokens = [site.token(agent=name) for name in agents]
    for _ in range(2):
        for i, token in enumerate(tokens):
            if i % 2:
                allowed(site.call(token=token))
            else:
                hidden(site.call(token=token), "ticket.read")
    eventually(lambda: site.series("agent_copy_evictions_total") > 0)
    eventually(lambda: 0 < site.series("agent_copy_bytes") <= 2 * (1 << 20))


def test_many_that_miss_at_once(make_site, make_redis):
    server = make_redis()
    site = start(make_site, server, workers="1")
    hears(site, workers=1)
    token = site.token()
    allowed(site.call("ticket.list", {}, token=token))
    with server.client.monitor() as monitor:
        write(server, status="active")
        threads = [threading.Thread(target=lambda: allowed(site.call(token=token))) for _ in range(32)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        server.client.echo("that was all")
        asked = [c for c in watched(monitor, "that was all") if c.startswith("HGETALL") and AGENT in c]
    assert len(asked) == 1, asked
