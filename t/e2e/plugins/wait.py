"""Ports nobody else uses, and waiting for a fact instead of for a time."""
import os
import socket
import threading
import time

_FIRST, _SPAN = 20000, 1200


def _worker_index() -> int:
    name = os.environ.get("PYTEST_XDIST_WORKER", "")
    return int(name[2:]) % 7 if name[2:].isdigit() else 7


# Below the ephemeral range, so that an outgoing connection never takes a port between its choice and its use;
# a range for each xdist worker and one for their parent, and a start that differs between runs on the same machine.
_base = _FIRST + _worker_index() * _SPAN
_next = os.getpid() % _SPAN


def free_port() -> int:
    global _next
    for _ in range(_SPAN):
        port = _base + _next
        _next = (_next + 1) % _SPAN
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("no free port in the range of this worker")


def eventually(check, timeout: float = 5.0, interval: float = 0.02):
    """Calls `check` until it returns something true without an AssertionError; returns that."""
    end = time.monotonic() + timeout
    while True:
        error = None
        try:
            result = check()
        except AssertionError as raised:
            result, error = None, raised
        if result:
            return result
        if time.monotonic() >= end:
            raise error or AssertionError(f"not so within {timeout} s: {getattr(check, '__name__', check)}")
        time.sleep(interval)


class Lateness:
    """`with Lateness() as late:` … `late.seconds` is how much longer than told a thread slept meanwhile that does
    nothing else: what a bound in seconds has to be excused on a machine with other work."""

    def __enter__(self):
        self.seconds, self._done = 0.0, threading.Event()
        self._thread = threading.Thread(target=self._doze, daemon=True)
        self._thread.start()
        return self

    def _doze(self, nap=0.01):
        while not self._done.is_set():
            begun = time.monotonic()
            time.sleep(nap)
            self.seconds += max(0.0, time.monotonic() - begun - nap - 0.001)

    def __exit__(self, *_):
        self._done.set()
        self._thread.join()


def accepts(port: int, host: str = "127.0.0.1") -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((host, port)) == 0


def nothing_happens_for(seconds: float):
    """For the one kind of fact that has no sign of its own: that something does *not* come."""
    time.sleep(seconds)
