"""The demo's authorization server (demo/authorization-server.mjs): sign-in pages, registration, client documents, PKCE."""
import os
import subprocess

from .fixture import app, node
from .wait import accepts, eventually, free_port


class AuthorizationServer:
    def __init__(self, folder, resources):
        self.port, self.document_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        secret = folder / "as.secret"
        secret.write_text("gateway-secret\n")
        self._env = os.environ | {
            "AS_PORT": str(self.port), "AS_RESOURCES": " ".join(resources), "AS_GATEWAY_SECRET_FILE": str(secret),
            "AS_CIMD_ORIGIN": "https://clients.example", "AS_CIMD_BACKING": f"http://127.0.0.1:{self.document_port}"}
        self._log = folder / "as.log"
        self.process = None

    def start(self):
        self.process = subprocess.Popen([node(), str(app("demo") / "authorization-server.mjs")], env=self._env,
                                        stdin=subprocess.DEVNULL, stdout=self._log.open("ab"), stderr=subprocess.STDOUT)

        def up():
            assert self.process.poll() is None, self._log.read_text()
            return accepts(self.port)

        eventually(up, timeout=60)
        return self

    def stop(self):
        self.process.terminate()
        self.process.wait(20)
