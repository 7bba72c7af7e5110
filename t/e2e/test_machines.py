"""Tokens that stand for nobody (client credentials): only what a grant for machines allows, and nobody's name to borrow."""
import json

import pytest

from plugins import agwctl, mcp, policy
from plugins.redis import key
from plugins.site import allowed, denied, hidden, problem

BY = {
    "subject": ("machine subject;", {"user": "ci-runner"}),
    "claim": ("machine gty=client-credentials;", {"user": "7f3c-11", "gty": "client-credentials"}),
    # Keycloak's service accounts: a UUID, and a name that is made of the client's.
    "keycloak": ("machine preferred_username=service-account-<client>;",
                 {"user": "9b0d", "preferred_username": "service-account-ci-runner", "typ": "at+jwt"}),
}


def rules():
    found = policy.base()
    policy.tenant(found)["agents"] |= {"company|ci-runner": {"tier": "developer"}, "company|people-only": {
        "tier": "developer", "bundles": ["support"]}}
    policy.grant(found, "agent:company|ci-runner", "tickets/ticket.read", "ticket:*", id="m", **{"for": ["machine"]})
    # Entitlements of groups that its tokens might name are for people.
    return found


@pytest.fixture(params=["file", "redis"])
def store(request):
    return request.param


@pytest.fixture
def world(make_site, store, request):
    def make(issuer):
        if store == "file":
            site = make_site(start=False, issuer=issuer)
            site.policy = rules()
            site.write_policy(site.policy)
            return site.start()
        server = request.getfixturevalue("make_redis")()
        server.load(rules())
        site = make_site(issuer=issuer, store=server.store)
        site.redis = server
        return site
    return make


@pytest.mark.parametrize("how", BY)
def test_a_machine_may_what_its_grant_for_machines_says(world, how):
    rule, claims = BY[how]
    site = world(rule)
    token = site.token(agent="ci-runner", **claims)
    allowed(site.call(token=token))
    assert site.post(mcp.message("ping"), token).status == 200
    event = site.call(token=token).event()
    assert event["agent"]["id"] == "company|ci-runner" and event["user"].get("id", "") == "", event
    # Its groups are nobody's: what people of them may do is no machine's to do.
    hidden(site.call("ticket.list", {}, token=token), "ticket.list")
    # A person through the same agent has no grant there.
    hidden(site.call(token=site.token(agent="ci-runner", user="mira")), "ticket.read")


@pytest.mark.parametrize("how", BY)
def test_without_a_grant_for_machines(world, how):
    rule, claims = BY[how]
    claims = {k: v.replace("ci-runner", "people-only") for k, v in claims.items()}
    site = world(rule)
    token = site.token(agent="people-only", **claims)
    for answer in (site.call(token=token), site.post(mcp.message("ping"), token)):
        assert answer.status == 403 and answer.event()["reason"] == "machine_refused", answer.text
    allowed(site.call(token=site.token(agent="people-only", user="mira")))


def test_by_default_there_are_no_machines(world):
    site = world("")
    answer = site.call(token=site.token(agent="ci-runner", user="ci-runner"))
    assert answer.status == 403 and answer.event()["reason"] == "user_missing"
    # A claim that nobody configured makes none either.
    other = site.call(token=site.token(agent="ci-runner", user="x", groups=[], gty="client-credentials"))
    assert other.event()["reason"] == "user_entitlement_missing"


def test_a_resource_that_the_grant_does_not_cover(make_site):
    site = make_site(start=False, issuer="machine subject;")
    policy.tenant(site.policy)["agents"]["company|ci-runner"] = {}
    policy.grant(site.policy, "agent:company|ci-runner", "tickets/ticket.read", "ticket:T-1", **{"for": ["machine"]})
    site.write_policy(site.policy)
    site.start()
    token = site.token(agent="ci-runner", user="ci-runner")
    allowed(site.call(token=token))
    denied(site.call(arguments={"id": "T-2"}, token=token), "machine_grant_missing")


