"""Hours in little: every kind of call, streams, clients that leave, now and then a reload; memory must be flat."""
import os
import random
import time
from pathlib import Path

from plugins.wait import eventually

KINDS = ("known", "stranger", "former", "expired")
MOST_GROWTH_KB = 3072   # of all workers together: what malloc keeps back
POOL = 60


def soak(trial, seconds):
    """for a long time everything at once, and memory flat"""
    # Tokens come again: each that is met for the first time is remembered, and that is no leak.
    pool = [trial.world.token("fresh") for _ in range(POOL)]
    usual = trial.load.token
    trial.load.token = lambda kind: random.choice(pool) if kind == "fresh" else usual(kind)
    trial.start(("fresh", *KINDS), pause=0.01)
    warm = min(60.0, max(8.0, seconds * 0.25))
    began = time.monotonic()
    _round(trial, began + warm)
    first = memory(trial)
    _round(trial, began + warm + seconds)
    last = memory(trial)
    trial.say(f"{seconds} s, workers {first} kB after {warm:.0f} s, {last} kB at the end")
    if last - first > MOST_GROWTH_KB and os.environ.get("AGW_ASAN") != "1":
        trial.found["errors"].append(f"memory grew from {first} to {last} kB")
    trial.found["memory_kb"] = [first, last]
    return trial.finish(may_fail=False)


def memory(trial):
    """Of the workers, without the pages they share with the zone."""
    total = 0
    for pid in eventually(trial.nginx.workers):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("RssAnon"):
                total += int(line.split()[1])
    return total


def _round(trial, until):
    while time.monotonic() < until:
        stream = trial.load.open_stream()
        for _ in range(10):
            leaving = trial.load.leaving()
            time.sleep(0.01)
            leaving.reset()
            time.sleep(0.05)
        stream.leave()
        trial.load.streams.clear()

