"""A stop of all calls, the agents that break the glass, the grace without a store, and calls that are cut while they run."""
import http.client
import json
import os
import threading
import time
from datetime import datetime, timedelta, timezone

import pytest

from plugins import mcp, policy
from plugins.agwctl import BINARY, run, run_json, where
from plugins.backend import plain
from plugins.redis import key
from plugins.server import Answer
from plugins.site import allowed, problem
from plugins.wait import eventually
from test_copy import LEASE, hears
from test_mcp_stream_ends import Feed, ended_for, ends, goes_on, listen
from test_revocation import everywhere, refused

needs_agwctl = pytest.mark.skipif(not os.path.exists(BINARY), reason="agwctl is not built: make build")


def at(seconds):
    return (datetime.now(timezone.utc) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def break_glass(path, *agents, ahead=3600):
    """Written as an editor does."""
    new = path.with_suffix(".new")
    entries = [{"agent": f"company|{a}", "until": at(ahead), "reason": "the fire"} for a in agents]
    new.write_text(json.dumps({"agents": entries}))
    os.replace(new, path)


def stopped(site, token=True):
    answer = site.call(token=token)
    assert answer.status == 403 and answer.header("Retry-After") is None, answer.text
    assert answer.json()["error"]["code"] == 4030 and answer.json()["error"]["data"]["reason"] == "stopped"
    assert answer.event()["reason"] == "stopped" and answer.event()["checks"]["user"] == "fail"
    problem(site.rest(token=token), 403, "stopped")
    hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    for message in (mcp.message("initialize", hello), mcp.message("tools/list"), mcp.message("ping")):
        assert site.post(message, token).json()["error"]["data"]["reason"] == "stopped"


@pytest.fixture
def sites(make_site, make_redis, tmp_path):
    """Two nginx of two workers each, two tenants."""
    server = make_redis()
    content = policy.base()
    content["tenants"] = {"acme": content["tenants"]["default"], "beta": policy.base()["tenants"]["default"]}
    server.load(content)
    found = []
    for i in range(2):
        glass = tmp_path / f"glass{i}.json"
        break_glass(glass, "low-agent")
        site = make_site(store=server.store, issuer="tenants acme beta;", http=f"agent_break_glass {glass};")
        site.redis, site.glass = server, glass
        hears(site)
        found.append(site)
    return found


@needs_agwctl
def test_a_stop_holds_with_the_next_call_and_for_every_message(sites, tmp_path):
    server = sites[0].redis
    tokens = {site: {t: site.token(tenant=t) for t in ("acme", "beta")} for site in sites}

    def passes(site):
        for token in tokens[site].values():
            allowed(site.call(token=token))
            assert site.rest(token=token).status == 200

    everywhere(sites, passes, 4)
    run("kill", "--dry-run", *where(server))
    everywhere(sites, passes, 2)
    done = run("kill", "--reason", "a leak", *where(server))
    assert "acme" in done.stdout and "beta" in done.stdout
    everywhere(sites, lambda site: [stopped(site, token) for token in tokens[site].values()], 3)
    # Said again it changes nothing, and one tenant's lifting doesn't lift that of all.
    assert "nothing changes" in run("kill", *where(server)).stdout
    run("kill", "--lift", "--tenant", "acme", *where(server))
    stopped(sites[0], tokens[sites[0]]["acme"])
    # A tenant that is made now is stopped too.
    content = {"schema": 1, "tenants": {"gamma": policy.base()["tenants"]["default"]}}
    (tmp_path / "gamma.json").write_text(json.dumps(content))
    run("apply", tmp_path / "gamma.json", *where(server))
    assert server.client.hget(key("tenant", "gamma"), "stop_all") == "true"
    listed = {t["tenant"]: t["revocations"] for t in run_json("revocations", *where(server))["tenants"]}
    assert all("stopped, as all tenants" in [row["how"] for row in listed[t]] for t in ("acme", "beta", "gamma")), listed
    run("kill", "--lift", *where(server))
    everywhere(sites, passes, 4)
    assert server.client.hget(key("tenant", "gamma"), "stop_all") is None


@needs_agwctl
def test_one_tenants_stop(sites):
    server = sites[0].redis
    run("kill", "--tenant", "acme", *where(server))
    everywhere(sites, lambda site: stopped(site, site.token(tenant="acme")), 3)
    everywhere(sites, lambda site: allowed(site.call(token=site.token(tenant="beta"))), 3)
    run("kill", "--tenant", "acme", "--lift", *where(server))
    everywhere(sites, lambda site: allowed(site.call(token=site.token(tenant="acme"))), 3)
    run("kill", "--tenant", "nobody", *where(server), status=1)


@needs_agwctl
def test_who_breaks_the_glass_passes_the_stop_and_nothing_else(sites):
    server = sites[0].redis
    run("kill", *where(server))
    site = sites[0]
    rescue = {s: s.token(tenant="acme", agent="low-agent") for s in sites}

    def passes(s):
        event = s.call(token=rescue[s])
        allowed(event)
        assert event.event()["break_glass"] is True

    everywhere(sites, passes, 6)
    allowed(site.post(mcp.message("tools/list"), rescue[site]))
    everywhere(sites, lambda s: stopped(s, s.token(tenant="acme")), 2)
    for s in sites:
        warnings = [line for line in s.nginx.error_log.splitlines() if "company|low-agent passes a stop until" in line]
        assert 1 <= len(warnings) <= 2 and all("[warn]" in line and "the fire" in line for line in warnings), warnings
    # Everything else holds: grants, scopes, tokens, the person, the tenant.
    assert site.call("delete_ticket", {"ticketId": "T-1"}, rescue[site]).json()["error"]["code"] == -32602
    refused(site.call(token=site.token(tenant="acme", agent="low-agent", user="dora")), 403, "user_disabled")
    server.client.set(key("revoked:jti:company|mine", "acme"), "x")
    refused(site.call(token=site.token(tenant="acme", agent="low-agent", jti="mine")), 401, "token_revoked")
    run("revoke", "tenant", "acme", *where(server))
    refused(site.call(token=rescue[site]), 403, "tenant_refused")
    run("revoke", "tenant", "acme", "--lift", *where(server))
    passes(site)
    # Nobody in the file: nobody passes. A file that is broken, or that others may write to, breaks no glass.
    for change in (lambda g: break_glass(g), lambda g: g.write_text("{"), lambda g: g.chmod(0o666), lambda g: g.unlink()):
        change(site.glass)
        assert eventually(lambda: all(site.call(token=rescue[site]).status == 403 for _ in range(6)))
        break_glass(site.glass, "low-agent")
        assert eventually(lambda: all(site.call(token=rescue[site]).status == 200 for _ in range(6)))
    run("kill", "--lift", *where(server))
    assert "break_glass" not in site.call(token=rescue[site]).event()


@needs_agwctl
def test_a_glass_that_was_broken_mends_by_itself(make_site, tmp_path):
    glass = tmp_path / "glass.json"
    break_glass(glass, "docs-assistant", ahead=4)
    site = make_site(http=f"agent_break_glass {glass};")
    site.change_policy(lambda t: t.update(stop=True))
    allowed(site.call())
    site.feed = site.backend.answer = Feed()
    stream = listen(site)
    assert eventually(lambda: site.post(mcp.message("ping")).status == 403, timeout=10)
    ends(stream, time.monotonic())
    ended_for(site, stream, "stopped")
    site.backend.answer = None
    said = json.loads(run("status", "--state", site.prefix / "state", "--json").stdout)
    assert any("are stopped" in note for note in said["notes"]), said
    break_glass(glass, "docs-assistant")
    assert eventually(lambda: any("doesn't hold for 1 agents" in n for n in json.loads(
        run("status", "--state", site.prefix / "state", "--json").stdout)["notes"]))
    allowed(site.call())


@needs_agwctl
def test_a_stop_ends_open_streams(sites):
    site = sites[0]
    site.feed = site.backend.answer = Feed()
    stays, goes = listen(site, tenant="acme", agent="low-agent"), listen(site, tenant="acme")
    begun = time.monotonic()
    run("kill", *where(site.redis))
    ends(goes, begun)
    ended_for(site, goes, "stopped")
    goes_on(stays)
    stays.reset()


@pytest.mark.parametrize("wrong,says", [
    ('{"agents": [{"agent": "company|x", "until": "2999-01-01T00:00:00Z", "reason": "x"}]}', "24 hours"),
    ('{"agents": [{"agent": "*", "until": "2026-01-01T00:00:00Z", "reason": "x"}]}', "ISSUER|CLIENT"), ("{", "JSON")])
def test_a_file_that_nginx_refuses(make_site, tmp_path, wrong, says):
    glass = tmp_path / "glass.json"
    glass.write_text(wrong)
    site = make_site(start=False, http=f"agent_break_glass {glass};")
    site.nginx.allow("agent_break_glass")
    status, said = site.nginx.test(site.conf())
    assert status != 0 and says in said and "agent_break_glass" in said, said
    break_glass(glass, "docs-assistant")
    glass.chmod(0o666)
    status, said = site.nginx.test(site.conf())
    assert status != 0 and "chmod go-w" in said, said


# --- grace ------------------------------------------------------------------------------------------------------------


def test_the_grace_where_redis_does_not_answer(make_site, make_redis):
    server = make_redis()
    server.load(policy.base())
    without = make_site(store=server.store)
    site = make_site(store=server.store, http="agent_revocation_grace 6s;", workers="1")
    tokens = {s: s.token() for s in (site, without)}
    for s in (site, without):
        hears(s, 1 if s is site else 2)
        for _ in range(12):
            allowed(s.call(token=tokens[s]))
    before = site.call(token=tokens[site])
    assert "grace" not in before.event()
    server.stop()
    died = time.monotonic()
    answer = site.call(token=tokens[site])
    allowed(answer)
    assert answer.event()["grace"] is True and answer.event()["decision"] == "allow"
    refused(without.call(token=tokens[without]), 503, "store_unavailable")
    # What wasn't known isn't known now: another token, another operation.
    refused(site.call(token=site.token()), 503, "store_unavailable")
    refused(site.rest("GET", "/api/tickets", token=tokens[site]), 503, "store_unavailable")
    assert eventually(lambda: site.call(token=tokens[site]).status == 503, timeout=15)
    assert time.monotonic() - died > LEASE


def test_no_grace_after_something_has_spoken_against_it(make_site, make_redis):
    server = make_redis()
    server.load(policy.base())
    site = make_site(store=server.store, http="agent_revocation_grace 30s;", workers="1")
    token = site.token()
    hears(site, 1)
    allowed(site.call(token=token))
    before = site.series("agent_copy_invalidations_total")
    server.client.hset(key("user:company|mira"), "status", "disabled")
    eventually(lambda: site.series("agent_copy_invalidations_total") > before)
    server.stop()
    refused(site.call(token=token), 503, "store_unavailable")


# --- calls that run ---------------------------------------------------------------------------------------------------


@pytest.fixture
def slow(make_site):
    """A backend that answers when it is told to."""
    def begin(**pieces):
        site = make_site(**pieces)
        site.go_on = threading.Event()

        def answer(received):
            site.go_on.wait(30)
            return plain(received)
        site.backend.answer = answer
        return site
    return begin


def disable_vera(tenant):
    tenant["users"]["company|vera"] = {"status": "disabled"}


def begin_call(site, **who):
    return site.begin_post(mcp.call("ticket.read", {"id": "T-1"}), site.token(**who))


@pytest.mark.parametrize("how", ["mcp", "rest"])
def test_a_call_that_runs_is_cut(slow, how):
    site = slow(mcp="agent_cut_running on;", api="agent_cut_running on;")
    begin = {"mcp": lambda **who: begin_call(site, **who),
             "rest": lambda **who: site.begin("GET", "/api/tickets/T-1", site.token(**who))}[how]
    goes, stays = begin(user="vera"), begin()
    eventually(lambda: site.backend.count() == 2)
    site.change_policy(disable_vera)
    answer = goes.finish()
    assert answer.status == 403, answer
    event = site.nginx.event(answer.header("X-Request-Id"))
    assert event["decision"] == "allow" and event["reason"] == "user_disabled" and event["outcome"] == "aborted", event
    site.go_on.set()
    assert stays.finish().status == 200


def test_where_nobody_wants_it_a_call_comes_to_its_end(slow):
    site = slow()
    goes = begin_call(site, user="vera")
    eventually(lambda: site.backend.count() == 1)
    site.change_policy(disable_vera)
    eventually(lambda: site.call(token=site.token(user="vera")).status == 403)
    site.go_on.set()
    assert goes.finish().status == 200


def test_an_answer_that_has_begun_is_closed(make_site):
    site = make_site(api="agent_cut_running on;", http="proxy_buffering off;")
    hold = threading.Event()

    site.backend.answer = lambda received: Answer(200, [("Content-Type", "application/json")], ['{"begun": ', hold, "true}"])
    goes = site.begin("GET", "/api/tickets/T-1", site.token(user="vera"))
    assert goes.head().status == 200
    request_id = goes.head().header("X-Request-Id")
    site.change_policy(disable_vera)
    with pytest.raises((OSError, http.client.HTTPException)):
        goes.finish()
    event = site.nginx.event(request_id)
    assert event["outcome"] == "aborted" and event["reason"] == "user_disabled", event
    hold.set()
