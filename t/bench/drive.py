"""The load generator (load/main.c) as Python drives it, and what a slice of its calls says."""
import contextlib
import json
import statistics
import subprocess
from collections import Counter
from dataclasses import dataclass, field


class Failed(Exception):
    """Something could not be measured; the text says what and why."""


def bucket_middle(index):
    """Nanoseconds; load/main.c cuts latencies into buckets of their seven highest bits."""
    if index < 256:
        return index + 0.5
    shift = (index >> 7) - 1
    return (((index & 127) | 128) + 0.5) * (1 << shift)


def quantile(histogram, share):
    """Microseconds that `share` of the calls don't exceed."""
    wanted, seen = share * sum(histogram.values()), 0
    for index in sorted(histogram):
        seen += histogram[index]
        if seen >= wanted:
            return bucket_middle(index) / 1000
    return 0.0


@dataclass
class Slice:
    rps: float
    cpu_us: float    # of the gateway's processes, per call
    errors: int      # broken connections, answers other than 200 or of another length
    histogram: Counter = field(repr=False)

    @property
    def p50(self):
        return quantile(self.histogram, 0.5)

    @property
    def p99(self):
        return quantile(self.histogram, 0.99)


class Load:
    """One process of the generator; its connections stay open from slice to slice."""

    def __init__(self, binary, core, folder, certificate=None):
        self.folder, self.files = folder, 0
        self.process = subprocess.Popen(["taskset", "-c", str(core), binary, *([certificate] if certificate else [])], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)

    def _say(self, *words):
        line = ""
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(" ".join(map(str, words)) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        if not line:
            raise Failed("the load generator ended")
        answer = json.loads(line)
        if "error" in answer:
            raise Failed(f"{' '.join(map(str, words[:6]))}: {answer['error']}")
        return answer

    def _file(self, text):
        self.files += 1
        file = self.folder / f"load.{self.files}"
        file.write_text(text)
        return file

    def open(self, name, port, protocol, connections, path, headers, call, tokens=None):
        """A target. `call`: its body, with %09d for the id; `tokens`: a file of tokens that the calls take in turn."""
        files = [self._file("".join(f"{key}: {value}\n" for key, value in headers.items())), self._file(call % 100000000)]
        self._say("open", name, port, protocol, connections, path, *files, *([tokens] if tokens else []))
        for file in files:
            file.unlink()

    def close(self, name):
        self._say("close", name)

    def run(self, name, seconds, rate=0, gateway=None, answer_bytes=None):
        """A slice of calls; with a gateway, its CPU time, too."""
        before = gateway.cpu_ns() if gateway else 0
        found = self._say("run", name, seconds, rate)
        spent = (gateway.cpu_ns() if gateway else 0) - before
        errors = found["errors"] + found["not_200"]
        if answer_bytes and found["total"] and found["bytes"] != [answer_bytes, answer_bytes]:
            errors += 1
        return Slice(found["total"] / found["seconds"], spent / 1000 / max(found["total"], 1), errors,
                     Counter(dict(found["histogram"])))

    def stop(self):
        with contextlib.suppress(BrokenPipeError):  # Ctrl-C has ended it already
            self.process.stdin.close()
        self.process.wait(20)


def quartiles(values):
    """(lower quartile, median, upper quartile)"""
    if len(values) < 2:
        return (values[0],) * 3
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, middle, high


def against_neighbours(bare, row, what):
    """Each slice of the row divided by the mean of the two bare slices around it."""
    return [getattr(one, what) / max((getattr(a, what) + getattr(b, what)) / 2, 1e-9)
            for one, a, b in zip(row, bare, bare[1:])]
