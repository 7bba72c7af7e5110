"""What is in the audit log when processes are killed, disks are full and nobody reads: every call that reached the
backend, once, in a chain that agwctl believes."""
import json
import os
import random
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import pytest

from plugins import mcp
from plugins.nginx import ROOT, binary, module_path
from plugins.server import HANG
from plugins.site import allowed
from plugins.wait import eventually

AGWCTL = os.environ.get("AGW_CTL") or str((module_path() or ROOT / "build/release/x").parent / "agwctl")
CALL = mcp.call("ticket.read", {"id": "T-1"})
KEYED = "@PREFIX@/audit.jsonl key=@PREFIX@/audit.key"


@pytest.fixture
def make_keyed(make_site):
    """make_keyed(audit="", **pieces): a site whose lines carry MACs."""
    def make(audit=KEYED, **pieces):
        site = make_site(start=False, audit=audit, **pieces)
        key = site.prefix / "audit.key"
        key.write_bytes(os.urandom(32))
        key.chmod(0o600)
        return site.start()

    return make


def verify(site, *files, key="audit.key", options=()):
    """(exit status, what agwctl said)"""
    done = subprocess.run([AGWCTL, "audit", "verify", "--key", str(site.prefix / key), *options,
                           *map(str, files or [site.nginx.audit_path])], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


def good(site, *files, **how):
    status, said = verify(site, *files, **how)
    assert status == 0, said
    return said


def sealers(nginx):
    return [p for p, title in nginx._children().items() if "audit sealer" in title]


def events_of(*paths):
    lines = [json.loads(line) for path in paths for line in path.read_text().splitlines()]
    ids = [e["id"] for e in lines]
    assert len(ids) == len(set(ids)), "an event is there twice"
    return [e for e in lines if not e["type"].startswith("audit.")]


class Load:
    """Calls from several threads until it is stopped; errors are what is expected of killed workers."""

    def __init__(self, site, threads=4):
        self.site, self.answered, self._stop = site, [], threading.Event()
        self.token = site.token()
        self.threads = [threading.Thread(target=self._run) for _ in range(threads)]

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *error):
        self._stop.set()
        for t in self.threads:
            t.join()

    def _run(self):
        while not self._stop.is_set():
            try:
                answer = self.site.call(token=self.token)
            except (OSError, AssertionError, ValueError):
                continue
            if answer.request_id:
                self.answered.append(answer.request_id)


def reached(site):
    """The ids of the calls that the backend saw."""
    with site.backend._lock:
        return {r.header("X-Request-Id") for r in site.backend.requests} - {None}


def test_whoever_is_killed_no_call_that_reached_the_backend_is_missing(make_keyed):
    site = make_keyed(workers="3")
    site.nginx.allow("exited on signal 9")
    end, dice = time.monotonic() + 6, random.Random(7)
    with Load(site) as load:
        while time.monotonic() < end:
            eventually(lambda: len(site.nginx.workers()) == 3 and sealers(site.nginx))
            victim = dice.choice(site.nginx.workers() + sealers(site.nginx))
            os.kill(victim, signal.SIGKILL)
            time.sleep(dice.random() * 0.3)
    eventually(lambda: len(site.nginx.workers()) == 3)
    site.nginx.stop()
    events = {e["id"]: e for e in events_of(site.nginx.audit_path)}
    assert len(load.answered) > 50
    assert not set(load.answered) - set(events), "answered without an event"
    assert len(reached(site)) > 50 and not reached(site) - set(events), "reached the backend without an event"
    assert {e["outcome"] for e in events.values()} <= {"ok", "unknown", "aborted", "error"}
    good(site, options=["--whole"])


def test_a_whole_server_that_is_killed_is_finished_by_its_next_start(make_keyed):
    site = make_keyed()
    site.backend.answer = HANG
    stream = site.begin_post(CALL)
    eventually(lambda: site.backend.count() == 1)
    site.backend.answer = None
    done = site.call().request_id
    children = site.nginx._children()
    site.nginx.process.kill()
    for pid in children:
        os.kill(pid, signal.SIGKILL)
    site.nginx.process.wait()
    stream.close()
    eventually(lambda: not any(Path(f"/proc/{p}").exists() for p in children))
    site.start()
    ids = eventually(lambda: [e for e in site.nginx.audit() if e["outcome"] == "unknown"])
    assert len(ids) == 1 and ids[0]["decision"] == "allow" and ids[0]["id"] in reached(site)
    assert site.nginx.event(done)["outcome"] == "ok"
    again = site.call()
    again.event()
    assert site.series("audit_recovered") == 1
    site.nginx.stop()
    assert "in 1 chains" in good(site, options=["--whole"])


