"""How often is Redis asked? Counted, not timed: what a warm worker's calls make it answer, one by one."""
import socket

from drive import Failed
from matrix import Case, Lane
from stage import ROWS

# A worker that stands still for longer than its lease asks, rightly: on a busy machine one slice may say nothing.
ATTEMPTS = 20
SECONDS = 0.1


class Monitor:
    """Every command of one Redis, as it comes."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 10)
        self.socket.sendall(b"MONITOR\r\n")
        self.rest = b""
        if self._line() != b"+OK":
            raise Failed("Redis refuses MONITOR")

    def _line(self):
        while b"\r\n" not in self.rest:
            part = self.socket.recv(1 << 16)
            if not part:
                raise Failed("Redis went away")
            self.rest += part
        line, self.rest = self.rest.split(b"\r\n", 1)
        return line

    def until(self, marker, with_meta):
        """What was asked: policy and scripts. Meta is read four times a second also without a call."""
        asked = 0
        while marker not in (line := self._line()):
            policy = b'"agw:p:' in line and b" lua]" not in line and (with_meta or b":meta" not in line)
            if policy or b'"EVALSHA"' in line.upper():
                asked += 1
        return asked

    def close(self):
        self.socket.close()


def mark(port, text):
    with socket.create_connection(("127.0.0.1", port), 10) as s:
        s.sendall(b"ECHO %b\r\n" % text)
        s.recv(100)


def asks(name):
    """Whether each call of this row is a question to Redis."""
    return ROWS[name].get("freshness") == "strict" or bool(ROWS[name].get("limits"))


def count(bench, gateway):
    """(calls, commands that they made Redis answer) of the slice with the fewest."""
    fewest = None
    with Lane(bench, gateway, "/mcp", Case(gateway.name, connections=1)) as lane:
        lane.slice(SECONDS)
        for attempt in range(ATTEMPTS):
            monitor = Monitor(bench.redis_port)
            calls = sum(lane.slice(SECONDS).histogram.values())
            marker = b"slice-%d" % attempt
            mark(bench.redis_port, marker)
            asked = monitor.until(marker, asks(gateway.name))
            monitor.close()
            if calls and (fewest is None or asked / calls < fewest[1] / fewest[0]):
                fewest = calls, asked
            if fewest and fewest[1] == 0:
                break
            if asks(gateway.name):
                break
    return fewest


def measure(bench, chosen, rows, tell):
    """Adds {name, calls, commands, per_call} for each row with Redis. A warm copy that asks is a failure."""
    for name in (name for name in chosen.rows if ROWS[name]["store"] == "redis"):
        gateway = bench.gateway(name, label=f"trips-{name}")
        calls, commands = count(bench, gateway)
        gateway.stop()
        rows.append({"name": name, "calls": calls, "commands": commands, "per_call": round(commands / calls, 3)})
        tell(rows[-1])
        if not asks(name) and commands:
            raise Failed(f"{name}: {commands} commands to Redis in {calls} calls of a warm copy: there must be none")
        if asks(name) and commands < calls * 0.9:  # one may be under way when the slice ends
            raise Failed(f"{name}: {commands} commands to Redis in {calls} calls: this doesn't count what it should")
