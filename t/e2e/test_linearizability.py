"""No call that began after a write's acknowledgement and the stated bound is decided by the older state, whatever happens
to the lines and to Redis. AGW_LINEARIZABILITY_MINUTES says how long the long ones take."""
import os
import random
import signal
import threading
import time

import pytest
import redis

from plugins import policy
from plugins.agwctl import run, where
from plugins.cluster import RedisCluster, slot_of
from plugins.history import History
from plugins.redis import key
from plugins.redis_proxy import Proxy
from plugins.sentinel import Group
from plugins.wait import eventually

AGENT = key("agent:company|docs-assistant")
MINUTES = float(os.environ.get("AGW_LINEARIZABILITY_MINUTES", "3"))
LEASE = 0.2
FRESHNESS = {"push": "push lease=200ms", "strict": "strict"}
BOUND = {"push": LEASE, "strict": 0.0}


class World:
    """Two nginx with two workers each, and threads that call, write and disturb until it is over."""

    def __init__(self, make_site, stores, freshness):
        self.sites = [make_site(store=store, http=f"agent_freshness {FRESHNESS[freshness]};") for store in stores]
        self.tokens = [site.token(lifetime=24 * 3600) for site in self.sites]
        self.history, self.over, self.failures = History(), threading.Event(), []
        self.refused = {}
        for site, token in zip(self.sites, self.tokens, strict=True):
            eventually(lambda: {site.call(token=token).status for _ in range(8)} == {200}, timeout=30)  # noqa: B023

    def read(self, site, token):
        while not self.over.is_set():
            begun = time.monotonic()
            answer = site.call(token=token)
            if answer.status in (200, 403):
                self.history.calls.append((begun, time.monotonic(), answer.status == 200))
            else:
                reason = answer.json()["error"]["data"]["reason"] if answer.status == 503 else str(answer.status)
                self.refused[reason] = self.refused.get(reason, 0) + 1
                self.over.wait(0.02)
            self.over.wait(0.002)

    def guarded(self, work, *arguments):
        def run():
            try:
                work(*arguments)
            except BaseException as error:  # noqa: BLE001
                self.failures.append(error)
                self.over.set()
        return threading.Thread(target=run)

    def go(self, seconds, write, *others, readers=2):
        threads = [self.guarded(self.read, *pair) for pair in zip(self.sites, self.tokens, strict=True)
                   for _ in range(readers)]
        threads += [self.guarded(other) for other in others]
        for thread in threads:
            thread.start()
        state, end = True, time.monotonic() + seconds
        try:
            while time.monotonic() < end and not self.failures:
                state = not state
                begun = time.monotonic()
                write("active" if state else "quarantined")
                self.history.writes.append((begun, time.monotonic(), state))
                self.over.wait(random.uniform(0.05, 4 * LEASE))
        finally:
            self.over.set()
            for thread in threads:
                thread.join()
        assert not self.failures, self.failures

    def judge(self, bound, least, told=""):
        history = self.history
        wrong = history.wrong(bound)
        print(f"{len(history.calls)} calls, {len(history.writes) - 1} writes, {len(wrong)} wrong, refused {self.refused} {told}")
        assert not wrong, f"{len(wrong)} of {len(history.calls)}: {wrong[:3]}"
        assert len(history.calls) > least, "too few calls say nothing"
        assert {answer for _, _, answer in history.calls} == {True, False}


def change(client, status, replicas=0):
    pipe = client.pipeline(transaction=True)
    pipe.hset(AGENT, "status", status)
    pipe.hincrby(key("meta"), "version", 1)
    pipe.execute()
    return replicas == 0 or client.execute_command("WAIT", replicas, 1000) >= replicas


def with_cut_lines(make_site, make_redis, serve, seconds, freshness):
    """The lines that tell of writes are cut, held (half open), delayed and ended by Redis, at random."""
    server, replica = make_redis(), make_redis()
    server.load(policy.base())
    replica.client.execute_command("REPLICAOF", "127.0.0.1", server.port)
    eventually(lambda: replica.client.info("replication").get("master_link_status") == "up", timeout=20)
    lines = [serve(Proxy(server.port)) for _ in range(2)]
    world = World(make_site, [line.store for line in lines], freshness)
    client = server.client

    def write(status):
        assert change(client, status, replicas=1)

    def disturb():
        own = server.client
        while not world.over.is_set():
            line = random.choice(lines)
            what = random.randrange(4)
            if what == 0:
                line.cut()
            elif what == 1:
                line.held = True
                world.over.wait(random.uniform(0, 3 * LEASE))
                line.held = False
            elif what == 2:
                line.delay = LEASE / 2
                world.over.wait(random.uniform(0, 3 * LEASE))
                line.delay = 0
            else:
                own.client_kill_filter(_type="pubsub")
            world.over.wait(random.uniform(0, 2 * LEASE))

    world.go(seconds, write, disturb)
    world.judge(BOUND[freshness], 5 * seconds)


@pytest.mark.parametrize("freshness", ["push", "strict"])
def test_no_call_is_decided_by_an_older_state(make_site, make_redis, serve, freshness):
    with_cut_lines(make_site, make_redis, serve, 5, freshness)


@pytest.mark.long
@pytest.mark.timeout(60 * MINUTES + 120)
@pytest.mark.parametrize("freshness", ["push", "strict"])
def test_no_call_is_decided_by_an_older_state_for_minutes(make_site, make_redis, serve, freshness):
    with_cut_lines(make_site, make_redis, serve, 60 * MINUTES, freshness)


