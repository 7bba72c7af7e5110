"""The measured nginx: policy, configuration, its process, what it uses."""
import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

from drive import Failed
from issuer import AGENT, BACKEND_AUDIENCE, GROUP, SCOPE, USER, Issuer, b64  # noqa: F401  part of the stage for its users

HERE = Path(__file__).resolve().parent

POLICY = {"schema": 1, "tenants": {"default": {
    "agents": {f"company|{AGENT}": {"name": "Docs assistant", "bundles": ["support"]}},
    "bundles": {"support": {"version": 1, "grants": [
        {"id": "b1", "operation": "tickets/ticket.*", "resource": "ticket:*"}]}},
    "entitlements": [{"id": "e1", "to": f"group:company|{GROUP}", "operation": "tickets/*", "resource": "ticket:*"}],
    "users": {f"company|{USER}": {"name": "Mira"}},
}}}

_EXCHANGE = f"agent_exchange audience={BACKEND_AUDIENCE} scope={SCOPE};"
# What each row adds to the one before: what the backend gets, where facts come from, what is written.
ROWS = {
    "jwt":      {"forward": "agent_forward none;", "store": "file", "audit": False, "call": "ping"},
    "decision": {"forward": "agent_forward none;", "store": "file", "audit": False, "call": "tool"},
    # Beside `decision`: the same with the policy in Redis, copied by the worker.
    "copy":     {"forward": "agent_forward none;", "store": "redis", "audit": False, "call": "tool"},
    "exchange": {"forward": _EXCHANGE, "store": "file", "audit": False, "call": "tool"},
    "full":     {"forward": _EXCHANGE, "store": "file", "audit": True, "call": "tool"},
    "redis":    {"forward": _EXCHANGE, "store": "redis", "audit": True, "call": "tool"},
    "strict":   {"forward": _EXCHANGE, "store": "redis", "audit": True, "call": "tool", "freshness": "strict"},
    # Beside `full` and `redis`: the same with limits, which lie where the policy lies.
    "limits":       {"forward": _EXCHANGE, "store": "file", "audit": True, "call": "tool", "limits": True},
    "limits-redis": {"forward": _EXCHANGE, "store": "redis", "audit": True, "call": "tool", "limits": True},
    # Beside `decision`: the token is bound to a key, of which each call brings a proof, or to the connection's certificate.
    "dpop": {"forward": "agent_forward none;", "store": "file", "audit": False, "call": "tool", "holder": "dpop"},
    "mtls": {"forward": "agent_forward none;", "store": "file", "audit": False, "call": "tool", "holder": "mtls"},
    # Beside `decision`: the issuer is asked about an opaque token, once in five seconds and with every call.
    "opaque":     {"forward": "agent_forward none;", "store": "file", "audit": False, "call": "tool",
                   "introspect": "agent_introspect max_age=5s;"},
    "introspect": {"forward": "agent_forward none;", "store": "file", "audit": False, "call": "tool",
                   "introspect": "agent_introspect always;"},
}
# Proofs are signed ahead of time, and there is room for all of a run.
HOLDERS = {"dpop": {"zone": "128m", "sender": "agent_dpop window=10m;"},
           "mtls": {"server": "ssl_verify_client optional_no_ca;", "sender": "agent_sender_constraint require mtls;"}}
# Two buckets and a window, none of which is ever used up.
LIMITS = "agent_limit agent 10000000r/s; agent_limit user+tool 10000000r/s; agent_limit tenant 1000000000r/d;"

_TOOL = '{"jsonrpc":"2.0","id":%09d,"method":"tools/call","params":{"name":"ticket.read","arguments":{"id":"T-391"}}}'
_LONG = ('{"jsonrpc":"2.0","id":%09d,"method":"tools/call","params":{"name":"ticket.read","arguments":'
         '{"id":"T-391","text":"PAD"}}}')
_PING = '{"jsonrpc":"2.0","id":%09d,"method":"ping","params":{"_meta":{"agw.bench/pad":"PAD"}}}'
_TEXT = "The printer on the second floor says \\\"out of paper\\\" since this morning.\\n"


def body(kind, size=0):
    """A call of `size` bytes; 0: the plain tools/call, and a ping (no grant needed: authentication alone) as long as it."""
    size = size or len(_TOOL % 1)
    if kind == "tool" and size <= len(_TOOL % 1):
        return _TOOL
    frame = _LONG if kind == "tool" else _PING
    room = size - len(frame % 1) + len("PAD")
    # A long argument is text as people write it: whole lines with their escapes, then letters up to the length.
    lines = room // len(_TEXT) if kind == "tool" else 0
    return frame.replace("PAD", _TEXT * lines + "x" * (room - lines * len(_TEXT)))


BODIES = {"tool": body("tool"), "ping": body("ping")}


ALL_CORES = ",".join(str(core) for core in sorted(os.sched_getaffinity(0)))


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


