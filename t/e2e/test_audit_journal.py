"""What is in the audit log when processes are killed, disks are full and nobody reads: every call that reached the
backend, once, in a chain that agwctl believes."""
import os
import random
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from plugins import mcp
from plugins.audit import KEYED, Load, events_of, good, reached, sealers, verify
from plugins.nginx import binary
from plugins.server import HANG
from plugins.site import allowed
from plugins.wait import eventually

CALL = mcp.call("ticket.read", {"id": "T-1"})
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


def test_the_sealer_steps_back_for_workers(make_keyed):
    site = make_keyed()
    (sealer,) = eventually(lambda: sealers(site.nginx))
    eventually(lambda: os.sched_getscheduler(sealer) == os.SCHED_BATCH)
    ours = os.getpriority(os.PRIO_PROCESS, site.nginx.process.pid)
    eventually(lambda: os.getpriority(os.PRIO_PROCESS, sealer) == min(ours + 5, 19))
    for worker in site.nginx.workers():
        assert os.sched_getscheduler(worker) == os.SCHED_OTHER and os.getpriority(os.PRIO_PROCESS, worker) == ours
    site.call().event()


def test_a_process_that_also_manages_a_cache_keeps_its_priority(make_keyed):
    site = make_keyed(http="proxy_cache_path @PREFIX@/cache keys_zone=cache:1m;")
    site.call().event()  # so it seals already
    (manager,) = [pid for pid, title in site.nginx._children().items() if "cache manager process" in title]
    assert os.sched_getscheduler(manager) == os.SCHED_OTHER
    assert os.getpriority(os.PRIO_PROCESS, manager) == os.getpriority(os.PRIO_PROCESS, site.nginx.process.pid)


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
            eventually(lambda: site.nginx.audit_path.exists() and site.nginx.audit_path.stat().st_size > 0, timeout=15)
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
            # As nginx asks for: no rotation before everybody has reopened the file after the last one.
            eventually(lambda: site.nginx.audit_path.exists() and site.nginx.audit_path.stat().st_size > 0, timeout=15)
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
    # What a sanitizer needs has to be handed on.
    site = make_keyed(main="".join(f"env {name};\n" for name in ("LD_PRELOAD", "ASAN_OPTIONS", "UBSAN_OPTIONS",
                                                                  "LSAN_OPTIONS")))
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
        killed = set()
        for _ in range(3):
            sealer = eventually(lambda: set(sealers(site.nginx)) - killed).pop()
            os.kill(sealer, signal.SIGKILL)
            killed.add(sealer)
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
