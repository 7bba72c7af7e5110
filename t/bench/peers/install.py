"""Puts other gateways into the cache, outside the system: Debian's packages unpacked, Python's in environments."""
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

from .processes import Unavailable

HERE = Path(__file__).resolve().parent
CACHE = Path(os.environ.get("AGW_CACHE") or Path.home() / ".cache/agent-gateway")
TIMEOUT = 900


def run(*command, folder=None):
    try:
        done = subprocess.run([*map(str, command)], cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              errors="replace", timeout=TIMEOUT)
    except (OSError, subprocess.TimeoutExpired) as failed:
        raise Unavailable(f"it could not be installed: {failed}") from failed
    if done.returncode != 0:
        why = " ".join((done.stderr or done.stdout).split())[-300:]
        raise Unavailable(f"it could not be installed: {Path(str(command[0])).name} said: {why}")
    return done.stdout


@contextmanager
def made_once(name, content):
    """-> folder, and whether it must be filled; one for each content, whoever comes second waits."""
    home = CACHE / f"peers-{name}-{hashlib.sha256(content.encode()).hexdigest()[:16]}"
    home.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{home}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        missing = not (home / ".complete").exists()
        if missing:
            shutil.rmtree(home, ignore_errors=True)
            home.mkdir()
            print(f"peers: installing {name} …", file=sys.stderr, flush=True)
        yield home, missing
        if missing:
            (home / ".complete").touch()


def debian(name, packages):
    """-> folder with the packages unpacked, as they would lie in /. Nothing of the system is touched."""
    with made_once(name, " ".join(packages)) as (home, missing):
        if missing:
            try:
                run("apt-get", "-q", "download", *packages, folder=home)
            except Unavailable:
                # Lists that were never read, or that name a version which has gone.
                run("apt-get", "-q", "update")
                run("apt-get", "-q", "download", *packages, folder=home)
            for package in home.glob("*.deb"):
                run("dpkg", "-x", package, home / "root")
                package.unlink()
    return home / "root"


def libraries(root):
    """The environment in which unpacked programs find the libraries unpacked beside them."""
    found = [str(path) for lib in ("lib", "usr/lib") for path in sorted((root / lib).glob("*-linux-gnu"))]
    return {"LD_LIBRARY_PATH": ":".join(found)}


def interpreter(oldest):
    """A Python that is at least `oldest`, a pair of numbers."""
    names = ["python3", *(f"python3.{minor}" for minor in range(13, oldest[1] - 1, -1))]
    others = sorted((Path.home() / ".pyenv/versions").glob("3.*/bin/python3"), reverse=True)
    for candidate in [*filter(None, map(shutil.which, names)), *others]:
        # Some machines have a python3.N on PATH that only says it isn't installed.
        if subprocess.run([candidate, "-c", f"import sys, venv; sys.exit(sys.version_info < {oldest!r})"],
                          capture_output=True, timeout=60).returncode == 0:
            return candidate
    raise Unavailable(f"it needs Python {oldest[0]}.{oldest[1]} or newer, and there is none on this machine")


def python(name, oldest=(3, 10)):
    """-> folder of the environment with exactly what locks/NAME.txt names."""
    lock = HERE / "locks" / f"{name}.txt"
    with made_once(name, lock.read_text()) as (home, missing):
        if missing:
            run(interpreter(oldest), "-m", "venv", home)
            run(home / "bin/pip", "install", "-q", "--disable-pip-version-check", "--no-deps", "-r", lock)
    return home


def locked(name, package):
    """The version of a package in a lock file."""
    for line in (HERE / "locks" / f"{name}.txt").read_text().splitlines():
        if line.lower().startswith(f"{package.lower()}=="):
            return line.partition("==")[2]
    raise Unavailable(f"locks/{name}.txt does not name {package}")
