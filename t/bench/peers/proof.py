"""Before a gateway is measured: it lets the call through, and refuses what it should refuse."""
import json
import urllib.error
import urllib.request

from .processes import Unavailable
from .slices import CALL, HEADERS

# The backends answer with a run of these; whoever sees it was let through.
MARK = b"xxxxxxxx"


def post(target, body, headers, timeout=30):
    """-> status, headers, body; errors of HTTP are answers too. Raises Unavailable when there is none."""
    request = urllib.request.Request(f"http://127.0.0.1:{target.port}{target.path}", data=body.encode(), headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.headers, refused.read()
    except OSError as failed:
        raise Unavailable(f"it did not answer: {failed}") from failed


def open_session(target):
    """MCP's handshake; what it yields goes into the headers of every call."""
    hello = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": HEADERS["MCP-Protocol-Version"], "capabilities": {},
        "clientInfo": {"name": "bench", "version": "1"}}}
    status, headers, body = post(target, json.dumps(hello), target.headers)
    if status != 200:
        raise Unavailable(f"initialize was answered with {status}: {body.decode(errors='replace')[:200]}")
    if session := headers.get("Mcp-Session-Id"):
        target.headers["Mcp-Session-Id"] = session
    post(target, '{"jsonrpc":"2.0","method":"notifications/initialized"}', target.headers)


def prove(target, denied_tool):
    """Notes the length of a good answer. `denied_tool` exists at the backend but isn't on the list.

    Raises Unavailable with what is wrong.
    """
    def call(tool, **changed):
        headers = {name: value for name, value in {**target.headers, **changed}.items() if value}
        return post(target, CALL.replace("TOOL", tool) % 700000007, headers)

    status, _, body = call(target.tool)
    if status != 200 or MARK not in body:
        raise Unavailable(f"the allowed call was answered with {status}: {body.decode(errors='replace')[:300]}")
    target.answer_bytes = len(body)
    bearer = target.headers["Authorization"]
    # A character in the middle of the signature: the last one may hold bits that mean nothing.
    forged = bearer[:-100] + ("A" if bearer[-100] != "A" else "B") + bearer[-99:]
    for what, (status, _, body) in {
            "a tool that is not on the list": call(denied_tool),
            "a forged token": call(target.tool, Authorization=forged),
            "a call without a token": call(target.tool, Authorization="")}.items():
        if MARK in body:
            raise Unavailable(f"it let {what} through, so it does not do the same work")
        if status >= 500:
            raise Unavailable(f"it answered {what} with {status}, which is no refusal")