# What is the same for bare and governed calls stands outside the locations: bodies stay in memory, so that no disk is measured.
_CONF = """load_module {module};
{user}
daemon off;
worker_processes {workers};
worker_cpu_affinity {affinity};
worker_rlimit_nofile {files};
pid {dir}/nginx.pid;
error_log {dir}/error.log warn;
events {{ worker_connections {connections}; }}
http {{
    access_log off;
    keepalive_requests 100000000;
    keepalive_timeout 1h;
    keepalive_time 2h;
    client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy; fastcgi_temp_path {dir}/fastcgi;
    uwsgi_temp_path {dir}/uwsgi; scgi_temp_path {dir}/scgi;
    client_max_body_size 2m;
    client_body_buffer_size 2m;
    proxy_max_temp_file_size 0;
    proxy_read_timeout 1h;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    upstream backend {{ server 127.0.0.1:{backend}; keepalive 64; keepalive_requests 100000000; keepalive_time 2h; }}
    ssl_certificate {certificate}; ssl_certificate_key {certificate};

    agent_zone bench {zone};
    agent_store {store};
    {copy_limit}
    agent_state {dir}/state;
    {audit}
    agent_issuer company {{
        issuer {issuer};
        algorithms RS256 ES256;
        claims user=sub agent=azp groups=groups;
        client gateway secret_file={secret};
        {opaque}
    }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        listen 127.0.0.1:{tls_port} ssl http2;
        {server}
        location /bare {{ proxy_pass http://backend; }}
        location /mcp {{
            agent_gateway mcp tickets;
            agent_protected_resource http://127.0.0.1:{port}/mcp default;
            agent_trust company;
            agent_challenge_scope {scope};
            {forward}
            {limits}
            {sender}
            {introspect}
            {tools}
            proxy_pass http://backend;
        }}
        {locations}
    }}
}}
"""
TOOL = f"agent_tool ticket.read {{ scope {SCOPE}; resource ticket:<id>; }}"


def store_of(row, redis_url, policy_file):
    if row["store"] != "redis":
        return f"file:{policy_file}"
    return f"{redis_url}; agent_freshness {row.get('freshness', 'push')}"


def certificate(folder):
    file = folder / "certificate.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
                    "2", "-subj", "/CN=127.0.0.1", "-keyout", file, "-out", folder / "public.pem"], check=True,
                   capture_output=True)
    file.write_text(file.read_text() + (folder / "public.pem").read_text())
    return file


class Gateway:
    """An nginx for one row, pinned; `/bare` is the same worker's plain proxy_pass.

    `call`: the body, with %09d for the id. `policy`, `tools`, `locations`: what a measurement has instead of the usual.
    """

    def __init__(self, name, folder, module, issuer, backend_port, redis_url, core, label=None, policy=None,
                 tools=TOOL, locations="", connections=1024, workers=1, copy_limit=None, holder=None):
        row = ROWS[name]
        how = HOLDERS.get(row.get("holder"), {})
        self.holder, self.holds = holder, row.get("holder")
        self.name, self.core, self.call, self.dir = name, core, BODIES[row["call"]], folder / (label or name)
        self.port, self.tls_port = free_port(), free_port()
        self.dir.mkdir()
        policy_file, secret, audit_key = self.dir / "policy.json", self.dir / "secret", self.dir / "audit.key"
        policy_file.write_text(json.dumps(policy or POLICY))
        for file, text in ((secret, "bench-secret"), (audit_key, os.urandom(32).hex())):
            file.write_text(text)
            file.chmod(0o600)
        pem = folder / "certificate.pem"
        (self.dir / "nginx.conf").write_text(_CONF.format(
            module=module, dir=self.dir, port=self.port, tls_port=self.tls_port,
            backend=backend_port, issuer=issuer.url, secret=secret, scope=SCOPE, forward=row["forward"],
            limits=LIMITS if row.get("limits") else "", introspect=row.get("introspect", ""),
            opaque="opaque_tokens any;" if row.get("introspect") else "", copy_limit=f"agent_copy_limit {copy_limit};" if copy_limit else "",
            affinity=f"{1 << core:b}" if workers == 1 else "auto", workers=workers, user="user root;" if os.geteuid() == 0 else "", connections=connections,
            files=connections + 200, certificate=pem if pem.exists() else certificate(folder), tools=tools,
            locations=locations, zone=how.get("zone", "8m"), server=how.get("server", ""), sender=how.get("sender", ""),
            store=store_of(row, redis_url, policy_file),
            audit=f"agent_audit {self.dir}/audit.jsonl key={audit_key} journal=16m;" if row["audit"]
            else "agent_audit off;"))
        self.url = f"http://127.0.0.1:{self.port}/mcp"
        if row.get("introspect"):
            self.token = issuer.opaque_token(self.url)
        else:
            self.token = issuer.token(self.url, **(holder.confirmation(self.holds) if self.holds else {}))
        # The master's affinity is inherited: whatever the module starts beside the worker is paid for by the same core.
        self.process = subprocess.Popen(["taskset", "-c", str(core) if workers == 1 else ALL_CORES, "nginx", "-p", f"{self.dir}/", "-c",
                                         str(self.dir / "nginx.conf"), "-e", str(self.dir / "error.log")],
                                        stdin=subprocess.DEVNULL)
        try:
            wait_port(self.port, self.process, 60)
        except RuntimeError as why:
            raise Failed(f"{self.dir.name}: {why}\n{self.log()}") from None
        self._tasks = []

    def log(self):
        file = self.dir / "error.log"
        return file.read_text()[-2000:] if file.exists() else ""

    def family(self):
        """Process ids of this nginx: master, worker, and whatever the module starts beside them."""
        parents = {}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
        family = {self.process.pid}
        while grown := {pid for pid, parent in parents.items() if parent in family} - family:
            family |= grown
        return family

    def worker(self):
        for pid in self.family():
            if b"worker process" in Path(f"/proc/{pid}/cmdline").read_bytes():
                return pid
        raise Failed(f"{self.dir.name}: no worker\n{self.log()}")

    def cpu_ns(self):
        """CPU time that the worker, and whatever else belongs to this nginx, has used so far."""
        for _ in range(2):
            try:
                if self._tasks:
                    return sum(int(task.read_text().split()[0]) for task in self._tasks)
            except OSError:
                pass  # a process was replaced: look for all of them again
            self._tasks = [task for pid in self.family() for task in Path(f"/proc/{pid}/task").glob("*/schedstat")]
        return sum(int(task.read_text().split()[0]) for task in self._tasks)

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(20)
