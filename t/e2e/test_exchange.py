"""The backend's own token: asked for with less, checked, remembered, dropped, and never invented."""
import threading
import time

import pytest

from plugins import jose, mcp
from plugins.backend import json_answer
from plugins.server import Answer
from plugins.site import EXCHANGE, allowed
from plugins.wait import eventually

WRITE = "exchange audience=tickets-api scope=tickets:write;"
TOOLS = f"""
    agent_tool ticket.read   {{ scope tickets:read; resource ticket:<id>; }}
    agent_tool delete_ticket {{ operation ticket.delete; scope tickets:write; resource ticket:<ticketId>; {WRITE} }}
    agent_tool ticket.list   {{ scope tickets:read; exchange audience=list-api scope=list:all scope_independent; }}
    agent_tool ticket.find   {{ scope tickets:read; resource ticket:<filter/id>; {WRITE} }}
"""
SITE = {"forward": EXCHANGE, "tools": TOOLS, "operations": "agent_operation ticket.read GET /api/tickets/<id> "
        "{ scope tickets:read; resource ticket:<id>; }", "timeout": "1s"}


def bearer(site):
    value = site.backend.last.all("Authorization")
    assert len(value) == 1 and value[0].startswith("Bearer "), value
    return value[0][len("Bearer "):]


def bad_gateway(answer, reason):
    assert answer.status == 502, f"{answer.status} {answer.text}"
    assert answer.json()["error"]["code"] == 5020 and answer.json()["error"]["data"]["reason"] == reason
    assert answer.event()["reason"] == reason


def unavailable(answer, reason="exchange_unavailable"):
    assert answer.status == 503 and answer.header("Retry-After"), f"{answer.status} {answer.text}"
    assert answer.json()["error"]["data"]["reason"] == reason and answer.event()["reason"] == reason


def test_the_backend_gets_a_token_of_its_own(site):
    token = site.token(scope="tickets:read tickets:write")
    answer = site.call(token=token)
    allowed(answer)
    asked = site.issuer.exchanges[-1]
    assert asked["subject_token"] == token and asked["audience"] == "tickets-api"
    assert asked["scope"] == "tickets:read" and asked["client"] == "gateway"
    assert asked["requested_token_type"].endswith(":access_token")
    claims = jose.claims_of(bearer(site))
    assert claims["aud"] == "tickets-api" and claims["scope"] == "tickets:read" and claims["sub"] == "mira"
    assert bearer(site) != token and answer.event()["audience"] == "tickets-api"


def test_each_tool_has_its_own_exchange(site):
    token = site.token(scope="tickets:read tickets:write")
    allowed(site.call("delete_ticket", {"ticketId": "T-1"}, token))
    assert jose.claims_of(bearer(site))["scope"] == "tickets:write"
    allowed(site.call("ticket.list", {}, token))
    assert jose.claims_of(bearer(site))["aud"] == "list-api"
    for message in ({"jsonrpc": "2.0", "id": 1, "method": "tools/list"},
                    {"jsonrpc": "2.0", "method": "notifications/initialized"}):
        site.post(message, token)
        assert jose.claims_of(bearer(site))["scope"] == "tickets:read"
    assert site.send("GET", "/mcp", token).status == 200
    assert jose.claims_of(bearer(site))["scope"] == "tickets:read"
    assert site.rest(token=site.token()).status == 200
    assert jose.claims_of(bearer(site))["aud"] == "tickets-api"


def test_no_more_scope_than_the_caller_has(site):
    """ticket.find needs tickets:read, but its exchange tickets:write: that would widen."""
    answer = site.call("ticket.find", {"filter": {"id": "T-1"}}, site.token(scope="tickets:read"))
    assert answer.status == 403 and answer.challenge["error"] == "insufficient_scope"
    assert set(answer.challenge["scope"].split()) == {"tickets:read", "tickets:write"}
    assert site.issuer.exchanges == [] and site.backend.count() == 0
    allowed(site.call("ticket.find", {"filter": {"id": "T-1"}}, site.token(scope="tickets:read tickets:write")))


def test_the_handshake_needs_the_locations_scope(site):
    answer = site.post({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}, site.token(scope="other"))
    assert answer.status == 403 and answer.challenge["error"] == "insufficient_scope"


HANDSHAKE = [mcp.message("initialize", {"protocolVersion": "2025-11-25", "capabilities": {},
                                        "clientInfo": {"name": "e2e", "version": "1"}}),
             mcp.message("notifications/initialized", id=None), mcp.message("tools/list", {}), mcp.message("ping")]
