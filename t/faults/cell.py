"""One cell: a gateway, a dependency, a fault; and what is to be said about it afterwards."""
import collections
import itertools
import json
import threading
import time
import traceback
from pathlib import Path

from load import NEVER, Load
from matrix import CLAIM, MARGIN, READ_TIMEOUT, STORE, Cell
from plugins.wait import eventually
from world import LONG_KEY, NoDisk, World

ENOUGH = 5   # so many calls in a row that are allowed again
USED_KEYS = [f"used-{number}" for number in range(4)]
TRIES = 3    # of an agent that repeats each call
# What a repeat may be told after the fault, if not the first one's answer.
SETTLED = {"idempotency_in_flight", "idempotency_unknown", "idempotency_unrecorded"}


def run(cell: Cell, folder: Path):
    """A dict with what was seen; `wrong_allows`, `lost_events`, `crashes`, `late` are lists of sentences."""
    found = {"name": cell.name, "dependency": cell.dependency, "fault": cell.fault, "warm": cell.warm,
             "stream": cell.stream, "skipped": cell.skipped, "wrong_allows": [], "lost_events": [], "crashes": [],
             "late": [], "errors": [], "decisions": {}, "slowest_s": None, "bound_s": cell.bound or None,
             "recovery_s": None}
    if cell.skipped:
        return found
    world = None
    began = time.monotonic()
    try:
        world = World(folder, cell.dependency, cell.tls, cell.disk)
        _Course(cell, world, found).run()
    except NoDisk as why:
        found["skipped"] = f"no disk of its own can be mounted: {why}"
    except Exception:
        found["errors"].append(traceback.format_exc(limit=4))
        if world is not None:
            found["crashes"] += world.close()
    finally:
        if world is not None:
            world.end_servers()
        found["took_s"] = round(time.monotonic() - began, 1)
    return found


