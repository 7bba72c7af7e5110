"""The parts of the suite. Each returns a Count; the first line of its docstring is its line in --list."""
import concurrent.futures
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from work import CACHE, JOBS, LOGS, ROOT, Count, build, check, complain, gtest, module_env, pytest, step

FUZZ_SECONDS = int(os.environ.get("AGW_FUZZ_SECONDS") or 600)
FAULT_COUNTS = ("wrong_allows", "lost_events", "crashes", "late", "errors")
SANITIZED = {"ASAN_OPTIONS": "detect_leaks=1:detect_odr_violation=1", "UBSAN_OPTIONS": "print_stacktrace=1"}


def tracked(*patterns):
    found = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "--", *patterns], cwd=ROOT,
                           capture_output=True, text=True, check=True).stdout.split("\n")
    return [name for name in found if name and (ROOT / name).is_file()]


def part_rooms():
    """rooms include only rooms on lower floors"""
    count = check("scripts/check-rooms", "rooms", ["scripts/check-rooms"])
    # The check must bite: a tree with one breach of each kind.
    with tempfile.TemporaryDirectory() as tree:
        root = Path(tree)
        (root / "src/base").mkdir(parents=True)
        (root / "src/attic").mkdir()
        shutil.copy(ROOT / "src/README.md", root / "src")
        (root / "src/base/x.cpp").write_text('#include "agw/gateway/course.h"\n#include <ngx_core.h>\n')
        count += check("check-rooms finds a breach", "rooms-breach", ["scripts/check-rooms", root], expect=1,
                       says="3 breach(es)")
    return count


def part_build():
    """the compiler probe, both ways to build, what the module exports, stock nginx loads it"""
    count = check("clang-19 is accepted", "probe-clang", ["t/probe/check-compiler", "clang++-19"])
    if subprocess.run(["g++", "-dumpversion"], capture_output=True, text=True).stdout.startswith("12"):
        words = "miscompiles coroutines"
        count += check("g++ 12 is refused", "probe-gcc", ["t/probe/check-compiler", "g++"], expect=1, says=words)
        with tempfile.TemporaryDirectory() as there:
            count += check("cmake refuses g++ 12", "probe-cmake", ["cmake", "-G", "Ninja", "-S", ROOT, "-B", there],
                           env={"CC": "gcc", "CXX": "g++"}, expect=1, says=words)
            count += check("nginx's configure refuses gcc 12", "probe-config",
                           ["cmake/configure-nginx", nginx_source(), f"{there}/objs", "gcc", ROOT], expect=1, says=words)
    directory = build("release")
    count += loads("release", directory / "ngx_http_agent_gateway_module.so")
    count += image_is_whole(directory)

    objs = ROOT / "build/stock"
    count += check("nginx's configure", "stock-configure",
                   ["cmake/configure-nginx", nginx_source(), objs, "ccache clang-19", ROOT])
    count += check("make modules", "stock-make", ["make", "-s", "-j", JOBS, "-f", objs / "Makefile", "modules"],
                   cwd=ROOT / "build/stock.tree", timeout=2400,
                   env={"CCACHE_BASEDIR": ROOT, "CCACHE_NOHASHDIR": "1"})
    count += loads("stock", objs / "ngx_http_agent_gateway_module.so")
    return count


def nginx_source():
    return os.environ.get("AGW_NGINX_SRC") or "/usr/share/nginx/src"


