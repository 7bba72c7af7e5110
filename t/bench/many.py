"""Policy by the hundred thousand, straight into Redis: as agwctl would write it, without its checks."""
import json
import socket
import urllib.parse

from drive import Failed

GRANTS_EACH = 10


def grants_of(count, call):
    """`count` grants, one of which allows the call, if there is one to be."""
    out = [{"id": f"g{i}", "operation": f"tickets/ticket.op{i}", "resource": f"ticket:T-{i}"} for i in range(1, count)]
    return out + [{"id": "g0", "operation": call, "resource": "ticket:*"}]


def _key(rest):
    return f"agw:p:{{default}}:{rest}"


def _command(*words):
    parts = [word.encode() for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)


def _agent(name, grants):
    fields = [word for grant in grants
              for word in (grant["id"], json.dumps({k: v for k, v in grant.items() if k != "id"}, separators=(",", ":")))]
    return (_command("HSET", _key(f"agent:company|{name}"), "status", "active", "name", name)
            + _command("HSET", _key(f"grants:agent:company|{name}"), *fields)), 2


def add_agents(url, names, call):
    """Each with GRANTS_EACH grants of its own. Before any gateway reads the store: no version is raised."""
    place = urllib.parse.urlsplit(url)
    grants = grants_of(GRANTS_EACH, call)
    with socket.create_connection((place.hostname, place.port), 60) as s:
        _send(s, _command("SELECT", place.path[1:]), 1)
        batch, sent = bytearray(), 0
        for name in names:
            text, commands = _agent(name, grants)
            batch += text
            sent += commands
            if len(batch) > 1 << 20:
                _send(s, batch, sent)
                batch, sent = bytearray(), 0
        if sent:
            _send(s, batch, sent)


def _send(s, text, answers):
    s.sendall(text)
    got = b""
    while got.count(b"\r\n") < answers:
        part = s.recv(1 << 16)
        if not part:
            raise Failed("Redis went away")
        got += part
    if b"-" in got:
        raise Failed(f"Redis refuses to write: {got[:200]!r}")
