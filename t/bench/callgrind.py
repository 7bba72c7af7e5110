"""Instructions of a governed call, function by function: callgrind over a worker of a real nginx.

Instructions don't depend on what else the machine does. What they don't show: memory that isn't in the cache, and the
kernel. What the worker does beside calls is in bare's calls too, and goes with them.
"""
import re
import subprocess
from collections import Counter

from one_worker import ROWS, OneWorker, eventually  # noqa: F401  (who counts names rows)

WARM, CALLS = 150, 300
# nginx forks its worker: it is asked by its own pid, and has its own files.
VALGRIND = ("valgrind", "--tool=callgrind", "-q", "--trace-children=yes", "--callgrind-out-file={dir}/callgrind.%p")


class Counted(OneWorker):
    def __init__(self, name, module):
        super().__init__(name, module, VALGRIND)
        self.dumps = 0

    def control(self, *what):
        subprocess.run(["callgrind_control", *what, self.worker], check=True, capture_output=True, timeout=60)

    def measure(self, path):
        """Instructions per call: Counter of (object, function)."""
        self.calls(path, WARM)
        self.control("--zero")
        self.calls(path, CALLS)
        self.control(f"--dump={path}")
        self.dumps += 1
        dump = self.dir / f"callgrind.{self.worker}.{self.dumps}"
        text = eventually(lambda: dump.exists() and "\ntotals: " in (text := dump.read_text()) and text, timeout=20)
        return Counter({name: cost / CALLS for name, cost in read(text).items()})

    def governed(self):
        """What /mcp costs more than /bare, and /bare: two Counters of (object, function)."""
        bare, whole = self.measure("/bare"), self.measure("/mcp")
        more = Counter(whole)
        more.subtract(bare)
        return more, bare


_NAMED = re.compile(r"(c?)(ob|fn|fl|fi|fe)=\((\d+)\)(?: (.*))?")


def read(text):
    """Counter of (object, function), each without what it calls, from text in callgrind's format."""
    names, found, current, callee = {}, Counter(), {"ob": "", "fn": ""}, False
    for line in text.splitlines():
        if line[:1] in "0123456789+-*" and line:
            if not callee:
                found[current["ob"], current["fn"]] += int(line.split()[1])
            callee = False
        elif named := _NAMED.fullmatch(line):
            called, kind, number, name = named.groups()
            kind = "fl" if kind in ("fi", "fe") else kind
            if name is not None:
                names[kind, number] = name.split("'")[0] if kind == "fn" else name
            if not called and kind in current:
                current[kind] = names[kind, number]
        elif line.startswith("calls="):
            callee = True
    return found
