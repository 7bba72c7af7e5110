"""The gateway between the suite and the fixture server, and a hop in front that adds a token, since the suite can't."""
import json
import urllib.request
from pathlib import Path

from plugins.nginx import Nginx
from plugins.site import Site
from plugins.wait import free_port

GROUP = "group:company|support"
AGENT = "agent:company|docs-assistant"

# A bare nginx. It passes on what it gets, byte for byte: Host and Origin, odd headers, streams as they come.
_HOP = """
daemon off;
pid {prefix}/nginx.pid;
error_log {prefix}/logs/error.log info;
user root;
worker_processes 1;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {prefix}/tmp/body;
    proxy_temp_path {prefix}/tmp/proxy;
    fastcgi_temp_path {prefix}/tmp/fastcgi;
    uwsgi_temp_path {prefix}/tmp/uwsgi;
    scgi_temp_path {prefix}/tmp/scgi;
    underscores_in_headers on;
    ignore_invalid_headers off;
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://127.0.0.1:{gateway};
            proxy_http_version 1.1;
            proxy_buffering off;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            proxy_set_header Authorization "Bearer {token}";
        }}
    }}
}}
"""

# nginx inherits no proxy_set_header where there is one: what keeps connections to the backend alive stands here again.
_LOCATION = """agent_origins http://127.0.0.1:{port};
            proxy_set_header Host $http_host;
            proxy_set_header Connection "";"""


def listed(url, method, key, name):
    """Every name of a list of the fixture server, as a client of 2026-07-28 gets it."""
    names, cursor = [], None
    while True:
        meta = {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}
        params = {"_meta": meta} | ({"cursor": cursor} if cursor else {})
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        request = urllib.request.Request(url, body, {
            "Content-Type": "application/json", "Accept": "application/json, text/event-stream",
            "MCP-Protocol-Version": "2026-07-28", "Mcp-Method": method})
        with urllib.request.urlopen(request, timeout=20) as answer:
            result = json.load(answer)["result"]
        names += [item[name] for item in result[key]]
        cursor = result.get("nextCursor")
        if not cursor:
            return names


def declarations(url):
    """What the location names: each tool, prompt and resource of the fixture server, all of them granted."""
    lines = [f"agent_tool {name} {{ }}" for name in listed(url, "tools/list", "tools", "name")]
    lines += [f"agent_prompt {name} {{ }}" for name in listed(url, "prompts/list", "prompts", "name")]
    lines += [f"agent_mcp_resource {scheme}://* {{ operation {scheme}; }}" for scheme in ("test", "skill")]
    return "\n            ".join(lines)


class Gateway:
    def __init__(self, folder: Path, fixture, **pieces):
        hop, gateway = folder / "hop", folder / "gateway"
        hop.mkdir(parents=True)
        gateway.mkdir()
        self.port = free_port()
        pieces.setdefault("tools", declarations(fixture.url))
        self.site = Site(gateway, backend=fixture, resource=self.url, mcp=_LOCATION.format(port=self.port), **pieces)
        self.site.issuer.audience = [self.url]
        tenant = self.site.policy["tenants"]["default"]
        for place, to in (("grants", AGENT), ("entitlements", GROUP)):
            tenant[place].append({"id": f"all-{place}", "to": to, "operation": "tickets/*"})
        self.site.write_policy(self.site.policy)
        self.hop = Nginx(hop)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/mcp"

    def start(self):
        self.site.start()
        token = self.site.token(scope="tickets:read tickets:write", lifetime=7200)
        self.hop.start(_HOP.format(prefix=self.hop.prefix, port=self.port, gateway=self.site.port, token=token))
        return self

    def stop(self):
        try:
            self.hop.close()
        finally:
            self.site.close()
