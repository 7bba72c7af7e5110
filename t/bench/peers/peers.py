"""What else an operator could put before an MCP server, doing the same work, beside bare proxy_pass in the same run.

The work: one tools/call of `ticket.read`, a bearer token (RS256) verified, an allow-list of tools enforced, the call
passed on. Each peer is proved by hand first (an allowed call, an unlisted tool, a forged and a missing token); whoever
can't do it or can't run here is skipped with a sentence.
"""
import subprocess
import sys

from . import contextforge, envoy, fastmcp_proxy, haproxy, litellm_gateway, nginx_lua, nginx_njs
from .odd import peer_denied
from .processes import Unavailable
from .proof import prove
from .slices import alternate, summary
from .stand import Stand

PEERS = {"haproxy": haproxy, "nginx-lua": nginx_lua, "nginx-njs": nginx_njs, "envoy": envoy,
         "contextforge": contextforge, "litellm": litellm_gateway, "fastmcp": fastmcp_proxy}
NAMES = list(PEERS)


def one_peer(key, stand, found, version):
    """Yields a row for each number of connections."""
    peer, before = PEERS[key], list(stand.running)
    try:
        target = peer.start(stand, found)
        prove(target, peer_denied(peer, target))
        for connections in stand.chosen.connections:
            yield {"peer": peer.NAME, "name": f"{peer.NAME} {version}", "connections": connections,
                   **summary(*alternate(stand, target, connections)), "backend": peer.BACKEND, "note": peer.NOTE}
    finally:
        for process in [one for one in stand.running if one not in before]:
            stand.leave(process)


def measure(chosen, folder, only=None, say=None):
    """-> rows, skipped: a list of dicts, and for each peer that gave none or not all the reason, a sentence.

    chosen: gateway_core, load_core, connections (numbers), pairs, seconds (of a slice). folder: for configurations and
    logs. only: keys of PEERS. say: called with each row as it is known. A peer that fails never fails the others.
    """
    rows, skipped, ready = [], {}, {}
    for key in only or NAMES:
        try:    # all installing before any measuring
            ready[key] = PEERS[key].prepare()
        except (Unavailable, OSError, subprocess.SubprocessError) as why:
            skipped[PEERS[key].NAME] = str(why)
    stand = None
    try:
        stand = Stand(chosen, folder) if ready else None
        for key, (found, version) in ready.items():
            print(f"peers: {key} …", file=sys.stderr, flush=True)
            try:
                for row in one_peer(key, stand, found, version):
                    rows.append(row)
                    if say:
                        say(row)
            except Exception as why:    # noqa: BLE001  somebody else's program: whatever it does, the others go on
                skipped[PEERS[key].NAME] = str(why) or type(why).__name__
    finally:
        if stand:
            stand.stop()
    return rows, skipped
