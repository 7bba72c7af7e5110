"""A marker in every field of a call: none of them comes out anywhere but where it belongs."""
import json

import pytest

from plugins import mcp, policy
from plugins.backend import json_answer
from plugins.redis import PASSWORD
from plugins.site import EXCHANGE, allowed

CLIENT_SECRET = "marker-client-secret-0f2c"
FIELDS = {"Cookie": "sid=marker-cookie-91aa", "DPoP": "marker-dpop-77b1", "Proxy-Authorization": "Basic marker-proxy-5e0d",
          "X-Api-Key": "marker-apikey-c4d2"}
ARGUMENT, QUERY = "marker-argument-d00d", "marker-query-8c8c"
MESSAGES = {
    "allowed": lambda: mcp.call("ticket.read", {"id": "T-1", "note": ARGUMENT}),
    "denied": lambda: mcp.call("ticket.read", {"id": "T-9", "note": ARGUMENT}),
    "hidden": lambda: mcp.call("docs.read", {"note": ARGUMENT}),
    "no argument": lambda: mcp.call("ticket.read", {"note": ARGUMENT}),
    "an argument of another kind": lambda: mcp.call("ticket.read", {"id": {"note": ARGUMENT}}),
    "scope": lambda: mcp.call("delete_ticket", {"ticketId": "T-1", "note": ARGUMENT}),
    "look-alike": lambda: mcp.call("ticket.read", {"id": "T-1", "ID": ARGUMENT}),
}


@pytest.fixture
def site(make_site, make_redis):
    store = make_redis("password")
    store.load(policy.base())
    site = make_site(start=False, store=store.store, forward=EXCHANGE, timeout="1s")
    site.issuer.secret = CLIENT_SECRET
    site.secret_file.write_text(CLIENT_SECRET)
    site.redis = store
    return site.start()


def everywhere(site, answers):
    """What anybody can read afterwards, by where it stands."""
    found = {f"answer {i}": f"{a.status} {a.headers} {a.text}" for i, a in enumerate(answers)}
    found["error log"] = site.nginx.error_log
    found["audit"] = json.dumps(site.nginx.audit(), ensure_ascii=False)
    found["metrics"] = site.send("GET", "/metrics", None).text
    found["ready"] = site.send("GET", "/ready", None).text
    found["state"] = "".join(p.read_text(errors="replace") for p in (site.prefix / "state").rglob("*.json"))
    return found


def look_for(markers, found):
    for where, text in found.items():
        for what, marker in markers.items():
            assert marker not in text, f"{what} stands in {where}: …{text[max(text.find(marker) - 80, 0):][:200]}"


def test_nothing_secret_comes_out(site):
    token = site.token()
    begun = {"jsonrpc": "2.0", "id": 1, "result": {}}
    site.backend.answer = json_answer(begun, headers=[("Mcp-Session-Id", "marker-session-3b3b")])
    session = site.post(mcp.message("initialize", {"protocolVersion": mcp.LEGACY}), token).header("Mcp-Session-Id")
    # A backend that repeats nothing: what comes out comes from the gateway.
    site.backend.answer = json_answer(begun)
    fields = FIELDS | {"Mcp-Session-Id": session}
    markers = {"the caller's token": token, "its payload": token.split(".")[1], "its signature": token.split(".")[2],
               "the client's secret": CLIENT_SECRET, "Redis's password": PASSWORD, "an argument": ARGUMENT,
               "the query": QUERY, "the backend's session": "marker-session-3b3b"}
    markers |= {name: value.split("=")[-1].split()[-1] for name, value in fields.items()}
    headers = list(fields.items())
    answers = []
    for name, message in MESSAGES.items():
        answers.append(site.post(message(), token, headers))
        answers.append(site.post(message(), token + "x", headers))
    answers.append(site.send("GET", f"/api/tickets/T-1?note={QUERY}", token, headers))
    answers.append(site.send("GET", f"/api/nothing?note={QUERY}", token, headers))
    answers.append(site.send("POST", "/mcp", token, headers, body=b'{"' + ARGUMENT.encode()))
    allowed(answers[0])
    backend = [r for r in site.backend.requests if r.path != "/"]
    assert backend, "something was forwarded"
    minted = {r.header("Authorization").removeprefix("Bearer ") for r in backend}
    for i, backend_token in enumerate(minted):
        markers[f"the backend's token {i}"] = backend_token

    # Every way in which a call can fail after that.
    site.issuer.exchange_answer = {"access_token": "marker-bad-exchange-1111 "}
    answers.append(site.call(token=site.token(user="mira", agent="docs-assistant")))
    markers["a broken exchange"] = "marker-bad-exchange-1111"
    site.issuer.exchange_answer = {}
    site.backend.answer = json_answer({}, 401, [("WWW-Authenticate", 'Bearer realm="marker-realm-2222"'),
                                                ("Set-Cookie", "marker-set-cookie-3333")])
    answers.append(site.call(token=token))
    markers |= {"the backend's challenge": "marker-realm-2222", "the backend's cookie": "marker-set-cookie-3333"}
    site.redis.client.hset("agw:p:{default}:agent:company|docs-assistant", "status", "marker-redis-4444")
    markers["a value in Redis"] = "marker-redis-4444"
    answers.append(site.call(token=token))
    site.redis.stop()
    answers.append(site.call(token=token))
    assert {a.status for a in answers} >= {200, 401, 403, 502, 503}
    look_for(markers, everywhere(site, answers))

    # What the backend gets is its own token, and none of the caller's credentials.
    for received in backend:
        head = received.raw_head.decode()
        for what in ("the caller's token", "its signature", "Cookie", "DPoP", "Proxy-Authorization"):
            assert markers[what] not in head, what
        assert CLIENT_SECRET not in head and PASSWORD not in head
