"""What stands around the measured nginx: backend, issuer with its token endpoint, Redis, policy, configuration."""
import base64
import http.server
import json
import os
import socket
import subprocess
import threading
import time
import urllib.parse
from pathlib import Path

HERE = Path(__file__).resolve().parent
USER, AGENT, GROUP = "mira", "docs-assistant", "support"
SCOPE, BACKEND_AUDIENCE = "tickets:read", "tickets-api"

POLICY = {"schema": 1, "tenants": {"default": {
    "agents": {f"company|{AGENT}": {"name": "Docs assistant", "bundles": ["support"]}},
    "bundles": {"support": {"version": 1, "grants": [
        {"id": "b1", "operation": "tickets/ticket.*", "resource": "ticket:*"}]}},
    "entitlements": [{"id": "e1", "to": f"group:company|{GROUP}", "operation": "tickets/*", "resource": "ticket:*"}],
    "users": {f"company|{USER}": {"name": "Mira"}},
}}}

# What each row adds to the one before: what the gateway does with the answer's token, where facts come from, what it writes.
ROWS = {
    "jwt":      {"forward": "agent_forward none;", "store": "file", "audit": False, "call": "ping"},
    "decision": {"forward": "agent_forward none;", "store": "file", "audit": False, "call": "tool"},
    "exchange": {"forward": f"agent_exchange audience={BACKEND_AUDIENCE} scope={SCOPE};", "store": "file",
                 "audit": False, "call": "tool"},
    "full":     {"forward": f"agent_exchange audience={BACKEND_AUDIENCE} scope={SCOPE};", "store": "file",
                 "audit": True, "call": "tool"},
    "redis":    {"forward": f"agent_exchange audience={BACKEND_AUDIENCE} scope={SCOPE};", "store": "redis",
                 "audit": True, "call": "tool"},
}

_TOOL = '{"jsonrpc":"2.0","id":%09d,"method":"tools/call","params":{"name":"ticket.read","arguments":{"id":"T-391"}}}'
_PING = '{"jsonrpc":"2.0","id":%09d,"method":"ping","params":{"_meta":{"agw.bench/pad":"PAD"}}}'
# A ping needs no grant, so it shows authentication alone; it is as long as the call that the other rows send.
BODIES = {"tool": _TOOL, "ping": _PING.replace("PAD", "x" * (len(_TOOL) - len(_PING) + 3))}


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_port(port, process, timeout=30):
    until = time.monotonic() + timeout
    while time.monotonic() < until:
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.poll() is not None:
            raise RuntimeError(f"{process.args[0]} ended with {process.returncode}")
        time.sleep(0.02)
    raise RuntimeError(f"nothing listens on port {port}")


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Issuer:
    """RS256 keys, metadata, JWKS and RFC 8693's token endpoint, on loopback. It is asked a few times in a whole run."""

    def __init__(self, folder):
        self.key = folder / "issuer.pem"
        subprocess.run(["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", self.key],
                       check=True, capture_output=True)
        modulus = subprocess.run(["openssl", "rsa", "-in", self.key, "-noout", "-modulus"], check=True,
                                 capture_output=True, text=True).stdout.strip().split("=")[1]
        self.jwks = {"keys": [{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "bench",
                               "n": b64(bytes.fromhex(modulus)), "e": "AQAB"}]}
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def token(self, audience, client=AGENT):
        now = int(time.time())
        claims = {"iss": self.url, "sub": USER, "aud": audience, "azp": client, "client_id": client, "scope": SCOPE,
                  "groups": [GROUP], "iat": now, "nbf": now, "exp": now + 7200, "jti": os.urandom(12).hex()}
        head = {"alg": "RS256", "typ": "at+jwt", "kid": "bench"}
        signed = ".".join(b64(json.dumps(part, separators=(",", ":")).encode()) for part in (head, claims))
        signature = subprocess.run(["openssl", "dgst", "-sha256", "-sign", self.key], input=signed.encode(), check=True,
                                   capture_output=True).stdout
        return f"{signed}.{b64(signature)}"

    def _metadata(self):
        return {"issuer": self.url, "jwks_uri": f"{self.url}/jwks", "token_endpoint": f"{self.url}/token",
                "authorization_endpoint": f"{self.url}/authorize", "response_types_supported": ["code"],
                "subject_types_supported": ["public"], "id_token_signing_alg_values_supported": ["RS256"],
                "grant_types_supported": ["authorization_code", "urn:ietf:params:oauth:grant-type:token-exchange"],
                "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"]}

    def _handler(issuer):  # noqa: N805  the class below is the handler, this is its issuer
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self, status, value):
                body = json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self):
                if self.path.startswith("/.well-known/"):
                    return self.answer(200, issuer._metadata())
                return self.answer(200, issuer.jwks) if self.path == "/jwks" else self.answer(404, {})

            def do_POST(self):
                form = dict(urllib.parse.parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode()))
                if self.path != "/token" or not form.get("subject_token"):
                    return self.answer(400, {"error": "invalid_request"})
                kind = "urn:ietf:params:oauth:token-type:access_token"
                return self.answer(200, {"access_token": issuer.token(BACKEND_AUDIENCE, "gateway"), "expires_in": 7200,
                                         "issued_token_type": kind, "token_type": "Bearer", "scope": SCOPE})

            def log_message(self, *_):
                pass

        return Handler


