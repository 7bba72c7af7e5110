"""The gateway as most stories meet it: nginx, an issuer, a backend and a policy file, all their own."""
import json
import os
from pathlib import Path

from . import http, mcp, policy
from .backend import Backend
from .issuer import Issuer
from .nginx import Nginx, module_path
from .wait import free_port

TOOLS = """
            agent_tool ticket.read   { scope tickets:read; resource ticket:<id>; class confidential; }
            agent_tool ticket.find   { scope tickets:read; resource ticket:<filter/id>; }
            agent_tool ticket.list   { scope tickets:read; }
            agent_tool delete_ticket { operation ticket.delete; scope tickets:write; resource ticket:<ticketId>;
                                       risk destructive; }
"""

OPERATIONS = """
            agent_operation ticket.read   GET    /api/tickets/<id>       { scope tickets:read; resource ticket:<id>; }
            agent_operation ticket.list   GET    /api/tickets            { scope tickets:read; }
            agent_operation ticket.find   GET    /api/search             { scope tickets:read;
                                                                           resource ticket:<query/id>; }
            agent_operation ticket.create POST   /api/tickets            { scope tickets:write;
                                                                           resource ticket:<body/id>; }
            agent_operation ticket.delete DELETE /api/tickets/<id>       { scope tickets:write; resource ticket:<id>; }
            agent_operation comment.read  GET    /api/tickets/<id>/comments/<comment> { scope tickets:read;
                                                                           resource ticket:<id>; }
"""

_CONF = """{load}
user {user};
daemon off;
master_process on;
worker_processes {workers};
pid {prefix}/nginx.pid;
error_log {prefix}/logs/error.log info;
{main}
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {prefix}/tmp/body;
    proxy_temp_path {prefix}/tmp/proxy;
    fastcgi_temp_path {prefix}/tmp/fastcgi;
    uwsgi_temp_path {prefix}/tmp/uwsgi;
    scgi_temp_path {prefix}/tmp/scgi;
    large_client_header_buffers 4 32k;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    upstream tickets {{ server 127.0.0.1:{backend}; keepalive 8; }}
    {gateway}
    {http}
    server {{
        listen 127.0.0.1:{port}{listen};
        {server}
        location /mcp {{
            agent_gateway mcp tickets;
            agent_protected_resource {resource} default;
            agent_trust {trust};
            agent_challenge_scope tickets:read;
            {forward}
            {mcp}
            {tools}
            proxy_pass http://tickets;
        }}
        location /api/ {{
            agent_gateway rest tickets;
            agent_protected_resource http://127.0.0.1:{port}/api;
            agent_trust {trust};
            agent_challenge_scope tickets:read;
            {forward}
            {api}
            {operations}
            proxy_pass http://tickets;
        }}
        location = /metrics {{ agent_metrics; }}
        location = /ready {{ agent_ready; }}
        location /open/ {{ proxy_pass http://tickets; }}
    }}
    {servers}
}}
"""

_GATEWAY = """
    agent_zone agents 8m;
    agent_store {store};
    agent_audit {audit};
    agent_state {state};
    agent_issuer company {{
        {keys}
        algorithms {algorithms};
        claims user=sub agent=azp groups=groups tenant=tenant provider=agent_provider model=agent_model;
        {client}
        clock_skew {skew};
        timeout {timeout};
        keys_floor {floor};
        {issuer}
    }}
"""

ALL_ALGORITHMS = "RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 Ed25519"
EXCHANGE = "agent_exchange audience=tickets-api scope=tickets:read;"
NO_TOKEN = "agent_forward none;"


