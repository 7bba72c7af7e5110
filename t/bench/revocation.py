"""How soon a write in Redis is a denial: on all four workers of two nginx, which work at a quarter of what they can.

The clock runs from before the write is sent until the last of the workers has answered 403; each is asked over a
connection of its own, in turn, without a pause. So the figure has in it the write itself, the message to the workers, one
trip of each for what was written, and the calls that ask.
"""
import argparse
import json
import os
import random
import socket
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

from bench import HEADERS, Bench, compile_c
from drive import Failed, Load
from issuer import USER
from stage import AGENT, HERE, POLICY, TOOL

ROOT = HERE.parent.parent
NGINX, WORKERS = 2, 2
OTHER = "load-agent"  # who makes the load isn't who is revoked
CLAIMS = {"jti": "the-one", "sid": "her-laptop"}
META_KEY = "agw:p:{default}:meta"
LATER = "2999-01-01T00:00:00Z"
# what: (key, field or none for a string, what revokes, what doesn't or none for its absence, the status of a denial)
KINDS = {
    "agent": (f"agent:company|{AGENT}", "status", "quarantined", "active", 403),
    "client": (f"client:company|{AGENT}", "revoked", "true", None, 403),
    "tier": ("tier:tried", "revoked", "true", "false", 403),
    "token": ("revoked:jti:company|the-one", None, "x", None, 401),
    "session": ("revoked:sid:company|her-laptop", None, "x", None, 401),
    "issued-before": (f"agent:company|{AGENT}", "revoked_before", LATER, None, 401),
    # These concern the load, too: it is refused for a moment, each time.
    "user": (f"user:company|{USER}", "revoked", "true", None, 403),
    "key": ("issuer:company", "revoked_key:bench", "true", None, 401),
    "tenant": ("tenant", "revoked", "true", None, 403),
    "stop": ("tenant", "stop_all", "true", None, 403),
}
OF_EVERYBODY = ("user", "key", "tenant", "stop")
PATIENCE = 10  # seconds; a write that isn't followed by then is a failure, not a figure


def options(arguments):
    parser = argparse.ArgumentParser(prog="t/bench/run revocation", description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=1000, metavar="N", help="(1000)")
    parser.add_argument("--what", choices=[*KINDS, "all"], default="agent", help="is revoked (agent); all: one after the other")
    parser.add_argument("--json", metavar="FILE", help='{"samples", "p50_ms", "p99_ms", "max_ms", …}')
    parser.add_argument("--share", type=float, default=0.25, help="of the most calls a second (0.25)")
    parser.add_argument("--module", default=ROOT / "build/release/ngx_http_agent_gateway_module.so", type=Path)
    return parser.parse_args(arguments)


def policy():
    out = json.loads(json.dumps(POLICY))
    agents = out["tenants"]["default"]["agents"]
    agents[f"company|{OTHER}"] = dict(agents[f"company|{AGENT}"])
    agents[f"company|{AGENT}"]["tier"] = "tried"
    out["tenants"]["default"]["tiers"] = {"tried": {}}
    return out


class RedisLine:
    """As agwctl writes: the record and the version in one transaction."""

    def __init__(self, url):
        host, port = url.split("//")[1].split("/")[0].split(":")
        self.socket = socket.create_connection((host, int(port)))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def write(self, kind, revoked):
        name, field, yes, no, _ = KINDS[kind]
        name, value = "agw:p:{default}:" + name, yes if revoked else no
        if field is None:
            change = ("SET", name, value) if value is not None else ("DEL", name)
        else:
            change = ("HSET", name, field, value) if value is not None else ("HDEL", name, field)
        commands = (("MULTI",), change, ("HINCRBY", META_KEY, "version", "1"), ("EXEC",))
        text = "".join(f"*{len(c)}\r\n" + "".join(f"${len(w.encode())}\r\n{w}\r\n" for w in c) for c in commands)
        self.socket.sendall(text.encode())
        answer = b""
        while answer.count(b"\r\n") < 6:
            part = self.socket.recv(4096)
            if not part:
                raise Failed("Redis went away")
            answer += part
        if any(line.startswith(b"-") for line in answer.split(b"\r\n")):
            raise Failed(f"Redis refuses to write: {answer!r}")


