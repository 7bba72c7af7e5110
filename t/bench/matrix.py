"""Speed: every row, protocol, size and number of connections that was chosen, beside bare proxy_pass in the same worker."""
from collections import Counter
from dataclasses import dataclass

from bench import RESPONSE_BYTES
from drive import Failed, against_neighbours, quantile, quartiles
from stage import ROWS, body

LARGE = 1 << 20
SIZES = {"100": 0, "1k": RESPONSE_BYTES, "64k": 1 << 16, "1m": LARGE}  # 100: the plain tools/call


@dataclass(frozen=True)
class Case:
    row: str
    protocol: str = "http1"
    connections: int = 32
    request: int = 0     # bytes; 0: the plain call
    answer: int = RESPONSE_BYTES

    def __str__(self):
        return f"{self.row}/{self.protocol}/{self.connections}/{self.request}/{self.answer}"


def protocol_of(case):
    """A certificate is shown in a TLS handshake."""
    holds = ROWS[case.row].get("holder") if case.row in ROWS else None
    return "tls" if holds == "mtls" and case.protocol == "http1" else case.protocol


def selection(chosen):
    """All rows with plain calls; of the last row but Redis', which has everything, the sizes and protocols, too."""
    def cases(rows, protocols, requests, answers):
        return [Case(row, protocol, connections, SIZES[request], SIZES[answer]) for protocol in protocols
                for request in requests for answer in answers for connections in chosen.connections for row in rows]

    every = cases(chosen.rows, chosen.protocols, chosen.requests, chosen.answers)
    if chosen.every:
        return every
    whole = "full" if "full" in chosen.rows else chosen.rows[-1]
    plain = (chosen.protocols[0], SIZES[chosen.requests[0]], SIZES[chosen.answers[0]])
    # Another protocol with plain calls, or other sizes over the plain protocol: not both at once.
    return [case for case in every
            if (case.protocol, case.request, case.answer) == plain
            or case.row == whole and (case.protocol == plain[0] or (case.request, case.answer) == plain[1:])]


class Lane:
    """A gateway's connections for one case: /bare or /mcp of the same worker, with the same headers and bodies."""

    def __init__(self, bench, gateway, path, case, tokens=None):
        self.load, self.gateway, self.case = bench.load, gateway, case
        self.name = f"{gateway.dir.name}{path}"
        target = path if case.answer == RESPONSE_BYTES else f"{path}?bytes={case.answer}"
        call = body(ROWS[gateway.name]["call"], case.request)
        bench.ask(gateway, target, call, case.answer)
        protocol = protocol_of(case)
        port = gateway.port if protocol == "http1" else gateway.tls_port
        self.load.open(self.name, port, protocol, case.connections, target, bench.headers(gateway), call, tokens)

    def slice(self, seconds, rate=0):
        found = self.load.run(self.name, seconds, rate, self.gateway, self.case.answer)
        if found.errors:
            raise Failed(f"{self.name}, {self.case}: {found.errors} answers were errors\n{self.gateway.log()}")
        return found

    def __enter__(self):
        return self

    def __exit__(self, failure, *_):
        try:
            self.load.close(self.name)
        except Failed:
            if failure is None:  # otherwise what came first is what matters
                raise


