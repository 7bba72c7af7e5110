"""nginx with Debian's Lua module: cjson, luaossl, verified tokens in a shared dictionary."""
from .install import debian, libraries
from .processes import Unavailable, free_port
from .signer import AUDIENCE, ISSUER
from .slices import HEADERS, Target
from .stand import START_SECONDS, version_of

NAME, BACKEND = "nginx+Lua", "http"
NOTE = "RS256 verified once for each token and kept in a shared dictionary; the body is parsed by cjson"


def prepare():
    root = debian("nginx-lua", ["libnginx-mod-http-lua", "libnginx-mod-http-ndk", "lua-luaossl", "lua-cjson",
                                "lua-resty-core", "lua-resty-lrucache", "libpcre3", "libluajit2-5.1-2"])
    return root, version_of(["nginx", "-v"], r"nginx/([\d.]+)")


def start(stand, root):
    port, name = free_port(), "nginx-lua"
    compiled = next((root / "usr/lib").glob("*-linux-gnu/lua/5.1"), None)
    if compiled is None:
        raise Unavailable("its packages hold no Lua 5.1 libraries")
    stand.render(name, "gate.lua", issuer=ISSUER, audience=AUDIENCE)
    conf = stand.render(name, "nginx-lua.conf", port=port, modules=root / "usr/lib/nginx/modules",
                        lua_path=f"{root}/usr/share/lua/5.1/?.lua", lua_cpath=f"{compiled}/?.so")
    process = stand.start_nginx(name, conf, libraries(root))
    process.wait_port(port, START_SECONDS)
    return Target(process, port, {**HEADERS, "Authorization": f"Bearer {stand.signer.token()}"})
