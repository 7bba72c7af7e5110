"""LiteLLM's MCP gateway from PyPI: custom_auth that verifies the token, allowed_tools of the server."""
import secrets
import shutil

from .install import locked, python
from .processes import free_port
from .proof import open_session
from .signer import AUDIENCE, ISSUER
from .slices import HEADERS, Target
from .stand import RECIPES

NAME, BACKEND = "LiteLLM MCP gateway", "mcp server"
NOTE = "RS256 verified on each call by a custom_auth of PyJWT (its own JWT authentication needs a licence); no database"
START = 120
DENIED = "tickets-ticket.delete"


def prepare():
    return python("litellm"), locked("litellm", "litellm")


def start(stand, home):
    port = free_port()
    conf = stand.render("litellm", "litellm.yaml")
    shutil.copy(RECIPES / "litellm_auth.py", conf.parent)    # custom_auth is looked for beside the configuration
    process = stand.start("litellm", [home / "bin/litellm", "--config", conf, "--host", "127.0.0.1", "--port", port,
                                      "--num_workers", "1"],
                          {"BENCH_PUBLIC_KEY": str(stand.signer.public), "BENCH_ISSUER": ISSUER,
                           "BENCH_AUDIENCE": AUDIENCE, "LITELLM_MASTER_KEY": f"sk-{secrets.token_hex(32)}",
                           "LITELLM_LOG": "ERROR", "LITELLM_LOCAL_MODEL_COST_MAP": "True",
                           "PYTHONDONTWRITEBYTECODE": "1",
                           "PATH": f"{home}/bin:/usr/bin:/bin"})
    process.wait_port(port, START)
    target = Target(process, port, {**HEADERS, "Authorization": f"Bearer {stand.signer.token()}"}, path="/mcp/",
                    tool="tickets-ticket.read")
    open_session(target)
    return target
