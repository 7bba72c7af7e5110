"""An nginx with one worker in front of a backend that always answers alike, for what is counted call by call.

Everything around the worker is made so that a call is always the same: one connection, one write for a request, one for
an answer, all of one length.
"""
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "t/e2e"))

from plugins import policy  # noqa: E402
from plugins.issuer import Issuer  # noqa: E402
from plugins.redis import Redis  # noqa: E402
from plugins.wait import accepts, eventually, free_port  # noqa: E402

SCOPE = "tickets:read"
_NONE = "agent_forward none;"
_EXCHANGE = f"agent_exchange audience=tickets-api scope={SCOPE};"
_AUDIT = "agent_audit {dir}/audit.jsonl key={dir}/audit.key journal=4m;\nagent_state {dir}/state;"
# What each row adds to the one before it: what the backend gets, where facts come from, what is written.
ROWS = {
    "jwt": {"forward": _NONE, "store": "file", "audit": "agent_audit off;", "call": "ping"},
    "decision": {"forward": _NONE, "store": "file", "audit": "agent_audit off;", "call": "tool"},
    "exchange": {"forward": _EXCHANGE, "store": "file", "audit": "agent_audit off;", "call": "tool"},
    "full": {"forward": _EXCHANGE, "store": "file", "audit": _AUDIT, "call": "tool"},
    # Heartbeats come by the clock, and would be counted: as few as may be.
    "copy": {"forward": _EXCHANGE, "store": "redis", "freshness": "push lease=60s", "audit": _AUDIT, "call": "tool"},
    "redis": {"forward": _EXCHANGE, "store": "redis", "freshness": "strict", "audit": _AUDIT, "call": "tool"},
}
_MESSAGES = {
    "tool": '{"jsonrpc":"2.0","id":%09d,"method":"tools/call","params":{"name":"ticket.read","arguments":{"id":"T-391"}}}',
    "ping": '{"jsonrpc":"2.0","id":%09d,"method":"ping","params":{"_meta":{"agw.bench/pad":"xxxxxxxxxxxxxxxxxxxxx"}}}',
}
_CONF = """load_module {module};
user root;
daemon off;
worker_processes 1;
pid {dir}/nginx.pid;
error_log {dir}/error.log warn;
events {{ worker_connections 256; }}
http {{
    access_log off;
    keepalive_requests 1000000; keepalive_timeout 1h;
    client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy; fastcgi_temp_path {dir}/fastcgi;
    uwsgi_temp_path {dir}/uwsgi; scgi_temp_path {dir}/scgi;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    upstream backend {{ server 127.0.0.1:{backend}; keepalive 4; keepalive_requests 1000000; keepalive_time 2h; }}
    agent_zone bench 8m;
    agent_store {store};
    {audit}
    agent_issuer company {{
        issuer {issuer};
        algorithms RS256 ES256;
        claims user=sub agent=azp groups=groups;
        client gateway secret_file={dir}/secret;
    }}
    server {{
        listen 127.0.0.1:{port};
        location /bare {{ proxy_pass http://backend; }}
        location = /metrics {{ agent_metrics; }}
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


class Backend:
    """One answer for every request, in one piece."""

    ANSWER = b'{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"' + b"x" * 120 + b'"}]}}'

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.answer = (b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
                       % len(self.ANSWER)) + self.ANSWER
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        try:
            while True:
                threading.Thread(target=self.serve, args=(self.listener.accept()[0],), daemon=True).start()
        except OSError:
            return

    def serve(self, connection):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while take_message(connection):
            connection.sendall(self.answer)

    def stop(self):
        self.listener.close()


def take_message(connection):
    """Reads one message with a Content-Length; its bytes, or none at the end."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            return b""
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    missing = int(re.search(rb"(?i)content-length: *(\d+)", head)[1]) - len(body)
    while missing > 0:
        piece = connection.recv(65536)
        if not piece:
            return b""
        data, missing = data + piece, missing - len(piece)
    return data


