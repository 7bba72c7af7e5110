"""Runs the parts of the suite that scripts/test names, and says at the end what passed and what failed."""
import sys
import time

import parts
from work import LOGS, Count, single


def usage():
    print("parts (those with * run by default):")
    for name, (function, by_default) in parts.ALL.items():
        print(f"  {'*' if by_default else ' '} {name:<11} {function.__doc__.splitlines()[0]}")
    return 0


def worked():
    """(seconds that all cores have worked, seconds that they could have) since the machine started, whoever for."""
    with open("/proc/stat", encoding="ascii") as stat:
        user, nice, system, idle, waiting, *rest = map(int, stat.readline().split()[1:9])
    busy = user + nice + system + sum(rest)
    return busy, busy + idle + waiting


def run(names):
    total, started, failures = Count(), time.monotonic(), []
    for name in names:
        began, before = time.monotonic(), worked()
        print(f"── {name}: {parts.ALL[name][0].__doc__.splitlines()[0]}", flush=True)
        try:
            count = parts.ALL[name][0]()
        except Exception as broken:   # a part that can't run has failed; the others still say what they know
            print(f"   {name} could not run: {broken}", flush=True)
            count = Count(0, 1)
        total += count
        if count.failed:
            failures.append(name)
        busy, could = (after - earlier for after, earlier in zip(worked(), before))
        print(f"   {count} ({time.monotonic() - began:.0f} s, cores {100 * busy // max(could, 1)} % busy)", flush=True)
    print(f"\nlogs: {LOGS}; {time.monotonic() - started:.0f} s in all")
    if failures:
        print(f"failed: {', '.join(failures)}")
    print(total, flush=True)
    return 0 if total.failed == 0 and total.passed > 0 else 1


def main(arguments):
    if arguments and arguments[0] == "--list":
        return usage()
    if arguments and arguments[0] == "--one":
        return single(" ".join(arguments[1:]))
    unknown = [name for name in arguments if name not in parts.ALL]
    if unknown:
        print(f"no such part: {', '.join(unknown)}", file=sys.stderr)
        usage()
        return 2
    return run(arguments or [name for name, (_, by_default) in parts.ALL.items() if by_default])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
