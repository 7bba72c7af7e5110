"""JSON-RPC messages of both eras, as bytes and headers."""
import json

MODERN = "2026-07-28"
LEGACY = "2025-11-25"
_META = "io.modelcontextprotocol/"


def meta(version=MODERN):
    return {_META + "protocolVersion": version, _META + "clientCapabilities": {},
            _META + "clientInfo": {"name": "e2e", "version": "1"}}


def message(method, params=None, id=1, **extra):
    found = {"jsonrpc": "2.0", "method": method, **extra}
    if id is not None:
        found["id"] = id
    if params is not None:
        found["params"] = params
    return found


def call(tool, arguments=None, id=1):
    return message("tools/call", {"name": tool, "arguments": arguments if arguments is not None else {}}, id)


def modern(method, params=None, id=1, name=None, version=MODERN):
    """(headers, body) of a 2026-07-28 request; `name` is what Mcp-Name mirrors."""
    params = dict(params or {})
    params["_meta"] = meta(version) | params.get("_meta", {})
    headers = [("MCP-Protocol-Version", version), ("Mcp-Method", method)]
    if name is not None:
        headers.append(("Mcp-Name", name))
    return headers, message(method, params, id)


def modern_call(tool, arguments=None, id=1):
    return modern("tools/call", {"name": tool, "arguments": arguments or {}}, id, name=tool)


def encode(value) -> bytes:
    return value if isinstance(value, bytes) else json.dumps(value, separators=(",", ":")).encode()
