"""Prompts and resources are operations with grants of their own; so is whatever refers to them."""
import os

import pytest

from plugins import mcp, policy
from plugins.agwctl import BINARY, run, run_json
from plugins.site import TOOLS, allowed, denied

BLOCKS = """
            agent_prompt summary           { scope tickets:read; resource ticket:<id>; class internal; }
            agent_prompt "odd name"        { operation odd; }
            agent_mcp_resource docs://guides/<id>  { scope tickets:read; resource guide:<id>; }
            agent_mcp_resource docs://free/*       { }
            agent_mcp_resource docs://plain        { operation plain; scope docs:read; }
            agent_mcp_resource docs://office       { require $office; }
"""
SITE = {"tools": TOOLS + BLOCKS, "http": "map $http_x_office $office { yes 1; default 0; }"}
DOCS = ["tickets/prompts/*", "tickets/resources/*"]


@pytest.fixture
def site(site_of_module):
    site = site_of_module
    site.backend.reset()
    base = policy.base()
    for place, to in (("grants", "agent:company|docs-assistant"), ("entitlements", "group:company|support")):
        for i, operation in enumerate(DOCS):
            policy.grant(base, to, operation, id=f"{place}{i}")
    policy.grant(base, "agent:company|docs-assistant", "tickets/resources/docs/guides/id", "guide:secret", id="deny",
                 effect="deny")
    site.policy = base
    site.write_policy(base)
    return site


def ask(site, method, params, modern=False, name=None, **how):
    if modern:
        headers, body = mcp.modern(method, params, name=name)
        return site.post(body, headers=[*headers, *how.pop("headers", [])], **how)
    headers = [("MCP-Protocol-Version", mcp.LEGACY), *how.pop("headers", [])]
    return site.post(mcp.message(method, params), headers=headers, **how)


def read(site, uri, modern=False, **how):
    return ask(site, "resources/read", {"uri": uri}, modern, uri, **how)


def prompt(site, name, modern=False, **how):
    return ask(site, "prompts/get", {"name": name, "arguments": {"id": "T-1"}}, modern, name, **how)


def complete(site, reference, modern=False, **how):
    kind = "ref/resource" if "uri" in reference else "ref/prompt"
    return ask(site, "completion/complete", {"ref": {"type": kind, **reference}, "argument": {"name": "id", "value": ""}},
               modern, **how)


def absent(answer, code, words):
    assert answer.status == 200, f"{answer.status} {answer.text}"
    error = answer.json()["error"]
    assert error["code"] == code and error["message"] == words, error
    assert list(error["data"]) == (["uri", "request_id"] if "://" in words and "{" not in words else ["request_id"]), error
    return error


@pytest.mark.parametrize("modern", [False, True])
def test_a_prompt_is_an_operation(site, modern):
    answer = prompt(site, "summary", modern)
    allowed(answer)
    event = answer.event()
    assert event["operation"] == "tickets/prompts/summary" and event["resource"] == "ticket:T-1"
    assert event["class"] == "internal" and event["mcp"]["prompt"] == "summary" and "tool" not in event["mcp"]
    allowed(prompt(site, "odd name", modern))
    absent(prompt(site, "summary", modern, token=site.token(agent="bare-agent")), -32602, "Unknown prompt: summary")
    absent(prompt(site, "nothing", modern), -32602, "Unknown prompt: nothing")


@pytest.mark.parametrize("modern", [False, True])
def test_a_resource_is_an_operation(site, modern):
    missing = -32602 if modern else -32002
    answer = read(site, "docs://guides/a%20b", modern)
    allowed(answer)
    event = answer.event()
    assert event["operation"] == "tickets/resources/docs/guides/id" and event["resource"] == "guide:a%20b"
    assert event["mcp"]["uri"] == "docs://guides/a%20b"
    denied(read(site, "docs://guides/secret", modern), "agent_grant_denied")
    bare = site.token(agent="bare-agent")
    absent(read(site, "docs://guides/a", modern, token=bare), missing, "Resource not found: docs://guides/a")
    absent(read(site, "docs://other", modern), missing, "Resource not found: docs://other")
    assert read(site, "docs://free/a/b", modern).event()["operation"] == "tickets/resources/docs/free"


