"""A call that asks for more than one thing needs an allow for each: tools that call tools, listeners of resources."""
import pytest

from plugins import mcp, policy
from plugins.site import TOOLS, allowed, denied, hidden

BLOCKS = """
            agent_tool execute      { inner name=<tool> arguments=<args>; scope tickets:read; }
            agent_tool deep         { inner name=<call/tool> arguments=<call/args>; }
            agent_tool refund       { scope tickets:write; require '<amount> <= 100'; limit agent 1r/h; }
            agent_mcp_resource docs://<id>  { resource doc:<id>; scope tickets:read; }
            agent_mcp_resource open://*     { operation open; }
"""
SITE = {"tools": TOOLS + BLOCKS}
BOTH = ("agent:company|docs-assistant", "group:company|support")


@pytest.fixture
def site(site_of_module):
    site = site_of_module
    site.backend.reset()
    base = policy.base()
    for to in BOTH:
        for name in ("execute", "deep", "refund", "resources/open"):
            policy.grant(base, to, f"tickets/{name}", id=f"{name}-{to[:5]}")
        policy.grant(base, to, "tickets/resources/docs/id", "doc:*", id=f"docs-{to[:5]}")
    policy.grant(base, "agent:company|docs-assistant", "tickets/resources/docs/id", "doc:secret", id="no", effect="deny")
    site.policy = base
    site.write_policy(base)
    return site


def execute(site, tool, arguments=None, **how):
    return site.call("execute", {"tool": tool, "args": arguments if arguments is not None else {"id": "T-1"}}, **how)


@pytest.mark.parametrize("modern", [False, True])
def test_both_are_judged(site, modern):
    answer = execute(site, "ticket.read", modern=modern)
    allowed(answer)
    event = answer.event()
    assert event["operation"] == "tickets/execute" and event["mcp"]["tool"] == "execute"
    assert event["inner"] == {"operation": "tickets/ticket.read", "resource": "ticket:T-1"}
    allowed(site.call("deep", {"call": {"tool": "ticket.read", "args": {"id": "T-1"}}}, modern=modern))
    site.backend.clear()
    hidden(execute(site, "no.such.tool", modern=modern), "no.such.tool")
    denied(execute(site, "ticket.read", {}, modern=modern), "argument_missing")
    assert site.backend.count() == 0


def test_an_inner_tool_is_hidden_as_one_that_does_not_exist(site):
    tenant = policy.tenant(site.policy)
    tenant["bundles"]["support"]["grants"] = []
    site.write_policy(site.policy)
    one, other = execute(site, "ticket.read"), execute(site, "ticket.reax")
    hidden(one, "ticket.read"), hidden(other, "ticket.reax")
    assert one.event()["reason"] == "agent_grant_missing" and other.event()["reason"] == "operation_unknown"
    assert one.text.replace("ticket.read", "").replace(one.request_id, "") == \
        other.text.replace("ticket.reax", "").replace(other.request_id, "")
    allowed(site.call("execute", {"tool": "refund", "args": {"amount": 5}},
                      token=site.token(scope="tickets:read tickets:write")))


def test_who_may_call_the_inner_tool_may_not_call_the_outer(site):
    narrow = site.token(agent="narrow-agent")
    allowed(site.call(token=narrow))
    hidden(execute(site, "ticket.read", token=narrow), "execute")


