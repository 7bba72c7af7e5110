"""A Redis Cluster as it is run: three masters, each with a replica; and nodes that say what a test wants."""
import shutil
import signal
import subprocess
import time

from . import policy
from .redis import PASSWORD, Redis
from .told import Told
from .wait import eventually, free_port, nothing_happens_for

SLOTS = 16384
NODE_TIMEOUT = 2000


def slot_of(tag):
    crc = 0
    for byte in tag.encode():
        crc ^= byte << 8
        for _ in range(8):
            crc = ((crc << 1) ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc % SLOTS


def tenant_within(first, last):
    """A tenant's name whose slot lies there."""
    return next(name for name in (f"t{i}" for i in range(10_000_000)) if first <= slot_of(name) <= last)


class Node(Redis):
    def __init__(self, folder, kind, certs):
        lines = ["cluster-enabled yes", "cluster-config-file nodes.conf", f"cluster-node-timeout {NODE_TIMEOUT}",
                 f"cluster-port {free_port()}", "repl-diskless-sync-delay 0"]
        if kind == "password":
            lines.append(f'masterauth "{PASSWORD}"')
        if kind == "acl":
            lines.append(f'masterauth "{PASSWORD}-admin"')
        if kind == "tls":
            lines += ["tls-replication yes", "tls-cluster yes"]
        super().__init__(folder, kind, certs, lines=lines)

    @property
    def id(self):
        return self.ask("CLUSTER", "MYID")

    def ask(self, *command):
        return self.client.execute_command(*command)

    def asking(self, *command):
        """At the one that a slot is being moved to."""
        client = self.client
        pipe = client.pipeline(transaction=False)
        pipe.execute_command("ASKING")
        pipe.execute_command(*command)
        return pipe.execute()[1]

    def working(self):
        return "cluster_state:ok" in self.ask("CLUSTER", "INFO")


class RedisCluster:
    def __init__(self, folder, kind="tcp", certs=None):
        self.kind, self.certs = kind, certs
        self.nodes = [Node(folder / f"node{i}", kind, certs) for i in range(6)]

    def start(self):
        for node in self.nodes:
            node.start()
            if self.kind == "acl":
                node.ask("ACL", "SETUSER", "gateway", "+role", "+eval", "+evalsha", "+cluster|slots", "+cluster|info")
        self.cli("create", *[f"127.0.0.1:{node.port}" for node in self.nodes], "--cluster-replicas", "1")

        def joined():
            assert all(node.working() for node in self.nodes)
            assert all(node.client.info("replication").get("master_link_status", "up") == "up" for node in self.nodes)
            return len(self.masters()) == 3 and all(self.replica_of(node) for node in self.masters())

        eventually(joined, timeout=60, interval=0.2)
        return self

    def stop(self):
        for node in self.nodes:
            node.stop(signal.SIGKILL)

    def cli(self, *command):
        options = {"tcp": [], "tls": ["--tls", "--cacert", f"{self.certs}/ca/cert.pem"], "password": ["-a", PASSWORD],
                   "acl": ["-a", f"{PASSWORD}-admin"]}[self.kind]
        done = subprocess.run([shutil.which("redis-cli"), *options, "--cluster", *[str(c) for c in command],
                               "--cluster-yes"], capture_output=True, text=True, timeout=180, stdin=subprocess.DEVNULL)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    @property
    def store(self):
        options = {"password": f" password_file={self.nodes[0].folder}/password",
                   "acl": f" password_file={self.nodes[0].folder}/password",
                   "tls": f" ca={self.certs}/ca/cert.pem"}.get(self.kind, "")
        scheme, user = "rediss" if self.kind == "tls" else "redis", "gateway@" if self.kind == "acl" else ""
        return address(self.nodes, scheme, user) + options

    @property
    def living(self):
        return [node for node in self.nodes if node.process is not None]

    def masters(self):
        """In the order of their slots, as the first node that lives knows them."""
        ranges = sorted(self.living[0].client.execute_command("CLUSTER", "SLOTS"))
        ports = list(dict.fromkeys(r[2][1] for r in ranges))
        return [node for port in ports for node in self.nodes if node.port == port]

    def owner(self, tenant, seen_by=None):
        slot = slot_of(tenant)
        for first, last, (_, port, *_), *_ in (seen_by or self.living[0]).client.execute_command("CLUSTER", "SLOTS"):
            if first <= slot <= last:
                return next(node for node in self.nodes if node.port == port)
        raise AssertionError(f"nobody has slot {slot}")

    def replica_of(self, master):
        for slave in self.living:
            info = slave.client.info("replication")
            if info["role"] == "slave" and info["master_port"] == master.port and info["master_link_status"] == "up":
                return slave
        return None

    def load(self, *tenants):
        """The base policy for each, on masters of their own."""
        for tenant in tenants:
            owner = self.owner(tenant)
            owner.load({"tenants": {tenant: policy.tenant(policy.base())}})
            owner.ask("WAIT", 1, 5000)

    def moved_from(self, old, tenant):
        """Waits until all nodes name another owner, which takes calls."""
        def moved():
            assert all(self.owner(tenant, seen_by=node) is not old for node in self.living)
            assert all(node.working() for node in self.living)
            return self.owner(tenant).client.role()[0] == "master"
        eventually(moved, timeout=60, interval=0.1)
        return self.owner(tenant)

    # --- moving a slot, step by step -----------------------------------------------------------------------------

    def begin_to_move(self, tenant, target):
        slot, source = slot_of(tenant), self.owner(tenant)
        target.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", source.id)
        source.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", target.id)

    def move(self, source, target, keys):
        for name in keys:
            source.ask("MIGRATE", "127.0.0.1", target.port, name, 0, 5000)

    def end_to_move(self, tenant, source, target):
        slot = slot_of(tenant)
        self.move(source, target, source.ask("CLUSTER", "GETKEYSINSLOT", slot, 10000))
        for node in (target, source, *[n for n in self.masters() if n not in (source, target)]):
            node.ask("CLUSTER", "SETSLOT", slot, "NODE", target.id)
        eventually(lambda: all(self.owner(tenant, seen_by=node) is target for node in self.living), timeout=30)


def address(nodes, scheme="redis", user=""):
    return f"{scheme}+cluster://{user}" + ",".join(f"127.0.0.1:{node.port}" for node in nodes)


class FakeSeed(Told):
    """Says that one port has all slots (`names`), or garbage."""

    question = b"SLOTS"

    def __init__(self, port):
        super().__init__(port)
        self.garbage, self.state = False, "ok"

    def answer(self):
        if self.garbage:
            return b"*1\r\n*3\r\n:0\r\n:99999999\r\n$-1\r\n$3\r\nabc\r\n"
        host = b"127.0.0.1"
        slots = b"*1\r\n*3\r\n:0\r\n:%d\r\n*3\r\n$%d\r\n%s\r\n:%d\r\n$2\r\nid\r\n" % (SLOTS - 1, len(host), host, self.names)
        info = b"cluster_state:%s\r\n" % self.state.encode()
        return slots + b"$%d\r\n%s\r\n" % (len(info), info)


def answers(site, token, done, pause=0.02):
    """What calls are told until `done()`; each within its bound."""
    seen = set()
    while not done():
        begun = time.monotonic()
        answer = site.call(token=token)
        assert time.monotonic() - begun < 30
        reason = answer.event()["reason"] if answer.status == 503 else ""
        seen.add((answer.status, reason))
        nothing_happens_for(pause)
    return seen