def test_an_orderly_end_closes_the_chain_and_the_next_start_names_it(make_keyed):
    site = make_keyed()
    allowed(site.call())
    site.nginx.stop()
    first = site.nginx.audit(records=True)
    assert [e["type"] for e in first] == ["audit.open", "mcp.tools.call", "audit.close"]
    site.start()
    site.call().event()
    site.nginx.stop()
    opened = site.nginx.audit(records=True)[3]
    assert opened["type"] == "audit.open" and opened["chain"] != first[0]["chain"]
    assert opened["detail"] == f"previous {first[2]['chain']} 3 {first[2]['mac']}"
    good(site, options=["--whole"])
    lines = site.nginx.audit_path.read_bytes().splitlines(keepends=True)
    cut = site.prefix / "cut.jsonl"
    cut.write_bytes(b"".join(lines[:1] + lines[3:]))
    status, said = verify(site, cut)
    assert status == 3 and "lines were removed at its end" in said, said


TAMPERING = {
    "a changed byte": (lambda lines: lines[:5] + [lines[5].replace(b"docs-assistant", b"docs-assistent")] + lines[6:], ":6:"),
    "a removed line": (lambda lines: lines[:5] + lines[6:], ":6:"),
    "two lines in another order": (lambda lines: lines[:4] + [lines[5], lines[4]] + lines[6:], ":5:"),
    "a line twice": (lambda lines: lines[:5] + [lines[4]] + lines[5:], ":6:"),
    "an inserted line": (lambda lines: lines[:5] + [b'{"v":1,"decision":"allow"}\n'] + lines[5:], ":6:"),
    "a line without its end": (lambda lines: lines[:-1] + [lines[-1][:-20]], ":12:"),
    "the chain's first line removed": (lambda lines: lines[1:], "begins with number 2"),
    "the last lines removed": (lambda lines: lines[:-3], "no closing record"),
}


@pytest.mark.parametrize("what", TAMPERING)
def test_what_was_done_to_a_log_is_found(make_keyed, what):
    site = make_keyed()
    for _ in range(10):
        allowed(site.call())
    site.nginx.stop()
    good(site, options=["--whole"])
    change, where = TAMPERING[what]
    changed = site.prefix / "changed.jsonl"
    changed.write_bytes(b"".join(change(site.nginx.audit_path.read_bytes().splitlines(keepends=True))))
    status, said = verify(site, changed, options=["--whole"])
    assert status == 3 and where in said, said


def test_another_key_begins_another_chain(make_keyed):
    site = make_keyed()
    site.call().event()
    (site.prefix / "next.key").write_bytes(os.urandom(32))
    (site.prefix / "next.key").chmod(0o600)
    site.reload(audit="@PREFIX@/audit.jsonl key=@PREFIX@/next.key")
    site.call().event()
    eventually(lambda: len({e["chain"] for e in site.nginx.audit(records=True)}) == 2)
    site.nginx.stop()
    assert verify(site)[0] == 3, "the second key isn't given"
    assert "2 chains" in good(site, options=["--whole", "--key", str(site.prefix / "next.key")])


def test_a_reload_without_the_key_goes_on_with_the_chain(make_keyed):
    """The file went away after nginx -t would have looked: what is there still seals."""
    site = make_keyed()
    site.call().event()
    (site.prefix / "audit.key").rename(site.prefix / "away.key")
    site.nginx.reload_refused(site.conf())
    site.call().event()
    site.nginx.stop()
    assert "in 1 chains" in good(site, key="away.key", options=["--whole"])