BROAD = "agent_exchange audience=tickets-api scope=tickets:read scope=tickets:write scope=tickets:admin;"
NARROW = """
    agent_tool ticket.read   { scope tickets:read; resource ticket:<id>; exchange audience=tickets-api scope=tickets:read; }
    agent_tool delete_ticket { operation ticket.delete; scope tickets:write; resource ticket:<ticketId>; }
    agent_tool ticket.list   { exchange audience=list-api scope=list:all; }
"""


@pytest.fixture
def broad(make_site):
    return make_site(forward=BROAD, tools=NARROW, issuer="scope_implies tickets:manage tickets:read tickets:write;")


@pytest.mark.parametrize("scope,asked", [("tickets:read", "tickets:read"), ("tickets:write other", "tickets:write"),
                                         ("tickets:manage", "tickets:read tickets:write"),
                                         ("tickets:admin tickets:manage", "tickets:admin tickets:read tickets:write")])
def test_the_handshake_asks_for_what_the_caller_has(broad, scope, asked):
    """Several scopes in the location's exchange: a token with some of them, or whose scopes imply some, isn't locked out."""
    token = broad.token(scope=scope)
    for message in HANDSHAKE:
        answer = broad.post(message, token)
        assert answer.status in (200, 202), answer.text
        claims = jose.claims_of(bearer(broad))
        assert claims["aud"] == "tickets-api" and claims["scope"] == asked
        assert answer.event()["audience"] == "tickets-api"
    assert broad.send("GET", "/mcp", token).status == 200
    assert jose.claims_of(bearer(broad))["scope"] == asked
    assert all(one["scope"] == asked for one in broad.issuer.exchanges)
    if "write" not in scope:
        allowed(broad.call(token=token))
        assert jose.claims_of(bearer(broad))["scope"] == "tickets:read"


def test_an_operation_still_needs_all_that_it_asks_for(broad):
    """What is narrowed is the handshake: a call whose exchange is the location's is told what to ask for."""
    token = broad.token(scope="tickets:write")
    assert broad.post(HANDSHAKE[2], token).status == 200
    answer = broad.call("delete_ticket", {"ticketId": "T-1"}, token)
    assert answer.status == 403 and answer.challenge["error"] == "insufficient_scope"
    assert set(answer.challenge["scope"].split()) == {"tickets:read", "tickets:write", "tickets:admin"}


def test_none_of_the_handshakes_scopes(broad):
    """Then it is the exchange of an operation that the caller covers, and where there is none the caller is told."""
    token = broad.token(scope="list:all")
    for message in HANDSHAKE:
        assert broad.post(message, token).status in (200, 202)
        claims = jose.claims_of(bearer(broad))
        assert claims["aud"] == "list-api" and claims["scope"] == "list:all"
    broad.backend.clear()
    for scope in ("", "other"):
        answer = broad.post(HANDSHAKE[0], broad.token(scope=scope))
        assert answer.status == 403 and answer.challenge["error"] == "insufficient_scope"
        assert {"tickets:read", "tickets:write", "tickets:admin"} <= set(answer.challenge["scope"].split())
    assert broad.backend.count() == 0


def test_two_narrow_tokens_never_share(broad):
    one, other = broad.token(scope="tickets:read"), broad.token(scope="tickets:write")
    for token, scope in ((one, "tickets:read"), (other, "tickets:write"), (one, "tickets:read")) * 3:
        broad.post(HANDSHAKE[2], token)
        assert jose.claims_of(bearer(broad))["scope"] == scope


def test_remembered_by_token_audience_and_scope(site):
    first, second = site.token(scope="tickets:read tickets:write"), site.token()
    for _ in range(6):
        allowed(site.call(token=first))
    assert 1 <= len(site.issuer.exchanges) <= 2, "one for each worker at most"
    before = len(site.issuer.exchanges)
    allowed(site.call(token=second))
    assert len(site.issuer.exchanges) > before, "another token, another exchange"
    before = len(site.issuer.exchanges)
    allowed(site.call("delete_ticket", {"ticketId": "T-1"}, first))
    assert len(site.issuer.exchanges) > before, "another scope, another exchange"