ODD = {
    "no name": ({"args": {"id": "T-1"}}, "argument_missing"),
    "a number for a name": ({"tool": 7, "args": {}}, "argument_invalid"),
    "an empty name": ({"tool": "", "args": {}}, "argument_invalid"),
    "a list of names": ({"tool": ["ticket.read"], "args": {}}, "argument_invalid"),
    "arguments in a string": ({"tool": "ticket.read", "args": '{"id":"T-1"}'}, "argument_invalid"),
    "a list of arguments": ({"tool": "ticket.read", "args": [{"id": "T-1"}]}, "argument_invalid"),
    "a tool within a tool within a tool": ({"tool": "execute", "args": {"tool": "ticket.read", "args": {"id": "T-1"}}},
                                           "argument_invalid"),
    "arguments beside": ({"tool": "ticket.read", "id": "T-1"}, "argument_missing"),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_inner_calls(site, name):
    arguments, reason = ODD[name]
    denied(site.call("execute", arguments), reason)
    assert site.backend.count() == 0


def test_a_name_and_its_lookalike(site):
    answer = site.call("execute", {"tool": "ticket.read", "Tool": "delete_ticket", "args": {"id": "T-1"}})
    assert answer.status == 400 and site.backend.count() == 0


def test_scopes_of_both_are_told_at_once(site):
    answer = execute(site, "refund", {"amount": 1}, token=site.token(scope="other"))
    assert answer.status == 403
    assert 'scope="tickets:read tickets:write"' in answer.header("WWW-Authenticate")
    answer = execute(site, "refund", {"amount": 1})
    assert answer.status == 403
    assert 'scope="tickets:read tickets:write"' in answer.header("WWW-Authenticate")


def test_conditions_and_limits_of_the_inner_tool(site):
    token = site.token(scope="tickets:read tickets:write", user="mira")
    denied(execute(site, "refund", {"amount": 101}, token=token), "condition_failed")
    denied(site.call("execute", {"tool": "refund", "amount": 5, "args": {}}, token=token), "condition_failed")
    first = execute(site, "refund", {"amount": 5}, token=token)
    second = execute(site, "refund", {"amount": 5}, token=token)
    assert second.status == 429, (first.text, second.text)
    assert site.call("refund", {"amount": 5}, token=token).status == 429


def listen(site, *uris, **how):
    headers, body = mcp.modern("subscriptions/listen", {"notifications": {"resourceSubscriptions": list(uris)}})
    return site.post(body, headers=headers, **how)


def test_each_resource_that_is_followed(site):
    answer = listen(site, "docs://a", "open://x/y", "docs://b")
    allowed(answer)
    assert answer.event()["type"] == "mcp.subscriptions.listen"
    assert answer.event()["inner"] == {"operation": "tickets/resources/docs/id", "resource": "doc:a"}
    site.backend.clear()
    denied(listen(site, "docs://a", "docs://secret"), "agent_grant_denied")
    for uris in (["docs://a", "other://x"], ["other://x"], ["docs://a", "docs://../x"]):
        answer = listen(site, *uris)
        assert answer.status == 200
        error = answer.json()["error"]
        assert error["code"] == -32602 and error["message"] == f"Resource not found: {uris[-1]}"
        assert answer.event()["inner"]["operation"].startswith("tickets/resources/")
    bare = listen(site, "docs://a", token=site.token(agent="bare-agent"))
    assert bare.json()["error"]["message"] == "Resource not found: docs://a"
    assert bare.event()["reason"] == "tier_ceiling"
    assert site.backend.count() == 0
    allowed(listen(site))


def test_odd_listeners(site):
    for wanted in ("docs://a", [7], [""], ["docs://a"] * 257, {"docs://a": True}):
        headers, body = mcp.modern("subscriptions/listen", {"notifications": {"resourceSubscriptions": wanted}})
        answer = site.post(body, headers=headers)
        assert answer.status == 400 and answer.json()["error"]["code"] == -32602, wanted
    assert site.backend.count() == 0


def test_one_that_is_enforced_where_the_rest_is_observed(make_site):
    site = make_site(mcp="agent_mode observe;", tools="""
        agent_tool execute     { inner name=<tool> arguments=<args>; }
        agent_tool ticket.read { resource ticket:<id>; }
        agent_tool drop        { mode enforce; }
        agent_mcp_resource docs://<id> { mode enforce; }""")
    allowed(execute(site, "ticket.read"))
    allowed(execute(site, "nothing"))
    denied(execute(site, "drop"), "user_entitlement_missing")
    denied(listen(site, "docs://a"), "user_entitlement_missing")
    allowed(listen(site, "other://a"))


def test_the_backends_token_is_for_what_is_carried_out(make_site):
    site = make_site(forward="agent_exchange audience=tickets-api scope=tickets:read;", tools="""
        agent_tool execute     { inner name=<tool> arguments=<args>; }
        agent_tool ticket.read { scope tickets:read; resource ticket:<id>; }
        agent_tool refund      { scope tickets:write; exchange audience=money-api scope=tickets:write; }
        agent_mcp_resource docs://<id>  { }
        agent_mcp_resource money://<id> { exchange audience=money-api scope=tickets:read; }""")
    base = policy.base()
    for to in BOTH:
        policy.grant(base, to, "tickets/*", id="all-" + to[:5])
    site.write_policy(base)
    token = site.token(scope="tickets:read tickets:write")
    allowed(execute(site, "ticket.read", token=token))
    assert site.issuer.exchanges[-1]["audience"] == "tickets-api"
    answer = execute(site, "refund", token=token)
    allowed(answer)
    assert site.issuer.exchanges[-1]["audience"] == "money-api" and answer.event()["audience"] == "money-api"
    allowed(listen(site, "money://a", "money://b", token=token))
    site.backend.clear()
    assert listen(site, "docs://a", "money://b", token=token).status == 400
    assert site.backend.count() == 0
