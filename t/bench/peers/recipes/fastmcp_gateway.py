"""FastMCP's proxy before an MCP server: JWTVerifier, and an allow-list of tools as its visibility rules have it."""
import sys
from pathlib import Path

from fastmcp.server import create_proxy
from fastmcp.server.auth.providers.jwt import JWTVerifier

port, backend, public_key, issuer, audience = sys.argv[1:]
verifier = JWTVerifier(public_key=Path(public_key).read_text(), issuer=issuer, audience=audience, algorithm="RS256",
                       required_scopes=["tickets:read"])
proxy = create_proxy(f"http://127.0.0.1:{backend}/mcp", name="tickets", auth=verifier)
proxy.enable(names={"ticket.read", "ticket.list"}, components={"tool"}, only=True)
proxy.run(transport="http", host="127.0.0.1", port=int(port), path="/mcp", stateless_http=True, json_response=True,
          show_banner=False, log_level="WARNING", uvicorn_config={"access_log": False})
