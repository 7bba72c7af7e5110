"""Which grants nobody uses: recorded off the calls' path, to the day, and told by agwctl stale."""
import datetime
import json
import os

import pytest

from plugins import policy
from plugins.agwctl import BINARY, run, run_json, where
from plugins.site import allowed
from plugins.wait import eventually

pytestmark = pytest.mark.skipif(not os.path.exists(BINARY), reason="agwctl is not built: make build")
TODAY = datetime.datetime.now(datetime.timezone.utc)


def days(number):
    return (TODAY + datetime.timedelta(days=number)).strftime("%Y-%m-%dT%H:%M:%SZ")


def unused(*arguments, at=None, status=3, number=30):
    found = run_json("stale", "--days", number, *(["--at", days(at)] if at is not None else []), *arguments, status=status)
    return {(row["holder"], row.get("id") or row["bundle"]): row.get("last_used") for row in found["unused"]}, found["notes"]


@pytest.fixture(params=["redis", "file"])
def place(request, make_site, make_redis):
    """A site, and how agwctl finds its store."""
    if request.param == "file":
        site = make_site(workers="2")
        return site, ["--state", site.prefix / "state"]
    server = make_redis()
    server.load(policy.base())
    return make_site(store=server.store), where(server)


def recorded(site):
    return f'agent_last_uses_total{{result="kept"}} 2' in site.send("GET", "/metrics", token=None).text


def test_what_was_used_is_not_listed_and_the_rest_is(place):
    site, source = place
    allowed(site.call(token=site.token()))
    eventually(lambda: recorded(site), timeout=10)
    rows, notes = unused(*source, status=0)
    assert not rows and "since" in notes[0], "a month hasn't passed: nothing can be said"
    rows, notes = unused(*source, at=29, number=29)
    assert not notes
    assert ("bundle:support", "b1") in rows and rows[("bundle:support", "b1")] is not None, "29 days ago is long ago"
    with_use, _ = unused(*source, at=40, number=30)
    assert with_use[("agent:company|narrow-agent", "g1")] is None
    assert with_use[("agent:company|low-agent", "bundle:support")] is None
    assert with_use[("agent:company|docs-assistant", "bundle:support")] == TODAY.strftime("%Y-%m-%d")
    assert with_use[("bundle:support", "b2")] is None and with_use[("bundle:support", "b1")] is not None
    assert with_use[("group:company|support", "e1")] is not None


def test_a_use_yesterday_keeps_a_grant_off_the_list(make_site, make_redis):
    server = make_redis()
    server.load(policy.base())
    ago = [(TODAY - datetime.timedelta(days=n)).strftime("%Y-%m-%d") for n in (1, 45, 100)]
    seen = "agw:v:{default}:seen:"
    server.client.set(seen + "since", ago[2])
    server.client.hset(seen + "bundle:support", mapping={"b1": ago[0], "b2": ago[1]})
    server.client.hset(seen + "of:company|docs-assistant", "bundle:support", ago[0])
    for number, listed in ((30, True), (45, True), (60, False)):
        rows, _ = unused(*where(server), number=number)
        assert (("bundle:support", "b2") in rows) == listed, number
        assert ("bundle:support", "b1") not in rows and ("agent:company|docs-assistant", "bundle:support") not in rows
        assert ("agent:company|low-agent", "bundle:support") in rows
    told = run("stale", "--days", "30", *where(server), status=3).stdout
    assert ago[1] in told and "never" in told


def test_denials_and_what_begins_or_is_over_are_left_out(make_redis):
    server = make_redis()
    content = policy.base()
    for more in ({"effect": "deny"}, {"until": days(-1)}, {"since": days(-2)}, {"since": days(-50)}):
        policy.grant(content, "agent:company|bare-agent", "tickets/*", id="-".join(more) + more.get("since", ""), **more)
    server.load(content)
    server.client.set("agw:v:{default}:seen:since", "2020-01-01")
    rows, _ = unused(*where(server))
    assert [name for holder, name in rows if holder == "agent:company|bare-agent"] == ["since" + days(-50)]


def test_a_store_without_any_record_says_so(make_redis):
    server = make_redis()
    server.load(policy.base())
    rows, notes = unused(*where(server), status=0)
    assert not rows and "no use has been recorded" in notes[0]
    run("stale", "--days", "0", *where(server), status=2)


def test_without_the_right_to_write_calls_pass(make_site, make_redis):
    server = make_redis("acl")
    server.load(policy.base())
    server.client.execute_command("ACL", "SETUSER", "gateway", "resetkeys", "%R~agw:p:*")
    site = make_site(store=server.store)
    allowed(site.call())
    eventually(lambda: "last uses of grants can't be kept, they wait: NOPERM" in site.nginx.error_log, timeout=15)
    allowed(site.call())
    server.client.execute_command("ACL", "SETUSER", "gateway", "%RW~agw:v:*")
    eventually(lambda: server.client.hgetall("agw:v:{default}:seen:bundle:support"), timeout=15)


def test_a_file_survives_a_restart_and_is_made_shorter(make_site):
    site = make_site()
    allowed(site.call())
    eventually(lambda: recorded(site), timeout=10)
    path = site.prefix / "state/last_use.jsonl"
    assert path.stat().st_mode & 0o777 == 0o600
    site.nginx.stop()
    line = json.dumps({"day": "2026-01-01", "tenant": "default", "holder": "bundle:support", "id": "b1",
                       "agent": "company|docs-assistant"}, separators=(",", ":")) + "\n"
    with path.open("a") as file:
        file.write(line * 20000)
    site.nginx.start(site.conf())
    assert path.stat().st_size < 2000
    since, *lines = [json.loads(each) for each in path.read_text().splitlines()]
    assert since == {"since": TODAY.strftime("%Y-%m-%d")}
    assert {each["day"] for each in lines} == {TODAY.strftime("%Y-%m-%d")}
