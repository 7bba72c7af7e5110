"""What MCP's answers cost: a list of 500 tools of which half are the caller's, and streams of 1,000 events."""
import copy

from drive import Failed, against_neighbours
from matrix import alternate, middle, spread
from stage import BODIES, POLICY, SCOPE, TOOL

TOOLS, EVENTS = 500, 1000
ROW = "full"
# A stream lasts as long as the backend takes over it: a fifth of a second.
STREAMS, STREAM_SECONDS = 8, 1.0
# name -> (what the backend is asked for, the call, what the gateway changes)
CASES = {
    "list": (f"tools={TOOLS}", '{"jsonrpc":"2.0","id":%09d,"method":"tools/list"}', True),
    "stream": (f"events={EVENTS}", BODIES["tool"], False),
}


def gateway_of(bench):
    names = [f"{'hidden' if i % 2 else 'seen'}.{i}" for i in range(TOOLS)]
    tools = "\n".join([TOOL, *(f"agent_tool {name} {{ scope {SCOPE}; }}" for name in names)])
    policy = copy.deepcopy(POLICY)
    bundle = policy["tenants"]["default"]["bundles"]["support"]
    bundle["grants"].append({"id": "b2", "operation": "tickets/seen.*"})
    policy["tenants"]["default"]["entitlements"].append(
        {"id": "e2", "to": policy["tenants"]["default"]["entitlements"][0]["to"], "operation": "tickets/*"})
    return bench.gateway(ROW, label="mcp", policy=policy, tools=tools)


class Lane:
    def __init__(self, bench, gateway, path, asked, call, connections):
        self.load, self.gateway, self.name = bench.load, gateway, f"mcp{path}"
        target = f"{path}?{asked}"
        self.body = bench.answer(gateway, target, call)
        self.load.open(self.name, gateway.port, "http1", connections, target, bench.headers(gateway), call)

    def slice(self, seconds, rate=0):
        found = self.load.run(self.name, seconds, rate, self.gateway, len(self.body))
        if found.errors:
            raise Failed(f"{self.name}: {found.errors} answers were errors\n{self.gateway.log()}")
        return found

    def close(self):
        self.load.close(self.name)


def measure(bench, chosen, rows, say):
    gateway = gateway_of(bench)
    for name, (asked, call, changes) in CASES.items():
        stream = name == "stream"
        seconds = max(chosen.seconds, STREAM_SECONDS if stream else 0.3)
        for connections in (STREAMS,) if stream else chosen.connections:
            bare, row = (Lane(bench, gateway, path, asked, call, connections) for path in ("/bare", "/mcp"))
            if (b"hidden." in row.body) or changes == (row.body == bare.body):
                raise Failed(f"{name}: the gateway passed on {len(row.body)} bytes of {len(bare.body)}: {row.body[:300]!r}")
            bare_slices, row_slices = alternate(bare, row, max(2, chosen.pairs // 3) if stream else chosen.pairs, seconds)
            found = {"name": name, "connections": connections, "bytes": [len(bare.body), len(row.body)]}
            found |= spread("ratio", against_neighbours(bare_slices, row_slices, "rps"))
            found |= spread("cpu_ratio", [1 / max(r, 1e-9) for r in against_neighbours(bare_slices, row_slices, "cpu_us")])
            found |= {"rps": middle(row_slices, "rps"), "cpu_us": middle(row_slices, "cpu_us")}
            rows.append(found)
            say(found)
            bare.close()
            row.close()
    gateway.stop()
