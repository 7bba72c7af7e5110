"""A real Keycloak, started once for a run and early, since it needs a minute to come up."""
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import httpx
import pytest

from .wait import eventually, free_port

_HERE = Path(__file__).resolve().parents[1] / "keycloak"
_STATE = "AGW_E2E_KEYCLOAK"
PASSWORD = "agents-test"


class Keycloak:
    """`gateway_port` is reserved: tokens are for the resource on it."""

    def __init__(self, port, mgmt, gateway_port, run, starter=None):
        self.port, self.mgmt, self.gateway_port, self.run, self._starter = port, mgmt, gateway_port, Path(run), starter
        self.issuer = f"http://127.0.0.1:{port}/realms/agents"
        self.token_url = self.issuer + "/protocol/openid-connect/token"
        self._admin = f"http://127.0.0.1:{port}/admin/realms/agents"

    @classmethod
    def launch(cls):
        """Begins to start one; `wait` says when it is there."""
        port, mgmt, gateway_port = free_port(), free_port(), free_port()
        run = tempfile.mkdtemp(prefix="agw-keycloak-")
        env = os.environ | {"KEYCLOAK_RUN": run, "KEYCLOAK_PORT": str(port), "KEYCLOAK_MGMT_PORT": str(mgmt),
                            "MCP_RESOURCE": f"http://127.0.0.1:{gateway_port}/mcp"}
        starter = subprocess.Popen([str(_HERE / "start-keycloak.sh")], env=env, stdin=subprocess.DEVNULL,
                                   stdout=open(f"{run}/starter.out", "wb"), stderr=subprocess.STDOUT)
        return cls(port, mgmt, gateway_port, run, starter)

    def wait(self):
        def ready():
            if self._starter is not None and self._starter.poll() not in (None, 0):
                pytest.fail((self.run / "starter.out").read_text())
            try:
                return httpx.get(f"http://127.0.0.1:{self.mgmt}/health/ready", timeout=2).status_code == 200
            except httpx.TransportError:
                return False
        eventually(ready, timeout=300, interval=0.3)
        return self

    def stop(self):
        if self._starter is not None and self._starter.poll() is None:
            self._starter.terminate()
            self._starter.wait(10)
        pid_file = self.run / "keycloak.pid"
        if pid_file.exists():
            pid = int(pid_file.read_text())
            for how in (signal.SIGTERM, signal.SIGKILL):
                try:
                    os.kill(pid, how)
                    end = time.monotonic() + 10
                    while time.monotonic() < end:
                        os.kill(pid, 0)
                        if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                            break
                        time.sleep(0.05)
                except (ProcessLookupError, FileNotFoundError):
                    break
        shutil.rmtree(self.run, ignore_errors=True)

    # --- what an agent does ------------------------------------------------------------------------------------

    def login(self, user="mira", client="coding-agent", scope="tickets:read", **form):
        answer = httpx.post(self.token_url, timeout=30, data={
            "grant_type": "password", "client_id": client, "username": user, "password": PASSWORD,
            "scope": scope} | form)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def token(self, **how) -> str:
        return self.login(**how)["access_token"]

    # --- what an administrator does ----------------------------------------------------------------------------

    def admin(self, method, path, **how):
        answer = httpx.post(f"http://127.0.0.1:{self.port}/realms/master/protocol/openid-connect/token", timeout=30,
                            data={"grant_type": "password", "client_id": "admin-cli", "username": "admin",
                                  "password": "admin"})
        done = httpx.request(method, self._admin + path, timeout=30,
                             headers={"Authorization": "Bearer " + answer.json()["access_token"]}, **how)
        assert done.status_code < 300, f"{method} {path}: {done.status_code} {done.text}"
        return done.json() if done.content else None

    def user_id(self, name):
        return self.admin("GET", f"/users?username={name}&exact=true")[0]["id"]

    def set_enabled(self, user, enabled):
        self.admin("PUT", f"/users/{self.user_id(user)}", json={"enabled": enabled})

    def rotate_keys(self):
        """A new RS256 key that signs from now on; the old one stays in the set."""
        self.admin("POST", "/components", json={
            "name": "rsa-new", "providerId": "rsa-generated", "providerType": "org.keycloak.keys.KeyProvider",
            "config": {"priority": ["200"], "enabled": ["true"], "active": ["true"], "algorithm": ["RS256"],
                       "keySize": ["2048"]}})


def _everything_is_run(config):
    chosen = config.option.markexpr or ""
    restricted = config.option.keyword or any("::" in a or a.endswith(".py") for a in config.args)
    return not restricted and "not keycloak" not in chosen and not config.option.collectonly


def pytest_sessionstart(session):
    config = session.config
    if hasattr(config, "workerinput") or not _everything_is_run(config):
        return
    from .nginx import module_path
    if module_path() is not None:
        config.stash[_KEY] = started = Keycloak.launch()
        os.environ[_STATE] = f"{started.port} {started.mgmt} {started.gateway_port} {started.run}"


def pytest_sessionfinish(session):
    started = session.config.stash.get(_KEY, None)
    if started is not None:
        started.stop()


_KEY = pytest.StashKey()


@pytest.fixture(scope="session")
def keycloak():
    if _STATE in os.environ:
        port, mgmt, gateway_port, run = os.environ[_STATE].split(" ", 3)
        yield Keycloak(int(port), int(mgmt), int(gateway_port), run).wait()
        return
    own = Keycloak.launch()
    try:
        yield own.wait()
    finally:
        own.stop()
