"""nginx with Debian's njs module: webcrypto on each call, then an internal redirect to the backend's location."""
from .install import debian, libraries
from .processes import free_port
from .signer import AUDIENCE, ISSUER
from .slices import HEADERS, Target
from .stand import START_SECONDS, version_of

NAME, BACKEND = "nginx+njs", "http"
NOTE = "RS256 verified on each call (njs 0.7 keeps nothing between requests); the body is parsed by JSON.parse"


def prepare():
    root = debian("nginx-njs", ["libnginx-mod-http-js"])
    return root, version_of(["nginx", "-v"], r"nginx/([\d.]+)")


def start(stand, root):
    port, name = free_port(), "nginx-njs"
    stand.render(name, "gate.js", issuer=ISSUER, audience=AUDIENCE, named="@tickets")
    conf = stand.render(name, "nginx-njs.conf", port=port, modules=root / "usr/lib/nginx/modules", named="@tickets")
    process = stand.start_nginx(name, conf, libraries(root))
    process.wait_port(port, START_SECONDS)
    return Target(process, port, {**HEADERS, "Authorization": f"Bearer {stand.signer.token()}"})
