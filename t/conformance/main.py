"""The official conformance suite of MCP against the fixture server (fixture.mjs), directly and through the gateway.

Every server scenario of both versions runs both ways, those of extensions with 2026-07-28. The exit status is 0 when all
checks pass and the gateway makes no difference, in no check of no scenario.
"""
import argparse
import collections
import concurrent.futures
import contextlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))

from gateway import Gateway  # noqa: E402
from plugins import fixture  # noqa: E402

VERSIONS = ("2025-11-25", "2026-07-28")
WAYS = ("direct", "gateway")


def suite(*arguments, timeout=600):
    program = fixture.packages(fixture.app("t/conformance")) / "@modelcontextprotocol/conformance/dist/index.js"
    return subprocess.run([fixture.node(), str(program), *arguments], capture_output=True, text=True, timeout=timeout)


def scenarios():
    """version -> the server scenarios that belong to it, in the suite's order."""
    found = {version: [] for version in VERSIONS}
    part = suite("list").stdout.split("Client scenarios")[0]
    for name, versions in re.findall(r"^\s+- (\S+) \[(.+)\]$", part, re.MULTILINE):
        for version in VERSIONS:
            if version in versions.split(",") or (versions == "extension" and version == VERSIONS[-1]):
                found[version].append(name)
    return found


def reports(folder, names):
    """name -> Checks of what the suite wrote, a folder for each scenario."""
    found = {}
    for report in Path(folder).glob("server-*/checks.json"):
        name = re.sub(r"-\d{4}-\d\d-\d\dT.*", "", report.parent.name.removeprefix("server-"))
        found[name] = Checks(json.loads(report.read_text()))
    return {name: found[name] for name in names if name in found}


def run_one(version, name, url):
    """A scenario's Checks."""
    with tempfile.TemporaryDirectory() as folder:
        done = suite("server", "--url", url, "--scenario", name, "--spec-version", version, "--force", "-o", folder)
        found = reports(folder, [name]).get(name)
        said = done.stdout[-500:] + done.stderr[-500:]
        return found or Checks([{"id": "the suite itself", "status": "FAILURE", "errorMessage": said}])


def run_version(version, names, url):
    """name -> Checks, of a version's scenarios in one process; what it leaves out (extensions) is missing."""
    with tempfile.TemporaryDirectory() as folder:
        suite("server", "--url", url, "--suite", "all", "--spec-version", version, "-o", folder)
        return reports(folder, names)


class Checks:
    def __init__(self, checks):
        judged = [check for check in checks if check["status"] != "INFO"]
        self.counts = collections.Counter((check["id"], check["status"]) for check in judged)
        self.bad = [check for check in judged if check["status"] not in ("SUCCESS", "SKIPPED")]

    def __getitem__(self, status):
        return sum(count for (_, found), count in self.counts.items() if found == status)

    @property
    def told(self):
        """passed/failed, with warnings and skipped ones where there are any."""
        words = f"{self['SUCCESS']}/{self['FAILURE']}"
        return words + "".join(f" {self[status]} {status.lower()}" for status in ("WARNING", "SKIPPED") if self[status])


def settled(both):
    """No check fails or warns, and both ways say the same."""
    return not any(both[way].bad for way in both) and len({frozenset(checks.counts.items()) for checks in both.values()}) == 1


def measure(cells, urls, jobs, tries):
    """(version, scenario) -> way -> Checks; what fails or differs is tried again."""
    found = collections.defaultdict(dict)
    wanted = {version: [name for of, name in cells if of == version] for version, _ in cells}
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        # A process for each scenario costs more than the scenario: only what isn't in the suite's set has its own.
        whole = {(version, way): pool.submit(run_version, version, names, url)
                 for version, names in wanted.items() if len(names) > 3 for way, url in urls.items()}
        for (version, way), batch in whole.items():
            for name, checks in batch.result().items():
                found[version, name][way] = checks
        alone = {(cell, way): pool.submit(run_one, *cell, urls[way]) for cell in cells for way in urls if way not in found[cell]}
        for (cell, way), one in alone.items():
            found[cell][way] = one.result()
        for _ in range(tries - 1):
            again = [cell for cell in cells if not settled(found[cell])]
            alone = {(cell, way): pool.submit(run_one, *cell, url) for cell in again for way, url in urls.items()}
            for (cell, way), one in alone.items():
                found[cell][way] = one.result()
    return found