def loads(name, module):
    """Only what nginx's loader asks for is exported, and nginx starts with it."""
    nm = subprocess.run(["nm", "-D", "--defined-only", module], capture_output=True, text=True)
    exported = sorted(line.split()[-1] for line in nm.stdout.splitlines())
    count = Count(1, 0)
    if exported != ["ngx_module_names", "ngx_module_order", "ngx_modules"]:
        complain(f"{name}: exported symbols", "\n".join(exported))
        count = Count(0, 1)
    with tempfile.TemporaryDirectory() as prefix:
        conf = Path(prefix) / "nginx.conf"
        conf.write_text(f"load_module {module};\npid {prefix}/pid;\nevents {{}}\nhttp {{ access_log off;\n"
                        + "".join(f"{part}_temp_path {prefix}/{part};\n"
                                  for part in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")) + "}\n")
        count += check(f"{name}: stock nginx loads it", f"load-{name}",
                       ["nginx", "-t", "-p", prefix, "-c", conf, "-e", f"{prefix}/error.log"], says="successful")
    return count


def image_is_whole(directory):
    """The Dockerfile's second stage installs every library that the module and agwctl are linked with."""
    text = (ROOT / "Dockerfile").read_text().split("FROM ")[-1]
    installed = set(re.findall(r"[a-z][a-z0-9.+-]+", text)) | {"libc6", "libgcc-s1"}
    absent = set()
    for binary in ("ngx_http_agent_gateway_module.so", "agwctl"):
        dynamic = subprocess.run(["readelf", "-d", directory / binary], capture_output=True, text=True, check=True).stdout
        resolved = subprocess.run(["ldd", directory / binary], capture_output=True, text=True).stdout
        for library in re.findall(r"\(NEEDED\).*\[(.+)\]", dynamic):
            path = re.search(rf"{re.escape(library)} => (\S+)", resolved)
            # Packages know the file under /usr/lib; the loader may have found it through /lib.
            file = Path(path[1]).resolve() if path else Path("/lib64") / library
            owner = subprocess.run(["dpkg-query", "-S", f"*{file.name}"], capture_output=True, text=True).stdout
            packages = {line.split(":")[0] for line in owner.splitlines()}
            if not packages & installed:
                absent.add(f"{binary} needs {library}, in {', '.join(sorted(packages)) or 'no package'}")
    if absent:
        complain("Dockerfile: the image lacks libraries", "\n".join(sorted(absent)))
    return Count(0, 1) if absent else Count(1, 0)


def part_lint():
    """layout by clang-format, clang-tidy, shellcheck"""
    code = tracked("*.cpp", "*.h", "*.c")
    count = layout(code)
    scripts = [name for name in tracked("scripts/*", ".ci/*", "t/*", "cmake/*", "demo/*")
               if (ROOT / name).open("rb").readline(64).startswith((b"#!/usr/bin/env bash", b"#!/bin/sh"))]
    count += check("shellcheck", "shellcheck", ["shellcheck", "-S", "warning", *scripts])
    count += check("each mutation of t/mutations has its place", "mutations-check", ["t/mutations/run", "--check"])
    return count + tidy("clang-tidy")


# By name, so that a new version of clang-tidy asks nothing else of the tree.
THOROUGH = ("-*,clang-analyzer-core.*,clang-analyzer-cplusplus.*,clang-analyzer-security.*,"
            "-clang-analyzer-security.insecureAPI.DeprecatedOrUnsafeBufferHandling,"
            "bugprone-assert-side-effect,bugprone-reserved-identifier,bugprone-standalone-empty,"
            "bugprone-stringview-nullptr,bugprone-undelegated-constructor")


def layout(code):
    status, text = step("format", ["clang-format-19", "--dry-run", "-Werror", "--ferror-limit=1", *code])
    if status == 0:
        return Count(1, 0)
    files = sorted({line.split(":")[0] for line in text.splitlines() if "code should be clang-formatted" in line})
    complain("clang-format: `make format` lays these out", "\n".join(files) or text)
    return Count(0, 1)


def tidy(name, *options):
    """.clang-tidy's checks over src/, or others that the options name."""
    directory = build("release")
    sources = {}
    for entry in json.loads((directory / "compile_commands.json").read_text()):
        file = Path(entry["file"])
        if file.suffix == ".cpp" and (ROOT / "src") in file.parents:
            sources[file] = entry["command"]
    # A source that was clean stays so until it, a header or the rules change: told by their digest.
    common = hashlib.sha256((ROOT / ".clang-tidy").read_bytes() + " ".join(options).encode())
    for header in sorted(tracked("include/*.h", "src/*.h", "src/*.inc")):
        common.update((ROOT / header).read_bytes())
    clean = CACHE / "tidy"
    clean.mkdir(parents=True, exist_ok=True)

    def one(file):
        digest = common.copy()
        digest.update(str(file.relative_to(ROOT)).encode() + file.read_bytes())
        stamp = clean / digest.hexdigest()
        if stamp.exists():
            return file, 0, ""
        status, text = step(f"{name}/{file.parent.name}-{file.stem}",
                            ["clang-tidy-19", "--quiet", *options, "-p", directory, file], timeout=600)
        if status == 0:
            stamp.touch()
        return file, status, text

    (LOGS / name).mkdir(parents=True, exist_ok=True)
    with concurrent.futures.ThreadPoolExecutor(int(JOBS)) as pool:
        results = list(pool.map(one, sorted(sources)))
    wrong = [(file, text) for file, status, text in results if status != 0]
    for file, text in wrong:
        complain(f"{name} {file.relative_to(ROOT)}", text, 20)
    return Count(0, len(wrong)) if wrong else Count(1, 0)


def part_unit():
    """GoogleTest over the rooms, without nginx"""
    return gtest("unit", build("release", "agw_unit") / "agw_unit")


def part_property():
    """the decision and an obvious model of it, over random policies and calls"""
    driver = build("release", "evaluate_driver") / "evaluate_driver"
    return check("t/property/run", "property", ["t/property/run", driver], timeout=600, says="cases alike")


def part_differential():
    """bodies and tokens that our readers take are read alike by Python's and JavaScript's: t/differential/run"""
    build("release", "reader_driver", "jose_driver")
    return check("t/differential/run", "differential", ["t/differential/run"], timeout=900, says="accepted")


def part_fuzz(bound=("--total", str(FUZZ_SECONDS)), timeout=1800):
    """every fuzzer for its share of ten minutes of one core (AGW_FUZZ_SECONDS), from the seeds in t/fuzz/corpus: t/fuzz/run"""
    build("fuzz")

    def judged(report):
        return len(report["targets"]) - len(report["failed"]), len(report["failed"])

    return reported("fuzz", ["t/fuzz/run", *bound, "--jobs", JOBS], judged, lines=120, timeout=timeout)


def reported(name, command, judged, lines, timeout):
    """Runs what writes a report (--json); `judged` makes (passed, failed) of it. Without one it has failed."""
    report = LOGS / f"{name}.json"
    report.unlink(missing_ok=True)
    status, text = step(name, [*command, "--json", report], timeout=timeout)
    try:
        count = Count(*judged(json.loads(report.read_text())))
    except (OSError, ValueError, KeyError):
        count = Count(0, 1)
    if status != 0 and count.failed == 0:
        count.failed = 1
    if count.failed:
        complain(str(command[0]), text, lines)
    return count


def part_e2e():
    """real nginx, Redis, issuers and SDKs against the release module"""
    build("release")
    return pytest("e2e", "-m", "not keycloak and not long", env=module_env("release"))


def part_adapters():
    """the adapters alone in a real nginx, with servers that hang, break off and send garbage"""
    build("release", "adapter_probe")
    return pytest("adapters", env=module_env("release"), folder="t/nginx_adapters")


def part_faults():
    """each dependency failing in each way (a share of the matrix), workers killed, reloads, limits: t/faults/run"""
    build("release")
    return faults("--quick")


def faults(*arguments, timeout=900):
    """Each cell counts as one test."""

    def judged(report):
        rows = [row for row in report["details"] if not row["skipped"]]
        failed = sum(any(row[name] for name in FAULT_COUNTS) for row in rows)
        return len(rows) - failed, failed

    return reported("faults", ["t/faults/run", *arguments], judged, lines=60, timeout=timeout)


def part_budget():
    """instructions of a governed call, by callgrind, against t/bench/budget.json: 3 % more is a failure"""
    build("release")
    return check("t/bench/budget", "budget", ["t/bench/budget"], timeout=600)


def part_bench():
    """every part of the benchmark once, quickly: everything can be measured and is answered rightly (no figure is judged)"""
    build("release")
    return check("t/bench/run --quick", "bench", ["t/bench/run", "--quick", "--json", LOGS / "bench.json",
                                                  "--svg", LOGS / "bench.svg"], timeout=600)


def part_conformance():
    """the official MCP suite, 2025-11-25 and 2026-07-28, directly and through the gateway: t/conformance/run"""
    build("release")
    return check("t/conformance/run", "conformance", ["t/conformance/run", "--json", LOGS / "conformance.json"], timeout=1200)


def part_keycloak():
    """token exchange and login with a real Keycloak"""
    build("release")
    return pytest("keycloak", "-m", "keycloak", env=module_env("release"), jobs="0")


def part_asan():
    """unit and end-to-end tests once more under ASan and UBSan"""
    directory = build("asan")
    count = gtest("unit-asan", directory / "agw_unit", env=SANITIZED)
    build("asan", "adapter_probe")
    env = module_env("asan") | pool_debugging()
    count += pytest("adapters-asan", env=env, folder="t/nginx_adapters")
    # Under sanitizers the same stories work more and wait less.
    return count + pytest("e2e-asan", "-m", "not long", env=env, timeout=3000, jobs=JOBS)


def pool_debugging():
    """An nginx whose pools hide nothing from the sanitizers; the installed one where that can't be had."""
    status, text = step("nginx-debug", ["scripts/nginx-debug"], timeout=600)
    if status == 0:
        return {"AGW_NGINX": text.strip().splitlines()[-1]}
    print("   without pool debugging: scripts/nginx-debug could not build nginx from source", flush=True)
    return {}


def part_docs():
    """the generated pages of docs/ are those that the sources make"""
    return check("scripts/docs --check", "docs", ["scripts/docs", "--check"])


def part_quickstart():
    """scripts/quickstart: the whole demo, every row as it should be; Ctrl-C leaves nothing behind"""
    count = check("scripts/quickstart --once", "quickstart", ["scripts/quickstart", "--once"], timeout=1800)
    return count + interrupted_quickstart()


def interrupted_quickstart():
    """Ctrl-C where it stays up: no process, no file, nothing in the tree."""
    def changes():
        return subprocess.run(["git", "status", "--porcelain"], cwd=ROOT, capture_output=True, text=True).stdout

    before, told = changes(), LOGS / "quickstart-stays.log"
    with tempfile.TemporaryDirectory() as place:
        os.chmod(place, 0o755)  # nginx's workers are not root
        with told.open("w") as out:
            # A suite that was started in the background ignores SIGINT, and a shell can't trap what it was born ignoring.
            running = subprocess.Popen(["scripts/quickstart"], cwd=ROOT, env=os.environ | {"TMPDIR": place}, stdout=out,
                                       stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT, start_new_session=True,
                                       preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
        deadline = time.monotonic() + 600
        while "from here on" not in told.read_text() and running.poll() is None and time.monotonic() < deadline:
            time.sleep(0.2)
        wrong = ["it didn't stay"]
        if running.poll() is None:
            # A terminal sends it to everything in the foreground.
            os.killpg(running.pid, signal.SIGINT)
            wrong = []
        try:
            status = running.wait(60)
        except subprocess.TimeoutExpired:
            status = "none"
        wrong += [f"exit status {status}"] if status != 0 else []
        wrong += [f"still runs: {line}" for line in processes_of(running.pid)]
        wrong += [f"left in TMPDIR: {name}" for name in os.listdir(place)]
        wrong += [f"changed in the tree:\n{changes()}"] if changes() != before else []
        if wrong:
            complain("scripts/quickstart, Ctrl-C", "\n".join([*wrong, *told.read_text().splitlines()[-20:]]))
            return Count(0, 1)
    return Count(1, 0)


def processes_of(session):
    """What runs in a session, as /proc tells it: pid and command line."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, its = stat.read_text().rpartition(")")[2].split()[:4]
            command = (stat.parent / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if int(its) == session and state != "Z":
            yield f"{stat.parent.name} {command}"


def part_long():
    """the static analyzer and slow checks of clang-tidy, five minutes for each fuzzer, the end-to-end tests that take long, the whole matrix of faults"""
    build("release")
    step("install-browser", ["scripts/install-deps", "browser"])
    count = tidy("clang-tidy-thorough", f"--checks={THOROUGH}")
    count += part_fuzz(("--seconds", "300"), 7200) + pytest("long", "-m", "long", env=module_env("release"))
    return count + faults(timeout=5400)


def part_mutations():
    """the product broken on purpose, one mistake at a time: each must make a test fail (t/mutations/run)"""
    return check("t/mutations/run", "mutations", ["t/mutations/run"], timeout=7200, says=" noticed")


# In the order in which a breakage is found soonest. True: part of the default run.
ALL = {
    "rooms": (part_rooms, True),
    "build": (part_build, True),
    "docs": (part_docs, True),
    "unit": (part_unit, True),
    "property": (part_property, True),
    "differential": (part_differential, True),
    "adapters": (part_adapters, True),
    "budget": (part_budget, True),
    "bench": (part_bench, True),
    "e2e": (part_e2e, True),
    "conformance": (part_conformance, True),
    "keycloak": (part_keycloak, True),
    "quickstart": (part_quickstart, True),
    "asan": (part_asan, True),
    "fuzz": (part_fuzz, True),
    "lint": (part_lint, True),
    "faults": (part_faults, True),
    "long": (part_long, False),
    "mutations": (part_mutations, False),
}

if __name__ == "__main__":
    sys.exit("run scripts/test")
