"""The conformance suite's fixture server (t/conformance/fixture.mjs): a backend on the official SDK, both eras at one URL."""
import functools
import json
import subprocess
from pathlib import Path

from .nginx import ROOT
from .wait import eventually


@functools.cache
def node() -> str:
    return _printed("scripts/node")


@functools.cache
def app(*folders) -> Path:
    """The folder from which the programs of the first one run, its packages installed; see scripts/node-app."""
    return Path(_printed("scripts/node-app", *folders))


def packages(program_folder: Path) -> Path:
    return next(folder for folder in (above / "node_modules" for above in program_folder.parents) if folder.is_dir())


def _printed(*command) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


class Fixture:
    """Stands where Site expects a backend."""

    def __init__(self, *arguments, log: Path | None = None):
        self._arguments, self._log = arguments, log
        self.process = self.port = None

    def start(self):
        log = self._log.open("ab") if self._log else subprocess.DEVNULL
        command = [node(), str(app("t/conformance") / "fixture.mjs"), *self._arguments]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True)
        line = self.process.stdout.readline()
        assert line, "the fixture server did not start"
        self.port = json.loads(line)["port"]
        return self

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/mcp"

    def stop(self):
        self.process.terminate()
        eventually(lambda: self.process.poll() is not None, timeout=20)
        self.process.stdout.close()

    def reset(self):
        pass