def test_one_exchange_in_flight(make_site):
    site = make_site(workers="1", **SITE)
    allowed(site.call())
    site.issuer.reset_exchange()
    site.issuer.exchange_delay = 0.4
    token, answers = site.token(), []
    threads = [threading.Thread(target=lambda: answers.append(site.call(token=token).status)) for _ in range(15)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert answers == [200] * 15 and len(site.issuer.exchanges) == 1


# what the issuer puts into its result -> whether that is what was asked for
RESULTS = {
    "as asked": ({}, True),
    "an audience among others, as a list": ({"aud": ["tickets-api"]}, True),
    "a scope that is narrower": ({"scope": ""}, True),
    "another subject": ({"sub": "ada"}, False),
    "no subject": ({"sub": None}, False),
    "another audience": ({"aud": "docs-api"}, False),
    "no audience": ({"aud": None}, False),
    "a wider scope": ({"scope": "tickets:read tickets:write"}, False),
    "another scope": ({"scope": "admin"}, False),
    "another issuer": ({"iss": "https://evil.example"}, False),
    "expired": ({"exp": 1}, False),
}


@pytest.mark.parametrize("name", RESULTS)
def test_the_result_is_checked(site, name):
    claims, good = RESULTS[name]
    site.issuer.exchange_claims = claims
    answer = site.call()
    if good:
        allowed(answer)
    else:
        bad_gateway(answer, "exchange_invalid")
        assert site.backend.count() == 0
    site.issuer.exchange_claims = {}
    allowed(site.call())


ANSWERS = {
    "another token type": {"issued_token_type": "urn:ietf:params:oauth:token-type:refresh_token"},
    "no issued_token_type": {"issued_token_type": None},
    "a bound token": {"token_type": "DPoP"},
    "no token": {"access_token": None},
    "a token that is a number": {"access_token": 7},
    "an empty token": {"access_token": ""},
    "a token with a line break": {"access_token": "a\r\nX-Evil: 1"},
    "a wider scope beside the token": {"scope": "tickets:read admin"},
}


@pytest.mark.parametrize("name", ANSWERS)
def test_the_answer_is_checked(site, name):
    site.issuer.exchange_answer = ANSWERS[name]
    answer = site.call()
    bad_gateway(answer, "exchange_invalid")
    assert site.backend.count() == 0


def test_the_subject_token_itself_is_no_result(site):
    """An issuer that hands the caller's own token back has exchanged nothing."""
    token = site.token()
    site.issuer.exchange_answer = {"access_token": token}
    answer = site.call(token=token)
    assert answer.status == 502 and site.backend.count() == 0


def test_a_result_signed_by_another_key(site):
    site.issuer.exchange_answer = {"access_token": jose.compact(
        {"alg": "ES256", "kid": site.issuer.key().kid, "typ": "at+jwt"},
        site.issuer.claims(aud="tickets-api"), jose.Key("ES256"))}
    bad_gateway(site.call(), "exchange_invalid")


def test_not_kept_longer_than_the_subject_token_lives(make_site):
    site = make_site(skew="0s", workers="1", **SITE)
    site.issuer.exchange_claims = {"exp": int(time.time()) + 3600}
    token = site.token(lifetime=3)
    allowed(site.call(token=token))
    eventually(lambda: site.call(token=token).status == 401, timeout=6, interval=0.2)


def test_exchanged_anew_when_the_result_ends(make_site):
    site = make_site(skew="0s", workers="1", **SITE)
    token = site.token()
    site.issuer.exchange_claims = {"exp": int(time.time()) + 4}
    site.issuer.exchange_answer = {"expires_in": 4}
    allowed(site.call(token=token))
    site.issuer.reset_exchange()
    eventually(lambda: site.call(token=token).status == 200 and site.issuer.exchanges, timeout=8, interval=0.3)


@pytest.mark.parametrize("status", [401, 403])
def test_a_backend_that_refuses(make_site, status):
    site = make_site(workers="1", **SITE)
    token = site.token()
    allowed(site.call(token=token))
    first = bearer(site)
    site.backend.answer = Answer(status, [("WWW-Authenticate", 'Bearer resource_metadata="https://evil.example"'),
                                          ("Set-Cookie", "a=b"), ("Content-Type", "text/plain")], b"backend says no")
    answer = site.call(token=token)
    bad_gateway(answer, "backend_refused")
    assert answer.header("WWW-Authenticate") is None and answer.header("Set-Cookie") is None
    assert "backend says no" not in answer.text
    event = answer.event()
    assert event["upstream"]["status"] == status and event["http"]["status"] == 502
    over_rest = site.rest(token=token)
    assert over_rest.status == 502 and over_rest.json()["reason"] == "backend_refused"
    site.backend.answer = None
    before = len(site.issuer.exchanges)
    allowed(site.call(token=token))
    if status == 401:
        assert len(site.issuer.exchanges) == before + 1 and bearer(site) != first, "the refused token was dropped"


@pytest.mark.parametrize("fault,status", [("refuse", 502), ("500", 503), ("hang", 503), ("garbage", 502),
                                          ("empty", 502), ("cut", 503), ("oversized", 502), ("redirect", 502)])
def test_fault_of_the_token_endpoint(site, fault, status):
    allowed(site.call())
    site.backend.clear()
    site.issuer.fault = {"token": fault}
    begun = time.monotonic()
    answer = site.call()
    assert time.monotonic() - begun < 5
    assert answer.status in (502, 503), f"{answer.status} {answer.text}"
    if fault in ("refuse",):
        bad_gateway(answer, "exchange_refused")
    elif fault in ("500", "hang"):
        unavailable(answer)
    else:
        assert answer.event()["reason"] in ("exchange_invalid", "exchange_unavailable", "exchange_refused")
    assert site.backend.count() == 0
    site.issuer.fault = {}
    allowed(site.call())
    assert status in (502, 503)


def test_fault_issuer_stopped_a_remembered_token_still_serves(make_site):
    site = make_site(workers="1", **SITE)
    token = site.token()
    allowed(site.call(token=token))
    site.issuer.stop()
    allowed(site.call(token=token))
    unavailable(site.call(token=site.token()))
    site.issuer.start()
    eventually(lambda: site.call().status == 200, timeout=10, interval=0.2)


def test_a_refused_exchange_is_not_repeated_for_nothing(make_site):
    """A flood of calls with one token that the issuer refuses costs the issuer few requests at a time."""
    site = make_site(workers="1", **SITE)
    allowed(site.call())
    site.issuer.fault = {"token": "slow"}
    site.issuer.exchange_answer = {"access_token": None}
    site.issuer.clear()
    token = site.token()
    threads = [threading.Thread(target=site.call, kwargs={"token": token}) for _ in range(10)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert site.issuer.count("/token") <= 2


def test_the_secret_is_read_anew(make_site):
    site = make_site(**SITE)
    allowed(site.call())
    site.issuer.secret = "rotated secret: ü&+%"
    assert site.call().status in (502, 503)
    site.secret_file.write_text("rotated secret: ü&+%\n")
    eventually(lambda: site.call().status == 200, timeout=6, interval=0.2)
    assert "rotated secret" not in site.nginx.error_log + site.nginx.audit_path.read_text()


def test_a_secret_file_that_is_away_at_run_time(make_site):
    site = make_site(**SITE)
    allowed(site.call())
    site.secret_file.unlink()
    answer = site.call()
    assert answer.status in (200, 502, 503), "the last one known, or none; never a call without a token"
    assert all(r.header("Authorization") for r in site.backend.requests)


def test_the_secret_in_the_form_where_the_issuer_wants_it(make_site):
    site = make_site(start=False, **SITE)
    site.issuer.metadata_changes = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    site.start()
    allowed(site.call())
    asked = [r for r in site.issuer.requests if r.path == "/token"][-1]
    assert asked.header("Authorization") is None and b"client_secret=" in asked.body


@pytest.mark.parametrize("alg", ["ES256", "RS256", "PS256", "Ed25519"])
def test_private_key_jwt(make_site, tmp_path, alg):
    key = jose.Key(alg, "gw-key")
    (tmp_path / "client.pem").write_bytes(key.private_pem())
    site = make_site(start=False, client=f"client gateway key_file={tmp_path}/client.pem alg={alg} kid=gw-key;", **SITE)
    site.issuer.client_keys["gateway"] = key
    site.start()
    for _ in range(3):
        allowed(site.call())
    assert site.issuer.refused == []
    asked = [r for r in site.issuer.requests if r.path == "/token"][-1]
    assert asked.header("Authorization") is None and b"client_secret" not in asked.body
    site.issuer.client_keys["gateway"] = jose.Key("Ed25519" if alg == "ES256" else "ES256", "gw-key")
    assert site.call().status in (502, 503)


def test_a_token_endpoint_written_by_hand(make_site, serve):
    from plugins.issuer import Issuer
    other = serve(Issuer())
    site = make_site(start=False, issuer=f"token_endpoint {other.token_url};", **SITE)
    other.keys["ES256"] = site.issuer.key("ES256")
    other.exchange_claims = {"iss": site.issuer.url}
    site.start()
    allowed(site.call())
    assert other.exchanges and not site.issuer.exchanges


def test_a_tool_without_an_exchange_of_its_own_and_none_for_the_location(make_site):
    site = make_site()
    allowed(site.call())
    assert site.backend.last.header("Authorization") is None and site.issuer.exchanges == []


def test_a_backends_redirect_to_login_is_just_an_answer(site):
    site.backend.answer = json_answer({}, 302, [("Location", "https://login.example/")])
    assert site.call().status in (302, 502)