_CONF = """load_module {module};
{user}
daemon off;
master_process {master};
worker_processes 1;
worker_cpu_affinity {affinity};
pid {dir}/nginx.pid;
error_log {dir}/error.log warn;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    keepalive_requests 100000000;
    client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy; fastcgi_temp_path {dir}/fastcgi;
    uwsgi_temp_path {dir}/uwsgi; scgi_temp_path {dir}/scgi;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    upstream backend {{ server 127.0.0.1:{backend}; keepalive 64; keepalive_requests 100000000; keepalive_time 2h; }}

    agent_zone bench 8m;
    agent_store {store};
    {audit}
    agent_issuer company {{
        issuer {issuer};
        algorithms RS256;
        claims user=sub agent=azp groups=groups;
        client gateway secret_file={secret};
    }}
    server {{
        listen 127.0.0.1:{port};
        location /bare {{ proxy_pass http://backend; }}
        location /mcp {{
            agent_gateway mcp tickets;
            agent_protected_resource http://127.0.0.1:{port}/mcp default;
            agent_trust company;
            agent_challenge_scope {scope};
            {forward}
            agent_tool ticket.read {{ scope {scope}; resource ticket:<id>; }}
            proxy_pass http://backend;
        }}
    }}
}}
"""


class Gateway:
    """An nginx for one row, pinned; `/bare` is the same worker's plain proxy_pass. A wrapper (valgrind) sees one process."""

    def __init__(self, name, folder, module, issuer, backend_port, redis_url, core, wrapper=()):
        row = ROWS[name]
        self.name, self.port, self.call, self.dir = name, free_port(), BODIES[row["call"]], folder / name
        self.dir.mkdir()
        policy, secret = self.dir / "policy.json", self.dir / "secret"
        policy.write_text(json.dumps(POLICY))
        secret.write_text("bench-secret")
        secret.chmod(0o600)
        (self.dir / "nginx.conf").write_text(_CONF.format(
            module=module, dir=self.dir, master="off" if wrapper else "on", port=self.port, backend=backend_port,
            issuer=issuer.url, secret=secret, scope=SCOPE, forward=row["forward"], affinity=f"{1 << core:b}",
            user="user root;" if os.geteuid() == 0 else "",
            store=redis_url if row["store"] == "redis" else f"file:{policy}",
            audit=f"agent_audit {self.dir}/audit.jsonl;" if row["audit"] else "agent_audit off;"))
        self.token = issuer.token(f"http://127.0.0.1:{self.port}/mcp")
        # The master's affinity is inherited: whatever the module starts beside the worker is paid for by the same core.
        self.process = subprocess.Popen(["taskset", "-c", str(core), *wrapper, "nginx", "-p", f"{self.dir}/", "-c",
                                         str(self.dir / "nginx.conf"), "-e", str(self.dir / "error.log")],
                                        stdin=subprocess.DEVNULL)
        wait_port(self.port, self.process, 60)

    def cpu_ns(self):
        """CPU time that the worker, and whatever else belongs to this nginx, has used so far."""
        family, spent = {self.process.pid}, 0
        parents = {}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
        while grown := {pid for pid, parent in parents.items() if parent in family} - family:
            family |= grown
        for pid in family:
            for task in Path(f"/proc/{pid}/task").glob("*/schedstat"):
                try:
                    spent += int(task.read_text().split()[0])
                except OSError:
                    continue
        return spent

    def stop(self):
        self.process.terminate()
        self.process.wait(20)