def test_a_reload_that_finds_no_room_for_more_journal_serves_as_far_as_it_can(make_keyed, small_disk):
    """agent_state lies on a disk that has room for the first journal only, and old workers stay with their streams."""
    subprocess.run(["mount", "-o", "remount,size=1m", small_disk], check=True)
    site = make_keyed(audit=KEYED + " journal=256k", workers="1", state=str(small_disk / "state"))
    site.nginx.allow("no room|journal is full")
    assert site.call().event()["outcome"] == "ok"
    site.backend.answer = HANG
    streams = []
    for _ in range(4):
        count = site.backend.count()
        streams.append(site.begin_post(CALL))
        eventually(lambda: site.backend.count() > count or site.nginx.errors("journal is full"))
        site.reload()
    assert site.nginx.errors("no room")
    denied = site.call()
    assert denied.status == 503 and denied.json()["error"]["data"]["reason"] == "audit_unavailable"
    for stream in streams:
        stream.close()
    site.backend.answer = None
    eventually(lambda: site.call().status == 200, timeout=10)
    site.nginx.stop()
    good(site, options=["--whole"])


def test_rotation_goes_on_with_the_chain(make_keyed):
    site = make_keyed()
    files = []
    with Load(site) as load:
        for i in range(3):
            before = len(load.answered)
            eventually(lambda: len(load.answered) > before + 20, timeout=20)
            files.append(site.prefix / f"audit.{i}")
            site.nginx.audit_path.rename(files[-1])
            site.nginx.send_signal(signal.SIGUSR1)
            eventually(site.nginx.audit_path.exists, timeout=10)
    site.nginx.stop()
    files.append(site.nginx.audit_path)
    assert not set(load.answered) - {e["id"] for e in events_of(*files)}
    assert "in 1 chains" in good(site, *files, options=["--whole"])
    status, said = verify(site, *reversed(files))
    assert status == 3 and "reordered" in said, said


def test_a_sealer_that_dies_at_a_rotation_tears_nothing(make_keyed):
    """Its successor finds the file under another name, and reads back what is in it all the same."""
    site = make_keyed()
    site.nginx.allow("exited on signal 9")
    files = []
    with Load(site) as load:
        for i in range(5):
            before = len(load.answered)
            eventually(lambda: len(load.answered) > before + 20, timeout=20)
            files.append(site.prefix / f"audit.{i}")
            site.nginx.audit_path.rename(files[-1])
            os.kill(eventually(lambda: sealers(site.nginx))[0], signal.SIGKILL)
            time.sleep(0.1 * i)
            site.nginx.send_signal(signal.SIGUSR1)
            eventually(site.nginx.audit_path.exists, timeout=10)
    site.nginx.stop()
    files.append(site.nginx.audit_path)
    assert not set(load.answered) - {e["id"] for e in events_of(*files)}
    good(site, *files, options=["--whole"])


def test_reloads_under_load_lose_nothing(make_keyed):
    site = make_keyed()
    with Load(site) as load:
        for _ in range(5):
            before = len(load.answered)
            site.reload()
            eventually(lambda: len(load.answered) > before + 10, timeout=20)
    site.nginx.stop()
    assert not (set(load.answered) | reached(site)) - {e["id"] for e in events_of(site.nginx.audit_path)}
    assert "in 1 chains" in good(site, options=["--whole"])


def test_a_binary_upgrade_loses_nothing(make_keyed):
    """USR2: two masters write chains of their own into one file; the old one ends."""
    site = make_keyed()
    site.nginx.stop()
    # nginx takes USR2 only when the process that started it has gone since.
    subprocess.run(["sh", "-c", '"$@" >/dev/null 2>&1 & sleep 1', "sh", *site.nginx._arguments(site.nginx.conf)],
                   env=site.nginx._env, check=True)
    pid_file = site.prefix / "nginx.pid"

    def more(load, calls):
        before = len(load.answered)
        eventually(lambda: len(load.answered) > before + calls, timeout=20)

    def quit(pid):
        os.kill(pid, signal.SIGQUIT)
        eventually(lambda: not alive(pid), timeout=15)

    with Load(site) as load:
        more(load, 20)
        old = int(pid_file.read_text())
        os.kill(old, signal.SIGUSR2)
        eventually(lambda: (site.prefix / "nginx.pid.oldbin").exists() and pid_file.exists(), timeout=15)
        new = eventually(lambda: int(pid_file.read_text().strip() or 0))
        more(load, 40)
        quit(old)
        more(load, 20)
    quit(new)
    assert not (set(load.answered) | reached(site)) - {e["id"] for e in events_of(site.nginx.audit_path)}
    assert "in 3 chains" in good(site, options=["--whole"])


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


# --- a file that can't be written ------------------------------------------------------------------------------------

SMALL = " journal=256k"


