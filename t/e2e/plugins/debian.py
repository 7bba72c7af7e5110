"""A tree of Debian 13 beside this machine's own, kept in the cache, for servers that it has not."""
import fcntl
import os
import shutil
import subprocess
from pathlib import Path

import pytest

SUITE = "trixie"
PACKAGES = ("redis-server", "valkey-server")


def mirror():
    """Where this machine's apt gets Debian from."""
    command = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Component: main"]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stdout.split("\n")[0]


def tree() -> Path:
    cache = Path(os.environ.get("AGW_CACHE") or Path.home() / ".cache/agent-gateway")
    cache.mkdir(parents=True, exist_ok=True)
    path = cache / f"{SUITE}-{'-'.join(PACKAGES)}"
    with (cache / f"{SUITE}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if path.exists():
            return path
        if os.geteuid() != 0 or not shutil.which("debootstrap"):
            pytest.skip("a tree of another Debian needs debootstrap and root")
        began = path.with_name(path.name + ".new")
        shutil.rmtree(began, ignore_errors=True)
        done = subprocess.run(["debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", SUITE, began, mirror()],
                              capture_output=True, text=True)
        if done.returncode != 0:
            pytest.skip(f"debootstrap: {done.stdout[-300:]} {done.stderr[-300:]}")
        began.rename(path)
        return path


def command(program):
    """Runs a program of the tree with the tree's own libraries, without entering it."""
    root = tree()
    loader = next((root / "lib64").glob("ld-linux-*.so.*"), None) or next((root / "lib").glob("ld-linux-*.so.*"))
    folders = [str(f) for base in ("lib", "usr/lib") for f in (root / base).glob("*-linux-gnu")]
    return [str(loader), "--library-path", ":".join(folders), str(root / "usr/bin" / program)]