def slices(chosen, case):
    """(how many, how long): a slice must hold many calls of each connection; large ones get more time, and fewer slices."""
    if max(case.request, case.answer) < LARGE:
        return chosen.pairs, chosen.seconds
    return max(2, chosen.pairs // 2), chosen.seconds * (4 if case.connections > 1 else 2)


def alternate(bare_lane, row_lane, pairs, seconds, rate=0):
    """bare, row, bare, row, …, bare"""
    for lane in (row_lane, bare_lane):
        lane.slice(min(seconds, 0.3), rate)
    bare, row = [bare_lane.slice(seconds, rate)], []
    for _ in range(pairs):
        row.append(row_lane.slice(seconds, rate))
        bare.append(bare_lane.slice(seconds, rate))
    return bare, row


def all_latencies(slices):
    out = Counter()
    for one in slices:
        out += one.histogram
    return out


def spread(name, values):
    low, middle, high = quartiles(values)
    return {name: round(middle, 3), f"{name}_low": round(low, 3), f"{name}_high": round(high, 3)}


def middle(slices, what):
    return round(quartiles([getattr(one, what) for one in slices])[1], 1)


def absolute(slices):
    """Medians of slices: they say as much of the machine as of the program."""
    return {"rps": middle(slices, "rps"), "p50_us": middle(slices, "p50"), "p99_us": middle(slices, "p99"),
            "cpu_us": middle(slices, "cpu_us")}


def describe(case):
    row = case.row
    kind = ROWS[row]["call"] if row in ROWS else "tool"
    protocol = {"http1": "http/1.1", "tls": "https/1.1", "h2": "h2"}[protocol_of(case)]
    return {"name": row, "connections": case.connections, "request_bytes": len(body(kind, case.request) % 100000000),
            "response_bytes": case.answer, "proto": protocol}


def compared(case, bare, row):
    """A row of the table. Less CPU is better, more requests are: both ratios read as "of bare"."""
    return (describe(case) | absolute(row) | spread("ratio", against_neighbours(bare, row, "rps"))
            | spread("cpu_ratio", [1 / max(r, 1e-9) for r in against_neighbours(bare, row, "cpu_us")])
            | spread("p99_ratio", against_neighbours(bare, row, "p99")))


def latencies(bare, row):
    """Over all calls of all slices: {p50: {bare, row, added}, …}, in microseconds."""
    out, of_bare, of_row = {}, all_latencies(bare), all_latencies(row)
    for name, share in (("p50", 0.5), ("p99", 0.99), ("p999", 0.999)):
        a, b = quantile(of_bare, share), quantile(of_row, share)
        out[name] = {"bare": round(a, 1), "row": round(b, 1), "added": round(b - a, 1)}
    return out


def measure(bench, gateways, chosen, rows, latency, tell, trouble):
    """Adds to `rows`, and to `latency` the plain calls over one connection. `tell` sees each row as soon as it is known,
    `trouble` why a case could not be measured."""
    bares = {}
    for case in selection(chosen):
        gateway = gateways[case.row]
        try:
            pairs, seconds = slices(chosen, case)
            proofs = bench.proofs(gateway, pairs * seconds + 0.5)
            with Lane(bench, gateway, "/bare", case) as bare_lane, Lane(bench, gateway, "/mcp", case, proofs) as row_lane:
                bare, row = alternate(bare_lane, row_lane, pairs, seconds)
        except Failed as why:
            trouble(why)
            continue
        rows.append(compared(case, bare, row))
        tell(rows[-1])
        if case == Case(case.row, connections=1):
            latency.append({"name": case.row, "connections": 1, "rate": None} | latencies(bare, row)
                           | spread("p99_ratio", against_neighbours(bare, row, "p99")))
        bares.setdefault(Case("bare", protocol_of(case), case.connections, case.request, case.answer), []).append(bare)
    for case, blocks in bares.items():
        # Bare held against its own neighbours is the noise that every other ratio has, too.
        pairs = [(block[::2], block[1::2]) for block in blocks]
        rows.append(describe(case) | absolute([one for block in blocks for one in block]) | {
            key: value for what, key in (("rps", "ratio"), ("cpu_us", "cpu_ratio"), ("p99", "p99_ratio"))
            for key, value in spread(key, [r for a, b in pairs for r in against_neighbours(a, b, what)] or [1]).items()})
        tell(rows[-1])


def at_constant_rate(bench, gateways, chosen, rows, latency, tell):
    """Adds to `latency`: over 32 connections at half of what the row does at most, bare beside it at the same rate."""
    for name in chosen.latency_rows:
        most = [row["rps"] for row in rows if row["name"] == name and row["connections"] == max(chosen.connections)
                and row["proto"] == "http/1.1" and row["response_bytes"] == RESPONSE_BYTES]
        if not most:
            continue
        rate, case = max(1, round(most[0] / 2)), Case(name, connections=max(chosen.connections))
        with Lane(bench, gateways[name], "/bare", case) as bare_lane, Lane(bench, gateways[name], "/mcp", case) as lane:
            bare, row = alternate(bare_lane, lane, chosen.latency_pairs, chosen.latency_seconds, rate)
        latency.append({"name": name, "connections": case.connections, "rate": rate} | latencies(bare, row)
                       | spread("p99_ratio", against_neighbours(bare, row, "p99")))
        tell(latency[-1])
