"""Slices of load: bare, peer, bare, peer … of which only neighbours are compared."""
import json
import random
import statistics
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .processes import Unavailable

HERE = Path(__file__).resolve().parent
CALL = '{"jsonrpc":"2.0","id":%09d,"method":"tools/call","params":{"name":"TOOL","arguments":{"id":"T-391"}}}'
HEADERS = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream",
           "MCP-Protocol-Version": "2025-06-18"}
# Below this many requests a second a slice has to be long to hold enough of them.
SLOW_RPS, SLOW_SECONDS, LONGEST_SECONDS, SLOW_PAIRS = 300, 4, 8, 3


@dataclass
class Target:
    """Where calls go: a port and path, the headers that every call carries, the tool's name there."""
    process: object
    port: int
    headers: dict
    path: str = "/mcp"
    tool: str = "ticket.read"
    look: bool = False    # look at each answer, not only at its status


@dataclass
class Slice:
    rps: float
    p50_us: float
    p99_us: float
    cpu_us: float


def run_slice(target, connections, seconds, core):
    """Raises Unavailable when an answer was not the backend's."""
    before = target.process.cpu_ns()
    command = ["taskset", "-c", str(core), "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "20s",
               "-s", str(HERE / "calls.lua"), f"http://127.0.0.1:{target.port}{target.path}", "--", target.path,
               CALL.replace("TOOL", target.tool), str(random.randrange(100_000_000, 900_000_000)),
               "1" if target.look else "0", *(f"{name}: {value}" for name, value in target.headers.items())]
    try:
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=seconds + 40)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as failed:
        raise Unavailable(f"wrk could not load it with {connections} connections: {failed}") from failed
    spent = target.process.cpu_ns() - before
    found = json.loads(done.stdout.strip().splitlines()[-1])
    if not found["requests"]:
        raise Unavailable(f"it answered nothing within {seconds} s under load with {connections} connections")
    if found["errors"]:
        raise Unavailable(f"{found['errors']} of {found['requests']} answers under load with {connections} connections "
                          "were errors")
    return Slice(found["requests"] / found["seconds"], found["p50_us"], found["p99_us"],
                 spent / 1000 / found["requests"])


def alternate(bare, peer, connections, chosen):
    """-> slices of the peer, and each one's requests per second divided by the mean of the bare slices around it"""
    seconds, pairs = max(1, round(chosen.seconds)), chosen.pairs
    alone = run_slice(peer, 1, 1, chosen.load_core)
    if alone.rps < SLOW_RPS:
        # At 32 connections a call may take seconds: a slice that holds only one or two of each would be all edges.
        seconds = min(LONGEST_SECONDS, max(seconds, SLOW_SECONDS, round(3 * connections / alone.rps)))
        pairs = min(pairs, SLOW_PAIRS)
    else:
        run_slice(peer, connections, 1, chosen.load_core)
    peer.process.wait_idle()

    def bare_rps():
        return run_slice(bare, connections, max(1, round(chosen.seconds)), chosen.load_core).rps

    bare_rps()
    slices, ratios, before = [], [], bare_rps()
    for _ in range(pairs):
        slices.append(run_slice(peer, connections, seconds, chosen.load_core))
        peer.process.wait_idle()
        after = bare_rps()
        ratios.append(slices[-1].rps / ((before + after) / 2))
        before = after
    return slices, ratios


def summary(slices, ratios):
    """Medians; the ratio with its quartiles."""
    def median(what):
        return round(statistics.median(getattr(one, what) for one in slices), 1)

    low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive") if len(ratios) > 1 else ratios * 3
    return {"rps": median("rps"), "p50_us": median("p50_us"), "p99_us": median("p99_us"), "ratio": round(middle, 4),
            "ratio_low": round(low, 4), "ratio_high": round(high, 4), "cpu_us": median("cpu_us")}
