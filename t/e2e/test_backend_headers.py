"""What reaches the backend, and what of its answer reaches the caller."""
import pytest

from plugins import http, mcp
from plugins.backend import json_answer
from plugins.site import EXCHANGE, allowed
from plugins.wait import free_port

SECRETS = [("Cookie", "session=abc"), ("DPoP", "eyJ.proof.x"), ("Proxy-Authorization", "Basic eDp5")]
# What the gateway says to a backend in its own name; a client can't.
OWN = ["X-Agent-User", "X-Agent-Client", "X-Agent-Tenant", "X-Agent-Operation", "X_Agent_User", "x-agent-user",
       "X-Agent_User", "X_AGENT_CLIENT"]


@pytest.mark.parametrize("forward", ["none", "exchange"])
def test_the_callers_credentials_stay_here(make_site, forward):
    site = make_site(forward=EXCHANGE if forward == "exchange" else "agent_forward none;")
    token = site.token()
    for answer in (site.call(token=token, headers=SECRETS), site.rest(token=token, headers=SECRETS),
                   site.send("GET", "/mcp", token, SECRETS)):
        assert answer.status == 200, answer.text
        sent = site.backend.last
        assert token not in sent.raw_head.decode("latin-1")
        assert sent.header("Cookie") is None and sent.header("DPoP") is None
        assert (sent.header("Authorization") is not None) == (forward == "exchange")
        assert len(sent.all("Authorization")) <= 1


@pytest.mark.parametrize("forward", ["none", "exchange"])
def test_what_nginx_has_cached_of_them_is_forgotten(make_site, forward):
    """A limit keyed by the credentials reads them before the decision; whoever reads the variables afterwards finds what
    is forwarded."""
    site = make_site(
        forward=EXCHANGE if forward == "exchange" else "agent_forward none;",
        http="""limit_req_zone $http_authorization zone=token:1m rate=9999r/s;
                limit_req_zone $cookie_session$http_cookie$http_dpop zone=cookie:1m rate=9999r/s;""",
        mcp="""limit_req zone=token burst=999; limit_req zone=cookie burst=999;
               agent_allow_unsafe http_authorization http_cookie http_dpop;
               proxy_set_header X-Seen "$http_authorization|$cookie_session|$http_cookie|$http_dpop";""")
    token = site.token()
    allowed(site.call(token=token, headers=SECRETS))
    sent = site.backend.last
    assert sent.header("X-Seen") == (sent.header("Authorization") or "") + "|||"
    assert token not in sent.raw_head.decode("latin-1")


def test_other_headers_pass(site):
    allowed(site.call(headers=[("X-Custom", "1"), ("X-Custom", "2"), ("Accept-Language", "fr"),
                               ("Traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")]))
    sent = site.backend.last
    assert sent.all("X-Custom") == ["1", "2"] and sent.header("Accept-Language") == "fr"
    assert sent.header("Traceparent")


@pytest.mark.parametrize("underscores", ["on", "off"])
@pytest.mark.parametrize("identity", ["on", "off"])
def test_the_gateways_own_headers_are_dropped(make_site, underscores, identity):
    site = make_site(http=f"underscores_in_headers {underscores}; agent_identity_headers {identity};")
    for name in OWN:
        for answer in (site.call(headers=[(name, "ada"), (name, "admin")]), site.rest(headers=[(name, "ada")])):
            assert answer.status == 200
            values = {n.lower().replace("_", "-"): v for n, v in site.backend.last.headers}
            assert "ada" not in values.values() and "admin" not in values.values(), (name, values)


def test_identity_headers_only_where_configured(make_site):
    off = make_site()
    allowed(off.call())
    assert not [n for n in off.backend.last.names if n.startswith("x-agent-")]
    on = make_site(server="agent_identity_headers on;")
    allowed(on.call())
    sent = on.backend.last
    assert sent.all("X-Agent-User") == ["company|mira"] and sent.all("X-Agent-Client") == ["company|docs-assistant"]
    assert sent.all("X-Agent-Tenant") == ["default"] and sent.all("X-Agent-Operation") == ["tickets/ticket.read"]


@pytest.mark.parametrize("user", ["mi\r\nX-Evil: 1", "m\u00fcller", "a b", "x\u0000y", "l\u2028s"])
def test_an_odd_identity_breaks_no_header(make_site, user):
    site = make_site(server="agent_identity_headers on;")
    site.change_policy(lambda t: t["entitlements"].append(
        {"id": "all", "to": "group:company|all", "operation": "tickets/*"}))
    answer = site.call(token=site.token(user=user, groups=["all"]))
    if answer.status == 200 and "result" in answer.json():
        sent = site.backend.last
        assert sent.header("X-Evil") is None and len(sent.all("X-Agent-User")) == 1
        assert sent.header("X-Agent-User").isascii()
    else:
        assert site.backend.count() == 0