@pytest.mark.long
@pytest.mark.timeout(60 * MINUTES + 180)
@pytest.mark.parametrize("freshness", ["push", "strict"])
def test_no_call_is_decided_by_an_older_state_while_sentinel_fails_over(make_site, tmp_path, serve, freshness):
    """The master dies or hangs again and again. A write that isn't acknowledged by the replica is written again: until
    then both states are true. Who forgot something that nobody had acknowledged is confirmed, as an operator does."""
    group = serve(Group(tmp_path / "group"))
    group.master.load(policy.base())
    group.replicated()
    world = World(make_site, [group.store] * 2, freshness)
    counts = {"failovers": 0, "confirmed": 0}

    def write(status):
        while not world.over.is_set():
            try:
                if change(group.master.client, status, replicas=1):
                    return
            except (redis.RedisError, AssertionError):
                pass
            world.over.wait(0.05)

    def fail_over():
        while not world.over.wait(random.uniform(3, 8)):
            old = group.master
            hangs = random.random() < 0.5
            if hangs:
                old.hang()
            else:
                old.stop(signal.SIGKILL)
            new = group.moved_from(old, timeout=60)
            counts["failovers"] += 1
            world.over.wait(random.uniform(0, 2))
            if hangs:
                old.go_on()
            else:
                old.start()
            # Sentinel does it too, some seconds later.
            old.client.execute_command("REPLICAOF", "127.0.0.1", new.port)
            eventually(lambda: old.client.info("replication").get("master_link_status") == "up", timeout=30)  # noqa: B023

    def confirm():
        while not world.over.wait(1.0):
            if world.refused.pop("store_rolled_back", 0) > 20:
                run("store", "confirm", *where(group))
                counts["confirmed"] += 1

    world.go(60 * MINUTES, write, fail_over, confirm)
    world.judge(BOUND[freshness], 120 * MINUTES, str(counts))
    assert counts["failovers"] > 0


def in_a_cluster(make_site, tmp_path, serve, seconds, freshness, failovers):
    """The slot is moved to and fro, key by key; its master dies or hangs. What isn't acknowledged is written again."""
    cluster = serve(RedisCluster(tmp_path / "cluster"))
    cluster.load(policy.TENANT)
    world = World(make_site, [cluster.store] * 2, freshness)
    counts = {"moves": 0, "failovers": 0, "confirmed": 0}

    def write(status):
        while not world.over.is_set():
            try:
                if change(cluster.owner(policy.TENANT).client, status, replicas=1):
                    return
            except (redis.RedisError, AssertionError):
                pass
            world.over.wait(0.05)

    def move():
        source = cluster.owner(policy.TENANT)
        target = random.choice([node for node in cluster.masters() if node is not source])
        cluster.begin_to_move(policy.TENANT, target)
        world.over.wait(random.uniform(0, LEASE))
        names = source.ask("CLUSTER", "GETKEYSINSLOT", slot_of(policy.TENANT), 1000)
        random.shuffle(names)
        for name in names:
            cluster.move(source, target, [name])
            world.over.wait(random.uniform(0, 0.02))
        cluster.end_to_move(policy.TENANT, source, target)
        counts["moves"] += 1

    def fail_over():
        old = cluster.owner(policy.TENANT)
        hangs = random.random() < 0.5
        if hangs:
            old.hang()
        else:
            old.stop(signal.SIGKILL)
        others = [node for node in cluster.nodes if node is not old]
        eventually(lambda: all(cluster.owner(policy.TENANT, node) is not old for node in others), timeout=60)
        counts["failovers"] += 1
        world.over.wait(random.uniform(0, 2))
        if hangs:
            old.go_on()
        else:
            old.start()
        eventually(lambda: all(node.working() for node in cluster.nodes) and
                   all(cluster.replica_of(node) for node in cluster.masters()), timeout=60)

    def disturb():
        while not world.over.wait(random.uniform(0, 3 if failovers else 0.3)):
            (fail_over if failovers and random.random() < 0.3 else move)()

    def confirm():
        while not world.over.wait(1.0):
            if world.refused.pop("store_rolled_back", 0) > 20:
                run("store", "confirm", *where(cluster))
                counts["confirmed"] += 1

    world.go(seconds, write, disturb, *[confirm] * failovers)
    world.judge(BOUND[freshness], 2 * seconds, str(counts))
    assert counts["moves"] > 0 and (counts["failovers"] > 0 or not failovers)


@pytest.mark.parametrize("freshness", ["push", "strict"])
def test_no_call_is_decided_by_an_older_state_while_a_slot_moves(make_site, tmp_path, serve, freshness):
    in_a_cluster(make_site, tmp_path, serve, 8, freshness, failovers=False)


@pytest.mark.long
@pytest.mark.timeout(60 * MINUTES + 240)
@pytest.mark.parametrize("freshness", ["push", "strict"])
def test_no_call_is_decided_by_an_older_state_while_a_cluster_fails_over(make_site, tmp_path, serve, freshness):
    in_a_cluster(make_site, tmp_path, serve, 60 * MINUTES, freshness, failovers=True)


def test_the_history_finds_a_stale_answer():
    history = History()
    history.writes += [(10.0, 10.01, False), (20.0, 20.01, True)]
    history.calls = [(5, 5.01, True), (10.1, 10.2, True), (12, 12.01, False), (15, 15.01, True)]
    assert history.wrong(0.2) == [(15, 15.01, True)]
    assert history.wrong(0.0) == [(10.1, 10.2, True), (15, 15.01, True)]
