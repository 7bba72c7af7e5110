"""Slices of load: bare, peer, bare, peer … of which only neighbours are compared; the load is that of t/bench/run."""
from contextlib import contextmanager
from dataclasses import dataclass

from drive import Failed, Load, against_neighbours, quartiles

from .processes import Unavailable

# As long as the call of the project's rows; TOOL is the name that the tool has at that gateway.
CALL = '{"jsonrpc":"2.0","id":%09d,"method":"tools/call","params":{"name":"TOOL","arguments":{"id":"T-391"}}}'
HEADERS = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream",
           "MCP-Protocol-Version": "2025-06-18"}
# Below this many calls a second over one connection a slice must be long to hold enough of them, and few must do.
SLOW_RPS, SLOW_SECONDS, SLOW_PAIRS = 300, 4, 3


@dataclass
class Target:
    """Where calls go: a port and path, the headers that every call carries, the tool's name there."""
    process: object
    port: int
    headers: dict
    path: str = "/mcp"
    tool: str = "ticket.read"
    answer_bytes: int = 0    # of the body of a good answer; another length under load is an error, whatever its status

    @property
    def call(self):
        return CALL.replace("TOOL", self.tool)


@contextmanager
def generator(stand, targets, connections):
    """-> run(name, seconds), a slice of one of the targets; `targets` by name. Raises Unavailable for wrong answers."""
    load = Load(stand.load, stand.chosen.load_core, stand.folder)

    def run(name, seconds):
        target = targets[name]
        try:
            done = load.run(name, seconds, gateway=target.process, answer_bytes=target.answer_bytes)
        except (Failed, OSError) as failed:
            ended = target.process.process.poll()
            why = failed if ended is None else f"it ended with {ended}"
            raise Unavailable(f"{name} broke down under load with {connections} connections: {why}") from failed
        if done.errors or not done.histogram:
            raise Unavailable(f"{done.errors} of {sum(done.histogram.values())} answers of {name} under load with "
                              f"{connections} connections were errors, late or of another length than the first")
        return done

    try:
        for name, target in targets.items():
            load.open(name, target.port, "http1", connections, target.path, target.headers, target.call)
        yield run
    except (Failed, OSError) as failed:
        raise Unavailable(f"it takes no {connections} connections: {failed}") from failed
    finally:
        load.process.kill()
        load.process.wait()


def alternate(stand, peer, connections):
    """-> slices of bare, and of the peer between them"""
    chosen = stand.chosen
    seconds, pairs = chosen.seconds, chosen.pairs
    with generator(stand, {"it": peer}, 1) as run:
        slow = run("it", 0.5).rps < SLOW_RPS
    if slow:
        seconds, pairs = max(seconds, SLOW_SECONDS), min(pairs, SLOW_PAIRS)
    with generator(stand, {"bare": stand.bare, "it": peer}, connections) as run:
        if not slow:
            run("it", min(seconds, 0.3))
        peer.process.wait_idle()
        run("bare", min(chosen.seconds, 0.3))
        bare, row = [run("bare", chosen.seconds)], []
        for _ in range(pairs):
            row.append(run("it", seconds))
            if slow:
                peer.process.wait_idle()
            bare.append(run("bare", chosen.seconds))
    return bare, row


def summary(bare, row):
    """Medians; of bare's requests per second with the quartiles, and of bare's CPU time a call."""
    def median(what):
        return round(quartiles([getattr(one, what) for one in row])[1], 1)

    low, middle, high = quartiles(against_neighbours(bare, row, "rps"))
    of_cpu = quartiles([1 / max(ratio, 1e-9) for ratio in against_neighbours(bare, row, "cpu_us")])[1]
    return {"rps": median("rps"), "p50_us": median("p50"), "p99_us": median("p99"), "ratio": round(middle, 4),
            "ratio_low": round(low, 4), "ratio_high": round(high, 4), "cpu_us": median("cpu_us"),
            "cpu_ratio": round(of_cpu, 4)}
