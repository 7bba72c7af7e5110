"""The audit log as agwctl sees it, and a load under which it is written."""
import json
import os
import subprocess
import threading

from .nginx import ROOT, module_path

AGWCTL = os.environ.get("AGW_CTL") or str((module_path() or ROOT / "build/release/x").parent / "agwctl")
KEYED = "@PREFIX@/audit.jsonl key=@PREFIX@/audit.key"


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
