"""The store behind Sentinels: whom a majority names is asked, and only if it is a master whose history goes on."""
import json
import signal
import time

import pytest

from plugins import policy
from plugins.agwctl import run, where
from plugins.redis import key
from plugins.sentinel import FakeSentinel, Group
from plugins.site import allowed
from plugins.wait import eventually, nothing_happens_for
from test_copy import hears

AGENT = key("agent:company|docs-assistant")


@pytest.fixture
def make_group(tmp_path, certs, serve):
    def make(kind="tcp"):
        return serve(Group(tmp_path / "group", kind, certs))

    return make


def write(server, status):
    """Raised version and all; acknowledged by the replica, where there is one."""
    pipe = server.client.pipeline(transaction=True)
    pipe.hset(AGENT, "status", status)
    pipe.hincrby(key("meta"), "version", 1)
    pipe.execute()
    return server.client.execute_command("WAIT", 1 if server.client.info("replication")["connected_slaves"] else 0, 5000)


def start(make_site, group, **pieces):
    leader = group.master
    leader.load(policy.base())
    leader.client.execute_command("WAIT", 1, 5000)
    return make_site(store=f"{group.store} timeout=3s", **pieces)


def follows(site, token, server):
    """Two writes are seen by every worker."""
    for status, expected in (("quarantined", 403), ("active", 200)):
        write(server, status)
        eventually(lambda: {site.call(token=token).status for _ in range(6)} == {expected}, timeout=20)  # noqa: B023


def never_allowed(site, token):
    """By no worker, also where it isn't connected yet."""
    for _ in range(30):
        assert site.call(token=token).status in (403, 503), "the deposed one says allowed"
        nothing_happens_for(0.05)
    eventually(lambda: {site.call(token=token).status for _ in range(6)} == {403}, timeout=20)


def warm(site, token):
    """Every worker knows where it is."""
    hears(site)
    for _ in range(24):
        allowed(site.call(token=token))


def answers(site, token, done):
    """What calls are told until `done()`; each within its bound."""
    seen = set()
    while not done():
        begun = time.monotonic()
        answer = site.call(token=token)
        assert time.monotonic() - begun < 30
        reason = answer.event()["reason"] if answer.status == 503 else ""
        seen.add((answer.status, reason))
        nothing_happens_for(0.02)
    return seen


@pytest.mark.parametrize("kind", ["tcp", "password", "tls"])
def test_the_master_that_the_sentinels_name_is_asked(make_site, make_group, kind):
    group = make_group(kind)
    site = start(make_site, group)
    token = site.token()
    warm(site, token)
    follows(site, token, group.master)
    exported = run("export", *where(group))
    assert "company|docs-assistant" in json.loads(exported.stdout)["tenants"]["default"]["agents"]
    run("disconnect", "company|mira", "company|docs-assistant", *where(group))
    eventually(lambda: "result" not in site.call(token=token).text)


@pytest.mark.parametrize("freshness", ["push", "strict"])
def test_fault_the_master_dies(make_site, make_group, freshness):
    group = make_group()
    site = start(make_site, group, http=f"agent_freshness {freshness};")
    token = site.token()
    warm(site, token)
    nothing_happens_for(0.5)
    old = group.master
    old.stop(signal.SIGKILL)
    new = group.moved_from(old)
    eventually(lambda: {site.call(token=token).status for _ in range(6)} == {200}, timeout=20)
    follows(site, token, new)
    # The old one comes back, and still takes itself for the master.
    write(new, "quarantined")
    old.start()
    never_allowed(site, token)


def test_fault_the_master_hangs_and_comes_back(make_site, make_group):
    group = make_group()
    site = start(make_site, group)
    token = site.token()
    warm(site, token)
    nothing_happens_for(0.5)
    old = group.master
    old.hang()
    try:
        new = group.moved_from(old)
        eventually(lambda: site.call(token=token).status == 200, timeout=20)
        write(new, "quarantined")
        eventually(lambda: {site.call(token=token).status for _ in range(6)} == {403}, timeout=20)
    finally:
        old.go_on()
    never_allowed(site, token)


def test_a_failover_that_was_asked_for(make_site, make_group):
    group = make_group()
    site = start(make_site, group)
    token = site.token()
    warm(site, token)
    nothing_happens_for(0.5)
    old = group.master
    group.sentinels[0].ask("SENTINEL", "FAILOVER", "main")
    new = group.moved_from(old)
    eventually(lambda: {site.call(token=token).status for _ in range(6)} == {200}, timeout=20)
    follows(site, token, new)


def test_fault_all_sentinels_are_gone_while_the_master_lives(make_site, make_group):
    group = make_group()
    site = start(make_site, group)
    token = site.token()
    warm(site, token)
    leader = group.master
    for sentinel in group.sentinels:
        sentinel.stop()
    nothing_happens_for(1.0)
    follows(site, token, leader)
    # But nobody says where to go once that connection is lost.
    leader.client.client_kill_filter(_type="normal", skipme=True)
    leader.client.client_kill_filter(_type="pubsub")
    seen = answers(site, token, lambda: site.call(token=token).status == 503)
    assert seen <= {(200, ""), (503, "store_unavailable")}
    for sentinel in group.sentinels:
        sentinel.start()
    eventually(lambda: {site.call(token=token).status for _ in range(6)} == {200}, timeout=20)


