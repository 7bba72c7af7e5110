"""Agents that act one under another (RFC 8693): what all of them may, as long as each link holds."""
import json
import time

import pytest

from plugins import mcp, policy
from plugins.agwctl import run, run_json
from plugins.backend import plain
from plugins.redis import key
from plugins.server import Answer
from plugins.site import allowed, denied, hidden
from test_mcp_stream_ends import Feed, ended_for, ends, goes_on

AGENTS = {"company|orchestrator": {"tier": "developer", "bundles": ["support"]},
          "company|helper": {"tier": "developer", "bundles": ["support"]}, "company|reader-bot": {"bundles": ["reader"]}}


def rules():
    found = policy.base()
    policy.tenant(found)["agents"] |= AGENTS
    return found


def site_of(make_site, issuer="actors optional;", **pieces):
    site = make_site(start=False, issuer=issuer, **pieces)
    site.policy = rules()
    site.write_policy(site.policy)
    return site.start()


def chained(site, *agents, user="mira", **claims):
    """The last of `agents` acts under those before it, the first of which got its token from the user."""
    token = site.token(user=user, agent=agents[0], **claims)
    for agent in agents[1:]:
        token = site.issuer.act(token, agent, claims.get("scope", "tickets:read"))
    return token


@pytest.fixture(params=["file", "redis"])
def world(request, make_site):
    """A site with either store, and how its policy is changed: `site.change(section, id, row)`."""
    if request.param == "file":
        site = site_of(make_site)

        def change(agent=None, user=None, link=None, row=None):
            def edit(tenant):
                if agent:
                    tenant["agents"][agent] = tenant["agents"].get(agent, {}) | row
                else:
                    tenant["delegations"] = [d for d in tenant["delegations"] if (d["user"], d["agent"]) != (user, link)]
                    tenant["delegations"].append({"user": user, "agent": link} | row)
            site.change_policy(edit)
    else:
        server = request.getfixturevalue("make_redis")()
        server.load(rules())
        site = site_of(make_site, store=server.store)

        def change(agent=None, user=None, link=None, row=None):
            where_it_is = key(f"agent:{agent}") if agent else key(f"delegation:{user}:{link}")
            server.client.hset(where_it_is, mapping=row)
    site.change = change
    return site


def test_a_sub_agent_may_what_all_of_them_may(world):
    site = world
    allowed(site.call(token=chained(site, "orchestrator", "helper")))
    allowed(site.call(token=chained(site, "docs-assistant", "orchestrator", "helper")))
    event = site.call(token=chained(site, "docs-assistant", "orchestrator", "helper")).event()
    assert event["agent"]["id"] == "company|helper" and event["user"]["id"] == "company|mira"
    assert [a["sub"] for a in event["actors"]] == ["helper", "orchestrator", "docs-assistant"]


def test_never_more_than_one_above_it(world):
    site = world
    write = "tickets:read tickets:write"
    mine = site.call("delete_ticket", {"ticketId": "T-1"}, token=chained(site, "orchestrator", "helper", scope=write))
    allowed(mine)
    # The same agent, under one that only reads: by list and by call alike.
    narrow = chained(site, "reader-bot", "helper", scope=write)
    refused = site.call("delete_ticket", {"ticketId": "T-1"}, token=narrow)
    hidden(refused, "delete_ticket")
    assert refused.event()["reason"] in ("tier_ceiling", "agent_grant_missing")
    assert refused.event()["detail"] == "company|reader-bot"
    allowed(site.call(token=narrow))
    # Nor can one that reads do more under one that writes.
    hidden(site.call("delete_ticket", {"ticketId": "T-1"}, token=chained(site, "orchestrator", "reader-bot", scope=write)),
           "delete_ticket")


def test_never_more_than_the_user(world):
    site = world
    omar = chained(site, "orchestrator", "helper", user="omar", groups=[])
    allowed(site.call(token=omar))
    denied(site.call(arguments={"id": "T-2"}, token=omar), "user_entitlement_missing")


