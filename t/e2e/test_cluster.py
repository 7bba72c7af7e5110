"""The store in a Redis Cluster: each tenant is asked where its keys are, also while they move, and when a node dies."""
import json
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from plugins import policy
from plugins.agwctl import run, run_json, where
from plugins.cluster import FakeSeed, RedisCluster, address, answers, slot_of, tenant_within
from plugins.redis import key
from plugins.site import allowed
from plugins.wait import eventually, nothing_happens_for
from test_copy import hears

# On the first master and on the second, near the lowest of its slots, which are moved first.
ONE, TWO = tenant_within(100, 5000), tenant_within(5462, 5480)
ISSUER = f"tenants {ONE} {TWO};"
READ = "agent_tool ticket.read {{ scope tickets:read; resource ticket:<id>; {} }}"


def agent(tenant):
    return key("agent:company|docs-assistant", tenant)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory, certs):
    """For tests that leave it as it was."""
    made = RedisCluster(tmp_path_factory.mktemp("cluster"), "tcp", certs).start()
    yield made
    made.stop()


@pytest.fixture
def make_cluster(tmp_path, certs, serve):
    def make(kind="tcp"):
        return serve(RedisCluster(tmp_path / "cluster", kind, certs))

    return make


@pytest.fixture
def start(make_site):
    def begin(cluster, **pieces):
        cluster.load(ONE, TWO)
        return make_site(store=f"{pieces.pop('store', cluster.store)} timeout=3s", issuer=ISSUER, **pieces)
    return begin


def write(server, tenant, status, wait=True):
    """Raised version and all; acknowledged by the replica, where there is one."""
    pipe = server.client.pipeline(transaction=True)
    pipe.hset(agent(tenant), "status", status)
    pipe.hincrby(key("meta", tenant), "version", 1)
    pipe.execute()
    if wait and server.client.info("replication")["connected_slaves"]:
        assert server.ask("WAIT", 1, 5000) == 1


def statuses(site, token):
    return {site.call(token=token).status for _ in range(6)}


def follows(site, token, server, tenant):
    """Two writes are seen by every worker."""
    for status, expected in (("quarantined", 403), ("active", 200)):
        write(server, tenant, status)
        eventually(lambda: statuses(site, token) == {expected}, timeout=20)  # noqa: B023


def warm(site, *tokens):
    for token in tokens:
        eventually(lambda: statuses(site, token) == {200}, timeout=30)  # noqa: B023
    hears(site, workers=4)
    for token in tokens:
        for _ in range(12):
            allowed(site.call(token=token))


def witness(server, tenant):
    """A replica's, too."""
    pipe = server.client.pipeline(transaction=False)
    pipe.execute_command("READONLY")
    pipe.get(f"agw:v:{{{tenant}}}:witness")
    return int(pipe.execute()[1] or 0)


def refuses(site, token, reason, meanwhile=(503,)):
    """Never anything else than `meanwhile`, also while it is waited for."""
    def refused():
        answer = site.call(token=token)
        if answer.status not in meanwhile:
            pytest.fail(f"{answer.status} {answer.text}")
        return answer.status == 503 and answer.event()["reason"] == reason
    # By each worker, also by one that may answer from its copy until its lease is over.
    eventually(lambda: all([refused() for _ in range(6)]), timeout=30)
    for _ in range(10):
        assert site.call(token=token).status == 503


@pytest.mark.parametrize("kind", ["tcp", "password", "tls", "acl"])
def test_each_tenant_is_asked_where_its_keys_are(make_cluster, start, kind):
    cluster = make_cluster(kind)
    site = start(cluster)
    one, two = site.token(tenant=ONE), site.token(tenant=TWO)
    warm(site, one, two)
    assert cluster.owner(ONE) is not cluster.owner(TWO)
    follows(site, one, cluster.owner(ONE), ONE)
    # What is written of one tenant is written of it alone.
    write(cluster.owner(TWO), TWO, "quarantined")
    eventually(lambda: statuses(site, two) == {403}, timeout=10)
    assert statuses(site, one) == {200}
    assert site.send("GET", "/ready", token=None).status == 200
    # The copy of each is kept true by its own node: warm calls ask nobody.
    assert site.series(f"agent_copy_hits_total {ONE}") > 0 and site.series(f"agent_copy_entries {TWO}") > 0


