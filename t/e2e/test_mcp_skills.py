"""The skills extension (SEP-2640): skills and folders are resources, listed and got as far as their caller may read them."""
import json

import pytest

from plugins import mcp, policy
from plugins.backend import json_answer, plain

DECLARED = """agent_mcp_resource skill://open/*   { operation open; }
            agent_mcp_resource skill://closed/* { operation closed; }
            agent_mcp_resource skill://all     { operation all; }"""
OPEN, CLOSED = "skill://open/SKILL.md", "skill://closed/SKILL.md"
LISTED = {"skills/list": "skills", "resources/directory/read": "resources"}


@pytest.fixture
def place(make_site):
    site = make_site(start=False, tools=DECLARED)
    for to in ("agent:company|docs-assistant", "group:company|support"):
        for name in ("open", "all"):
            policy.grant(site.policy, to, f"tickets/resources/{name}", id=name + to[0])
    # What the usual bundle says of everything would show everything.
    tenant = policy.tenant(site.policy)
    tenant["bundles"]["support"]["grants"] = [{"id": "b1", "operation": "tickets/ticket.*", "resource": "ticket:*"}]
    site.write_policy(site.policy)

    def answer(received):
        message = json.loads(received.body)
        key = LISTED.get(message["method"])
        if key is None:
            return plain(received)
        items = [{"uri": uri, "name": "SKILL.md", "frontmatter": {"name": "s"}} for uri in (OPEN, CLOSED, "skill://other/x")]
        return json_answer({"jsonrpc": "2.0", "id": message["id"], "result": {"resultType": "complete", key: items}})

    site.backend.answer = answer
    return site.start()


def ask(place, method, modern=True, **params):
    if not modern:
        return place.post(mcp.message(method, params))
    headers, body = mcp.modern(method, params)
    return place.post(body, headers=headers)


@pytest.mark.parametrize("modern", [True, False])
@pytest.mark.parametrize("method,params", [("skills/list", {}), ("resources/directory/read", {"uri": "skill://all"})])
def test_a_list_of_skills_has_those_that_may_be_read(place, method, params, modern):
    result = ask(place, method, modern, **params).json()["result"]
    assert [item["uri"] for item in result[LISTED[method]]] == [OPEN]


def test_a_skill_is_got_by_who_may_read_it(place):
    assert "did skills/get" in ask(place, "skills/get", uri=OPEN).text
    hidden, unknown = ask(place, "skills/get", uri=CLOSED), ask(place, "skills/get", uri="skill://nowhere/SKILL.md")
    assert (hidden.status, unknown.status) == (200, 200)
    told = [answer.json()["error"] for answer in (hidden, unknown)]
    assert told[0]["code"] == told[1]["code"] == -32602
    assert told[0]["message"] == f"Resource not found: {CLOSED}"
    assert place.backend.count() == 1
    assert hidden.event()["reason"] in ("user_entitlement_missing", "agent_grant_missing")


def test_no_header_repeats_a_skills_uri(place):
    headers, body = mcp.modern("skills/get", {"uri": OPEN}, name=CLOSED)
    answer = place.post(body, headers=headers)
    assert answer.status == 400 and answer.json()["error"]["code"] == -32020
