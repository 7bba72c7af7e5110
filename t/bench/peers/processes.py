"""Processes of a measurement: pinned, in groups of their own, bounded in time, always stopped."""
import os
import signal
import socket
import subprocess
import time
from pathlib import Path


class Unavailable(Exception):
    """Why a peer can't be measured here, in one sentence that an operator understands."""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def tail(path, size=300):
    """The last words of a log, on one line."""
    text = path.read_text(errors="replace") if path.is_file() else ""
    return " ".join(text.split())[-size:]


class Process:
    """A server on one core. Its output goes to `log`; its children die with it."""

    def __init__(self, command, core, log, environment=None, folder=None):
        self.log = log
        with open(log, "wb") as out:
            # A bench that is killed takes its servers with it; its end in order stops the whole group.
            self.process = subprocess.Popen(
                ["taskset", "-c", str(core), "setpriv", "--pdeathsig", "TERM", *map(str, command)], cwd=folder,
                env={**os.environ, **(environment or {})}, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                start_new_session=True)

    def wait_port(self, port, timeout):
        until = time.monotonic() + timeout
        while time.monotonic() < until:
            with socket.socket() as s:
                if s.connect_ex(("127.0.0.1", port)) == 0:
                    return
            if self.process.poll() is not None:
                raise Unavailable(f"it ended at its start with {self.process.returncode}: {tail(self.log)}")
            time.sleep(0.05)
        raise Unavailable(f"it did not listen within {timeout} s: {tail(self.log)}")

    def cpu_ns(self):
        """CPU time, in nanoseconds, that the process and what descends from it have used so far."""
        family, parents, spent = {self.process.pid}, {}, 0
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
        while grown := {pid for pid, parent in parents.items() if parent in family} - family:
            family |= grown
        for pid in family:
            for task in Path(f"/proc/{pid}/task").glob("*/schedstat"):
                try:
                    spent += int(task.read_text().split()[0])
                except OSError:
                    continue
        return spent

    def wait_idle(self, timeout=15):
        """Until what a load left behind is done: it shares its core with the bare nginx that is measured next."""
        until, before = time.monotonic() + timeout, self.cpu_ns()
        while time.monotonic() < until:
            time.sleep(0.1)
            now = self.cpu_ns()
            if now - before < 10_000_000:
                return
            before = now

    def stop(self):
        for last_word, patience in ((signal.SIGTERM, 5), (signal.SIGKILL, 5)):
            try:
                os.killpg(self.process.pid, last_word)
                self.process.wait(patience)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue
        # The leader has gone; children that did not follow it must.
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