def test_agwctl(cluster, start, tmp_path):
    site = start(cluster)
    to = where(cluster)
    one, two = site.token(tenant=ONE), site.token(tenant=TWO)
    warm(site, one, two)
    exported = json.loads(run("export", *to).stdout)
    assert set(exported["tenants"]) == {ONE, TWO}
    # The whole from one file, each tenant in a transaction of its own.
    (tmp_path / "policy.json").write_text(json.dumps(exported))
    run("apply", tmp_path / "policy.json", *to)
    assert [t["changes"] for t in run_json("apply", tmp_path / "policy.json", *to)["tenants"]] == [[], []]
    run("disconnect", "company|mira", "company|docs-assistant", "--tenant", TWO, *to)
    eventually(lambda: all("result" not in site.call(token=two).text for _ in range(6)), timeout=10)
    allowed(site.call(token=one))
    explained = run_json("explain", "--user", "company|mira", "--agent", "company|docs-assistant", "--operation",
                         "tickets/ticket.read", "--resource", "ticket:T-1", "--group", "company|support", "--tenant", TWO,
                         "--state", f"{site.prefix}/state", *to, status=3)
    assert {r["decision"] for r in explained["results"]} == {"deny"}
    said = run_json("apply", tmp_path / "policy.json", *to)
    assert {t["tenant"]: len(t["changes"]) for t in said["tenants"]} == {ONE: 0, TWO: 1}
    eventually(lambda: statuses(site, two) == {200}, timeout=10)
    # Each change is told, whichever node it was written to.
    def told():
        return {e["tenant"] for e in site.nginx.audit() if e["type"] == "policy.change"}
    eventually(lambda: told() == {ONE, TWO}, timeout=20)
    run("grant", "agent:company|bare-agent", "tickets/ticket.read", "--tenant", ONE, *to)
    for tenant in (ONE, TWO):
        eventually(lambda: cluster.owner(tenant).client.keys(f"agw:v:{{{tenant}}}:seen:*"), timeout=20)  # noqa: B023
    run("stale", "--days", "30", *to)
    status = run_json("status", "--state", f"{site.prefix}/state")
    stores = [w["store"] for w in status["workers"]] if "workers" in status else []
    assert all(s["kind"] == "push" for s in stores)
    refused = run("export", "--store", address(cluster.nodes[:1]).replace(str(cluster.nodes[0].port), "1"), status=1)
    assert "no majority of the Cluster's nodes" in refused.stderr


def test_64_clients_on_two_nginx_never_get_more(cluster, start, make_site):
    tools = READ.format("limit agent 40r/h; limit tenant+backend 1000r/h;")
    one = start(cluster, tools=tools)
    two = make_site(store=f"{cluster.store} timeout=3s", issuer=ISSUER, tools=tools, authority=one.issuer)
    one.issuer.audience = [one.resource, two.resource]
    tokens = [one.token(tenant=ONE), one.token(tenant=TWO)]
    with ThreadPoolExecutor(64) as pool:
        found = list(pool.map(lambda i: (i % 4 > 1, (one if i % 2 else two).call(token=tokens[i % 4 > 1], id=i).status),
                              range(384)))
    for tenant in (False, True):
        mine = [status for which, status in found if which is tenant]
        assert mine.count(200) == 40 and mine.count(429) == 152, {s: mine.count(s) for s in set(mine)}