def fill(site, most=400):
    """Calls until one is refused for want of the audit log; how many were answered before."""
    token = site.token()
    for answered in range(most):
        answer = site.call(token=token)
        if answer.status == 503:
            assert answer.json()["error"]["data"]["reason"] == "audit_unavailable", answer.text
            return answered
        allowed(answer)
    raise AssertionError("never refused")


def test_a_full_disk_denies_before_the_backend_is_asked(make_keyed):
    site = make_keyed(audit="/dev/full key=@PREFIX@/audit.key" + SMALL, workers="1")
    site.nginx.allow("can't be written|journal is full|write to .* failed")
    answered = fill(site)
    assert 50 < answered < 400
    assert len(reached(site)) == answered
    start = time.monotonic()
    for _ in range(20):
        assert site.call().status == 503
    assert time.monotonic() - start < 5, "a worker waited"
    assert len(reached(site)) == answered
    assert site.series("audit_write_failures") > 0
    eventually(lambda: site.series("journal_used_slots") >= answered)


def test_a_full_disk_may_be_passed_by(make_keyed):
    site = make_keyed(audit="/dev/full key=@PREFIX@/audit.key" + SMALL, workers="1", http="agent_audit_on_error continue;")
    site.nginx.allow("can't be written|journal is full|write to .* failed")
    token = site.token()
    for _ in range(300):
        allowed(site.call(token=token))


@pytest.fixture
def small_disk():
    folder = Path(tempfile.mkdtemp(prefix="agw-disk-"))
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", folder], capture_output=True, text=True)
    if done.returncode != 0:
        folder.rmdir()
        pytest.skip("this machine lets nobody mount a tmpfs")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)
    folder.rmdir()


@pytest.mark.parametrize("on_error", ["deny", "continue"])
def test_what_waited_is_written_when_there_is_room(make_keyed, small_disk, on_error):
    log = small_disk / "audit.jsonl"
    site = make_keyed(audit=f"{log} key=@PREFIX@/audit.key" + SMALL, workers="1",
                      http=f"agent_audit_on_error {on_error};")
    site.nginx.allow("can't be written|journal is full|write to .* failed")
    ballast = small_disk / "ballast"
    site.call()
    ballast.write_bytes(b"x" * 110_000)
    if on_error == "deny":
        fill(site)
    else:
        token = site.token()
        for _ in range(250):
            allowed(site.call(token=token))
    ballast.unlink()
    subprocess.run(["mount", "-o", "remount,size=4m", small_disk], check=True)
    eventually(lambda: site.series("journal_used_slots") == 0)
    allowed(site.call())
    site.nginx.stop()
    events = {e["id"] for e in events_of(log)}
    missing = reached(site) - events
    if on_error == "deny":
        assert not missing
    else:
        lost = [json.loads(line)["text"] for line in log.read_text().splitlines() if '"audit.lost"' in line]
        assert missing and f"{len(missing)} calls passed" in " ".join(lost), lost
    good(site, log, options=["--whole"])


def test_a_reader_that_is_slow_holds_up_nobody(make_keyed):
    """A pipe that nobody reads for a while: calls go on until the journal is full, then they are denied at once."""
    folder = Path(tempfile.mkdtemp(prefix="agw-pipe-"))
    pipe = folder / "audit"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        site = make_keyed(audit=f"{pipe} key=@PREFIX@/audit.key" + SMALL, workers="1")
        site.nginx.allow("can't be written|journal is full|write to .* failed")
        start = time.monotonic()
        answered = fill(site)
        assert time.monotonic() - start < 20
        read = bytearray()

        def drained():
            try:
                while piece := os.read(reader, 65536):
                    read.extend(piece)
            except BlockingIOError:
                pass
            return site.series("journal_used_slots") == 0

        eventually(drained, timeout=20)
        allowed(site.call())
        eventually(drained)
        site.nginx.process.send_signal(signal.SIGQUIT)
        eventually(lambda: drained_until_end(reader, read, site.nginx.process), timeout=15)
        copy = site.prefix / "copy.jsonl"
        copy.write_bytes(bytes(read))
        assert {e["id"] for e in events_of(copy)} >= reached(site) and answered > 50
        good(site, copy, options=["--whole"])
    finally:
        os.close(reader)
        pipe.unlink()
        folder.rmdir()


