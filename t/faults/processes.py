"""What happens to the gateway itself: killed, reloaded, upgraded, short of room, memory and files, and its clients."""
import collections
import os
import random
import re
import signal
import socket
import subprocess
import threading
import time
import traceback
from pathlib import Path

import answers
import soak
from load import NEVER, Load
from plugins import mcp
from plugins.http import encode
from plugins.wait import eventually
from world import CALL, World

KINDS = ("fresh", "known", *NEVER)


class Trial:
    """A world under load, something that is done to it, and the same questions afterwards as for a cell."""

    def __init__(self, name, folder, dependency="file", **pieces):
        self.found = {"name": name, "skipped": "", "wrong_allows": [], "lost_events": [], "crashes": [], "late": [],
                      "errors": [], "said": ""}
        self.world = World(folder, dependency, **pieces)
        self.nginx = self.world.nginx
        self.load = Load(self.world)
        self.load.prepare()

    def start(self, kinds=KINDS, pause=0.02):
        self.world.start()
        eventually(lambda: self.load.call("known").status == 200, timeout=20)
        if kinds:
            self.load.start(kinds, pause)
        return self

    def say(self, text):
        self.found["said"] += ("; " if self.found["said"] else "") + text

    def recovers(self, seconds=6.0):
        began = time.monotonic()
        try:
            eventually(lambda: all(self.load.call("fresh").status == 200 for _ in range(5)), timeout=seconds + 10)
        except AssertionError:
            self.found["late"].append(f"no recovery within {seconds + 10:.0f} s")
            return
        self.found["recovery_s"] = round(time.monotonic() - began, 2)
        if self.found["recovery_s"] > seconds:
            self.found["late"].append(f"recovered after {self.found['recovery_s']} s")

    def finish(self, may_lose=False, may_fail=True):
        """Ends the world. `may_fail`: connections may break; a call without an answer is no failure."""
        if not self.load.stop():
            self.found["late"].append("a call never ended")
        self.found["crashes"] += self.world.close()
        self.judge(may_lose, may_fail)
        return self.found

    def judge(self, may_lose, may_fail):
        found, failed, lost = self.found, 0, []
        events, reached = self.world.events(), self.world.reached()
        for call in self.load.calls:
            event = events.get(call.mark)
            passed = call.mark in reached or (event is not None and event["decision"] == "allow")
            if call.kind in NEVER and passed:
                found["wrong_allows"].append(f"{call.mark}: a token of kind {call.kind} passed")
            if event is None and (call.mark in reached or (call.request_id and not call.unrecorded)):
                lost.append(f"{call.mark} ({call.kind}): status {call.status}, no event")
            if call.status == 0:
                failed += 1
                if not may_fail:
                    found["errors"].append(f"{call.mark} ({call.kind}): {call.trouble}")
        if may_lose:
            found["lost_with_their_worker"] = len(lost)
        else:
            found["lost_events"] += lost
        self.say(f"{len(self.load.calls)} calls, {failed} without an answer, {len(lost)} without an event")


def killed(trial, quick):
    """kill -9 of a worker, at random moments, under load"""
    trial.nginx.allow("exited on signal 9")
    trial.start()
    kills, end = 0, time.monotonic() + (6 if quick else 60)
    while time.monotonic() < end:
        time.sleep(random.uniform(0.05, 0.6))
        workers = trial.nginx.workers()
        if workers:
            os.kill(random.choice(workers), signal.SIGKILL)
            kills += 1
    trial.recovers()
    trial.say(f"{kills} workers killed")
    return trial.finish()


def reloaded(trial, quick):
    """a reload every second under load: no call fails whose bytes were accepted"""
    trial.start()
    reloads, end = 0, time.monotonic() + (8 if quick else 300)
    while time.monotonic() < end:
        trial.nginx.send_signal(signal.SIGHUP)
        reloads += 1
        time.sleep(1)
    trial.recovers()
    trial.say(f"{reloads} reloads")
    return trial.finish(may_fail=False)


