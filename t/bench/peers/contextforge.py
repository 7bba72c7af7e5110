"""ContextForge from PyPI: the MCP server registered, a virtual server that holds the tools of the list."""
import json
import secrets
import time
import urllib.error
import urllib.request

from .install import locked, python
from .processes import Unavailable, free_port
from .proof import open_session
from .signer import AUDIENCE, ISSUER
from .slices import HEADERS, Target

NAME, BACKEND = "ContextForge", "mcp server"
NOTE = ("RS256 verified on each call, asked as its administrator; one uvicorn worker, SQLite, caches in memory; the list is "
        "a virtual server's tools")
START, ADMIN = 180, "admin@bench.example.com"


def prepare():
    return python("contextforge", (3, 12)), locked("contextforge", "mcp-contextforge-gateway")


def settings(stand, home):
    def secret():
        return secrets.token_hex(32)

    return {
        "ENVIRONMENT": "production", "DATABASE_URL": f"sqlite:///{home}/forge.db", "CACHE_TYPE": "memory",
        "AUTH_REQUIRED": "true", "JWT_ALGORITHM": "RS256", "JWT_PUBLIC_KEY_PATH": str(stand.signer.public),
        "JWT_PRIVATE_KEY_PATH": str(stand.signer.private), "JWT_ISSUER": ISSUER, "JWT_AUDIENCE": AUDIENCE,
        "JWT_SECRET_KEY": secret(), "AUTH_ENCRYPTION_SECRET": secret(), "BASIC_AUTH_PASSWORD": secret(),
        "PLATFORM_ADMIN_EMAIL": ADMIN, "PLATFORM_ADMIN_PASSWORD": f"Aa1!{secret()}",
        "DEFAULT_USER_PASSWORD": f"Aa1!{secret()}", "SSRF_ALLOW_LOCALHOST": "true",
        "MCPGATEWAY_UI_ENABLED": "false", "LOG_LEVEL": "ERROR", "OBSERVABILITY_ENABLED": "false",
        "PERFORMANCE_TRACKING_ENABLED": "false", "DB_METRICS_RECORDING_ENABLED": "false", "COMPRESSION_ENABLED": "false",
        # It allows a hundred calls a minute; here it is asked how many it could do.
        "RATE_LIMITING_ENABLED": "false", "PYTHONDONTWRITEBYTECODE": "1"}


def ask(port, token, path, value=None):
    """-> JSON of the administration's API"""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data=value and json.dumps(value).encode(),
                                     headers={"Content-Type": "application/json", "Authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as refused:
        raise Unavailable(f"{path} answered {refused.code}: {refused.read().decode(errors='replace')[:300]}") from refused
    except OSError as failed:
        raise Unavailable(f"{path} did not answer: {failed}") from failed


def publish(stand, port, token):
    """Registers the MCP server; -> id of a virtual server that has `ticket.read` alone, the tool's name there"""
    ask(port, token, "/v1/gateways", {"name": "tickets", "url": f"http://127.0.0.1:{stand.mcp_server}/mcp",
                                      "transport": "STREAMABLEHTTP", "visibility": "public"})
    until, found = time.monotonic() + 30, {}
    while time.monotonic() < until and len(found) < 2:
        tools = ask(port, token, "/v1/tools")
        found = {one["originalName"]: one for one in (tools if isinstance(tools, list) else tools["data"])}
        time.sleep(0.2)
    if "ticket.read" not in found:
        raise Unavailable("it did not find the MCP server's tools")
    server = ask(port, token, "/v1/servers", {"visibility": "public", "server": {
        "name": "readers", "associated_tools": [found["ticket.read"]["id"]], "visibility": "public"}})
    return server["id"], found["ticket.read"]["name"]


def start(stand, home):
    port, folder = free_port(), stand.home("contextforge")
    process = stand.start("contextforge", [home / "bin/mcpgateway", "--host", "127.0.0.1", "--port", port,
                                           "--workers", "1", "--no-access-log"], settings(stand, folder))
    process.wait_port(port, START)
    token = stand.signer.token(sub=ADMIN, email=ADMIN, is_admin=True, teams=None, token_use="session",
                               user={"email": ADMIN, "is_admin": True, "auth_provider": "local"})
    server, tool = publish(stand, port, token)
    target = Target(process, port, {**HEADERS, "Authorization": f"Bearer {token}"}, path=f"/servers/{server}/mcp",
                    tool=tool)
    open_session(target)
    return target