@pytest.mark.parametrize("what", ["version", "by hand"])
def test_fault_a_replica_that_lacks_a_write_is_promoted(make_site, make_group, what):
    group = make_group()
    site = start(make_site, group)
    token = site.token()
    warm(site, token)
    old, behind = group.nodes
    behind.hang()
    # What was sent to a process that is stopped would reach it when it goes on.
    old.client.client_kill_filter(_type="replica")
    eventually(lambda: old.client.info("replication")["connected_slaves"] == 0)
    if what == "version":
        old.client.hset(AGENT, "status", "quarantined")
        old.client.hincrby(key("meta"), "version", 1)
    else:
        old.client.hset(AGENT, "status", "quarantined")
    eventually(lambda: {site.call(token=token).status for _ in range(6)} == {403})
    nothing_happens_for(1.0)
    old.stop(signal.SIGKILL)
    behind.go_on()
    new = group.moved_from(old)
    assert new is behind

    def says(reason):
        answer = site.call(token=token)
        assert answer.status != 200
        return answer.status == 503 and answer.event()["reason"] == reason

    eventually(lambda: says("store_rolled_back"), timeout=20)
    for _ in range(10):
        assert site.call(token=token).status == 503
    run("store", "confirm", *where(group))
    eventually(lambda: {site.call(token=token).status for _ in range(6)} == {200}, timeout=20)
    follows(site, token, new)


def test_fault_sentinels_lie_hang_and_vanish(make_site, make_redis, serve):
    server, other = make_redis(), make_redis()
    server.load(policy.base())
    wrong = policy.base()
    policy.tenant(wrong)["agents"]["company|docs-assistant"] = {"status": "quarantined"}
    other.load(wrong)
    fakes = [serve(FakeSentinel(server.port)) for _ in range(3)]
    address = "redis+sentinel://" + ",".join(f"127.0.0.1:{f.port}" for f in fakes) + "/main"
    fakes[0].names = other.port
    site = make_site(store=address)
    token = site.token()
    allowed(site.call(token=token))
    fakes[0].silent = True
    for _ in range(5):
        allowed(site.call(token=token))
    # One hangs, one lies: nobody has a majority. Who is connected stays; who must connect anew says so in time.
    fakes[1].names = other.port
    allowed(site.call(token=token))
    server.client.client_kill_filter(_type="normal", skipme=True)
    server.client.client_kill_filter(_type="pubsub")
    assert answers(site, token, lambda: site.call(token=token).status == 503) <= {(200, ""), (503, "store_unavailable")}
    assert "no majority of the Sentinels" in site.nginx.error_log
    fakes[1].names = server.port
    fakes[0].stop()
    eventually(lambda: {site.call(token=token).status for _ in range(6)} == {200}, timeout=20)


def test_fault_the_deposed_master_still_lives(make_site, make_redis, serve):
    """It is cut off from its Sentinels, not from the gateway: who is connected to it leaves it."""
    old, new = make_redis(), make_redis()
    old.load(policy.base())
    new.client.execute_command("REPLICAOF", "127.0.0.1", old.port)
    eventually(lambda: new.client.info("replication").get("master_link_status") == "up", timeout=20)
    fakes = [serve(FakeSentinel(old.port)) for _ in range(3)]
    site = make_site(store="redis+sentinel://" + ",".join(f"127.0.0.1:{f.port}" for f in fakes) + "/main timeout=3s")
    token = site.token()
    eventually(lambda: {site.call(token=token).status for _ in range(6)} == {200}, timeout=20)
    old.client.execute_command("WAIT", 1, 5000)
    new.client.execute_command("REPLICAOF", "NO", "ONE")
    for fake in fakes:
        fake.names = new.port
    write(new, "quarantined")
    eventually(lambda: {site.call(token=token).status for _ in range(6)} == {403}, timeout=20)
    assert old.client.role()[0] == "master"


def test_fault_whom_the_sentinels_name_is_no_master(make_site, make_redis, serve):
    server, replica = make_redis(), make_redis()
    server.load(policy.base())
    replica.client.execute_command("REPLICAOF", "127.0.0.1", server.port)
    eventually(lambda: replica.client.info("replication").get("master_link_status") == "up", timeout=20)
    fakes = [serve(FakeSentinel(replica.port)) for _ in range(3)]
    address = "redis+sentinel://" + ",".join(f"127.0.0.1:{f.port}" for f in fakes) + "/main"
    site = make_site(store=address)
    token = site.token()
    answer = site.call(token=token)
    assert answer.status == 503 and answer.event()["reason"] == "store_unavailable"
    assert "is no master" in site.nginx.error_log
    assert "no master" in run("export", "--store", address, status=1).stderr
    for fake in fakes:
        fake.names = server.port
    eventually(lambda: {site.call(token=token).status for _ in range(6)} == {200}, timeout=20)
    run("export", "--store", address)
    # It is deposed while calls go on: each trip looks at its role.
    server.client.execute_command("REPLICAOF", "127.0.0.1", replica.port)
    eventually(lambda: {site.call(token=token).status for _ in range(6)} == {503}, timeout=10)
