"""Memory: of a worker that remembers many tokens, and of a stream that stays open."""
import json
import selectors
import socket
import subprocess
import time
from pathlib import Path

import many
from bench import HEADERS, compile_c, room_for_files
from drive import Failed, quartiles
from matrix import Case, Lane
from stage import HERE, POLICY, USER

COPY_DATABASE = 1  # of Redis


def resident(pid):
    """Bytes: {rss, pss, anonymous}. Anonymous: what is the process's own, neither a file nor shared with others."""
    names = {"Rss": "rss", "Pss": "pss", "Anonymous": "anonymous"}
    found = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        key = line.split(":")[0]
        if key in names:
            found[names[key]] = int(line.split()[1]) * 1024
    return found


def wait_steady(pid):
    """What is resident once it no longer changes: logs and connections of the load are settled."""
    before = resident(pid)
    for _ in range(20):
        time.sleep(0.1)
        now = resident(pid)
        if now == before:
            break
        before = now
    return before


def of_tokens(bench, count):
    """`count` tokens of as many users, each used once, then all of them in turn beside bare."""
    # Without an exchange: a second memory, of backend's tokens, would be filled by asking the issuer for each.
    gateway = bench.gateway("decision", label="tokens")
    sign = compile_c(bench.folder, "sign", [HERE / "sign.c"], "-lcrypto")
    file = bench.folder / "many-tokens"
    bench.issuer.many_tokens(sign, f"http://127.0.0.1:{gateway.port}/mcp", count, file)
    with file.open() as tokens:
        gateway.token = tokens.readline().strip()
    case = Case("decision", connections=32)
    worker = gateway.worker()
    with Lane(bench, gateway, "/mcp", case) as warm:
        warm.slice(0.2)
    with Lane(bench, gateway, "/bare", case, file) as bare, Lane(bench, gateway, "/mcp", case, file) as row:
        bare.slice(0.2)
        before, sent = wait_steady(worker), 0
        while sent < count:
            sent += sum(row.slice(0.5).histogram.values())
        after = wait_steady(worker)
        ratios, last = [], bare.slice(0.2)
        for _ in range(7):
            one, following = row.slice(0.2), bare.slice(0.2)
            ratios.append(one.rps / ((last.rps + following.rps) / 2))
            last = following
    gateway.stop()
    file.unlink()
    low, middle, high = quartiles(ratios)
    return {"tokens": count, "token_bytes": len(gateway.token), "worker_rss_before": before["rss"],
            "worker_rss": after["rss"], "bytes_per_token": round((after["anonymous"] - before["anonymous"]) / count),
            "ratio_all_in_turn": round(middle, 3), "ratio_all_in_turn_low": round(low, 3),
            "ratio_all_in_turn_high": round(high, 3)}


def status_of(gateway, agwctl):
    """What the worker tells of its copy."""
    said = subprocess.run([agwctl, "status", "--json", "--state", gateway.dir / "state"], capture_output=True, text=True)
    try:
        return json.loads(said.stdout)["servers"][0]["workers"][0]["store"]
    except (ValueError, LookupError):
        raise Failed(f"agwctl status: {said.stdout}{said.stderr}") from None