def test_a_key_runs_once(cluster, make_site):
    cluster.load(ONE, TWO)
    site = make_site(start=False, store=f"{cluster.store} timeout=3s", issuer=ISSUER,
                     tools=READ.format("idempotency header wait=0;"), http="agent_key @PREFIX@/agent.key;")
    (site.prefix / "agent.key").write_bytes(os.urandom(32))
    (site.prefix / "agent.key").chmod(0o600)
    site.start()
    header = [("Idempotency-Key", '"k-1"')]
    for tenant in (ONE, TWO):
        token = site.token(tenant=tenant)
        before = site.backend.count()
        allowed(site.call(token=token, headers=header))
        eventually(lambda: site.call(token=token, headers=header).header("Idempotent-Replayed") == "true")  # noqa: B023
        assert site.backend.count() == before + 1
        assert site.call(arguments={"id": "T-2"}, token=token, headers=header).event()["reason"] == "idempotency_mismatch"


@pytest.mark.parametrize("freshness", ["push", "strict"])
def test_fault_a_master_dies(make_cluster, start, freshness):
    cluster = make_cluster()
    site = start(cluster, http=f"agent_freshness {freshness};")
    one, two = site.token(tenant=ONE), site.token(tenant=TWO)
    warm(site, one, two)
    old = cluster.owner(TWO)
    eventually(lambda: cluster.replica_of(old))
    nothing_happens_for(1.0)
    old.stop(signal.SIGKILL)
    seen = answers(site, two, lambda: cluster.owner(TWO, cluster.living[0]) is not old)
    assert seen <= {(200, ""), (503, "store_unavailable")}
    new = cluster.moved_from(old, TWO)
    eventually(lambda: statuses(site, two) == {200}, timeout=30)
    eventually(lambda: statuses(site, one) == {200}, timeout=30)
    follows(site, two, new, TWO)
    # The old one comes back, and learns that it isn't the master any more.
    write(new, TWO, "quarantined")
    old.start()
    for _ in range(30):
        assert site.call(token=two).status in (403, 503), "the deposed one says allowed"
        nothing_happens_for(0.05)
    eventually(lambda: statuses(site, two) == {403}, timeout=30)


def test_fault_a_master_hangs_and_comes_back(make_cluster, start):
    cluster = make_cluster()
    site = start(cluster)
    two = site.token(tenant=TWO)
    warm(site, two)
    old = cluster.owner(TWO)
    nothing_happens_for(1.0)
    others = [node for node in cluster.nodes if node is not old]
    old.hang()
    try:
        eventually(lambda: all(cluster.owner(TWO, node) is not old for node in others), timeout=60)
        new = cluster.owner(TWO, others[0])
        eventually(lambda: statuses(site, two) == {200}, timeout=30)
        write(new, TWO, "quarantined")
        eventually(lambda: statuses(site, two) == {403}, timeout=20)
    finally:
        old.go_on()
    for _ in range(30):
        assert site.call(token=two).status in (403, 503), "the deposed one says allowed"
        nothing_happens_for(0.05)


@pytest.mark.parametrize("what", ["version", "by hand"])
def test_fault_a_replica_that_lacks_a_write_is_promoted(make_cluster, start, what):
    cluster = make_cluster()
    site = start(cluster)
    two = site.token(tenant=TWO)
    warm(site, two)
    old = cluster.owner(TWO)
    behind = cluster.replica_of(old)
    eventually(lambda: witness(behind, TWO) > 0)
    behind.hang()
    # What was sent to a process that is stopped would reach it when it goes on.
    old.client.client_kill_filter(_type="replica")
    eventually(lambda: old.client.info("replication")["connected_slaves"] == 0)
    before = witness(old, TWO)
    old.client.hset(agent(TWO), "status", "quarantined")
    if what == "version":
        old.client.hincrby(key("meta", TWO), "version", 1)
    eventually(lambda: statuses(site, two) == {403})
    eventually(lambda: witness(old, TWO) > before)
    nothing_happens_for(0.5)
    old.stop(signal.SIGKILL)
    behind.go_on()

    def promoted():
        if cluster.owner(TWO, behind) is not behind:
            behind.ask("CLUSTER", "FAILOVER", "TAKEOVER")
        return cluster.owner(TWO, behind) is behind and all(node.working() for node in cluster.living)

    eventually(promoted, timeout=60, interval=0.5)

    refuses(site, two, "store_rolled_back")
    eventually(lambda: all(cluster.owner(TWO, node) is behind for node in cluster.living), timeout=30)
    run("store", "confirm", "--tenant", TWO, *where(cluster))
    eventually(lambda: statuses(site, two) == {200}, timeout=30)
    follows(site, two, behind, TWO)