def test_lists_show_what_all_of_them_may(world):
    site = world
    tools = [{"name": n, "inputSchema": {"type": "object"}} for n in ("ticket.read", "ticket.list", "delete_ticket")]

    def answer(received):
        if b'"tools/list"' not in received.body:
            return plain(received)
        return Answer(200, [("Content-Type", "application/json")],
                      json.dumps({"jsonrpc": "2.0", "id": 1, "result": {"tools": tools}}).encode())

    site.backend.answer = answer

    def listed(token):
        return {t["name"] for t in site.post(mcp.message("tools/list"), token).json()["result"]["tools"]}

    assert listed(chained(site, "orchestrator", "helper")) == {"ticket.read", "ticket.list", "delete_ticket"}
    assert listed(chained(site, "reader-bot", "helper")) == {"ticket.read"}


@pytest.mark.parametrize("link", ["helper", "orchestrator", "docs-assistant"])
def test_each_link_that_is_revoked_refuses_the_next_call(world, link):
    site = world
    token = chained(site, "docs-assistant", "orchestrator", "helper")
    others = chained(site, "docs-assistant", "orchestrator", "helper", user="nora")
    allowed(site.call(token=token))
    allowed(site.call(token=others))
    site.change(user="company|mira", link=f"company|{link}", row={"status": "disconnected"})
    answer = site.call(token=token)
    assert answer.status == 403 and answer.event()["reason"] == "delegation_disconnected", answer.text
    # The one that calls isn't named again.
    assert answer.event().get("detail") == (None if link == "helper" else f"company|{link}")
    allowed(site.call(token=others))
    site.change(user="company|mira", link=f"company|{link}", row={"status": "active"})
    allowed(site.call(token=token))


@pytest.mark.parametrize("row,reason,status", [
    ({"status": "disabled"}, "agent_disabled", 403), ({"status": "quarantined"}, "agent_quarantined", 403),
    ({"not_before": "2099-01-01T00:00:00Z"}, "token_issued_before", 401)])
def test_an_agent_above_that_is_stopped(world, row, reason, status):
    site = world
    token, other = chained(site, "docs-assistant", "orchestrator", "helper"), chained(site, "docs-assistant", "helper")
    allowed(site.call(token=token))
    site.change(agent="company|orchestrator", row=row)
    answer = site.call(token=token)
    assert answer.status == status and answer.event()["reason"] == reason, answer.text
    allowed(site.call(token=other))


@pytest.mark.parametrize("link", ["helper", "orchestrator", "docs-assistant"])
def test_open_streams_end_with_a_link(world, link):
    site = world
    site.feed = site.backend.answer = Feed()

    def open_stream(user):
        token = chained(site, "docs-assistant", "orchestrator", "helper", user=user)
        stream = site.begin("GET", "/mcp", token, [("Accept", "text/event-stream")])
        assert stream.head().status == 200
        stream.read_until(b"n0")
        return stream

    goes, stays = open_stream("vera"), open_stream("nora")
    begun = time.monotonic()
    site.change(user="company|vera", link=f"company|{link}", row={"status": "disconnected"})
    ends(goes, begun)
    ended_for(site, goes, "delegation_disconnected")
    goes_on(stays)
    stays.reset()


def test_an_unknown_agent_in_the_chain(world):
    site = world
    answer = site.call(token=chained(site, "docs-assistant", "nobody-knows", "helper"))
    # The tier for strangers admits it, and no further than that.
    allowed(answer)
    hidden(site.call("ticket.list", {}, token=chained(site, "docs-assistant", "nobody-knows", "helper")), "ticket.list")


def test_a_breaker_that_an_agent_above_has_tripped(make_site):
    site = site_of(make_site, mcp="agent_breaker agent denials=50%/1m min=4 for=5m;")
    under, alone = chained(site, "orchestrator", "helper"), chained(site, "docs-assistant", "helper")
    allowed(site.call(token=under))
    own = site.token(agent="orchestrator")
    for _ in range(5):
        site.call("nothing.here", {}, token=own)
    assert site.call(token=own).event()["reason"] == "agent_breaker_open"
    answer = site.call(token=under)
    event = answer.event()
    assert event["reason"] == "agent_breaker_open" and event["detail"] == "company|orchestrator", event
    assert answer.status == 403 and int(answer.header("Retry-After")) > 1
    allowed(site.call(token=alone))