BORROWED = [("X-Agent-User", "company|mira"), ("X-Forwarded-User", "mira"), ("X-User", "mira"), ("From", "mira@company.example"),
            ("X-Auth-Request-User", "mira"), ("X-Agent-On-Behalf-Of", "mira"), ("Actor-Token", "x"), ("Subject-Token", "x")]


@pytest.mark.parametrize("place", ["headers", "_meta", "query"])
def test_a_machine_borrows_no_user(make_site, place):
    site = make_site(start=False, issuer="machine subject;", mcp="agent_identity_headers on;")
    policy.tenant(site.policy)["agents"]["company|ci-runner"] = {"bundles": ["support"]}
    policy.grant(site.policy, "agent:company|ci-runner", "tickets/ticket.read", "ticket:T-1", **{"for": ["machine"]})
    site.write_policy(site.policy)
    site.start()
    token = site.token(agent="ci-runner", user="ci-runner")
    message = mcp.call("ticket.read", {"id": "T-2"})
    good = mcp.call("ticket.read", {"id": "T-1"})
    headers, path = [], "/mcp"
    if place == "headers":
        headers = BORROWED
    elif place == "_meta":
        for one in (message, good):
            one["params"]["_meta"] = {"user": "mira", "sub": "mira", "act": {"sub": "mira"}, "on_behalf_of": "company|mira"}
    else:
        path = "/mcp?user=mira&access_token=" + site.token()
    denied(site.post(message, token, headers, path=path), "machine_grant_missing")
    answer = allowed(site.post(good, token, headers, path=path))
    assert answer and site.backend.last.header("X-Agent-User") in (None, "")
    assert site.backend.last.header("X-Agent-Client") == "company|ci-runner"


def test_a_machine_may_no_longer(world, store):
    site = world("machine subject;")
    token = site.token(agent="ci-runner", user="ci-runner")
    allowed(site.call(token=token))
    if store == "redis":
        site.redis.client.hdel(key("grants:agent:company|ci-runner"), "m")
    else:
        site.change_policy(lambda t: t["grants"].pop())
    answer = site.call(token=token)
    assert answer.status == 403 and answer.event()["reason"] == "machine_refused"


def test_agwctl_grants_machines_and_explains_them(make_site, make_redis):
    server = make_redis()
    server.load(policy.base())
    site = make_site(issuer="machine subject;", store=server.store)
    token = site.token(agent="bare-agent", user="bare-agent")
    assert site.call(token=token).status == 403
    agwctl.run("grant", "agent:company|bare-agent", "tickets/ticket.read", "ticket:*", "--whom", "machine",
               *agwctl.where(server))
    allowed(site.call(token=token))
    asked = ["explain", "--state", site.prefix / "state", *agwctl.where(server), "--agent", "company|bare-agent",
             "--operation", "tickets/ticket.read", "--resource", "ticket:T-1"]
    assert all(r["decision"] == "allow" for r in agwctl.run_json(*asked, "--machine")["results"])
    agwctl.run(*asked, "--machine", "--user", "company|mira", status=2)
    agwctl.run(*asked, status=2)


def test_a_machine_over_rest(make_site):
    site = make_site(start=False, issuer="machine subject;")
    policy.tenant(site.policy)["agents"]["company|ci-runner"] = {}
    policy.grant(site.policy, "agent:company|ci-runner", "tickets/ticket.read", "ticket:T-1", **{"for": ["machine"]})
    site.write_policy(site.policy)
    site.start()
    token = site.token(agent="ci-runner", user="ci-runner")
    assert site.rest(token=token).status == 200
    problem(site.rest(target="/api/tickets/T-2", token=token), 403, "machine_grant_missing")
    told = site.send("GET", "/.well-known/agent-permissions/mcp", token)
    assert told.status == 200 and "user" not in told.json(), told.text
    assert json.loads(told.text)["agent"] == "company|ci-runner"