def test_a_slot_is_moved_by_redis_cli_while_calls_go_on(make_cluster, start):
    cluster = make_cluster()
    site = start(cluster)
    one, two = site.token(tenant=ONE), site.token(tenant=TWO)
    warm(site, one, two)
    source, target = cluster.owner(TWO), cluster.owner(ONE)
    found, stop = [], threading.Event()

    def call():
        while not stop.is_set():
            answer = site.call(token=two)
            found.append((answer.status, "result" in answer.text))

    callers = [threading.Thread(target=call) for _ in range(4)]
    for caller in callers:
        caller.start()
    count = slot_of(TWO) - 5461 + 1
    cluster.cli("reshard", f"127.0.0.1:{source.port}", "--cluster-from", source.id, "--cluster-to", target.id,
                "--cluster-slots", count)
    eventually(lambda: all(cluster.owner(TWO, node) is target for node in cluster.nodes), timeout=30)
    nothing_happens_for(1.0)
    stop.set()
    for caller in callers:
        caller.join()
    assert set(found) == {(200, True)}, {f: found.count(f) for f in set(found)}
    follows(site, two, target, TWO)
    follows(site, one, target, ONE)
    hears(site, workers=4)


def test_nothing_is_believed_of_a_slot_in_motion(make_cluster, start):
    cluster = make_cluster()
    site = start(cluster)
    two, nina = site.token(tenant=TWO), site.token(tenant=TWO, user="nina")
    warm(site, two, nina)
    source, target = cluster.owner(TWO), cluster.owner(ONE)
    cluster.begin_to_move(TWO, target)
    assert statuses(site, two) == {200}
    # That there is no record of nina was known; hers is made where the others will go, by hand, and nobody tells of it.
    with pytest.raises(redis.exceptions.AskError):
        source.client.hset(key("user:company|nina", TWO), "status", "disabled")
    target.asking("HSET", key("user:company|nina", TWO), "status", "disabled")
    eventually(lambda: statuses(site, nina) == {403}, timeout=10)
    assert statuses(site, two) == {200}
    # Half of the keys have gone, and meta with them; then a write of one that has.
    names = source.ask("CLUSTER", "GETKEYSINSLOT", slot_of(TWO), 1000)
    cluster.move(source, target, sorted(n for n in names if n.startswith("agw:p:"))[::2])
    assert statuses(site, two) == {200} and statuses(site, nina) == {403}
    cluster.move(source, target, [agent(TWO), key("meta", TWO)])
    target.asking("HSET", agent(TWO), "status", "quarantined")
    eventually(lambda: statuses(site, two) == {403}, timeout=10)
    # A tool that reads all of it would find a part.
    assert "moving them" in run("export", "--tenant", TWO, *where(cluster), status=1).stderr
    assert run("disconnect", "company|mira", "company|docs-assistant", "--tenant", TWO, *where(cluster), status=1)
    cluster.end_to_move(TWO, source, target)
    eventually(lambda: statuses(site, two) == {403} and statuses(site, nina) == {403}, timeout=10)
    eventually(lambda: cluster.owner(TWO) is target and site.send("GET", "/ready", token=None).status == 200)
    follows(site, two, target, TWO)
    run("export", "--tenant", TWO, *where(cluster))