class OneWorker:
    """An nginx for one row with its servers; use it with `with`. `wrapper` is put before nginx's command, `http` is more
    configuration, `backend` the port of one that serves already, `place` where the files lie."""

    def __init__(self, name, module, wrapper=(), http="", backend=None, place=None):
        self.row, self.module, self.http, self.backend_port = ROWS[name], Path(module).resolve(), http, backend
        self.folder = tempfile.TemporaryDirectory(prefix="agw-one-", ignore_cleanup_errors=True, dir=place)
        self.dir, self.port = Path(self.folder.name), free_port()
        self.wrapper = [word.replace("{dir}", str(self.dir)) for word in wrapper]
        self.process = self.redis = None

    def __enter__(self):
        self.backend, self.issuer = Backend(), Issuer().start()
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def start(self):
        self.issuer.audience = f"http://127.0.0.1:{self.port}/mcp"
        self.token = self.issuer.token("RS256", groups=["support"], lifetime=7200)
        for name, content in (("secret", "gateway-secret"), ("audit.key", "k" * 64)):
            (self.dir / name).write_text(content)
            (self.dir / name).chmod(0o600)
        (self.dir / "policy.json").write_text(json.dumps(policy.base()))
        store = f"file:{self.dir}/policy.json"
        if self.row["store"] == "redis":
            self.redis = Redis(self.dir / "redis").start()
            self.redis.load(policy.base())
            store = f"{self.redis.store}; agent_freshness {self.row['freshness']}"
        (self.dir / "nginx.conf").write_text(_CONF.format(
            module=self.module, dir=self.dir, port=self.port, backend=self.backend_port or self.backend.port,
            issuer=self.issuer.url, scope=SCOPE, forward=self.row["forward"], store=store,
            audit=self.row["audit"].format(dir=self.dir) + self.http))
        self.process = subprocess.Popen(
            [*self.wrapper, "nginx", "-p", f"{self.dir}/", "-c", f"{self.dir}/nginx.conf", "-e",
             f"{self.dir}/error.log"],
            stdin=subprocess.DEVNULL, stdout=(self.dir / "stdout").open("wb"), stderr=subprocess.STDOUT)

        def up():
            if self.process.poll() is not None:
                raise RuntimeError(self.said())
            return accepts(self.port)

        eventually(up, timeout=60)
        self.connection = socket.create_connection(("127.0.0.1", self.port), 60)
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for path in ("/mcp", "/bare"):
            self.calls(path, 1)
        self.worker = self.who_serves()

    def said(self):
        return "".join(path.read_text(errors="replace")[-3000:] for path in (self.dir / "stdout", self.dir / "error.log")
                       if path.exists())

    def __exit__(self, *_):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.redis:
            self.redis.stop()
        self.issuer.stop()
        self.backend.stop()
        self.folder.cleanup()

    def who_serves(self):
        """The worker's pid: the sealer, which nginx also forks, holds no connection of ours."""
        mine = self.connection.getsockname()[1]
        for process in Path("/proc").glob("[0-9]*"):
            try:
                parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
                if parent != self.process.pid:
                    continue
                inodes = {os.readlink(fd) for fd in (process / "fd").iterdir()}
            except OSError:
                continue
            for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
                local, remote, *_, inode = line.split()[1:10]
                ends = int(local.split(":")[1], 16), int(remote.split(":")[1], 16)
                if ends == (self.port, mine) and f"socket:[{inode}]" in inodes:
                    return process.name
        raise RuntimeError("no worker holds the connection")

    def call(self, path, number):
        body = (_MESSAGES[self.row["call"]] % (100000000 + number)).encode()
        self.connection.sendall(
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nContent-Type: application/json\r\n"
            f"Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2025-06-18\r\n"
            f"Authorization: Bearer {self.token}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        return take_message(self.connection)

    def calls(self, path, count):
        for number in range(count):
            answer = self.call(path, number)
            if not answer.startswith(b"HTTP/1.1 200") or b'"result"' not in answer:
                raise RuntimeError(f"{path} answered {answer[:600]!r}\n{self.said()}")