def drained_until_end(reader, read, process):
    try:
        while piece := os.read(reader, 65536):
            read.extend(piece)
    except BlockingIOError:
        pass
    return process.poll() is not None


# --- who does it -----------------------------------------------------------------------------------------------------


def test_the_sealer_is_a_process_of_its_own_and_comes_back(make_keyed):
    site = make_keyed()
    site.nginx.allow("exited on signal 9")
    first = eventually(lambda: sealers(site.nginx))
    assert len(first) == 1
    os.kill(first[0], signal.SIGKILL)
    second = eventually(lambda: [p for p in sealers(site.nginx) if p != first[0]])
    assert len(second) == 1
    site.call().event()
    site.nginx.stop()
    good(site, options=["--whole"])


def test_workers_without_privileges(make_site):
    """As it is installed: the master is root, the workers and the sealer are nobody."""
    if os.geteuid() != 0:
        pytest.skip("needs a root to give up")
    folder = Path(tempfile.mkdtemp(prefix="agw-nobody-"))
    folder.chmod(0o755)
    log = folder / "audit.jsonl"
    site = make_site(start=False, user="nobody nogroup", audit=f"{log} key=@PREFIX@/audit.key")
    (site.prefix / "audit.key").write_bytes(os.urandom(32))
    (site.prefix / "audit.key").chmod(0o600)
    # nobody must get to the policy file, which its workers watch.
    where = site.prefix
    while where != Path("/tmp"):
        where.chmod(0o755)
        where = where.parent
    site.start()
    site.nginx.allow("exited on signal 9")
    with Load(site) as load:
        eventually(lambda: len(load.answered) > 20, timeout=20)
        for _ in range(3):
            os.kill(eventually(lambda: sealers(site.nginx))[0], signal.SIGKILL)
            before = len(load.answered)
            eventually(lambda: len(load.answered) > before + 20, timeout=20)
        log.rename(folder / "audit.0")
        site.nginx.send_signal(signal.SIGUSR1)
        eventually(log.exists)
        before = len(load.answered)
        eventually(lambda: len(load.answered) > before + 20, timeout=20)
    site.nginx.stop()
    assert not set(load.answered) - {e["id"] for e in events_of(folder / "audit.0", log)}
    assert log.stat().st_mode & 0o077 == 0
    good(site, folder / "audit.0", log, options=["--whole"])
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()


def test_without_a_state_directory_the_journal_is_memory(make_site):
    site = make_site(start=False, workers="1")
    text = "\n".join(x for x in site.conf().splitlines() if not x.strip().startswith("agent_state "))
    site.nginx.start(text)
    site.nginx.allow("exited on signal 9")
    site.backend.answer = HANG
    stream = site.begin_post(CALL)
    eventually(lambda: site.backend.count() == 1)
    os.kill(site.nginx.workers()[0], signal.SIGKILL)
    eventually(lambda: [e for e in site.nginx.audit() if e["outcome"] == "unknown"])
    stream.close()
    assert not list(site.prefix.glob("state/*.journal"))


def test_without_a_master_the_worker_seals(make_site):
    site = make_site(start=False)
    conf = site.conf().replace("master_process on;", "master_process off;")
    site.nginx.conf.write_text(conf)
    process = subprocess.Popen([binary(), "-p", f"{site.prefix}/", "-c", str(site.nginx.conf), "-e",
                                str(site.nginx.error_log_path)], env=site.nginx._env, stdin=subprocess.DEVNULL)
    try:
        answer = eventually(lambda: called(site), timeout=20)
        assert site.nginx.event(answer.request_id)["outcome"] == "ok"
    finally:
        process.send_signal(signal.SIGQUIT)
        assert process.wait(15) == 0
    assert site.nginx.audit(records=True)[-1]["type"] == "audit.close"


def called(site):
    try:
        return site.call()
    except OSError:
        return None


@pytest.mark.parametrize("sync", ["none", "interval", "always"])
def test_when_the_log_is_forced_to_the_disk(make_keyed, sync):
    site = make_keyed(http=f"agent_audit_sync {sync};")
    for _ in range(5):
        allowed(site.call())
    if sync == "none":
        eventually(lambda: site.series("audit_lines") >= 6)
        assert site.series("audit_syncs") == 0
    else:
        eventually(lambda: site.series("audit_syncs") > 0)
    site.nginx.stop()
    good(site, options=["--whole"])
