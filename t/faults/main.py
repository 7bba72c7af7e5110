"""Runs the matrix of faults and the faults of the process, prints a table, and fails when any of them did harm.

A cell is harmless when no call was allowed that must not be, no event of an answered or forwarded call is missing,
no worker died or raised an alert, and neither a call nor the recovery took longer than its bound."""
import argparse
import fcntl
import json
import multiprocessing
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e")]

# Each process has its own range of ports, below the ephemeral ones and above those of t/e2e.
FIRST_PORT, PORTS, RANGES = 29600, 240, 13
MOST_TRIED_AGAIN = 8
COUNTS = ("wrong_allows", "lost_events", "crashes", "late", "errors")


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a share of the cells, short process faults")
    parser.add_argument("--json", metavar="FILE", help="write the result there too")
    parser.add_argument("--asan", action="store_true", help="the module built with sanitizers")
    parser.add_argument("--only", metavar="WORD", action="append", default=[], help="only what has this in its name")
    parser.add_argument("--soak", metavar="SECONDS", type=int, help="only the soak, so long")
    parser.add_argument("--jobs", type=int, default=int(os.environ.get("AGW_FAULTS_JOBS") or 5),
                        help="gateways at once (default 5: they mostly wait)")
    parser.add_argument("--list", action="store_true", help="name everything that would run")
    return parser.parse_args()


def leave(*_):
    sys.exit(143)


