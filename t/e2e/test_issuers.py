"""Several issuers at one place: each by its own rules, chosen by what the token says of itself, and never tried in turn."""
import pytest

from plugins import policy
from plugins.issuer import Issuer
from plugins.site import allowed, hidden

PARTNER = """
    agent_issuer partner {{
        issuer {url};
        algorithms {algorithms};
        {more}
    }}
"""


@pytest.fixture
def two(make_site):
    """two(more, issuer): a site that trusts two issuers, and what tells tokens of the second."""
    started = []

    def make(more="type any;", issuer="", algorithms="RS256", change=None, fault=None):
        partner = Issuer().start()
        started.append(partner)
        partner.fault = {"all": fault} if fault else {}
        site = make_site(start=False, issuer=issuer, trust="company partner",
                         http=PARTNER.format(url=partner.url, algorithms=algorithms, more=more))
        partner.audience = site.issuer.audience
        partner.key("RS256")
        site.partner = partner
        site.foreign = lambda **claims: partner.token(**({"alg": "RS256", "groups": ["support"]} | claims))
        tenant = policy.tenant(site.policy)
        tenant["agents"]["partner|docs-assistant"] = {"bundles": ["reader"]}
        tenant["entitlements"].append({"id": "p", "to": "user:partner|mira", "operation": "tickets/ticket.read"})
        if change:
            change(tenant)
        site.write_policy(site.policy)
        return site.start()

    yield make
    for one in started:
        one.stop()


def refused(answer, reason):
    assert answer.status == 401 and answer.challenge["error"] == "invalid_token", f"{answer.status} {answer.text}"
    event = answer.event()
    assert event["reason"] == reason, event


def test_one_subject_and_client_of_two_issuers_are_two_people(two):
    site = two()
    ours, theirs = site.token(), site.foreign()
    first, second = site.call(token=ours), site.call(token=theirs)
    allowed(first)
    allowed(second)
    assert first.event()["user"]["id"] == "company|mira" and second.event()["user"]["id"] == "partner|mira"
    assert first.event()["agent"]["id"] == "company|docs-assistant"
    assert second.event()["agent"]["id"] == "partner|docs-assistant"
    allowed(site.call("ticket.list", {}, token=ours))
    hidden(site.call("ticket.list", {}, token=theirs), "ticket.list")
    # What one of them is refused says nothing of the other.
    site.change_policy(lambda t: t["users"].update({"partner|mira": {"status": "disabled"}}))
    assert site.call(token=theirs).status == 403
    allowed(site.call(token=ours))


def test_a_token_is_held_against_the_issuer_that_it_names(two):
    site = two()
    # Signed by the other one's key: nobody else's keys are tried.
    refused(site.call(token=site.foreign(iss=site.issuer.url)), "token_key_unknown")
    refused(site.call(token=site.token(iss=site.partner.url)), "token_algorithm_refused")
    site.partner.key("ES256")
    refused(site.call(token=site.partner.token(groups=["support"])), "token_algorithm_refused")
    allowed(site.call(token=site.foreign()))


def test_the_same_key_id_at_both(two):
    site = two(algorithms="ES256")
    site.partner.keys = {"ES256": site.partner.key("ES256")}
    site.partner.keys["ES256"].kid = site.issuer.key("ES256").kid
    refused(site.call(token=site.partner.token(iss=site.issuer.url)), "token_signature_invalid")
    allowed(site.call(token=site.partner.token()))
    allowed(site.call(token=site.token()))


def test_one_issuer_that_is_away_is_no_other_ones_affair(two):
    site = two(fault="500")
    assert site.call(token=site.foreign()).status == 503
    allowed(site.call(token=site.token()))


def test_an_issuer_that_this_place_does_not_trust(two):
    site = two()
    site.reload(trust="company")
    refused(site.call(token=site.foreign()), "token_issuer_unknown")
    allowed(site.call(token=site.token()))


def test_each_has_its_claims_types_and_audiences(two):
    site = two(more="type jwt; audience api://tools tools; claims user=email agent=appid groups=realm_access/roles scope=scp; "
                    "required_claims realm_access/roles;",
               change=lambda t: t["entitlements"].append(
                   {"id": "r", "to": "group:partner|helpers", "operation": "tickets/ticket.read"}))
    good = {"typ": "JWT", "aud": "tools", "email": "ada@partner", "appid": "docs-assistant", "scp": ["tickets:read"],
            "scope": None, "groups": None, "realm_access": {"roles": ["helpers"]}}
    allowed(site.call(token=site.foreign(**good)))
    event = site.call(token=site.foreign(**good)).event()
    assert event["user"]["id"] == "partner|ada@partner"
    allowed(site.call(token=site.foreign(**good | {"aud": ["x", "api://tools"]})))
    for change, reason in (({"typ": "at+jwt"}, "token_type_refused"), ({"aud": site.resource}, "token_audience_mismatch"),
                           ({"aud": "tool"}, "token_audience_mismatch"), ({"email": None}, "token_claim_invalid"),
                           ({"email": ["ada@partner"]}, "token_claim_invalid"), ({"appid": None}, "token_claim_invalid"),
                           ({"realm_access": None}, "token_claim_invalid"), ({"realm_access": "helpers"}, "token_claim_invalid"),
                           ({"realm_access": {}}, "token_claim_invalid"), ({"realm_access": {"roles": {}}}, "token_claim_invalid"),
                           ({"realm_access": {"roles": [7]}}, "token_claim_invalid"), ({"scp": {}}, "token_claim_invalid")):
        refused(site.call(token=site.foreign(**good | change)), reason)
    # The other issuer's audiences aren't this one's.
    refused(site.call(token=site.token(aud="tools")), "token_audience_mismatch")
    allowed(site.call(token=site.token()))


def test_only_one_of_them_may_name_actors(two):
    site = two(issuer="actors optional;")
    act = {"act": {"sub": "docs-assistant"}}
    allowed(site.call(token=site.token(**act)))
    refused(site.call(token=site.foreign(**act)), "token_actors_refused")
    # An actor of the other issuer is that one's agent, and the client still counts.
    foreign = site.token(act={"sub": "docs-assistant", "iss": site.partner.url})
    answer = site.call(token=foreign)
    allowed(answer)
    assert answer.event()["agent"]["id"] == "partner|docs-assistant"
    hidden(site.call("ticket.list", {}, token=foreign), "ticket.list")


def test_only_one_of_them_has_machines(two):
    def admit(tenant):
        for alias in ("company", "partner"):
            tenant["agents"][f"{alias}|ci"] = {}
            tenant["grants"].append({"id": "m", "to": f"agent:{alias}|ci", "operation": "tickets/ticket.read", "for": ["machine"]})

    site = two(issuer="machine subject;", change=admit)
    allowed(site.call(token=site.token(user="ci", agent="ci")))
    answer = site.call(token=site.foreign(user="ci", agent="ci"))
    assert answer.status == 403 and answer.event()["reason"] == "user_missing"
