"""Bodies of MCP calls, good ones and such as somebody made to be read in two ways; and how Python reads them."""
import base64
import json
import struct

METHODS = ("tools/call", "tools/call", "tools/call", "prompts/get", "resources/read", "tools/list", "initialize", "ping",
           "notifications/initialized", "nothing/known")
KEYS = ("id", "ID", "name", "Name", "arguments", "a", "ä", "\u017f", "\u212a", "__proto__", "constructor", "toString",
        "filter", "", "a.b", "uri", "\U0001d41a", "x" * 40)
STRINGS = ("T-1", "", "*", "ä€", "\U0001f600", "\u2028\u2029", "\\", "\"", "/", "a\nb\tc", "\u007f", "\ufeff", "null",
           "\ud7ff\ue000", "ticket.read", "\U0010ffff", "e\u0301", "%2F", "\u0001")
NUMBERS = ("0", "-0", "1", "-1", "42", "1.5", "1e3", "1E+3", "1e-7", "9007199254740991", "9007199254740993", "-9007199254740992",
           "18446744073709551615", "123456789012345678901234567890", "0.1", "1e308", "2.2250738585072014e-308", "5e-324",
           "1.7976931348623157e308", "0.30000000000000004", "-0.0", "100000000000000000000000", "4.35", "1e23")
# What is set into a body at random: pieces that readers are known to see differently.
PIECES = (b"\\u0000", b"\x00", b"\xef\xbb\xbf", b"\\ud800", b"\\udc00", b"\\ud83d\\ude00", b"\xff", b"\xc0\x80", b"\xed\xa0\x80",
          b"//x\n", b"/*x*/", b",", b",,", b"'", b"NaN", b"Infinity", b"-", b"+1", b"01", b"1.", b".5", b"1e", b"1e400", b"-1e400",
          b"0x10", b"1_000", b"\\x41", b"\\u004", b"\\U0041", b"\t", b"\n", b"\x0b", b"\x0c", b"\xc2\xa0", b"\xe2\x80\xa8", b"}",
          b"{", b"[", b"]", b"]" * 9, b"[" * 70, b"{\"a\":" * 70, b"\"", b"\\", b"\\\"", b"\x7f", b"true", b"nul", b"TRUE",
          b'"name":"other",', b'"Name":"other",', b'"name\\u0000":"x",', b'"\\u006eame":"other",', b'"arguments":{},',
          b'"method":"ping",', b'"id":1,', b'"ar\xc4\xb1guments":{"id":"x"},', b'"na\xe2\x80\x8bme":"x",')


def value(dice, depth=0):
    kind = dice.randrange(10 if depth < 4 else 7)
    if kind < 3:
        return dice.choice(STRINGS)
    if kind < 5:
        return Number(dice.choice(NUMBERS))
    if kind < 7:
        return dice.choice((True, False, None))
    if kind < 8:
        return [value(dice, depth + 1) for _ in range(dice.randrange(4))]
    return {dice.choice(KEYS): value(dice, depth + 1) for _ in range(dice.randrange(5))}


class Number(str):
    """A number as it is written."""


def space(dice):
    return dice.choice(("", "", "", "", " ", "\n", "\t", "\r\n  "))


def written(dice, item):
    """One of the many ways to write a value."""
    if isinstance(item, Number):
        return str(item)
    if isinstance(item, str):
        return '"' + "".join(written_character(dice, c) for c in item) + '"'
    if isinstance(item, list):
        return "[" + (space(dice) + "," + space(dice)).join(written(dice, each) for each in item) + space(dice) + "]"
    if isinstance(item, dict):
        return "{" + space(dice) + ",".join(f"{written(dice, key)}{space(dice)}:{space(dice)}{written(dice, each)}"
                                            for key, each in item.items()) + "}"
    return json.dumps(item)


