"""Calls that two readers can read differently: which of them a gateway lets through to a tool that isn't on its list."""
from .proof import MARK, post, prove
from .slices import CALL
from .stand import Stand

_ID = CALL.index('"method"')
# LISTED and OTHER are tools. Who writes the message anew passes on what it judged; others pass on both readings.
_HEAD = CALL[:_ID].replace("%09d", "700000008")
_REST = ',"arguments":{"id":"T-391"}}}'
ODD = {
    "the tool's name twice, the listed one first": '"method":"tools/call","params":{"name":"LISTED","name":"OTHER"' + _REST,
    "the tool's name twice, the listed one last": '"method":"tools/call","params":{"name":"OTHER","name":"LISTED"' + _REST,
    "the name again, with an escape in the key":
        '"method":"tools/call","params":{"name":"LISTED","n\\u0061me":"OTHER"' + _REST,
    "params twice": '"method":"tools/call","params":{"name":"LISTED"},"params":{"name":"OTHER"' + _REST,
    "the method twice": '"method":"ping","method":"tools/call","params":{"name":"OTHER"' + _REST,
    "a body that breaks off": '"method":"tools/call","params":{"name":"LISTED"',
}


def ask(target, denied_tool):
    """-> {what: passed or not}"""
    out = {}
    for what, rest in ODD.items():
        body = _HEAD + rest.replace("LISTED", target.tool).replace("OTHER", denied_tool)
        out[what] = MARK in post(target, body, target.headers)[2]
    return out


def table(chosen, folder, peers):
    """Yields (peer's name, what was sent, passed or not). peers: {key: module}. Raises Unavailable."""
    ready = {peer: peer.prepare() for peer in peers.values()}
    stand = Stand(chosen, folder)
    try:
        for peer, (found, _) in ready.items():
            target = peer.start(stand, found)
            denied = peer_denied(peer, target)
            prove(target, denied)
            for what, passed in ask(target, denied).items():
                yield peer.NAME, what, passed
            stand.leave(target.process)
    finally:
        stand.stop()


def peer_denied(peer, target):
    """The name of a tool that the backend has and the peer's list hasn't."""
    return getattr(peer, "DENIED", target.tool.replace("read", "delete"))
