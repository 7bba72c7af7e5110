"""An MCP server whose lists and streams go wrong in each way, under load: nobody learns of a tool that isn't theirs, nothing
waits past its bound, memory stays where it was, every call has its event."""
import gzip
import json
import time

from load import TROUBLE
from matrix import MARGIN, READ_TIMEOUT
from plugins import mcp
from plugins.backend import plain
from plugins.server import HANG, Answer

SECRET = "delete_ticket"   # the narrow agent has a grant for ticket.read alone
LIMIT = 64 << 10           # agent_answer_limit here
JSON, SSE = ("Content-Type", "application/json"), ("Content-Type", "text/event-stream")

TOOLS = [{"name": name, "description": "x" * 200, "inputSchema": {"type": "object"}}
         for name in ("ticket.read", "ticket.list", SECRET, "ticket.find")]
GOOD = json.dumps({"jsonrpc": "2.0", "id": 1, "result": {"tools": TOOLS}})
CUT = GOOD.index(SECRET) + 6


def _event(text):
    return f"event: message\ndata: {text}\n\n"


def _endless(first, piece):
    """More than anybody could hold; it ends when whoever reads it goes away."""
    return [first, *[piece * 64] * 4000]


def _dies(content_type, sent):
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    return Answer(raw=head + b"%x\r\n%s\r\n" % (len(sent), sent.encode()))


def _as_list(result):
    return json.dumps({"jsonrpc": "2.0", "id": 1, "result": result})


_TWICE = GOOD.replace('"result": {', '"result": {"tools": [], ')
_LOOKALIKE = GOOD.replace('"tools"', '"toolſ"')
_BODIES = {
    "no object": "[]", "no JSON": "<html>" + SECRET, "no list": _as_list({"tools": {"a": {"name": SECRET}}}),
    "items that are none": _as_list({"tools": [42, SECRET, {"name": 7}, None]}), "a key twice": _TWICE,
    "a look-alike key": _LOOKALIKE, "bytes that are no text": GOOD.replace("xxx", "\udcff"),
    "cut": GOOD[:CUT], "nothing": "", "two documents": GOOD + GOOD,
}

# What the server does -> its answer. Each is asked for by a caller who may see one tool of four.
WAYS = {
    **{f"a list: {name}": Answer(200, [JSON], text.encode("utf-8", "surrogateescape")) for name, text in _BODIES.items()},
    **{f"an event: {name}": Answer(200, [SSE], [_event(text).encode("utf-8", "surrogateescape")])
       for name, text in _BODIES.items()},
    "dies in a body": _dies("application/json", GOOD[:CUT]),
    "dies in an event": _dies("text/event-stream", _event(GOOD)[:CUT + 30]),
    "dies between events": _dies("text/event-stream", _event(GOOD)),
    "an event that no empty line ends": Answer(200, [SSE], [_event(GOOD).rstrip()]),
    "hangs in a body": Answer(200, [JSON], [GOOD[:CUT], 60]),
    "hangs in an event": Answer(200, [SSE], [_event(GOOD)[:CUT + 30], 60]),
    "hangs before its head": HANG,
    "an endless body": Answer(200, [JSON], _endless(GOOD[:-3] + ',{"name": "', SECRET)),
    "an endless event": Answer(200, [SSE], _endless('data: {"jsonrpc": "2.0", "x": "', SECRET)),
    "an endless line of no field": Answer(200, [SSE], _endless(": ", SECRET)),
    "compressed": Answer(200, [JSON, ("Content-Encoding", "gzip")], gzip.compress(GOOD.encode())),
    "compressed events": Answer(200, [SSE, ("Content-Encoding", "gzip")], [gzip.compress(_event(GOOD).encode())]),
    "compressed, unsaid": Answer(200, [JSON], gzip.compress(GOOD.encode())),
    "another media type": Answer(200, [("Content-Type", "text/plain")], GOOD.encode()),
    "no media type": Answer(200, [], GOOD.encode()),
    "split in bytes": Answer(200, [SSE], [character for character in _event(GOOD)]),
    "good": Answer(200, [JSON], GOOD.encode()),
    "good, in events": Answer(200, [SSE], [_event(GOOD)]),
}
# What a caller gets whole, less what isn't theirs; all else ends in an error, or in nothing.
GOOD_ONES = ("good", "good, in events", "split in bytes", "an event that no empty line ends", "dies between events")
LIST = mcp.message("tools/list", {})
BOUND = READ_TIMEOUT + MARGIN
ROOM_KB = 40 << 10


def answers(trial, quick):
    """an MCP server whose lists and streams go wrong in each way"""
    site, found = trial.world.site, trial.found
    site.pieces["mcp"] = f"agent_answer_limit {LIMIT >> 10}k;"
    now = {"way": "good"}

    def answer(received):
        return WAYS[now["way"]] if b'"tools/list"' in received.body else plain(received)

    trial.world.backend.answer = answer
    trial.start(pause=0.2)
    token, before, number, reasons = site.token(agent="narrow-agent"), trial.nginx.rss_kb(), 0, {}
    for _ in range(1 if quick else 5):
        for way in WAYS:
            now["way"], number = way, number + 1
            mark, began = f"list/{number}", time.monotonic()
            body = _ask(site, token, mark, way, found)
            seconds = time.monotonic() - began
            if SECRET.encode() in body or (way not in GOOD_ONES and b"ticket.list" in body):
                found["wrong_allows"].append(f"{way}: the caller got {body[:300]!r}")
            if way in GOOD_ONES and b"ticket.read" not in body:
                found["errors"].append(f"{way}: the caller didn't get its tool: {body[:300]!r}")
            if seconds > BOUND:
                found["late"].append(f"{way} took {seconds:.1f} s, bound {BOUND:.1f} s")
            reasons[mark] = way
    grown = trial.nginx.rss_kb() - before
    if grown > ROOM_KB:
        found["errors"].append(f"the workers grew by {grown} KB")
    trial.recovers()
    trial.finish()
    events = trial.world.events()
    for mark, way in reasons.items():
        if mark not in events:
            found["lost_events"].append(f"{way}: no event")
    trial.say(f"{number} answers of {len(WAYS)} kinds, {grown} KB more")
    return found


def _ask(site, token, mark, way, found):
    """What of the answer reached the caller, whose patience is longer than any bound."""
    body = b""
    exchange = site.begin_post(LIST, token, [("User-Agent", mark), ("Accept-Encoding", "gzip")], timeout=BOUND + 10)
    try:
        exchange.head()
        while len(body) < 4 << 20 and (piece := exchange.read_some()):
            body += piece
    except TROUBLE:
        pass   # cut off, as it may be
    finally:
        exchange.close()
    try:
        return body + gzip.decompress(body)
    except (OSError, EOFError):
        return body
