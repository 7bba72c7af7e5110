"""A real nginx in a folder of its own, and what may be said about it when it is over."""
import json
import os
import re
import shutil
import signal
import subprocess
import urllib.request
from pathlib import Path

from .wait import accepts, eventually

ROOT = Path(__file__).resolve().parents[3]
ASAN = os.environ.get("AGW_ASAN") == "1"
_BAD = re.compile(r"\[(?:alert|emerg)\]|exited on signal|exited with (?:fatal )?code [1-9]"
                  r"|(?:Address|Leak|Thread|UndefinedBehavior)Sanitizer|runtime error:")


def module_path() -> Path | None:
    named = os.environ.get("AGW_MODULE")
    path = Path(named) if named else ROOT / "build" / ("asan" if ASAN else "release") / "ngx_http_agent_gateway_module.so"
    return path.resolve() if path.is_file() else None


def binary() -> str:
    found = os.environ.get("AGW_NGINX") or shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    assert found, "nginx is not installed"
    return found


def _sanitizer_env(prefix: Path) -> dict:
    if not ASAN:
        return {}
    clang = os.environ.get("AGW_CLANG", "clang-19")
    runtime = subprocess.run([clang, "-print-file-name=libclang_rt.asan-x86_64.so"],
                             check=True, capture_output=True, text=True).stdout.strip()
    log = prefix / "sanitizer"
    # nginx frees its cycle by ending; what it holds until then isn't ours to report.
    leaks = f"suppressions={Path(__file__).with_name('lsan.supp')}:print_suppressions=0"
    return {"LD_PRELOAD": runtime, "LSAN_OPTIONS": leaks, "UBSAN_OPTIONS": f"print_stacktrace=1:log_path={log}",
            "ASAN_OPTIONS": f"log_path={log}:detect_leaks=1:detect_odr_violation=0:handle_abort=1:"
                            "alloc_dealloc_mismatch=1:exitcode=99"}


