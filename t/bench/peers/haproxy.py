"""HAProxy: jwt_verify on every call, the tool's name by json_query, an ACL file."""
from .install import debian, libraries
from .processes import free_port
from .signer import AUDIENCE, ISSUER
from .slices import HEADERS, Target
from .stand import START_SECONDS, version_of

NAME, BACKEND = "HAProxy", "http"
NOTE = "RS256 verified on each call (2.6 keeps no verified tokens); the body is searched by json_query, not parsed"


def prepare():
    """-> what start() needs, version"""
    root = debian("haproxy", ["haproxy", "liblua5.3-0", "libopentracing-c-wrapper0", "libopentracing1"])
    program = root / "usr/sbin/haproxy"
    return root, version_of([program, "-v"], r"version ([\d.]+)", libraries(root))


def start(stand, root):
    port = free_port()
    tools = stand.render("haproxy", "tools.lst")
    conf = stand.render("haproxy", "haproxy.cfg", port=port, tools=tools, issuer=ISSUER, audience=AUDIENCE)
    process = stand.start("haproxy", [root / "usr/sbin/haproxy", "-db", "-f", conf], libraries(root))
    process.wait_port(port, START_SECONDS)
    return Target(process, port, {**HEADERS, "Authorization": f"Bearer {stand.signer.token()}"})