class _Course:
    def __init__(self, cell, world, found):
        self.cell, self.world, self.found = cell, world, found
        self.load = Load(world, cell.patience)

    def run(self):
        cell, world, load = self.cell, self.world, self.load
        load.prepare()
        if cell.warm:
            world.start()
            self._warm_up()
            if world.keyed:
                self._use_keys()
        if cell.warm and cell.stream:
            self.streams = [load.open_stream() for _ in range(2)]
        else:
            self.streams = []
        self._hold()
        if not cell.warm:
            world.start()
        self._wait_for_it()
        self.fault_began = time.monotonic()
        world.begin(cell.fault)
        if world.held is not None:
            world.held.set()
            world.held = None
        load.start(["fresh", "known"], cell.pause)
        # Who has no right to an answer asks for the recorded ones, too.
        load.start(NEVER, cell.pause, itertools.cycle(USED_KEYS))
        if world.keyed:
            load.start(["used"], cell.pause, itertools.cycle([*USED_KEYS, LONG_KEY]))
            load.start(["again"], cell.pause, (f"again-{number // TRIES}" for number in itertools.count()))
        self._until(self.fault_began + cell.lasts)
        before_end = time.monotonic()
        world.end(cell.fault)
        self.fault_ended = before_end
        self.recovered = self._recover()
        self._end_streams()
        if not load.stop():
            self.found["late"].append("a call never ended")
        if world.keyed:
            self._repeat_all()
        self.found["crashes"] += world.close()
        self._judge()

    def _warm_up(self):
        """Each worker has met the known token, and everything that it asks."""
        eventually(lambda: all(self.load.call("known").status == 200 for _ in range(12)), timeout=20)

    def _use_keys(self):
        """Some keys have been used when the fault begins; the call of one is under way."""
        world, load = self.world, self.load
        for key in USED_KEYS:
            load.call("known", key=key)
        world.held = threading.Event()
        load.in_background("long", key=LONG_KEY)
        eventually(lambda: world.runs()[LONG_KEY] == 1)

    def _repeat_all(self):
        """Each key once more; a worker may still be backing off while the other one answers."""
        load, end = self.load, self.fault_ended + self.cell.recovery
        self.repeats = []
        for key in dict.fromkeys(call.key for call in load.calls if call.kind not in NEVER):
            while (call := load.call("late", key=key)).refusal in STORE | CLAIM and call.ended < end:
                time.sleep(0.03)
            self.repeats.append(call)

    def _hold(self):
        cell, world = self.cell, self.world
        self.waits = not (cell.warm and cell.stream)
        if not self.waits:
            return
        if world.front is not None:
            world.front.shut()
        else:
            world.held = threading.Event()

    def _wait_for_it(self):
        """A call has come as far as the dependency, and waits there."""
        if not self.waits:
            return
        before = len(self.world.reached())
        self.load.in_background("fresh", stream=self.cell.stream)
        front = self.world.front
        if front is None:
            arrived = (lambda: len(self.world.reached()) > before)
        else:
            # A warm gateway asks for keys in the background only; then no call waits, but the question does.
            arrived = (lambda: front.waiting > 0)
        try:
            eventually(arrived, timeout=1.0 if self.cell.warm else 3.0)
        except AssertionError:
            self.found["note"] = "no call had to wait"

    @staticmethod
    def _until(moment):
        time.sleep(max(0.0, moment - time.monotonic()))

    def _recover(self):
        """Seconds from the fault's end to the first of several calls in a row that the backend answered."""
        first, row = None, 0
        while time.monotonic() - self.fault_ended < self.cell.recovery + 10:
            call = self.load.call("fresh")
            if call.status == 200 and call.mark in self.world.reached():
                first, row = first or call.ended, row + 1
                if row == ENOUGH:
                    return first - self.fault_ended
            else:
                first, row = None, 0
            time.sleep(0.03)
        return None

    def _end_streams(self):
        cell, found = self.cell, self.found
        for stream in self.streams:
            if cell.dependency != "backend":
                # Where its caller would be refused, or nobody can say, a stream ends: whole, and not before the fault.
                if cell.known != {"allow"} and stream.ended_whole() and stream.ended >= self.fault_began:
                    found["stream"] = "ended"
                elif not stream.whole():
                    found["errors"].append(f"an open stream was harmed: {len(stream.numbers)} events, {stream.call.trouble}")
            elif stream.ended is not None:
                found.setdefault("stream", "ended")
            elif time.monotonic() - stream.last > READ_TIMEOUT + MARGIN:
                found["late"].append("a stream whose backend is silent stayed open")
            stream.leave()

    # --- what is to be said ------------------------------------------------------------------------------------

    def _judge(self):
        cell, found, load = self.cell, self.found, self.load
        try:
            events = self.world.events()
        except (AssertionError, ValueError) as wrong:
            found["lost_events"].append(f"the audit log can't be read: {wrong}")
            events = {}
        reached = self.world.reached()
        slowest, decisions = 0.0, collections.Counter()
        streams = {stream.call.mark for stream in load.streams}
        for call in load.calls:
            event = events.get(call.mark)
            outcome = call.refusal or "none" if event is None else "allow" if event["decision"] == "allow" else event["reason"]
            passed = call.mark in reached or outcome == "allow"
            if event is None and (call.mark in reached or (call.request_id and not call.unrecorded)):
                found["lost_events"].append(f"{call.mark} ({call.kind}): status {call.status}, "
                                            f"{'reached' if call.mark in reached else 'did not reach'} the backend")
            if call.kind in NEVER:
                if passed:
                    found["wrong_allows"].append(f"{call.mark}: a token of kind {call.kind}, {outcome}")
                continue
            if call.mark in streams or call.kind == "long" or call.ended < self.fault_began or call.begun >= self.fault_ended:
                continue
            waited = call.begun < self.fault_began   # it is the one that was held at the dependency
            seconds = call.ended - max(call.begun, self.fault_began)
            slowest = max(slowest, seconds)
            if cell.bound and seconds > cell.bound:
                found["late"].append(f"{call.mark} took {seconds:.1f} s, bound {cell.bound:.1f} s")
            if waited:
                decisions[f"waiting {outcome}"] += 1
            elif call.begun < self.fault_began + cell.settled:
                decisions[f"at first {outcome}"] += 1
                continue
            if call.ended > self.fault_ended:
                continue   # it saw both
            if not waited:
                decisions[f"{call.kind} {outcome}"] += 1
            # A clock that goes wrong does so after the waiting call's token was made.
            known = call.kind == "known" or (waited and cell.fault == "skewed" and cell.dependency == "metadata")
            wanted = cell.known if known else cell.fresh
            if passed and "allow" not in wanted:
                found["wrong_allows"].append(f"{call.mark}: {call.kind} token, {outcome}; only {sorted(wanted)} may be said")
            elif outcome != "none" and outcome not in wanted:
                found["errors"].append(f"{call.mark}: {call.kind} token, {outcome}; expected {sorted(wanted)}")
        if self.world.keyed:
            self._judge_keys(events, reached)
        found["decisions"] = dict(decisions)
        found["slowest_s"] = round(slowest, 2)
        found["recovery_s"] = None if self.recovered is None else round(self.recovered, 2)
        if self.recovered is None or self.recovered > cell.recovery:
            found["late"].append(f"no recovery within {cell.recovery:.0f} s")
        found["calls"] = len(load.calls)

    def _judge_keys(self, events, reached):
        """No key ran twice; whoever was answered ran, or got the answer of the call that did; or a reason."""
        found, runs = self.found, self.world.runs()
        calls = [call for call in self.load.calls if call.kind not in NEVER]
        begun = {}
        for call in calls:
            begun.setdefault(call.key, call.begun)
        # A store that was emptied has forgotten what was used before: docs/idempotency.md asks for one that doesn't.
        forgotten = self.fault_began + self.cell.settled if self.cell.fault == "emptied" else 0.0
        found["wrong_allows"] += [f"key {key} ran {runs[key]} times" for key, since in begun.items()
                                  if since >= forgotten and runs[key] > 1]
        for call in calls:
            if call.status == 200 and b'"result"' in call.answer:
                if json.loads(call.answer)["result"]["key"] != call.key:
                    found["wrong_allows"].append(f"{call.mark}: another call's answer for key {call.key}")
                if call.replayed == (call.mark in reached):
                    found["wrong_allows"].append(f"{call.mark}: {'replayed' if call.replayed else 'answered'}, and "
                                                 f"{'reached' if call.replayed else 'did not reach'} the backend")
            elif call in self.repeats and (reason := events.get(call.mark, {}).get("reason")) not in SETTLED:
                found["errors"].append(f"{call.mark}: a repeat of key {call.key} after the fault: {call.status} {reason}")
        kinds = collections.Counter("replayed" if call.replayed else events.get(call.mark, {}).get("reason", "none")
                                    for call in self.repeats)
        found["said"] = "; repeats afterwards: " + ", ".join(f"{what} {count}" for what, count in sorted(kinds.items()))