def prepare():
    """In each process: a range of ports that no other has, and an end that takes along what was started."""
    signal.signal(signal.SIGTERM, leave)
    from plugins import wait
    for index in range(RANGES):
        mine = open(Path(tempfile.gettempdir()) / f"agw-faults-ports-{index}", "a")
        try:
            fcntl.flock(mine, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            mine.close()
            continue
        prepare.held = mine   # until the process ends
        break
    wait._base, wait._SPAN = FIRST_PORT + index * PORTS, PORTS
    wait._next = os.getpid() % PORTS


def work(task):
    kind, name, folder, quick, seconds = task
    if kind == "cell":
        import cell
        import matrix
        return cell.run(next(c for c in matrix.cells() if c.name == name), Path(folder))
    import processes
    return processes.run(name, Path(folder), quick, seconds)


def tasks(chosen, folder):
    import cell as _  # noqa: F401  (all code is read before the first process forks)
    import matrix
    import processes
    found = []
    for number, cell in enumerate(matrix.cells()):
        if chosen.soak is None and (not chosen.quick or cell.name in matrix.QUICK):
            found.append(("cell", cell.name, f"{folder}/{number}", chosen.quick, None))
    for name in processes.ALL:
        if chosen.soak is None or name == "soak":
            found.append(("process", name, f"{folder}/{name.replace(' ', '-')}", chosen.quick, chosen.soak))
    return [task for task in found if not chosen.only or any(word in task[1] for word in chosen.only)]


def line(row):
    if row.get("skipped"):
        return f"{row['name']:<36} skipped: {row['skipped']}"
    decisions = ", ".join(f"{name} {count}" for name, count in sorted(row.get("decisions", {}).items()))
    slowest = "-" if row.get("slowest_s") is None else f"{row['slowest_s']:.1f}"
    bound = "-" if row.get("bound_s") is None else f"{row['bound_s']:.0f}"
    recovery = "-" if row.get("recovery_s") is None else f"{row['recovery_s']:.1f}"
    harm = ", ".join(f"{len(row[name])} {name.replace('_', ' ')}" for name in COUNTS if row[name]) or "ok"
    return f"{row['name']:<36} {slowest:>5} {bound:>5} {recovery:>8}  {harm}; {decisions}{row.get('said', '')}"


def overview(rows):
    """For each dependency and fault: the slowest call and the longest recovery of its cells, in seconds."""
    import matrix
    cells = [row for row in rows if "fault" in row]
    faults = [name for name in matrix.FAULTS if any(row["fault"] == name for row in cells)]
    print(f"\nslowest call / recovery, seconds\n{'':<10}" + "".join(f"{name:>9}" for name in faults))
    for dependency in dict.fromkeys(row["dependency"] for row in cells):
        print(f"{dependency:<10}" + "".join(f"{_summary(cells, dependency, name):>9}" for name in faults))


def _summary(cells, dependency, fault):
    run = [row for row in cells if row["dependency"] == dependency and row["fault"] == fault and not row["skipped"]]
    if not run:
        return "-"
    if any(row[name] for row in run for name in COUNTS):
        return "HARM"
    slowest, recovery = (max(row[name] or 0 for row in run) for name in ("slowest_s", "recovery_s"))
    return f"{slowest:.1f}/{recovery:.1f}"


def once_more(rows, wanted, folder):
    """A machine that others use may stand still for seconds. What was merely late, or not as expected, is tried again
    alone, and the second time counts; a wrong allow, a lost event or a crash is never forgiven."""
    late = [row for row in rows if (row["late"] or row["errors"])
            and not (row["wrong_allows"] or row["lost_events"] or row["crashes"])]
    for row in late[:MOST_TRIED_AGAIN]:
        kind, name, _, quick, seconds = next(task for task in wanted if task[1] == row["name"])
        folder_again = f"{folder}/again-{name.replace('/', '-').replace(' ', '-')}"
        with multiprocessing.get_context("fork").Pool(1, prepare) as pool:
            second = pool.apply(work, ((kind, name, folder_again, quick, seconds),))
        second["first"] = {count: row[count] for count in COUNTS}
        rows[rows.index(row)] = second
        print(f"once more: {line(second)}", flush=True)
    return min(len(late), MOST_TRIED_AGAIN)


def report(rows, began):
    run = [row for row in rows if not row.get("skipped")]
    total = {"cells": len(run), "skipped": len(rows) - len(run)}
    total |= {name: sum(len(row[name]) for row in run) for name in COUNTS}
    total["seconds"] = round(time.monotonic() - began)
    return total


def main():
    chosen = options()
    os.environ.setdefault("AGW_MODULE", str(ROOT / "build" / ("asan" if chosen.asan else "release") /
                                            "ngx_http_agent_gateway_module.so"))
    os.environ.setdefault("AGW_CTL", str(Path(os.environ["AGW_MODULE"]).parent / "agwctl"))
    if chosen.asan:
        os.environ["AGW_ASAN"] = "1"
    if not Path(os.environ["AGW_MODULE"]).is_file():
        sys.exit(f"{os.environ['AGW_MODULE']} is not built: make module agwctl")
    signal.signal(signal.SIGTERM, leave)
    began, rows = time.monotonic(), []
    with tempfile.TemporaryDirectory(prefix="agw-faults-", ignore_cleanup_errors=True) as folder:
        wanted = tasks(chosen, folder)
        if chosen.list:
            return print("\n".join(task[1] for task in wanted))
        os.chmod(folder, 0o755)
        print(f"{'':<36} {'most':>5} {'bound':>5} {'recovery':>8}  (seconds)")
        # The process faults load the machine; they come after the cells, two at a time.
        for kind, jobs in (("cell", chosen.jobs), ("process", 2)):
            some = [task for task in wanted if task[0] == kind]
            if some:
                with multiprocessing.get_context("fork").Pool(jobs, prepare, maxtasksperchild=8) as pool:
                    for row in pool.imap_unordered(work, some, chunksize=1):
                        rows.append(row)
                        if not (chosen.quick and row.get("skipped")):
                            print(line(row), flush=True)
        again = once_more(rows, wanted, folder)
    total = report(rows, began)
    total["again"] = again
    order = {task[1]: index for index, task in enumerate(wanted)}
    if chosen.json:
        rows.sort(key=lambda row: order[row["name"]])
        Path(chosen.json).write_text(json.dumps(total | {"details": rows}, indent=1) + "\n")
    harmed = [row for row in rows if any(row[name] for name in COUNTS)]
    for row in harmed:
        print(f"\n{row['name']}")
        for name in COUNTS:
            for text in row[name][:5]:
                print(f"   {name.replace('_', ' ')}: {text}")
    overview(sorted(rows, key=lambda row: order[row["name"]]))
    print()
    print(", ".join(f"{count} {name.replace('_', ' ')}" for name, count in total.items()))
    return 1 if harmed or not rows else 0


if __name__ == "__main__":
    sys.exit(main())