def test_a_hidden_one_is_as_one_that_does_not_exist(site):
    """Same status, headers and body, but for the name that was asked for and the request's id."""
    bare = site.token(agent="bare-agent")
    asks = [(lambda name, **how: prompt(site, name, **how), "summary", "nothing"),
            (lambda name, **how: read(site, name, **how), "docs://guides/abcd", "docs://nothing/a"),
            (lambda name, **how: complete(site, {"name": name}, **how), "summary", "nothing"),
            (lambda name, **how: complete(site, {"uri": name}, **how), "docs://guides/{id}", "docs://nothing{id}")]
    for ask_for, hidden, unknown in asks:
        for modern in (False, True):
            one, other = ask_for(hidden, modern=modern, token=bare), ask_for(unknown, modern=modern, token=bare)
            assert one.status == other.status
            assert one.text.replace(hidden, "X").replace(one.request_id, "") == \
                other.text.replace(unknown, "X").replace(other.request_id, "")
            names = [[n for n, _ in a.headers] for a in (one, other)]
            assert names[0] == names[1]
            assert one.event()["reason"] == "tier_ceiling" and other.event()["reason"] == "operation_unknown"


@pytest.mark.parametrize("uri", ["docs://guides/../plain", "docs://guides/%2E%2E/x", "docs://guides/a%2Fb", "Docs://guides/a",
                                 "docs://guides/a//b", "docs://guides/%61", "docs://guides/a#b", "docs://guides/a?b",
                                 "docs://free/./a", "docs://free/a%5Cb", "docs://free/a\\b", "docs://free/a%00",
                                 "docs://free/a b", "docs://plain/", "docs://plain?x", "docs://guides", "docs://guides/"])
def test_uris_that_two_readers_could_read_differently(site, uri):
    for modern in (False, True):
        answer = read(site, uri, modern)
        absent(answer, -32602 if modern else -32002, f"Resource not found: {uri}")
    assert site.backend.count() == 0
    allowed(read(site, "docs://free/a-b"))


@pytest.mark.parametrize("method", ["resources/subscribe", "resources/unsubscribe"])
def test_following_a_resource_is_reading_it(site, method):
    answer = ask(site, method, {"uri": "docs://guides/a"})
    allowed(answer)
    assert answer.event()["operation"] == "tickets/resources/docs/guides/id"
    assert answer.event()["type"] == "mcp." + method.replace("/", ".")
    site.backend.clear()
    denied(ask(site, method, {"uri": "docs://guides/secret"}), "agent_grant_denied")
    absent(ask(site, method, {"uri": "docs://other"}), -32002, "Resource not found: docs://other")
    assert ask(site, method, {}).status == 400
    headers, body = mcp.modern(method, {"uri": "docs://guides/a"})
    assert site.post(body, headers=headers).status == 404
    assert site.backend.count() == 0


@pytest.mark.parametrize("modern", [False, True])
def test_completion_is_of_what_it_refers_to(site, modern):
    answer = complete(site, {"name": "summary"}, modern)
    allowed(answer)
    assert answer.event()["operation"] == "tickets/prompts/summary"
    assert answer.event()["type"] == "mcp.completion.complete"
    allowed(complete(site, {"uri": "docs://free/{path}"}, modern))
    site.backend.clear()
    # Who may not have one of them doesn't learn their names.
    denied(complete(site, {"uri": "docs://guides/{id}"}, modern), "agent_grant_denied")
    for reference, words in (({"name": "nothing"}, "Unknown prompt: nothing"),
                             ({"uri": "docs://{a}/{b}"}, "Resource not found: docs://{a}/{b}"),
                             ({"uri": "docs://guides/{+id}"}, "Resource not found: docs://guides/{+id}")):
        absent(complete(site, reference, modern), -32602, words)
    assert complete(site, {"name": "summary", "uri": "docs://plain"}, modern).status == 400
    assert site.backend.count() == 0


def test_completion_needs_all_that_its_values_could_name(site):
    narrow = policy.base()
    for to in ("agent:company|docs-assistant", "group:company|support"):
        policy.grant(narrow, to, "tickets/resources/docs/guides/id", "guide:a", id="only-" + to[:5])
    site.write_policy(narrow)
    allowed(read(site, "docs://guides/a"))
    denied(complete(site, {"uri": "docs://guides/{id}"}), "user_entitlement_missing")
    allowed(complete(site, {"uri": "docs://guides/a"}))


