"""An audit log that can't be written, or not so fast: nobody waits, nothing is lost, and what happens then is the operator's
choice."""
import json
import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from plugins.audit import events_of, good, reached
from plugins.site import allowed
from plugins.wait import eventually

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
    # The sealer has seen it: on a busy machine it comes later than the calls.
    eventually(lambda: site.series("journal_used_slots") > 50, 30)
    ballast.unlink()
    subprocess.run(["mount", "-o", "remount,size=4m", small_disk], check=True)
    eventually(lambda: site.series("journal_used_slots") == 0, 30)
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


@pytest.mark.parametrize("on_error", ["deny", "continue"])
def test_a_file_system_that_turns_read_only(make_keyed, breakable_disk, on_error):
    log = breakable_disk.path / "audit.jsonl"
    site = make_keyed(audit=f"{log} key=@PREFIX@/audit.key" + SMALL, workers="1",
                      http=f"agent_audit_on_error {on_error};")
    site.nginx.allow("can't be written|journal is full|Read-only file system")
    allowed(site.call())
    eventually(lambda: len(list(events_of(log))) == 1)
    breakable_disk.fail()
    with pytest.raises(OSError, match="Read-only"):
        (breakable_disk.path / "probe").touch()
    if on_error == "deny":
        assert fill(site) > 50
        asked = len(reached(site))
        assert site.call().status == 503 and len(reached(site)) == asked
    else:
        token = site.token()
        for _ in range(250):
            allowed(site.call(token=token))
    eventually(lambda: site.series("audit_write_failures") > 0)

    breakable_disk.repair()
    site.nginx.send_signal(signal.SIGUSR1)
    eventually(lambda: site.series("journal_used_slots") == 0)
    allowed(site.call())
    site.nginx.stop()
    missing = reached(site) - {e["id"] for e in events_of(log)}
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

        def goes_on():
            drained()   # the gauge is told late: what is free again is shown by a call
            return site.call().status == 200

        eventually(goes_on, timeout=20)
        eventually(drained, timeout=15)
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