class Master:
    """A master that is nobody's child, as nginx wants it for an upgrade, in the place of a Popen."""

    def __init__(self, pid_file):
        self._file = pid_file
        self.returncode = 0

    @property
    def pid(self):
        return int(self._file.read_text())

    def poll(self):
        try:
            return None if alive(self.pid) else 0
        except (OSError, ValueError):
            return 0

    def send_signal(self, number):
        os.kill(self.pid, number)

    def wait(self, timeout):
        eventually(lambda: self.poll() == 0, timeout=timeout)


def start_daemon(trial):
    nginx, site = trial.nginx, trial.world.site
    # nginx empties the environment of a new binary; one with sanitizers needs their library.
    site.pieces["main"] = "env LD_PRELOAD; env ASAN_OPTIONS; env LSAN_OPTIONS; env UBSAN_OPTIONS;"
    nginx.write_conf(site.conf().replace("daemon off;", "daemon on;"))
    subprocess.run(nginx._arguments(nginx.conf), env=nginx._env, check=True, timeout=60)
    nginx.process = Master(site.prefix / "nginx.pid")
    eventually(lambda: trial.load.call("known").status == 200, timeout=20)
    trial.load.start(KINDS, 0.02)


def upgraded(trial, quick):
    """a new binary takes over (USR2, WINCH, QUIT), and another one from it"""
    start_daemon(trial)
    pid_file = trial.world.site.prefix / "nginx.pid"
    times = 1 if quick else 5
    for _ in range(times):
        old = int(pid_file.read_text())
        os.kill(old, signal.SIGUSR2)
        eventually(lambda: pid_file.exists() and pid_file.read_text().strip() not in ("", str(old)), timeout=15)
        new = int(pid_file.read_text())
        eventually(lambda: children(new), timeout=15)
        time.sleep(0.5)
        os.kill(old, signal.SIGWINCH)
        time.sleep(0.7)
        os.kill(old, signal.SIGQUIT)
        eventually(lambda: not alive(old), timeout=15)
    trial.recovers()
    trial.say(f"{times} upgrades")
    return trial.finish(may_fail=False)


def children(pid):
    try:
        return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def zone_full(trial, quick):
    """agent_zone at its smallest, with more to remember than fits: thousands of operations, a large key set"""
    many = 6000
    tools = "".join(f"agent_tool t{i} {{ scope tickets:read; }}\n" for i in range(many))
    trial.world.site.pieces["tools"] = tools + "agent_tool ticket.read { scope tickets:read; resource ticket:<id>; }\n"
    pieces = trial.world.site.conf().replace("agent_zone agents 8m;", "agent_zone agents 1m;")
    trial.world.site.conf = lambda: pieces
    trial.start(pause=0.1)
    said, token, number = False, trial.load.token("known"), 0
    while number < many and not said:
        for number in range(number, min(number + 200, many)):
            trial.world.site.post(mcp.call(f"t{number}"), token, [("User-Agent", f"zone/{number}")])
        number += 1
        said = "zone is full" in trial.nginx.error_log
    if not said:
        trial.found["errors"].append(f"the zone was not full after {number} operations")
    trial.recovers()
    trial.say(f"full after {number} operations")
    return trial.finish(may_fail=False)


def no_files(trial, quick):
    """worker_rlimit_nofile: connections take every file descriptor"""
    trial.nginx.allow("Too many open files|worker_connections are not enough")
    trial.world.site.pieces["main"] = "worker_rlimit_nofile 64;"
    trial.world.site.pieces["workers"] = "1"
    trial.start(pause=0.05)
    held = []
    for _ in range(3):
        for _ in range(150):
            sock = socket.socket()
            sock.settimeout(0.3)
            try:
                sock.connect(("127.0.0.1", trial.world.site.port))
                sock.sendall(b"GET /mcp HTTP/1.1\r\nHost: x\r\n")
                held.append(sock)
            except OSError:
                sock.close()
        time.sleep(0.5)
    seen = bool(trial.nginx.errors("Too many open files|worker_connections are not enough"))
    if not seen:
        trial.found["errors"].append("the file descriptors were never exhausted")
    time.sleep(0.5)
    for sock in held:
        sock.close()
    trial.recovers()
    trial.say(f"{len(held)} connections held")
    return trial.finish()


