"""list_changed reaches an open stream when its owner sees something else, between two events, in its era's form."""
import threading
import time

import pytest

from plugins import mcp, policy
from plugins.backend import sse_answer
from plugins.nginx import ASAN
from plugins.redis import key
from plugins.site import TOOLS
from plugins.wait import Lateness

LISTEN = [("Accept", "text/event-stream")]
LEGACY = b'event: message\ndata: {"jsonrpc":"2.0","method":"notifications/tools/list_changed"}\n\n'
ACKNOWLEDGED = 'event: message\ndata: {"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged"}\n\n'


def sees_less(tenant):
    tenant["bundles"]["support"]["grants"] = [{"id": "b1", "operation": "tickets/ticket.read", "resource": "ticket:*"}]


def modern(site, notifications, id='"sub-1"', **who):
    headers, body = mcp.modern("subscriptions/listen", {"notifications": notifications})
    text = mcp.encode(body).replace(b'"id":1', b'"id":' + id.encode())
    return site.begin_post(text, site.token(**who), headers)


def quiet(pieces=("data: first\n\n",)):
    """A stream on which nothing more comes before `hold` is set; then a last event."""
    hold = threading.Event()
    return hold, sse_answer([*pieces, hold, "data: last\n\n"])


def test_an_edit_tells_the_listener_and_nobody_else(make_site):
    site = make_site()
    hold, site.backend.answer = quiet()
    agents = ("docs-assistant", "narrow-agent")
    changed, same = (site.begin("GET", "/mcp", site.token(agent=a), LISTEN) for a in agents)
    for stream in (changed, same):
        stream.read_until(b"first")
    with Lateness() as late:
        begun = time.monotonic()
        site.change_policy(sees_less)
        assert changed.read_until(LEGACY).endswith(LEGACY)
        took = time.monotonic() - begun
    assert took < (5 if ASAN else 0.5) + late.seconds
    hold.set()
    assert changed.finish().body.count(b"list_changed") == 0, "once"
    assert b"list_changed" not in same.finish().body


def test_a_change_that_shows_the_same_is_none(make_site):
    site = make_site()
    hold, site.backend.answer = quiet()
    first, second = (site.begin("GET", "/mcp", site.token(user=u), LISTEN) for u in ("mira", "vera"))
    for stream in (first, second):
        stream.read_until(b"first")
    site.change_policy(lambda t: t["users"].update({"company|mira": {"name": "Mira M."}}))
    site.change_policy(lambda t: t["entitlements"].append(
        {"id": "e9", "to": "user:company|vera", "operation": "tickets/ticket.read"}))
    site.change_policy(lambda t: t["entitlements"].append(
        {"id": "e8", "to": "user:company|zoe", "operation": "tickets/ticket.read"}))
    other = site.begin("GET", "/mcp", site.token(agent="narrow-agent"), LISTEN)
    other.read_until(b"first")
    # A change that another one hears of shows that looks have been taken.
    site.change_policy(lambda t: t.update(grants=[]))
    other.read_until(LEGACY)
    hold.set()
    for stream in (first, second):
        assert b"list_changed" not in stream.finish().body
    other.reset()


def test_a_subscription_hears_what_it_asked_for_under_its_id(make_site):
    site = make_site()
    hold, site.backend.answer = quiet((ACKNOWLEDGED,))
    wants = modern(site, {"toolsListChanged": True}, '"sub-\\u0031"')
    number = modern(site, {"toolsListChanged": True, "promptsListChanged": True}, "77")
    silent = modern(site, {"promptsListChanged": True, "resourcesListChanged": True})
    for stream in (wants, number, silent):
        stream.read_until(b"acknowledged")
    site.change_policy(sees_less)
    form = '{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":' \
           '{"_meta":{"io.modelcontextprotocol/subscriptionId":%s}}}\n\n'
    assert wants.read_until((form % '"sub-\\u0031"').encode())
    assert number.read_until((form % "77").encode())
    hold.set()
    assert b"list_changed" not in silent.finish().body
    wants.reset()
    number.reset()


