"""An agent asks what it may do at a resource, and is told what its calls would be told: no more, and nobody else's."""
import pytest

from plugins import policy
from plugins.redis import key
from plugins.site import NO_TOKEN, allowed, hidden

PLACE = "/.well-known/agent-permissions"
TEAM = [("Origin", "https://ide.example")]


@pytest.fixture(params=["file", "redis"])
def site(request, make_site, make_redis):
    pieces = {"mcp": "agent_origins https://ide.example;"}
    if request.param == "redis":
        server = make_redis()
        server.load(policy.base())
        pieces["store"] = server.store
    return make_site(**pieces)


def ask(site, path="/mcp", token=None, method="GET", headers=()):
    return site.send(method, PLACE + path, token=token if token is not None else site.token(), headers=list(headers))


def tools(answer):
    assert answer.status == 200, f"{answer.status} {answer.text}"
    return {row.get("tool") or f"{row['method']} {row['path']}": row for row in answer.json()["operations"]}


def test_it_says_what_calls_are_told(site):
    answer = ask(site)
    found = tools(answer)
    assert answer.json()["resource"] == site.resource
    assert (answer.json()["user"], answer.json()["agent"]) == ("company|mira", "company|docs-assistant")
    assert answer.header("Cache-Control") == "private, no-store"
    assert found["ticket.read"] == {"tool": "ticket.read", "operation": "tickets/ticket.read", "allowed": True,
                                    "resource": "ticket:<id>", "on": ["ticket:*"]}
    assert found["ticket.list"] == {"tool": "ticket.list", "operation": "tickets/ticket.list", "allowed": True}
    allowed(site.call("ticket.list", {}))
    assert found["delete_ticket"]["reason"] == "scope_missing" and found["delete_ticket"]["scopes"] == ["tickets:write"]
    event = answer.event()
    assert event["type"] == "permissions" and event["decision"] == "allow" and event["http"]["path"] == PLACE + "/mcp"


def test_each_caller_learns_its_own(site):
    narrow = site.token(agent="narrow-agent")
    found = tools(ask(site, token=narrow))
    assert list(found) == ["ticket.read"] and found["ticket.read"]["on"] == ["ticket:T-1"]
    allowed(site.call(token=narrow))
    hidden(site.call("ticket.list", {}, token=narrow), "ticket.list")
    assert tools(ask(site, token=site.token(agent="bare-agent"))) == {}
    assert tools(ask(site, token=site.token(user="stranger", groups=[]))) == {}


def test_what_a_tier_caps_is_not_named(site):
    assert list(tools(ask(site, token=site.token(agent="low-agent")))) == ["ticket.read"]


@pytest.mark.parametrize("agent,reason", [("disabled-agent", "agent_disabled"), ("quarantined-agent", "agent_quarantined")])
def test_whoever_may_not_call_learns_nothing(site, agent, reason):
    answer = ask(site, token=site.token(agent=agent))
    assert answer.status == 403 and answer.json()["reason"] == reason and "ticket." not in answer.text
    assert tools(ask(site))


def test_without_a_token_it_is_the_usual_challenge(site):
    answer = ask(site, token="")
    assert answer.status == 401
    assert answer.challenge["resource_metadata"].endswith("/.well-known/oauth-protected-resource/mcp")
    assert ask(site, token=site.token() + "x").status == 401
    assert ask(site, token=site.token(exp=1)).status == 401


def test_a_token_for_another_resource_is_refused(site):
    other = site.token(aud="https://elsewhere.example/mcp")
    assert ask(site, token=other).status == 401


def test_rest_has_its_own(site):
    found = tools(ask(site, "/api"))
    assert found["GET /api/tickets/<id>"]["allowed"] is True
    assert found["GET /api/tickets/<id>"]["on"] == ["ticket:*"]
    assert "POST /api/tickets" in found and found["POST /api/tickets"]["reason"] == "scope_missing"
    assert site.rest().status == 200


def test_the_default_resource_answers_at_the_root_too(site):
    assert tools(ask(site, "")) == tools(ask(site))
    assert ask(site, "/elsewhere").status == 404


def test_methods_and_origins(site):
    head = ask(site, method="HEAD")
    assert head.status == 200 and head.body == b""
    post = ask(site, method="POST")
    assert post.status == 405 and post.header("Allow") == "GET, HEAD, OPTIONS"
    assert ask(site, headers=[("Origin", "https://evil.example")]).status == 403
    mine = ask(site, headers=TEAM)
    assert mine.status == 200 and mine.header("Access-Control-Allow-Origin") == "https://ide.example"
    preflight = site.send("OPTIONS", PLACE + "/mcp", token=None, headers=TEAM + [
        ("Access-Control-Request-Method", "GET"), ("Access-Control-Request-Headers", "authorization")])
    assert preflight.status == 204


def test_it_is_found_by_discovery(site):
    metadata = site.send("GET", "/.well-known/oauth-protected-resource/mcp", token=None).json()
    assert metadata["agent_permissions"] == f"http://127.0.0.1:{site.port}{PLACE}/mcp"
    assert metadata["agent_permissions"] in site.send("GET", "/auth.md", token=None).text


def test_a_change_holds_for_the_next_question(make_site, make_redis):
    server = make_redis()
    server.load(policy.base())
    site = make_site(store=server.store)
    assert "ticket.read" in tools(ask(site))
    server.client.hset(key("operation:tickets/ticket.read"), "frozen", "true")
    server.bump()
    assert tools(ask(site))["ticket.read"]["reason"] == "operation_frozen"
    server.stop()
    answer = ask(site)
    assert answer.status == 503 and "ticket." not in answer.text


def test_no_location_or_rewrite_takes_its_place(make_site):
    site = make_site(server=r"""
        location ~ /\. { deny all; }
        location /.well-known { return 418; }
        location ^~ /.well-known/agent-permissions { proxy_pass http://tickets; }
        error_page 401 403 503 = /open/x;
        rewrite ^/.well-known/agent-permissions /open/x;
    """)
    assert "ticket.read" in tools(ask(site))
    assert ask(site, token="").status == 401
    assert site.backend.count() == 0


def test_an_observed_tool_says_that_nothing_is_refused(make_site):
    site = make_site(mcp="agent_mode observe;")
    found = tools(ask(site))
    assert found["ticket.read"]["enforced"] is False
    assert ask(site, token="").status == 401, "who asks what it may do says who it is"
