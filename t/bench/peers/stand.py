"""What stands around every peer: keys, backends, the bare nginx; and what recipes are filled in with."""
import os
import re
import subprocess
import sys
from pathlib import Path

from .processes import Process, Unavailable, free_port
from .signer import Signer
from .slices import HEADERS, Target

HERE = Path(__file__).resolve().parent
RECIPES = HERE / "recipes"
ANSWER_BYTES, START_SECONDS = 1024, 60    # as long an answer as those of the project's rows


class Stand:
    """One for a whole measurement. Peers come and go, one at a time."""

    def __init__(self, chosen, folder):
        self.chosen, self.folder, self.running = chosen, Path(folder), []
        self.folder.mkdir(parents=True, exist_ok=True)
        self.signer = Signer(self.folder)
        backend = self._compile("backend", [HERE.parent / "backend.c"])
        self.load = self._compile("load", sorted((HERE.parent / "load").glob("*.c")), "-lssl", "-lcrypto")
        self.backend = self._serve("backend", lambda port: [backend, port, ANSWER_BYTES])
        self.mcp_server = self._serve("mcp-server",
                                      lambda port: [sys.executable, HERE / "mcp_server.py", port, ANSWER_BYTES])
        self.bare = self._bare()

    def _compile(self, name, sources, *libraries):
        binary = self.folder / name
        subprocess.run(["cc", "-O2", "-Wall", "-o", binary, *sources, *libraries], check=True, timeout=120)
        return binary

    def _serve(self, name, command):
        port = free_port()
        process = Process(command(port), self.chosen.load_core, self.folder / f"{name}.log")
        self.running.append(process)
        process.wait_port(port, START_SECONDS)
        return port

    def _bare(self):
        port = free_port()
        process = self.start_nginx("bare", self.render("bare", "bare.conf", port=port), {})
        process.wait_port(port, START_SECONDS)
        return Target(process, port, {**HEADERS, "Authorization": f"Bearer {self.signer.token()}"},
                      answer_bytes=ANSWER_BYTES)

    def home(self, name):
        """A peer's own folder for its configuration and logs."""
        home = self.folder / name
        home.mkdir(exist_ok=True)
        return home

    def render(self, name, recipe, **values):
        """Fills @words@ of a recipe and lays it into the peer's folder; -> its path"""
        values = {"dir": self.home(name), "backend": self.backend, "mcp_server": self.mcp_server,
                  "public_key": self.signer.public, "spki": self.signer.spki, "jwks": self.signer.jwks, **values}
        text = re.sub("@([a-z_]+)@", lambda word: str(values[word[1]]), (RECIPES / recipe).read_text())
        path = self.home(name) / recipe
        path.write_text(text)
        return path

    def start(self, name, command, environment=None):
        """A peer's process, on the gateway's core."""
        process = Process(command, self.chosen.gateway_core, self.home(name) / "output.log", environment, self.home(name))
        self.running.append(process)
        return process

    def start_nginx(self, name, conf, environment):
        home = self.home(name)
        return self.start(name, ["nginx", "-p", f"{home}/", "-c", conf, "-e", home / "error.log"], environment)

    def leave(self, process):
        process.stop()
        self.running.remove(process)

    def stop(self):
        for process in reversed(self.running):
            process.stop()
        self.running.clear()


def version_of(command, pattern, environment=None):
    """What a program says of itself."""
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=60,
                          env={**os.environ, **(environment or {})})
    found = re.search(pattern, done.stdout + done.stderr)
    if not found:
        raise Unavailable(f"it does not say its version: {(done.stdout + done.stderr)[:200]}")
    return found[1]
