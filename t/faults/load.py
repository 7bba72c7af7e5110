"""Light load while a fault lasts: calls that are right and calls that never are, each with a mark of its own."""
import http.client
import itertools
import re
import threading
import time
from dataclasses import dataclass

from world import CALL, LISTEN

NEVER = ("stranger", "former", "forged", "expired")
PATIENCE = 15.0
MOST_READ = 262144
MOST_KEPT = 4096
# A connection that breaks, in the ways in which http.client says so; the last when it was closed under its reader.
TROUBLE = (OSError, http.client.HTTPException, ValueError, AttributeError)


@dataclass
class Call:
    mark: str
    kind: str           # known (a token the gateway has met), fresh, one of NEVER; where calls need a key, see cell.py, too
    begun: float
    ended: float = 0.0
    status: int = 0     # 0: no answer
    request_id: str | None = None
    refusal: str = ""   # the reason that a 503 gives
    trouble: str = ""
    key: str = ""         # the idempotency key, where calls need one
    replayed: bool = False
    answer: bytes = b""   # the beginning of it

    @property
    def unrecorded(self):
        """Refused because nothing more can be recorded: the one case without an event."""
        return self.refusal == "audit_unavailable"

    @property
    def seconds(self):
        return self.ended - self.begun


class Load:
    def __init__(self, world, patience=PATIENCE):
        self.world, self.patience = world, patience
        self.calls, self.streams = [], []
        self._numbers = itertools.count(1)
        self._stop = threading.Event()
        self._threads = []
        self._known = {}

    def token(self, kind):
        if kind in ("fresh", "forged"):
            return self.world.token(kind)
        if kind not in self._known:
            self._known[kind] = self.world.token(kind)
        return self._known[kind]

    def prepare(self):
        """Makes the tokens that are used again and again while the issuer's clock is still right."""
        for kind in ("known", *NEVER):
            self.token(kind)

    def call(self, kind="fresh", stream=False, patience=None, key=""):
        """One call, to its end. Only so much of an endless answer is read."""
        mark = f"f/{next(self._numbers)}"
        call = Call(mark, kind, time.monotonic(), key=key or mark)
        self.calls.append(call)
        exchange = None
        try:
            exchange = self.begin(call, stream, patience)
            head = exchange.head()
            call.status, call.request_id = head.status, head.request_id
            call.replayed = head.header("Idempotent-Replayed") is not None
            end, read = time.monotonic() + (patience or self.patience), 0
            if not stream:
                while read < MOST_READ and (piece := exchange.read_some()):
                    read += len(piece)
                    call.answer = (call.answer + piece)[:MOST_KEPT]
                    if call.status == 503 and (said := re.search(rb'"reason": ?"(\w+)"', piece)):
                        call.refusal = said[1].decode()
                    if time.monotonic() > end:
                        break
        except TROUBLE as trouble:
            call.trouble = repr(trouble)
        finally:
            call.ended = time.monotonic()
            if exchange is not None:
                exchange.close()
        return call

    def begin(self, call, stream=False, patience=None):
        headers, site = [("User-Agent", call.mark)], self.world.site
        if call.key and self.world.keyed:
            headers.append(("Idempotency-Key", call.key))
        if stream:
            return site.begin("GET", "/mcp", self.token(call.kind), LISTEN + headers, timeout=patience or self.patience)
        return site.begin_post(CALL, self.token(call.kind), headers, timeout=patience or self.patience)

    def leaving(self):
        """A call whose client won't wait for the answer."""
        call = Call(f"f/{next(self._numbers)}", "fresh", time.monotonic())
        call.ended = call.begun
        return self.begin(call)

    def in_background(self, kind="fresh", stream=False, key=""):
        thread = threading.Thread(target=self.call, args=(kind, stream, None, key), daemon=True)
        thread.start()
        self._threads.append(thread)

    def start(self, kinds, pause=0.1, keys=itertools.repeat("")):
        """Calls of each kind one after another, all kinds at once; each with the next of `keys`, which may be infinite."""
        for kind in kinds:
            thread = threading.Thread(target=self._run, args=(kind, pause, keys), daemon=True)
            thread.start()
            self._threads.append(thread)

    def _run(self, kind, pause, keys):
        while not self._stop.is_set():
            self.call(kind, key=next(keys))
            self._stop.wait(pause)

    def stop(self):
        self._stop.set()
        for thread in self._threads:
            thread.join(self.patience + 5)
        return not any(thread.is_alive() for thread in self._threads)

    def open_stream(self):
        stream = OpenStream(self)
        self.streams.append(stream)
        return stream


class OpenStream:
    """An event stream that is read all the time; it remembers when it was silent and how it ended."""

    def __init__(self, load):
        self.call = Call(f"f/{next(load._numbers)}", "known", time.monotonic())
        load.calls.append(self.call)
        self._exchange = load.begin(self.call, stream=True)
        head = self._exchange.head()
        self.call.status, self.call.request_id = head.status, head.request_id
        self.numbers, self.broken, self.ended, self.last = [], False, None, time.monotonic()
        self._buffer = b""
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        try:
            while piece := self._exchange.read_some():
                self.last = time.monotonic()
                self._take(piece)
        except TROUBLE as trouble:
            self.call.trouble = repr(trouble)
        self.ended = self.call.ended = time.monotonic()

    def _take(self, piece):
        self._buffer = (self._buffer + piece)[-100000:]
        while b"\n\n" in self._buffer:
            event, _, self._buffer = self._buffer.partition(b"\n\n")
            text = event.removeprefix(b"data: ")
            if text.isdigit():
                self.broken |= bool(self.numbers) and int(text) != self.numbers[-1] + 1
                self.numbers.append(int(text))

    def whole(self):
        """Nothing is missing, and it was not cut."""
        return not self.broken and self.ended is None and bool(self.numbers)

    def ended_whole(self):
        """The gateway closed it behind a whole event."""
        return self.ended is not None and not (self.broken or self.call.trouble or self._buffer) and bool(self.numbers)

    def leave(self):
        if self.ended is None:
            self._exchange.reset()
            self._thread.join(3)
        if not self.call.ended:
            self.call.ended = time.monotonic()