def test_delegations_that_are_required(make_site):
    site = site_of(make_site, mcp="agent_delegation required;")
    token = chained(site, "docs-assistant", "helper")
    assert site.call(token=token).event()["reason"] == "delegation_missing"
    site.change_policy(lambda t: t["delegations"].append({"user": "company|mira", "agent": "company|helper", "status": "active"}))
    allowed(site.call(token=token))


REFUSED = {
    "an issuer that may not name actors": ("actors none;", {"act": {"sub": "docs-assistant"}}, "token_actors_refused"),
    "by default none may": ("", {"act": {"sub": "docs-assistant"}}, "token_actors_refused"),
    "none where one is needed": ("actors required;", {}, "token_actors_missing"),
    "an earlier one was dropped": ("actors required least=2;", {"act": {"sub": "docs-assistant"}}, "token_actors_missing"),
    "too many": ("actors optional most=1;", {"act": {"sub": "helper", "act": {"sub": "orchestrator"}}}, "token_actors_too_many"),
    "of an issuer that isn't trusted": ("actors optional;", {"act": {"sub": "helper", "iss": "https://evil.example"}},
                                        "token_actor_invalid"),
    "without a name": ("actors optional;", {"act": {"sub": ["helper"]}}, "token_actor_invalid"),
    "another may act": ("actors optional;", {"act": {"sub": "helper"}, "may_act": {"sub": "orchestrator"}},
                        "token_actor_not_permitted"),
}
PASSES = {
    "token_actors_refused": {}, "token_actors_missing": {"act": {"sub": "helper", "act": {"sub": "orchestrator"}}},
    "token_actors_too_many": {"act": {"sub": "helper"}}, "token_actor_invalid": {"act": {"sub": "helper"}},
    "token_actor_not_permitted": {"act": {"sub": "helper"}, "may_act": {"sub": "helper"}},
}


@pytest.mark.parametrize("name", REFUSED)
def test_chains_that_no_token_may_state(make_site, name):
    rule, claims, reason = REFUSED[name]
    site = site_of(make_site, issuer=rule)
    answer = site.call(token=site.token(**claims))
    assert answer.status == 401 and answer.challenge["error"] == "invalid_token"
    assert answer.event()["reason"] == reason
    allowed(site.call(token=site.token(**PASSES[reason])))


def test_permissions_are_those_of_the_whole_chain(make_site):
    site = site_of(make_site)
    found = site.send("GET", "/.well-known/agent-permissions/mcp", chained(site, "reader-bot", "helper"))
    assert found.status == 200, found.text
    told = found.json()
    assert told["agent"] == "company|helper" and told["under"] == ["company|reader-bot"]
    assert {row["operation"] for row in told["operations"]} == {"tickets/ticket.read"}


def test_explain_and_test_know_chains(make_site, tmp_path):
    site = site_of(make_site)
    common = ["explain", "--state", f"{site.prefix}/state", "--store", f"file:{site.policy_path}", "--user", "company|mira",
              "--agent", "company|helper", "--group", "company|support", "--operation", "tickets/ticket.delete",
              "--resource", "ticket:T-1"]
    assert all(r["decision"] == "allow" for r in run_json(*common, "--under", "company|orchestrator")["results"])
    told = run_json(*common, "--under", "company|orchestrator", "--under", "company|reader-bot", status=3)["results"]
    assert all("company|reader-bot" in " ".join(r["notes"]) for r in told)
    table = tmp_path / "table.yaml"
    table.write_text("""
defaults: {user: company|mira, agent: company|helper, groups: [company|support], operation: tickets/ticket.delete, resource: "ticket:T-1"}
tests:
  - {under: [company|orchestrator], expect: allow}
  - {under: [company|orchestrator, company|reader-bot], expect: deny}
""")
    run("test", table, "--store", f"file:{site.policy_path}")