def no_memory(trial, quick):
    """RLIMIT_AS of the workers: an allocation that fails is a denial, never a pass"""
    if os.environ.get("AGW_ASAN") == "1":
        trial.found["skipped"] = "ASan takes terabytes of addresses and ends the process when there are none"
        return trial.found
    trial.nginx.allow(r"malloc|memory|calloc|bad_alloc|mmap|posix_memalign|pthread_create|exited with code 2|fork\(\)")
    trial.world.site.pieces["workers"] = "1"
    trial.world.site.pieces["http"] = (trial.world._pieces()["http"] + "client_max_body_size 2m;"
                                       " client_body_buffer_size 1m;")
    trial.start(pause=0.05)
    worker = trial.nginx.workers()[0]
    statuses = collections.Counter()
    size = int(re.search(r"VmSize:\s+(\d+)", Path(f"/proc/{worker}/status").read_text())[1]) * 1024
    for room in (24 << 20, 12 << 20, 6 << 20, 3 << 20, 1 << 20, 64 << 10, 0) if not quick else (8 << 20, 1 << 20, 0):
        subprocess.run(["prlimit", "--pid", str(worker), f"--as={size + room}:"], check=True)
        for turn in range(2 if quick else 6):
            statuses.update(_many_large(trial, f"memory/{room}/{turn}"))
        if not alive(worker):
            trial.found["crashes"].append(f"the worker died with {room} bytes of room: {trial.nginx.error_log[-1500:]}")
            break
    passed = {mark for mark in trial.world.reached() if mark.startswith("memory/") and mark.endswith("stranger")}
    trial.found["wrong_allows"] += sorted(passed)
    if alive(worker):
        subprocess.run(["prlimit", "--pid", str(worker), "--as=unlimited:"], check=False)
    if not set(statuses) - {200}:
        trial.found["errors"].append("memory was never short")
    trial.recovers()
    trial.say(f"answers {dict(sorted(statuses.items()))} (0: broken connection)")
    return trial.finish()


def _many_large(trial, mark, many=24):
    """Large bodies at once: each of them wants memory while the others still hold theirs. Their answers' statuses."""
    body = mcp.encode(mcp.call("ticket.read", {"id": "T-1", "filler": "x" * (900 << 10)}))
    opened, statuses = [], []
    for number in range(many):
        kind = ("known", "stranger")[number % 2]
        headers = [("Authorization", f"Bearer {trial.load.token(kind)}"), ("Content-Type", "application/json"),
                   ("User-Agent", f"{mark}/{number}/{kind}")]
        request = encode("POST", "/mcp", headers, body)
        try:
            sock = socket.create_connection(("127.0.0.1", trial.world.site.port), 10)
            opened.append(sock)
            sock.sendall(request[:-1])
        except OSError:
            continue
    for sock in opened:
        try:
            sock.sendall(b"}")
            head = sock.recv(100)
            statuses.append(int(head.split(b" ")[1]) if head else 0)
        except (OSError, ValueError, IndexError):
            statuses.append(0)
        sock.close()
    return statuses