class Site:
    """`pieces` replace parts of the configuration; each is text."""

    def __init__(self, prefix: Path, authority: Issuer | None = None, backend: Backend | None = None, **pieces):
        self.prefix = prefix
        self.nginx = Nginx(prefix)
        self.port = free_port()
        self.resource = f"http://127.0.0.1:{self.port}/mcp"
        self._own = []
        self.backend = backend or self._start(Backend())
        self.issuer = authority or self._start(Issuer())
        self.issuer.audience = [self.resource, f"http://127.0.0.1:{self.port}/api"]
        self.policy = policy.base()
        self.write_policy(self.policy)
        self.secret_file = prefix / "secret"
        self.secret_file.write_text("gateway-secret\n")
        self.secret_file.chmod(0o600)
        self.pieces = pieces

    def _start(self, server):
        self._own.append(server)
        return server.start()

    def conf(self, **pieces) -> str:
        values = {
            "load": f"load_module {module_path()};", "user": "root", "workers": "2",
            "audit": f"{self.prefix}/audit.jsonl", "state": f"{self.prefix}/state", "main": "", "http": "", "server": "", "listen": "",
            "mcp": "", "api": "", "servers": "", "forward": NO_TOKEN, "tools": TOOLS, "operations": OPERATIONS,
            "trust": "company", "resource": self.resource, "prefix": str(self.prefix), "port": str(self.port),
            "backend": str(self.backend.port), "store": f"file:{self.policy_path}", "skew": "2s", "timeout": "2s",
            "floor": "1s", "keys": f"issuer {self.issuer.url};", "algorithms": ALL_ALGORITHMS, "issuer": "",
            "client": f"client gateway secret_file={self.prefix}/secret;",
        } | self.pieces | pieces
        values.setdefault("gateway", _GATEWAY.format(**values))
        values = {k: v.replace("@PREFIX@", str(self.prefix)).replace("@PORT@", str(self.port))
                  .replace("@BACKEND@", str(self.backend.port)) if isinstance(v, str) else v
                  for k, v in values.items()}
        return _CONF.format(**values)

    def start(self, **pieces):
        self.pieces |= pieces
        self.nginx.start(self.conf())
        return self

    def reload(self, gone=False, **pieces):
        self.pieces |= pieces
        self.nginx.reload(self.conf(), gone)

    def close(self):
        for server in self._own:  # a hanging server would keep nginx from an orderly end
            server.stop()
        self.nginx.close()

    # --- policy ------------------------------------------------------------------------------------------------

    @property
    def policy_path(self) -> Path:
        return self.prefix / "policy.json"

    def write_policy(self, content):
        """Replaces the file in one step, as an editor or `mv` does."""
        text = content if isinstance(content, str) else json.dumps(content)
        temporary = self.prefix / "policy.json.new"
        temporary.write_text(text)
        os.replace(temporary, self.policy_path)

    def change_policy(self, change):
        """`change(tenant)` edits the default tenant in place."""
        change(policy.tenant(self.policy))
        self.write_policy(self.policy)

    # --- calls -------------------------------------------------------------------------------------------------

    def token(self, **claims):
        claims.setdefault("groups", ["support"])
        return self.issuer.token(**claims)

    def _headers(self, token, headers):
        if token is True:
            token = self.token()
        found = list(headers)
        if token:
            found.append(("Authorization", b"Bearer " + token.encode("latin-1")))
        return found

    def send(self, method, target, token=True, headers=(), body=b"", **how) -> http.Response:
        answer = http.request(self.port, method, target, self._headers(token, headers), body, **how)
        answer.site = self
        return answer

    def begin(self, method, target, token=True, headers=(), body=b"", **how) -> http.Exchange:
        return http.begin(self.port, method, target, self._headers(token, headers), body, **how)

    @staticmethod
    def _mcp_headers(headers):
        given = {k.lower() for k, _ in headers if isinstance(k, str)}
        found = [("Content-Type", "application/json"), ("Accept", "application/json, text/event-stream")]
        return [(k, v) for k, v in found if k.lower() not in given] + list(headers)

    def post(self, message, token=True, headers=(), path="/mcp", **how) -> http.Response:
        return self.send("POST", path, token, self._mcp_headers(headers), mcp.encode(message), **how)

    def begin_post(self, message, token=True, headers=(), path="/mcp", **how) -> http.Exchange:
        return self.begin("POST", path, token, self._mcp_headers(headers), mcp.encode(message), **how)

    def call(self, tool="ticket.read", arguments=None, token=True, modern=False, id=1, headers=(), **how):
        if arguments is None:
            arguments = {"id": "T-1"}
        if modern:
            mirrored, body = mcp.modern_call(tool, arguments, id)
            return self.post(body, token, [*mirrored, *headers], **how)
        return self.post(mcp.call(tool, arguments, id), token, headers, **how)

    def rest(self, method="GET", target="/api/tickets/T-1", token=True, headers=(), body=b"", **how):
        return self.send(method, target, token, headers, body, **how)

    def series(self, text):
        """The sum of all series whose name and labels contain each word of `text`."""
        words = text.split()
        return sum(v for k, v in self.nginx.metrics(self.port).items() if all(w in k for w in words))


def allowed(answer: http.Response):
    """An MCP call that the backend answered."""
    assert answer.status == 200, f"{answer.status} {answer.text}"
    value = answer.json()
    assert "result" in value, value
    return value


def denied(answer: http.Response, reason: str, code: int | None = 4030):
    """An MCP call that is visible, but refused: readable by a model."""
    assert answer.status == 200, f"{answer.status} {answer.text}"
    error = answer.json()["error"]
    assert not -32768 <= error["code"] <= -32000, error
    assert error["data"]["decision"] == "deny" and error["data"]["reason"] == reason, error
    assert error["data"]["request_id"] == answer.request_id
    assert code is None or error["code"] == code
    return error


def hidden(answer: http.Response, tool: str):
    """An MCP call of a tool that this caller can't see: as if it didn't exist."""
    assert answer.status == 200, f"{answer.status} {answer.text}"
    error = answer.json()["error"]
    assert error["code"] == -32602 and error["message"] == f"Unknown tool: {tool}", error
    return error


def problem(answer: http.Response, status: int, reason: str | None = None):
    """A refusal over REST: RFC 9457."""
    assert answer.status == status, f"{answer.status} {answer.text}"
    assert answer.header("Content-Type").startswith("application/problem+json"), answer.headers
    value = answer.json()
    assert value.get("status") == status, value
    assert value.get("request_id") == answer.request_id, value
    if reason is not None:
        assert value.get("reason") == reason, value
    return value
