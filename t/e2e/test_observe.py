"""Observe mode: judge and audit, refuse nothing, change nothing."""
import pytest

from plugins import mcp
from plugins.backend import json_answer
from plugins.server import Answer
from plugins.site import EXCHANGE, allowed

SITE = {"mcp": "agent_mode observe;", "api": "agent_mode observe;", "forward": ""}


def observed(site, answer, decision, reason, status=200):
    assert answer.status == status, f"{answer.status} {answer.text}"
    event = answer.event()
    assert event["enforced"] is False and event["decision"] == decision and event["reason"] == reason, event
    assert event["outcome"] in ("ok", "error")
    assert site.backend.count() >= 1
    return event


WOULD = {
    "no token": (lambda s: {"token": None}, "token_missing"),
    "an expired token": (lambda s: {"token": s.token(exp=1)}, "token_expired"),
    "garbage": (lambda s: {"token": "garbage"}, "token_malformed"),
    "a disabled agent": (lambda s: {"token": s.token(agent="disabled-agent")}, "agent_disabled"),
    "a missing grant": (lambda s: {"token": s.token(agent="bare-agent")}, "agent_grant_missing"),
    "a missing scope": (lambda s: {"token": s.token(scope="x")}, "scope_missing"),
}


@pytest.mark.parametrize("name", WOULD)
def test_what_would_be_refused_passes(site, name):
    make, reason = WOULD[name]
    how = make(site)
    event = observed(site, site.call(**how), "deny", reason)
    assert "fail" in event["checks"].values()
    site.backend.clear()
    observed(site, site.rest(**how), "deny", reason)


def test_what_would_be_allowed(site):
    observed(site, site.call(), "allow", "allowed")
    observed(site, site.rest(), "allow", "allowed")


def test_calls_pass_as_before_with_their_own_headers(site):
    token = site.token()
    site.call(token=token, headers=[("Cookie", "a=b"), ("DPoP", "proof")])
    sent = site.backend.last
    assert sent.header("Authorization") == "Bearer " + token
    assert sent.header("Cookie") == "a=b" and sent.header("DPoP") == "proof"


def test_the_gateways_own_headers_are_never_the_clients(site):
    site.call(headers=[("X-Agent-User", "ada")])
    assert site.backend.last.header("X-Agent-User") is None


def test_the_backends_own_answers_pass(site):
    site.backend.answer = Answer(401, [("WWW-Authenticate", "Basic realm=x"), ("Set-Cookie", "a=b")], b"mine")
    answer = site.call()
    assert answer.status == 401 and answer.text == "mine"
    assert answer.header("WWW-Authenticate") == "Basic realm=x" and answer.header("Set-Cookie") == "a=b"


@pytest.mark.parametrize("body", [b"not json", b"", b"[]", b'{"jsonrpc":"2.0","id":1,"method":"x/y"}', b"\xff\xfe"])
def test_malformed_messages_pass_as_they_are(site, body):
    answer = site.post(body)
    event = observed(site, answer, "deny", answer.event()["reason"], answer.status)
    assert site.backend.last.body == body and event["reason"] != "allowed"


def test_odd_paths_and_unknown_operations_pass(site):
    for target in ("/api//x", "/api/unknown", "/api/tickets/%2e%2e/x"):
        answer = site.rest(target=target)
        assert answer.status == 200 and site.backend.last.target == target


def test_a_large_body_passes(site):
    body = mcp.encode(mcp.call("ticket.read", {"id": "T-1", "x": "y" * 900000}))
    assert site.post(body).status == 200 and site.backend.last.body == body


def test_fault_of_the_issuer_changes_nothing(make_site):
    site = make_site(start=False, **SITE, timeout="500ms")
    site.issuer.fault = {"all": "hang"}
    site.start()
    observed(site, site.call(), "deny", "issuer_unavailable")


def test_fault_of_redis_changes_nothing(make_site, make_redis):
    server = make_redis()
    server.stop()
    site = make_site(store=server.store, **SITE)
    observed(site, site.call(), "deny", "store_unavailable")


def test_one_tool_only(make_site):
    tools = """agent_tool ticket.read { scope tickets:read; resource ticket:<id>; }
               agent_tool ticket.list { scope tickets:read; mode observe; }"""
    site = make_site(tools=tools)
    bare = site.token(agent="bare-agent")
    assert site.call("ticket.list", {}, bare).event()["enforced"] is False
    assert "error" in site.call(token=bare).json()
    allowed(site.call())


SOME = {"mcp": "agent_mode observe;", "api": "agent_mode observe;",
        "tools": """agent_tool ticket.read { scope tickets:read; resource ticket:<id>; mode enforce; }
                    agent_tool ticket.list { scope tickets:read; }""",
        "operations": """agent_operation ticket.read GET /api/tickets/<id> { scope tickets:read; mode enforce;
                                                                             resource ticket:<id>; }
                         agent_operation ticket.list GET /api/tickets { scope tickets:read; }"""}


