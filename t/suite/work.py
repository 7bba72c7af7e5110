"""What the parts of the suite have in common: running a step with its log, counting, the Python environment."""
import hashlib
import json
import os
import signal
import subprocess
import sys
import xml.etree.ElementTree as xml
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOGS = ROOT / "build/log"
CACHE = Path(os.environ.get("AGW_CACHE") or Path.home() / ".cache/agent-gateway")
JOBS = os.environ.get("AGW_JOBS") or str(os.cpu_count() or 2)
# Tests that drive nginx from outside wait more than they work: with one for each core these were busy for a third of the time.
STORIES_AT_ONCE = str(int(JOBS) * 3 // 2)


@dataclass
class Count:
    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other):
        return Count(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)

    def __str__(self):
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        return f"{self.passed} passed, {self.failed} failed{skipped}"


def step(log, command, timeout=1800, env=None, cwd=ROOT):
    """Runs a command with its output in build/log/LOG.log. (exit status, output); 124 after the timeout."""
    LOGS.mkdir(parents=True, exist_ok=True)
    path = LOGS / f"{log}.log"
    with path.open("wb") as out:
        process = subprocess.Popen([str(word) for word in command], cwd=cwd, env=os.environ | (env or {}), stdout=out,
                                   stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True)
        try:
            status = process.wait(timeout)
        except BaseException as why:
            # Whatever it started goes with it: nothing of a suite that was stopped may stay behind.
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            if not isinstance(why, subprocess.TimeoutExpired):
                raise
            status = 124
            out.write(f"\nstopped after {timeout} s\n".encode())
    return status, path.read_text(errors="replace")


def complain(name, text, lines=40):
    print(f"   FAILED {name}")
    for line in text.rstrip().splitlines()[-lines:]:
        print(f"     {line}")
    sys.stdout.flush()


def check(name, log, command, expect=0, says=None, **options):
    """One step that counts as one test: its exit status, and what it must say."""
    status, text = step(log, command, **options)
    good = (status == 0) == (expect == 0) and (says is None or says in text)
    if not good:
        complain(name, text)
    return Count(1, 0) if good else Count(0, 1)


def build(kind, *targets):
    """Builds or raises: without its binaries a part can't run."""
    status, text = step(f"build-{kind}", ["scripts/build", kind, *targets], timeout=2400)
    if status != 0:
        complain(f"scripts/build {kind}", text, 60)
        raise RuntimeError(f"scripts/build {kind} failed")
    return ROOT / "build" / kind


def gtest(name, binary, env=None, timeout=900):
    report = LOGS / f"{name}.json"
    report.unlink(missing_ok=True)
    status, text = step(name, [binary, f"--gtest_output=json:{report}", "--gtest_brief=1"], env=env, timeout=timeout)
    try:
        found = json.loads(report.read_text())
        failed = found["failures"] + found.get("errors", 0)
        count = Count(found["tests"] - failed - found.get("disabled", 0), failed, found.get("disabled", 0))
    except (OSError, ValueError, KeyError):
        count = Count(0, 1)   # it died before it could say how far it came
    if status != 0 and count.failed == 0:
        count.failed = 1
    if count.failed:
        complain(name, text, 80)
    return count


def python(requirements="t/e2e/requirements.txt", name="e2e"):
    """The interpreter of a virtual environment with these packages, made when they change."""
    wanted = ROOT / requirements
    key = hashlib.sha256(wanted.read_bytes() + sys.version.encode()).hexdigest()[:16]
    home = CACHE / f"{name}-{key}"
    if not (home / ".complete").exists():
        print(f"   installing the Python packages of {requirements} …", flush=True)
        CACHE.mkdir(parents=True, exist_ok=True)
        script = ('flock 9; [ -e "$1/.complete" ] || { rm -rf "$1" && "$2" -m venv "$1" && '
                  '"$1/bin/pip" install -q --disable-pip-version-check -r "$3" && touch "$1/.complete"; }')
        status, text = step("venv", ["bash", "-ec", f'exec 9>"$1.lock"; {script}', "venv", home, sys.executable, wanted])
        if status != 0:
            complain("the Python environment", text)
            raise RuntimeError("pip install failed")
    return home / "bin/python"


# More failures than these are no accident.
MOST_TRIED_AGAIN = 12


def pytest(name, *arguments, env=None, timeout=2400, jobs=STORIES_AT_ONCE, folder="t/e2e"):
    """Runs pytest over a folder. None of the tests chosen is no failure here: the total must still be above nothing."""
    report = LOGS / f"{name}.xml"
    report.unlink(missing_ok=True)
    status, text = step(name, [python(), "-m", "pytest", "-q", "-n", jobs, f"--junitxml={report}", *arguments],
                        cwd=ROOT / folder, env=env, timeout=timeout)
    if status == 5:
        return Count()
    count = tally(report, status)
    died = not report.exists()   # before it could say how far it came: then all of it is tried again
    if 0 < count.failed <= MOST_TRIED_AGAIN:
        # The machine is shared and may stand still for seconds. What fails alone, too, has failed.
        again = LOGS / f"{name}-again.xml"
        again.unlink(missing_ok=True)
        chosen = arguments if died else ("--last-failed", *arguments)
        status, text = step(f"{name}, what failed once more", [python(), "-m", "pytest", "-q", f"--junitxml={again}", *chosen],
                            cwd=ROOT / folder, env=env, timeout=timeout)
        second = tally(again, status)
        if died:
            print("   ended before its end, run again", flush=True)
            count = Count(0, second.passed + second.failed, second.skipped)
        elif second.failed < count.failed:
            print(f"   failed under load, passed alone: {', '.join(sorted(failures(report) - failures(again)))}", flush=True)
        count = Count(count.passed + count.failed - second.failed, second.failed, count.skipped)
    if count.failed:
        complain(name, text, 120)
    return count


def tally(report, status):
    count = Count()
    try:
        for suite in xml.parse(report).getroot().iter("testsuite"):
            tests, skipped = int(suite.get("tests")), int(suite.get("skipped"))
            failed = int(suite.get("failures")) + int(suite.get("errors"))
            count += Count(max(tests - failed - skipped, 0), failed, skipped)
    except (OSError, xml.ParseError, TypeError):
        pass
    if status != 0 and count.failed == 0:
        count.failed = 1
    return count


def failures(report):
    """Names of the tests that failed, of a JUnit file."""
    try:
        cases = list(xml.parse(report).getroot().iter("testcase"))
    except (OSError, xml.ParseError):
        return set()
    return {f"{case.get('classname')}::{case.get('name')}" for case in cases
            if case.find("failure") is not None or case.find("error") is not None}


def single(what):
    """make one: a path of t/e2e goes to pytest, anything else is a GoogleTest filter."""
    if not what:
        print("which one? scripts/test --one 'Router.*' or scripts/test --one t/e2e/test_x.py::test_y", file=sys.stderr)
        return 2
    path = what.split("::")[0]
    if (ROOT / path).exists():
        build("release")
        return subprocess.call([str(python()), "-m", "pytest", "-v", str(ROOT / what)], cwd=ROOT / "t/e2e",
                               env=os.environ | module_env("release"))
    directory = build("release", "agw_unit")
    return subprocess.call([str(directory / "agw_unit"), f"--gtest_filter={what}"], cwd=ROOT)


def module_env(kind):
    directory = ROOT / "build" / kind
    env = {"AGW_MODULE": str(directory / "ngx_http_agent_gateway_module.so"), "AGW_CTL": str(directory / "agwctl"),
           "AGW_CACHE": str(CACHE)}
    return env | {"AGW_ASAN": "1"} if kind == "asan" else env