class Connection:
    """Kept open, so that it stays with one worker."""

    def __init__(self, gateway, headers):
        body = (gateway.call % 700000007).encode()
        lines = ["POST /mcp HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body)}",
                 *(f"{key}: {value}" for key, value in headers.items())]
        self.call = "\r\n".join(lines).encode() + b"\r\n\r\n" + body
        self.socket = socket.create_connection(("127.0.0.1", gateway.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.worker = None

    def ask(self):
        """The status; whose it is stands in `worker` afterwards."""
        self.socket.sendall(self.call)
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._more()
        head, _, body = data.partition(b"\r\n\r\n")
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        self.worker = fields[b"x-worker"]
        while len(body) < int(fields[b"content-length"]):
            body += self._more()
        return int(head.split()[1])

    def _more(self):
        part = self.socket.recv(65536)
        if not part:
            raise Failed("a gateway closed a connection")
        return part


def one_of_each_worker(gateway, headers):
    found = {}
    for _ in range(500):
        connection = Connection(gateway, headers)
        connection.ask()
        found.setdefault(connection.worker, connection)
        if len(found) == WORKERS:
            return list(found.values())
    raise Failed(f"{gateway.dir.name}: only {len(found)} workers answer")


class Pressure:
    """Calls of somebody else on one gateway, as many a second as is said."""

    def __init__(self, bench, binary, gateway):
        self.load, self.gateway, self.name = Load(binary, bench.load_core, bench.folder), gateway, gateway.dir.name
        token = bench.issuer.token(f"http://127.0.0.1:{gateway.port}/mcp", client=OTHER)
        self.load.open(self.name, gateway.port, "http1", 8, "/mcp", HEADERS | {"Authorization": f"Bearer {token}"}, gateway.call)
        self.rates, self.errors, self.thread, self.over = [], 0, None, threading.Event()

    def most(self):
        found = self.load.run(self.name, 1.5)
        self.errors += found.errors
        return found.rps

    def start(self, rate):
        def work():
            while not self.over.is_set():
                found = self.load.run(self.name, 0.5, rate)
                self.rates.append(found.rps)
                self.errors += found.errors
        self.thread = threading.Thread(target=work)
        self.thread.start()

    def stop(self):
        self.over.set()
        if self.thread:
            self.thread.join()
        self.load.stop()


def until(connections, status):
    """Asks each worker until it answers so; nobody who did answers otherwise again."""
    begun, waiting = time.monotonic(), list(connections)
    while waiting:
        waiting = [connection for connection in waiting if connection.ask() != status]
        if time.monotonic() - begun > PATIENCE:
            raise Failed(f"{len(waiting)} workers don't answer {status} after {PATIENCE} s")


def sample(redis, connections, kind):
    status = KINDS[kind][4]
    begun = time.monotonic()
    redis.write(kind, True)
    until(connections, status)
    passed = time.monotonic() - begun
    for connection in connections:
        if connection.ask() != status:
            raise Failed("a worker that had denied allowed")
    redis.write(kind, False)
    until(connections, 200)
    time.sleep(random.uniform(0, 0.01))
    return passed * 1000


def both(pressures):
    """What the gateways can do while all of them work."""
    rates = [0.0] * len(pressures)

    def work(i):
        rates[i] = pressures[i].most()

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(pressures))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return rates


def measure(chosen, folder):
    cores = sorted(os.sched_getaffinity(0))
    bench, pressures = Bench(chosen.module, cores[0], cores[-1], folder, policy()), []
    try:
        tools = TOOL + " add_header X-Worker $pid always;"
        gateways = [bench.gateway("redis", label=f"nginx{i}", workers=WORKERS, tools=tools) for i in range(NGINX)]
        binary = compile_c(folder, "load", sorted((HERE / "load").glob("*.c")), "-lssl", "-lcrypto")
        pressures = [Pressure(bench, binary, gateway) for gateway in gateways]
        connections = []
        for gateway in gateways:
            token = bench.issuer.token(f"http://127.0.0.1:{gateway.port}/mcp", **CLAIMS)
            connections += one_of_each_worker(gateway, HEADERS | {"Authorization": f"Bearer {token}"})
        most = both(pressures)
        for pressure, rate in zip(pressures, most, strict=True):
            pressure.start(max(1, int(rate * chosen.share)))
        redis = RedisLine(bench.redis_url)
        found = sorted(sample(redis, connections, chosen.what) for _ in range(chosen.samples))
        for pressure in pressures:
            pressure.stop()
        errors = sum(pressure.errors for pressure in pressures)
        if errors and chosen.what not in OF_EVERYBODY:
            raise Failed(f"{errors} calls of the load were answered wrongly")
        rates = [statistics.fmean(pressure.rates) for pressure in pressures]
        pressures = []
    finally:
        for pressure in pressures:
            pressure.stop()
        bench.stop()
    return {"what": chosen.what, "samples": len(found), "p50_ms": round(at(found, 0.5), 3), "p99_ms": round(at(found, 0.99), 3),
            "max_ms": round(found[-1], 3), "workers": NGINX * WORKERS, "load_rps": round(sum(rates)),
            "most_rps": round(sum(most))}


def at(ordered, share):
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def main(arguments):
    chosen = options(arguments)
    all_of_it = []
    for what in KINDS if chosen.what == "all" else [chosen.what]:
        chosen.what = what
        try:
            with tempfile.TemporaryDirectory(prefix="agw-revocation-") as folder:
                found = measure(chosen, Path(folder))
        except Failed as why:
            print(f"FAILED {what}: {why}", file=sys.stderr)
            return 1
        print(f"{what}: {found['samples']} writes in Redis, each a denial on {found['workers']} workers at {found['load_rps']} of "
              f"{found['most_rps']} calls a second: p50 {found['p50_ms']} ms, p99 {found['p99_ms']} ms, at most {found['max_ms']} ms")
        all_of_it.append(found)
    if chosen.json:
        Path(chosen.json).write_text(json.dumps(all_of_it if len(all_of_it) > 1 else all_of_it[0], indent=1) + "\n")
    return 0