def test_one_tool_is_enforced_where_the_rest_is_observed(make_site):
    site = make_site(**SOME)
    bare = site.token(agent="bare-agent")
    for token in (None, "not-a-token"):
        assert site.call(token=token).status == 401
        assert site.call("ticket.list", {}, token).status == 200
    assert "error" in site.call(token=bare).json()
    observed(site, site.call("ticket.list", {}, bare), "deny", "tier_ceiling")
    allowed(site.call(headers=[("Cookie", "a=b")]))
    assert site.backend.last.header("Authorization") is None and site.backend.last.header("Cookie") is None
    token = site.token()
    allowed(site.call("ticket.list", {}, token, headers=[("Cookie", "a=b")]))
    assert site.backend.last.header("Authorization") == "Bearer " + token
    assert site.backend.last.header("Cookie") == "a=b"


@pytest.mark.parametrize("body", [b"{", b"[]", b'[{"jsonrpc":"2.0","id":1,"method":"tools/call"}]',
                                  b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"ticket.list",'
                                  b'"Name":"ticket.read"}}'])
def test_what_cannot_be_read_could_be_the_enforced_tool(make_site, body):
    site = make_site(**SOME)
    before = site.backend.count()
    assert site.post(body, None).status == 401 and site.post(body).status == 400
    assert site.backend.count() == before
    assert site.post(mcp.call("ticket.list", {}, 1), None).status == 200


def test_no_foreign_page_drives_the_enforced_tool(make_site):
    site = make_site(**SOME)
    foreign = [("Origin", "https://evil.example")]
    answer = site.call(headers=foreign)
    assert answer.status == 403 and answer.event()["reason"] == "origin_refused"
    allowed(site.call())
    assert site.call("ticket.list", {}, headers=foreign).status == 200


def test_one_operation_is_enforced_where_the_rest_is_observed(make_site):
    site = make_site(**SOME)
    assert site.send("GET", "/api/tickets/T-1", None).status == 401
    assert site.send("GET", "/api/tickets/T-1").status == 200
    assert site.send("GET", "/api/tickets", None).status == 200


def test_the_guard_stands_before_the_enforced_tool(make_site):
    """A subrequest has no access phase: it gets no further where anything is enforced."""
    place = "/api/tickets/T-1"
    site = make_site(server="location = /page { ssi on; ssi_types *; root @PREFIX@; default_type text/html; }", **SOME)
    (site.prefix / "page").write_text(f'before <!--#include virtual="{place}" --> after')
    assert "before" in site.send("GET", "/page", None).text and site.backend.count() == 0
    assert site.send("GET", place).status == 200 and site.backend.count() == 1


def test_odd_ways_to_an_enforced_operation_are_refused(make_site):
    site = make_site(**SOME)
    for method, target, headers in (("GET", "/api//tickets/T-1", []), ("POST", "/api/tickets/T-1", []),
                                    ("GET", "/api/tickets/%2e%2e/tickets/T-1", []),
                                    ("GET", "/api/other", [("X-Original-URL", "/api/tickets/T-1")])):
        for token in (None, True):
            assert site.rest(method, target, token, headers).status >= 400, target
    assert site.backend.count() == 0
    assert site.rest(target="/api/other", token=None).status == 200


def test_the_backend_of_an_enforced_tool_is_shielded(make_site):
    site = make_site(**SOME)
    site.backend.answer = Answer(401, [("WWW-Authenticate", "Basic realm=x"), ("Set-Cookie", "a=b")], b"mine")
    answer = site.call()
    assert answer.status == 502 and answer.header("WWW-Authenticate") is None and answer.header("Set-Cookie") is None
    answer = site.call("ticket.list", {})
    assert answer.status == 401 and answer.text == "mine" and answer.header("Set-Cookie") == "a=b"


def test_with_an_exchange_the_token_is_exchanged(make_site):
    site = make_site(mcp="agent_mode observe;", forward=EXCHANGE)
    token = site.token()
    allowed(site.call(token=token))
    assert site.backend.last.header("Authorization") not in (None, "Bearer " + token)


def test_what_the_caller_lacks_is_not_asked_for(make_site):
    """A denial that is only observed must not become more than the caller has: some servers grant whatever is asked."""
    site = make_site(mcp="agent_mode observe;", forward="agent_exchange audience=tickets-api scope=tickets:write;")
    token = site.token(scope="tickets:read")
    allowed(site.call(token=token))
    assert site.issuer.exchanges == [] and site.backend.last.header("Authorization") == "Bearer " + token
    allowed(site.call(token=site.token(scope="tickets:read tickets:write")))
    assert [asked["scope"] for asked in site.issuer.exchanges] == ["tickets:write"]


def test_off_is_as_if_the_module_were_not_there(make_site):
    site = make_site(mcp="agent_mode off;", forward="agent_forward none;")
    answer = site.call(token=None, headers=[("Cookie", "a=b")])
    assert answer.status == 200 and site.backend.last.header("Cookie") == "a=b"
    assert site.nginx.audit() == []
    site.backend.answer = json_answer({}, 401, [("WWW-Authenticate", "Basic")])
    assert site.call(token=None).header("WWW-Authenticate") == "Basic"
