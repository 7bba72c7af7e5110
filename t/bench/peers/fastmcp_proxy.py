"""FastMCP's proxy from PyPI: JWTVerifier, tools by visibility rules, stateless HTTP."""
from .install import locked, python
from .processes import free_port
from .signer import AUDIENCE, ISSUER
from .slices import HEADERS, Target
from .stand import RECIPES, START_SECONDS

NAME, BACKEND = "FastMCP proxy", "mcp server"
NOTE = "RS256 verified on each call; a connection and a handshake with the MCP server for each call, as create_proxy does"


def prepare():
    return python("fastmcp"), locked("fastmcp", "fastmcp")


def start(stand, home):
    port = free_port()
    process = stand.start("fastmcp", [home / "bin/python", RECIPES / "fastmcp_gateway.py", port, stand.mcp_server,
                                      stand.signer.public, ISSUER, AUDIENCE],
                          {"FASTMCP_CHECK_FOR_UPDATES": "off", "PYTHONDONTWRITEBYTECODE": "1"})
    process.wait_port(port, START_SECONDS)
    return Target(process, port, {**HEADERS, "Authorization": f"Bearer {stand.signer.token()}"})