def test_completion_does_not_meet_a_condition_on_an_argument(make_site):
    site = make_site(tools=TOOLS + '''agent_prompt summary { scope tickets:read; require '<id> == "T-1"'; }
        agent_mcp_resource docs://guides/<id> { require '<id> != "x"'; }''')
    base = policy.base()
    for to in ("agent:company|docs-assistant", "group:company|support"):
        for operation in DOCS:
            policy.grant(base, to, operation, id=operation[8:11] + to[0])
    site.write_policy(base)
    allowed(prompt(site, "summary"))
    allowed(read(site, "docs://guides/a"))
    allowed(complete(site, {"uri": "docs://guides/a"}))
    site.backend.clear()
    denied(complete(site, {"name": "summary"}), "condition_failed")
    denied(complete(site, {"uri": "docs://guides/{id}"}), "condition_failed")
    assert site.backend.count() == 0


@pytest.mark.parametrize("modern", [False, True])
def test_step_up_for_a_resource(site, modern):
    answer = read(site, "docs://plain", modern)
    assert answer.status == 403
    challenge = answer.header("WWW-Authenticate")
    assert 'error="insufficient_scope"' in challenge and 'scope="docs:read tickets:read"' in challenge
    allowed(read(site, "docs://plain", modern, token=site.token(scope="tickets:read docs:read")))


def test_conditions_of_a_resource(site):
    denied(read(site, "docs://office"), "condition_failed")
    allowed(read(site, "docs://office", headers=[("X-Office", "yes")]))


def test_a_tools_grant_opens_neither(site):
    tools = policy.base()
    for to in ("agent:company|docs-assistant", "group:company|support"):
        policy.grant(tools, to, "tickets/summary", id="t-" + to[:5])
        policy.grant(tools, to, "tickets/docs/guides/id", id="u-" + to[:5])
    policy.tenant(tools)["bundles"]["support"]["grants"] = []
    site.write_policy(tools)
    absent(prompt(site, "summary"), -32602, "Unknown prompt: summary")
    absent(read(site, "docs://guides/a"), -32002, "Resource not found: docs://guides/a")


def test_what_observes_refuses_none(make_site):
    site = make_site(mcp="agent_mode observe;", tools=TOOLS + "agent_mcp_resource docs://<id> { mode enforce; }")
    allowed(read(site, "other://x"))
    denied(read(site, "docs://x"), "user_entitlement_missing")
    allowed(prompt(site, "nothing"))


def test_what_may_i_do_names_them(site):
    answer = site.send("GET", "/.well-known/agent-permissions/mcp")
    assert answer.status == 200, answer.text
    rows = {row["operation"]: row for row in answer.json()["operations"]}
    assert rows, answer.text
    assert rows["tickets/prompts/summary"]["prompt"] == "summary" and rows["tickets/prompts/summary"]["allowed"]
    guides = rows["tickets/resources/docs/guides/id"]
    assert guides["uri"] == "docs://guides/<id>" and guides["resource"] == "guide:<id>" and guides["allowed"]
    assert rows["tickets/resources/plain"]["reason"] == "scope_missing"
    bare = site.send("GET", "/.well-known/agent-permissions/mcp", site.token(agent="bare-agent"))
    assert bare.json()["operations"] == []


@pytest.mark.skipif(not os.path.exists(BINARY), reason="agwctl is not built: make build")
def test_agwctl_knows_them(site):
    options = ("--store", f"file:{site.policy_path}", "--state", site.prefix / "state")
    who = ("--user", "company|mira", "--agent", "company|docs-assistant", "--group", "company|support")
    told = run("explain", *who, "--operation", "tickets/resources/docs/guides/id", "--resource", "guide:a", *options).stdout
    assert "resources docs://guides/<id>" in told
    told = run("explain", *who, "--operation", "tickets/prompts/summary", "--resource", "ticket:T-1", *options).stdout
    assert "prompt summary" in told
    run("explain", *who, "--operation", "tickets/resources/docs/guides/id", "--resource", "guide:secret", *options, status=3)
    rows = run_json("who-can", "tickets/resources/docs/guides/id", "guide:a", *options)["allowed"]
    assert "company|docs-assistant" in {row.get("agent") for row in rows}
    assert "company|narrow-agent" not in {row.get("agent") for row in rows}
    assert "tickets/prompts/summary" in run("what-can", "company|docs-assistant", "company|mira", "--group", "company|support",
                                            *options).stdout