def table(cells, found, ways):
    width = max(len(name) for _, name in cells)
    yield f"{'version':<11} {'scenario':<{width}}  " + "  ".join(f"{way:<12}" for way in ways)
    for cell in cells:
        version, name = cell
        mark = "" if settled(found[cell]) else "  ←"
        yield f"{version:<11} {name:<{width}}  " + "  ".join(f"{found[cell][way].told:<12}" for way in ways) + mark


def totals(cells, found, ways):
    return {version: {way: {word: sum(found[cell][way][status] for cell in cells if cell[0] == version)
                            for word, status in (("pass", "SUCCESS"), ("fail", "FAILURE"))} for way in ways}
            for version in dict.fromkeys(version for version, _ in cells)}


def explain(cells, found, ways):
    for cell in cells:
        for way in ways:
            for check in found[cell][way].bad if not settled(found[cell]) else ():
                yield f"{' '.join(cell)}, {way}: {check['status']} {check['id']}: {check.get('errorMessage')}"
                if "details" in check:
                    yield f"    {json.dumps(check['details'])[:1000]}"


def serve(way, folder, stack):
    """The URL to test. Each way has a fixture server of its own: what one run changes, another would be told of."""
    server = fixture.Fixture(log=folder / f"fixture-{way}.log").start()
    stack.callback(server.stop)
    if way == "direct":
        return server.url
    gateway = Gateway(folder, server).start()
    stack.callback(gateway.stop)
    return gateway.url


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", metavar="FILE", help="write the totals there")
    parser.add_argument("--only", action="append", default=[], metavar="WORD", help="scenarios with this word in their name")
    parser.add_argument("--versions", default=",".join(VERSIONS), metavar="LIST")
    parser.add_argument("--ways", default=",".join(WAYS), metavar="LIST", help="direct, gateway or both")
    parser.add_argument("--jobs", type=int, default=4, metavar="N", help="scenarios at a time (4)")
    # A scenario waits with deadlines of its own (some half a second); a machine that stands still is no defect.
    parser.add_argument("--tries", type=int, default=3, metavar="N", help="what fails is tried so often (3)")
    parser.add_argument("--keep", metavar="DIR", help="keep the logs of nginx and the fixture server there")
    options = parser.parse_args()

    ways = options.ways.split(",")
    cells = [(version, name) for version, names in scenarios().items() for name in names
             if version in options.versions.split(",") and (not options.only or any(word in name for word in options.only))]
    if not cells:
        parser.error("no such scenario")
    folder = Path(tempfile.mkdtemp(prefix="agw-conformance-"))
    try:
        with contextlib.ExitStack() as stack:
            found = measure(cells, {way: serve(way, folder, stack) for way in ways}, options.jobs, options.tries)
    finally:
        if options.keep:
            shutil.copytree(folder, options.keep, dirs_exist_ok=True, ignore=shutil.ignore_patterns("tmp"))
        shutil.rmtree(folder)
    print("\n".join([*table(cells, found, ways), "", *explain(cells, found, ways)]))
    sums = totals(cells, found, ways)
    for version, by_way in sums.items():
        print(f"{version}: " + ", ".join(f"{way} {sum_['pass']} passed, {sum_['fail']} failed" for way, sum_ in by_way.items()))
    if options.json:
        Path(options.json).write_text(json.dumps(sums, indent=2) + "\n")
    bad = sum(not settled(found[cell]) for cell in cells)
    print(f"{len(cells) - bad} passed, {bad} failed")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