def test_one_that_follows_resources_hears_of_lists_too_and_ends_with_a_resource(make_site):
    site = make_site(start=False, tools=TOOLS + "agent_mcp_resource docs://<id> { scope tickets:read; }")
    grants = policy.tenant(site.policy)["bundles"]["support"]["grants"]
    policy.grant(site.policy, "group:company|support", "tickets/resources/*")
    site.change_policy(lambda t: grants.append({"id": "b3", "operation": "tickets/resources/*"}))
    site.start()
    hold, site.backend.answer = quiet((ACKNOWLEDGED,))
    follows = modern(site, {"toolsListChanged": True, "resourceSubscriptions": ["docs://a"]})
    follows.read_until(b"acknowledged")
    site.change_policy(lambda t: grants.pop(0))
    follows.read_until(b"tools/list_changed")
    site.change_policy(lambda t: grants.pop())
    answer = follows.finish()
    assert site.nginx.event(answer.header("X-Request-Id"))["reason"] == "agent_grant_missing"
    hold.set()


@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_it_stands_between_two_events(make_site, era):
    """While an event is on its way nothing comes in between; and before a subscription is acknowledged nothing at all."""
    site = make_site(workers="1")
    begin, end = ACKNOWLEDGED[:30], ACKNOWLEDGED[30:]
    half, rest = threading.Event(), threading.Event()
    site.backend.answer = sse_answer([": hello\n\n", half, begin, rest, end, "data: last\n\n"])
    stream = site.begin("GET", "/mcp", headers=LISTEN) if era == "legacy" else modern(site, {"toolsListChanged": True})
    stream.read_until(b"hello")
    half.set()
    # Another stream of the same worker shows when looks have been taken: the newest comes first.
    hold, witness_answer = quiet()
    site.backend.answer = witness_answer
    witness = site.begin("GET", "/mcp", headers=LISTEN)
    witness.read_until(b"first")
    site.change_policy(sees_less)
    witness.read_until(b"list_changed")
    rest.set()
    body = stream.finish().body.decode()
    if era == "modern":
        assert body.index("acknowledged") < body.index("tools/list_changed")
    assert ACKNOWLEDGED in body and body.count("list_changed") <= 1
    assert "tools/list_changed" in body or era == "legacy"
    for block in body.split("\n\n")[:-1]:
        assert block.count("data:") <= 1, body
    hold.set()
    witness.reset()


def test_a_write_in_redis_tells_the_listener(make_site, make_redis):
    store = make_redis()
    store.load(policy.base())
    site = make_site(store=store.store)
    hold, site.backend.answer = quiet()
    stream = site.begin("GET", "/mcp", headers=LISTEN)
    stream.read_until(b"first")
    store.client.hdel(key("entitlements:group:company|support"), "e1", "e2")
    stream.read_until(LEGACY)
    hold.set()
    assert stream.finish().status == 200


def test_observing_tells_nobody(make_site):
    site = make_site(mcp="agent_mode observe;")
    hold, answer = quiet()
    site.backend.answer = lambda received: answer if received.method == "GET" else None
    stream = site.begin("GET", "/mcp", headers=LISTEN)
    stream.read_until(b"first")
    site.change_policy(sees_less)
    assert site.call("ticket.list", {}).event()["decision"] == "deny", "the edit is in force"
    hold.set()
    assert b"list_changed" not in stream.finish().body


def test_over_http2_and_to_a_client_that_reads_late(make_site):
    import httpx
    site = make_site(listen=" http2")
    hold, site.backend.answer = quiet(("data: first\n\n", "data: " + "x" * 300000 + "\n\n"))
    token = {"Authorization": "Bearer " + site.token(), "Accept": "text/event-stream"}
    with httpx.Client(http1=False, http2=True, timeout=20) as client:
        with client.stream("GET", site.resource, headers=token) as answer:
            parts = answer.iter_bytes()
            seen = next(parts)
            site.change_policy(sees_less)
            # What it has not read yet holds nothing back for ever, and what comes in between stands between two events.
            while b"list_changed" not in seen:
                seen += next(parts)
            hold.set()
            seen += b"".join(parts)
    assert LEGACY in seen and seen.count(b"list_changed") == 1 and b"data: last\n\n" in seen
    assert seen.replace(LEGACY, b"").count(b"\n\n") == 3