def test_fault_a_move_is_given_up_half_way(make_cluster, start):
    cluster = make_cluster()
    site = start(cluster)
    two = site.token(tenant=TWO)
    warm(site, two)
    source, target = cluster.owner(TWO), cluster.owner(ONE)
    write(source, TWO, "quarantined")
    eventually(lambda: statuses(site, two) == {403}, timeout=10)
    cluster.begin_to_move(TWO, target)
    cluster.move(source, target, [agent(TWO)])
    assert statuses(site, two) == {403}
    # What says that the agent is quarantined lies where nobody asks.
    source.ask("CLUSTER", "SETSLOT", slot_of(TWO), "STABLE")
    target.ask("CLUSTER", "SETSLOT", slot_of(TWO), "STABLE")

    refuses(site, two, "store_rolled_back", meanwhile=(403, 503))
    source.client.hset(agent(TWO), mapping={"status": "active", "tier": "developer", "bundles": '["support"]'})
    run("store", "confirm", "--tenant", TWO, *where(cluster))
    eventually(lambda: statuses(site, two) == {200}, timeout=20)


def test_fault_the_cluster_is_down(make_cluster, start):
    cluster = make_cluster()
    site = start(cluster)
    one = site.token(tenant=ONE)
    warm(site, one)
    last = cluster.masters()[2]
    gone = [last, cluster.replica_of(last)]
    for node in gone:
        node.stop(signal.SIGKILL)
    eventually(lambda: not any(node.working() for node in cluster.living), timeout=60)

    refuses(site, one, "store_unavailable", meanwhile=(200, 503))
    assert site.send("GET", "/ready", token=None).status == 503
    assert "Cluster" in run("export", *where(cluster), status=1).stderr
    for node in gone:
        node.start()
    eventually(lambda: all(node.working() for node in cluster.nodes), timeout=60)
    eventually(lambda: statuses(site, one) == {200}, timeout=30)
    follows(site, one, cluster.owner(ONE), ONE)


def test_fault_seeds_lie_hang_and_vanish(cluster, start, serve, make_redis):
    lone = make_redis()
    lone.load({"tenants": {ONE: policy.tenant(policy.base())}})
    right = cluster.owner(ONE).port
    fakes = [serve(FakeSeed(right)) for _ in range(3)]
    store = address(fakes)
    cluster.load(ONE, TWO)
    site = start(cluster, store=store)
    token = site.token(tenant=ONE)
    warm(site, token)
    # One lies: that another node has it, which says itself that it hasn't; that a replica has it; one says garbage.
    for wrong in (cluster.owner(TWO).port, cluster.replica_of(cluster.owner(ONE)).port):
        fakes[0].names = wrong
        for _ in range(5):
            allowed(site.call(token=token))
    fakes[0].garbage = True
    allowed(site.call(token=token))
    # One hangs, one lies: nobody has a majority. Who is connected stays; who must connect anew says so in time.
    fakes[0].silent = True
    fakes[1].names = cluster.owner(TWO).port
    allowed(site.call(token=token))
    server = cluster.owner(ONE)
    server.client.client_kill_filter(_type="normal", skipme=True)
    server.client.client_kill_filter(_type="pubsub")
    assert answers(site, token, lambda: site.call(token=token).status == 503) <= {(200, ""), (503, "store_unavailable")}
    assert "no majority of the Cluster's nodes" in site.nginx.error_log
    # Two lie in the same way. Whom they name says itself where it is; one that is of no Cluster is believed nothing.
    fakes[2].names = fakes[1].names
    eventually(lambda: statuses(site, token) == {200}, timeout=20)
    fakes[1].names = fakes[2].names = lone.port
    refuses(site, token, "store_unavailable", meanwhile=(200, 503))
    # The side of a cut network that has no majority says so.
    fakes[1].names = fakes[2].names = right
    fakes[1].state = "fail"
    assert site.call(token=token).status == 503
    fakes[1].state = "ok"
    fakes[0].stop()
    eventually(lambda: statuses(site, token) == {200}, timeout=20)
    follows(site, token, server, ONE)


def test_fault_most_seeds_are_gone_while_the_masters_live(make_cluster, start):
    cluster = make_cluster()
    site = start(cluster)
    token = site.token(tenant=ONE)
    warm(site, token)
    server = cluster.owner(ONE)
    replicas = [node for node in cluster.nodes if node not in cluster.masters()]
    for node in replicas:
        node.stop(signal.SIGKILL)
    nothing_happens_for(1.0)
    follows(site, token, server, ONE)