def of_copy(bench, count):
    """`count` agents with grants of their own in Redis, of each of which one call is made: all are in the worker's copy."""
    url = bench.store(COPY_DATABASE, POLICY)
    many.add_agents(url, (f"n{i:06}" for i in range(count)), "tickets/ticket.read")
    gateway = bench.gateway("copy", redis=url, label="copied-agents", copy_limit="8192m")
    file = bench.folder / "tokens-of-agents"
    sign = compile_c(bench.folder, "sign", [HERE / "sign.c"], "-lcrypto")
    bench.issuer.many_tokens(sign, f"http://127.0.0.1:{gateway.port}/mcp", count, file, client="nNNNNNN", user=USER)
    with file.open() as tokens:
        gateway.token = tokens.readline().strip()
    worker, agwctl = gateway.worker(), bench.module.parent / "agwctl"
    with Lane(bench, gateway, "/mcp", Case("copy", connections=32), file) as row:
        before, entries = wait_steady(worker), status_of(gateway, agwctl)["entries"]
        sent = 0
        while sent < count:
            sent += sum(row.slice(0.5).histogram.values())
        after = wait_steady(worker)
        time.sleep(0.5)  # the page of the status is a quarter of a second old at most
        told = status_of(gateway, agwctl)
    gateway.stop()
    file.unlink()
    if told["entries"] - entries < count or told["evictions"]:
        raise Failed(f"copied agents: {told['entries']} entries, {told['evictions']} evictions: not all are in the copy")
    return {"agents": count, "grants_each": many.GRANTS_EACH, "worker_rss_before": before["rss"], "worker_rss": after["rss"],
            "bytes_per_agent": round((after["anonymous"] - before["anonymous"]) / count), "copy_bytes": told["bytes"],
            "entries": told["entries"]}


class Streams:
    """Streams of events that are open at once: GET, of which the first event has arrived."""

    def __init__(self, gateway, path, count):
        lines = HEADERS | {"Accept": "text/event-stream",
                           "Authorization": f"Bearer {gateway.token}"}
        lines.pop("Content-Type")
        request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{gateway.port}\r\n".encode() + "".join(
            f"{name}: {value}\r\n" for name, value in lines.items()).encode() + b"\r\n"
        self.sockets, waiting = [], selectors.DefaultSelector()
        for first in range(0, count, 100):
            for _ in range(min(100, count - first)):
                s = socket.create_connection(("127.0.0.1", gateway.port), 10)
                s.sendall(request)
                waiting.register(s, selectors.EVENT_READ, bytearray())
                self.sockets.append(s)
            self._wait(waiting, gateway, path)

    def _wait(self, waiting, gateway, path):
        while waiting.get_map():
            ready = waiting.select(10)
            if not ready:
                raise Failed(f"{path}: {len(waiting.get_map())} streams sent no event\n{gateway.log()}")
            for key, _ in ready:
                try:
                    got = key.fileobj.recv(8192)
                except ConnectionResetError:
                    got = b""
                key.data.extend(got)
                if not got or not key.data.startswith(b"HTTP/1.1 200"[:len(key.data)]):
                    raise Failed(f"{path}: no stream: {bytes(key.data[:300])!r}\n{gateway.log()}")
                if b'"open":true' in key.data:
                    waiting.unregister(key.fileobj)

    def close(self):
        for s in self.sockets:
            s.close()


def of_streams(bench, wanted, row="full"):
    """What `wanted` open streams take, bare and governed, each in a worker that has had none before."""
    files = room_for_files(wanted * 3 + 1000)
    count = min(wanted, max(10, (files - 1000) // 3))
    out = {"streams": count}
    for what, path in (("bare", "/bare"), ("governed", "/mcp")):
        # nginx closes idle connections when a sixteenth of worker_connections is left.
        gateway = bench.gateway(row, label=f"streams-{what}", connections=3 * count + 500)
        worker = gateway.worker()
        with Lane(bench, gateway, path, Case(row)) as warm:
            warm.slice(0.2)
        before = wait_steady(worker)
        streams = Streams(gateway, path, count)
        after = wait_steady(worker)
        streams.close()
        gateway.stop()
        out[what] = {"worker_rss_before": before["rss"], "worker_rss": after["rss"],
                     "bytes_per_stream": round((after["anonymous"] - before["anonymous"]) / count)}
    out["added_bytes_per_stream"] = out["governed"]["bytes_per_stream"] - out["bare"]["bytes_per_stream"]
    out["row"] = row
    return out


def measure(bench, chosen):
    return {"remembered": of_tokens(bench, chosen.tokens), "streams": of_streams(bench, chosen.streams),
            "copy": of_copy(bench, chosen.agents)}