def written_character(dice, c):
    if c in '"\\' or ord(c) < 0x20 or dice.random() < 0.03:
        if c in "\"\\/" and dice.random() < 0.7:
            return "\\" + c
        units = c.encode("utf-16-be")
        form = dice.choice(("%04x", "%04X"))
        return "".join("\\u" + form % struct.unpack(">H", units[i:i + 2]) for i in range(0, len(units), 2))
    return c


def mutated(dice, body):
    for _ in range(dice.choice((1, 1, 1, 2, 4))):
        at = dice.randrange(len(body) + 1)
        how = dice.randrange(6)
        if how < 3:
            body = body[:at] + dice.choice(PIECES) + body[at:]
        elif how == 3:
            body = body[:at] + bytes([dice.randrange(256)]) + body[at + 1:]
        elif how == 4:
            body = body[:at] + body[at + dice.randrange(1, 5):]
        else:
            end = at + dice.randrange(1, 20)
            body = body[:end] + body[at:end] + body[end:]
    return body


def call(dice):
    """(header fields, body)"""
    method = dice.choice(METHODS)
    message = {"jsonrpc": "2.0", "method": method}
    if not method.startswith("notifications/"):
        message["id"] = dice.choice((Number("7"), "7", Number("0"), "ä", Number("-1")))
    params, fields = {}, ["Content-Type:application/json"]
    name = dice.choice(("ticket.read", "ticket.read", "a b", "ä", "\U0001f600", "*", "x\"y")) if method != "resources/read" else \
        dice.choice(("file:///x", "t://ä", "x"))
    if method in ("tools/call", "prompts/get"):
        params["name"] = name
        if dice.random() < 0.9:
            params["arguments"] = {dice.choice(KEYS): value(dice) for _ in range(dice.randrange(5))}
    elif method == "resources/read":
        params["uri"] = name
    else:
        name = None
    if dice.random() < 0.3 and method not in ("initialize", "ping"):
        params["_meta"] = {"io.modelcontextprotocol/protocolVersion": "2026-07-28",
                           "io.modelcontextprotocol/clientCapabilities": {}}
        fields += ["MCP-Protocol-Version:2026-07-28", "Mcp-Method:" + method]
        if name is not None:
            plain = name.isascii() and " " not in name
            fields.append("Mcp-Name:" + (name if plain else f"=?base64?{base64.b64encode(name.encode()).decode()}?="))
    if params:
        message["params"] = params
    members = list(message.items())
    dice.shuffle(members)
    body = (space(dice) + written(dice, dict(members)) + space(dice)).encode("utf-8", "surrogatepass")
    if dice.random() < 0.4:
        body = mutated(dice, body)
    return "\n".join(fields).encode(), body


def canonical(item):
    """One text for each value: strings and keys in hex, numbers as the bits of a double, members in order."""
    if item is None:
        return "n"
    if isinstance(item, bool):
        return "t" if item else "f"
    if isinstance(item, str):
        return "s" + item.encode("utf-8", "surrogatepass").hex()
    if isinstance(item, list):
        return "[" + ",".join(map(canonical, item)) + "]"
    if isinstance(item, dict):
        members = sorted((canonical(key), canonical(each)) for key, each in item.items())
        return "{" + ",".join(f"{key}:{each}" for key, each in members) + "}"
    try:
        number = float(item)
    except OverflowError:
        number = float("inf") if item > 0 else float("-inf")
    # (Python has no negative zero among its integers.)
    return "d" + struct.pack(">d", number or 0.0).hex()


def read(body):
    """What the driver says, by Python's own reader."""
    try:
        root = json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError):
        return "-"
    if not isinstance(root, dict):
        return "-"
    method, params = root.get("method", ""), root.get("params")
    params = params if isinstance(params, dict) else {}
    by_name = method in ("tools/call", "prompts/get")
    name = params.get("name") if by_name else params.get("uri") if method == "resources/read" else ""
    if not isinstance(method, str) or not isinstance(name, str):
        return "-"
    arguments = canonical(params["arguments"]) if by_name and "arguments" in params else ""
    return f"{canonical(method)} {canonical(name)} {arguments}"