class Nginx:
    def __init__(self, prefix: Path):
        self.prefix = prefix
        self.process = None
        self._allowed: list[str] = []
        self._env = os.environ | _sanitizer_env(prefix)
        for name in ("logs", "tmp"):
            (prefix / name).mkdir(parents=True, exist_ok=True)

    # --- configuration -----------------------------------------------------------------------------------------

    @property
    def conf(self) -> Path:
        return self.prefix / "nginx.conf"

    @property
    def error_log_path(self) -> Path:
        return self.prefix / "logs/error.log"

    @property
    def audit_path(self) -> Path:
        return self.prefix / "audit.jsonl"

    def _arguments(self, conf):
        return [binary(), "-p", f"{self.prefix}/", "-c", str(conf), "-e", str(self.error_log_path)]

    def test(self, conf_text: str, name="candidate.conf"):
        """(exit status, what it said) of nginx -t."""
        path = self.prefix / name
        path.write_text(conf_text)
        done = subprocess.run([*self._arguments(path), "-t"], capture_output=True, text=True, timeout=60,
                              env=self._env, errors="replace")
        self._fail_on_reports()
        return done.returncode, done.stderr

    # --- the process -------------------------------------------------------------------------------------------

    def start(self, conf_text: str):
        self.conf.write_text(conf_text)
        self.process = subprocess.Popen(self._arguments(self.conf), env=self._env, stdin=subprocess.DEVNULL,
                                        stdout=(self.prefix / "logs/stdout").open("ab"), stderr=subprocess.STDOUT)
        ports = [int(p) for p in re.findall(r"\blisten\s+(?:[\d.]+:)?(\d+)", conf_text)]
        assert ports, "the configuration listens nowhere"

        def up():
            assert self.process.poll() is None, f"nginx ended:\n{self.stdout}\n{self.error_log[-4000:]}"
            return all(accepts(p) for p in ports) and self.workers()

        eventually(up, timeout=60 if ASAN else 20)
        return self

    @property
    def stdout(self) -> str:
        return (self.prefix / "logs/stdout").read_text(errors="replace")

    def _children(self):
        """pid -> title of every child of the master."""
        found = {}
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                stat = (entry / "stat").read_text()
                title = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            state, parent = stat.rpartition(")")[2].split()[:2]
            if int(parent) == self.process.pid and state != "Z":
                found[int(entry.name)] = title
        return found

    def workers(self):
        return [p for p, title in self._children().items()
                if "worker process" in title and "shutting down" not in title]

    def write_conf(self, conf_text: str):
        self.conf.write_text(conf_text)

    def send_signal(self, number):
        self.process.send_signal(number)

    def reload(self, conf_text: str | None = None, gone=False):
        """Returns when new workers serve and the old ones take no more; with `gone`, when they have ended."""
        if conf_text is not None:
            self.write_conf(conf_text)
        old = set(self.workers())
        self.send_signal(signal.SIGHUP)

        def replaced():
            children = self._children()
            serving = set(self.workers())
            left = [p for p in old if p in children and (gone or "shutting down" not in children[p])]
            return serving and not serving & old and not left

        eventually(replaced, timeout=40 if ASAN else 15)

    def reload_refused(self, conf_text: str):
        """A reload that must keep the old configuration; returns what the log says of it."""
        self.allow(r"\[emerg\]")
        before = len(self.error_log)
        self.write_conf(conf_text)
        self.send_signal(signal.SIGHUP)
        return eventually(lambda: "[emerg]" in self.error_log[before:] and self.error_log[before:], timeout=20)

    def stop(self, how=signal.SIGQUIT, timeout=None):
        if self.process is None:
            return
        process, self.process = self.process, None
        if process.poll() is None:
            process.send_signal(how)
            try:
                process.wait(timeout or (60 if ASAN else 15))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                raise AssertionError(f"nginx did not end after {signal.Signals(how).name}:\n{self.error_log[-4000:]}")
        assert process.returncode == 0, f"nginx ended with {process.returncode}:\n{self.error_log[-4000:]}"

    def close(self):
        try:
            self.stop()
        finally:
            self.check()

    # --- what it left behind -----------------------------------------------------------------------------------

    def allow(self, pattern: str):
        """A line of the error log that this test provokes on purpose."""
        self._allowed.append(pattern)

    @property
    def error_log(self) -> str:
        try:
            return self.error_log_path.read_text(errors="replace")
        except FileNotFoundError:
            return ""

    def errors(self, pattern: str):
        return [line for line in self.error_log.splitlines() if re.search(pattern, line)]

    def _fail_on_reports(self):
        reports = [p.read_text(errors="replace") for p in self.prefix.glob("sanitizer.*")]
        assert not reports, "a sanitizer reports:\n" + "\n".join(reports)[:8000]

    def check(self):
        self._fail_on_reports()
        lines = self.error_log.splitlines() + (self.stdout.splitlines() if (self.prefix / "logs/stdout").exists() else [])
        bad = [line for line in lines if _BAD.search(line) and not any(re.search(a, line) for a in self._allowed)]
        assert not bad, "nginx complained:\n" + "\n".join(bad[:20])

    def audit(self, records=False):
        """Every event so far, with `records` also the chain's own. A line that is no JSON object, or two events with
        one id, fail at once."""
        try:
            data = self.audit_path.read_bytes()
        except FileNotFoundError:
            return []
        complete, _, rest = data.rpartition(b"\n")
        events = [json.loads(line) for line in complete.split(b"\n") if line] if complete else []
        assert all(isinstance(e, dict) for e in events)
        ids = [e["id"] for e in events]
        assert len(ids) == len(set(ids)), "an id appears twice in the audit log"
        return events if records else [e for e in events if not e["type"].startswith("audit.")]

    def event(self, request_id: str, timeout=5.0):
        return eventually(lambda: next((e for e in self.audit() if e["id"] == request_id), None), timeout)

    def metrics(self, port: int, path="/metrics"):
        """Series (name with its labels in braces) -> value."""
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            text = answer.read().decode()
        found = {}
        for line in text.splitlines():
            if line and not line.startswith("#"):
                series, _, value = line.rpartition(" ")
                assert series not in found, f"series twice: {series}"
                found[series] = float(value)
        return found

    def rss_kb(self):
        total = 0
        for pid in self.workers():
            status = Path(f"/proc/{pid}/status").read_text()
            total += int(re.search(r"VmRSS:\s+(\d+)", status)[1])
        return total