def aborted(trial, quick):
    """clients that go away after a random number of bytes, and after a random time"""
    trial.start(pause=0.1)
    port, gone = trial.world.site.port, 0
    end = time.monotonic() + (6 if quick else 90)
    reset = b"\x01\0\0\0\0\0\0\0"

    def leave():
        nonlocal gone
        while time.monotonic() < end:
            token = trial.load.token(random.choice(("known", "fresh", "stranger")))
            request = encode("POST", "/mcp", [("Authorization", f"Bearer {token}"), ("Content-Type", "application/json"),
                                              ("User-Agent", f"gone/{gone}")], mcp.encode(CALL))
            try:
                with socket.create_connection(("127.0.0.1", port), 5) as sock:
                    sock.sendall(request[:random.choice((len(request), random.randrange(len(request))))])
                    time.sleep(random.choice((0, random.uniform(0, 0.01))))
                    if random.random() < 0.5:
                        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
                gone += 1
            except OSError:
                continue

    threads = [threading.Thread(target=leave, daemon=True) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    trial.recovers()
    trial.say(f"{gone} clients left")
    return trial.finish(may_fail=False)


def slow(trial, quick):
    """clients that send a byte at a time and never finish, others that never read: they hold up nobody"""
    trial.start(pause=0.1)
    port, stop, held = trial.world.site.port, threading.Event(), []
    token = trial.load.token("known")
    request = encode("POST", "/mcp", [("Authorization", f"Bearer {token}"), ("Content-Type", "application/json")],
                     mcp.encode(CALL))

    def dribble(whole, pause):
        try:
            with socket.create_connection(("127.0.0.1", port), 10) as sock:
                for i in range(len(whole)):
                    sock.sendall(whole[i:i + 1])
                    if stop.wait(pause):
                        return
                held.append(sock.recv(100)[:12])
        except OSError:
            held.append(b"cut")

    head = request.index(b"\r\n\r\n") + 4
    threads = [threading.Thread(target=dribble, args=(request, 0.2), daemon=True) for _ in range(20)]   # never whole
    threads += [threading.Thread(target=self_paced, args=(port, request[:head], request[head:], stop, held), daemon=True)
                for _ in range(20)]
    for thread in threads:
        thread.start()
    worst, end = 0.0, time.monotonic() + (6 if quick else 30)
    while time.monotonic() < end:
        worst = max(worst, trial.load.call("fresh").seconds)
        time.sleep(0.05)
    stop.set()
    for thread in threads:
        thread.join(15)
    if worst > 3:
        trial.found["late"].append(f"a call took {worst:.1f} s beside slow clients")
    trial.recovers()
    trial.say(f"{len(threads)} slow clients, {len(held)} of them cut off or answered, slowest other call {worst:.2f} s")
    return trial.finish(may_fail=False)


def self_paced(port, head, body, stop, held):
    """A whole head at once, and a body that comes slowly, then an answer that isn't read."""
    try:
        with socket.create_connection(("127.0.0.1", port), 10) as sock:
            sock.sendall(head)
            for i in range(0, len(body), 8):
                sock.sendall(body[i:i + 8])
                if stop.wait(0.1):
                    return
            stop.wait(5)
            held.append(b"unread")
    except OSError:
        held.append(b"cut")


ALL = {"worker killed": killed, "reload every second": reloaded, "binary upgrade": upgraded, "zone full": zone_full,
       "file descriptors exhausted": no_files, "memory limit": no_memory, "memory limit, Redis": no_memory,
       "memory limit, exchange": no_memory, "client aborts": aborted, "slow clients": slow,
       "MCP lists and streams": answers.answers, "soak": soak.soak}
DEPENDENCY = {"memory limit, Redis": "redis", "memory limit, exchange": "exchange"}
SOAK = {True: 30, False: 1800}


def run(name, folder, quick, seconds):
    trial, began = None, time.monotonic()
    try:
        trial = Trial(name, folder, DEPENDENCY.get(name, "file"))
        if name == "soak":
            found = soak.soak(trial, seconds or SOAK[quick])
        else:
            found = ALL[name](trial, quick)
    except Exception:
        found = trial.found if trial else {"name": name, "skipped": "", "wrong_allows": [], "lost_events": [],
                                           "crashes": [], "late": [], "errors": [], "said": ""}
        found["errors"].append(traceback.format_exc(limit=4))
        if trial is not None:
            trial.load.stop()
            found["crashes"] += trial.world.close()
    finally:
        if trial is not None:
            trial.world.end_servers()
    found["took_s"] = round(time.monotonic() - began, 1)
    return found