def test_the_request_id(make_site):
    site = make_site()
    answer = site.call(headers=[("X-Request-Id", "chosen-by-the-client")])
    assert answer.request_id and answer.request_id != "chosen-by-the-client" and len(answer.all("X-Request-Id")) == 1
    assert answer.event()["id"] == answer.request_id
    refused = site.call(token=site.token(agent="narrow-agent"), arguments={"id": "T-2"})
    assert refused.json()["error"]["data"]["request_id"] == refused.request_id


def test_a_written_proxy_set_header_still_holds(make_site):
    site = make_site(mcp="proxy_set_header X-Team support; proxy_set_header Connection \"\";")
    allowed(site.call())
    assert site.backend.last.header("X-Team") == "support" and site.backend.last.header("Cookie") is None


def test_variables(make_site):
    site = make_site(mcp="""proxy_set_header X-U $agent_user; proxy_set_header X-C $agent_client;
        proxy_set_header X-T $agent_tenant; proxy_set_header X-Op $agent_operation; proxy_set_header X-Ob $agent_object;
        proxy_set_header X-D $agent_decision; proxy_set_header X-R $agent_reason; proxy_set_header X-Cl $agent_class;
        proxy_set_header X-Tr $agent_trace_id;""",
                     http="log_format agents '$request_id|$agent_user|$agent_decision|$agent_reason|$status';",
                     server="access_log @PREFIX@/access.log agents;")
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    allowed(site.call(headers=[("traceparent", f"00-{trace}-00f067aa0ba902b7-01")]))
    sent = site.backend.last
    assert [sent.header(n) for n in ("X-U", "X-C", "X-T", "X-Op", "X-Ob", "X-D", "X-R", "X-Cl")] == [
        "company|mira", "company|docs-assistant", "default", "tickets/ticket.read", "ticket:T-1", "allow", "allowed",
        "confidential"]
    assert sent.header("X-Tr") == trace
    site.call(token=site.token(agent="disabled-agent"))
    from plugins.wait import eventually
    eventually(lambda: "|company|mira|deny|agent_disabled|403" in (site.prefix / "access.log").read_text())


def test_variables_are_empty_elsewhere(make_site):
    site = make_site(server='location = /vars { return 200 "[$agent_user][$agent_decision]"; }')
    assert site.send("GET", "/vars", None, [("X-Agent-User", "x")]).text == "[][]"


def test_what_never_comes_back(make_site):
    site = make_site()
    site.backend.answer = json_answer({"jsonrpc": "2.0", "id": 1, "result": {}}, headers=[
        ("Set-Cookie", "a=b"), ("WWW-Authenticate", "Basic"), ("X-Kept", "1")])
    answer = site.call()
    assert answer.header("Set-Cookie") is None and answer.header("WWW-Authenticate") is None
    assert answer.header("X-Kept") == "1"
    over_rest = site.rest()
    assert over_rest.header("Set-Cookie") is None and over_rest.header("WWW-Authenticate") is None


def test_locations_that_do_not_use_the_module_are_left_alone(make_site):
    port = free_port()
    site = make_site(servers=f"server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://tickets; }} }}")
    headers = [("Authorization", "Bearer x"), ("Cookie", "a=b"), ("DPoP", "y"), ("X-Agent-User", "me")]
    for where in (port, site.port):
        site.backend.answer = json_answer({}, 401, [("Set-Cookie", "a=b"), ("WWW-Authenticate", "Basic")])
        answer = http.request(where, "POST", "/open//x?y=%2f", headers, b"anything")
        assert answer.status == 401 and answer.header("Set-Cookie") == "a=b" and answer.header("WWW-Authenticate")
        sent = site.backend.last
        assert sent.target == "/open//x?y=%2f" and sent.body == b"anything"
        assert sent.header("Authorization") == "Bearer x" and sent.header("Cookie") == "a=b"
        assert sent.header("X-Agent-User") == "me"
    assert site.nginx.audit() == []


def test_over_http2(make_site):
    import httpx
    site = make_site(listen=" http2")
    with httpx.Client(http1=False, http2=True) as client:
        answer = client.post(site.resource, json=mcp.call("ticket.read", {"id": "T-1"}), headers=[
            ("authorization", "Bearer " + site.token()), ("cookie", "a=b"), ("cookie", "c=d"), ("x-agent-user", "ada")])
    assert answer.status_code == 200
    sent = site.backend.last
    assert sent.header("Cookie") is None and sent.header("X-Agent-User") is None
    assert sent.header("Authorization") is None
