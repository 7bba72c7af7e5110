"""One event for every call, one line of JSON for every event, whatever a client sends and however nginx ends."""
import json
import re
import signal
import threading
import time

import pytest

from plugins import mcp
from plugins.server import HANG
from plugins.site import allowed
from plugins.wait import eventually

CALL = mcp.call("ticket.read", {"id": "T-1"})
CHECKS = {"token", "user", "agent", "delegation", "scope", "route", "approval", "limit"}
DECISIONS = {"allow", "deny", "approval_required", "rate_limited"}
OUTCOMES = {"ok", "error", "aborted", "refused", "unknown"}


def well_formed(event):
    assert event["v"] == 1 and re.fullmatch(r"[0-9a-f]{32}", event["id"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", event["time"])
    assert event["decision"] in DECISIONS and event["outcome"] in OUTCOMES
    assert isinstance(event["enforced"], bool) and re.fullmatch(r"[a-z_]+", event["reason"])
    assert set(event["checks"]) == CHECKS and set(event["checks"].values()) <= {"pass", "fail", "skip"}
    assert (event["decision"] == "allow") == (event["reason"] == "allowed")
    assert event["decision"] != "allow" or "fail" not in event["checks"].values()
    assert event["http"]["method"] and event["http"]["path"].startswith("/")
    assert event["overhead_us"] >= 0 and event["text"]
    return event


def test_an_allowed_call(site):
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    answer = site.call(id=7, headers=[("User-Agent", "agent/1.0"), ("traceparent", f"00-{trace}-00f067aa0ba902b7-01")])
    allowed(answer)
    event = well_formed(answer.event())
    assert event["type"] == "mcp.tools.call" and event["enforced"] is True and event["outcome"] == "ok"
    assert event["user"]["id"] == "company|mira" and event["agent"] == event["agent"] | {
        "id": "company|docs-assistant", "tier": "developer"}
    assert event["tenant"] == "default" and event["operation"] == "tickets/ticket.read"
    assert event["resource"] == "ticket:T-1" and event["class"] == "confidential"
    assert event["http"] == {"method": "POST", "path": "/mcp", "status": 200}
    assert event["mcp"]["tool"] == "ticket.read" and event["mcp"]["version"]
    assert event["upstream"]["status"] == 200 and str(site.backend.port) in event["upstream"]["address"]
    assert event["upstream"]["ms"] >= 0 and event["trace_id"] == trace
    assert event["client_ip"] == "127.0.0.1" and event["user_agent"] == "agent/1.0"
    assert all(event["checks"][c] == "pass" for c in ("token", "user", "agent", "delegation", "scope", "route"))


def test_every_kind_of_call_has_one_event(site):
    modern, body = mcp.modern_call("ticket.read", {"id": "T-1"})
    answers = [
        (site.call(), "ok"), (site.call(token=None), "refused"), (site.call(token="x"), "refused"),
        (site.call(token=site.token(agent="disabled-agent")), "refused"),
        (site.call(token=site.token(agent="bare-agent")), "refused"), (site.call("nope"), "refused"),
        (site.post(b"not json"), "refused"), (site.post(b"[]"), "refused"), (site.post(body, headers=modern), "ok"),
        (site.send("GET", "/mcp"), "ok"), (site.send("DELETE", "/mcp"), "ok"), (site.send("PUT", "/mcp"), "refused"),
        (site.rest(), "ok"), (site.rest(token=None), "refused"), (site.rest(target="/api/none"), "refused"),
        (site.rest(target="/api//tickets"), "refused"),
        (site.post({"jsonrpc": "2.0", "method": "notifications/initialized"}), "ok"),
        (site.post({"jsonrpc": "2.0", "id": 1, "method": "ping"}), "ok")]
    for answer, outcome in answers:
        event = well_formed(answer.event())
        assert event["outcome"] == outcome, event
        assert event["http"]["status"] == answer.status
        assert ("upstream" in event and event["upstream"].get("status") is not None) == (outcome == "ok"), event
    ids = [a.request_id for a, _ in answers]
    assert len(set(ids)) == len(ids)


def test_pages_of_discovery_are_no_calls(site):
    before = len(site.nginx.audit())
    site.send("GET", "/.well-known/oauth-protected-resource/mcp", None)
    site.send("GET", "/auth.md", None)
    site.send("GET", "/open/x", None)
    marker = site.call()
    marker.event()
    assert len(site.nginx.audit()) == before + 1


ODD = [b"a\"b", b"a\\b", b"line\x0btab\x0c", b"\x7f\x01\x02", b"\xff\xfe\xfd", b"\xc3", b"\xed\xa0\x80", "\u2028\u2029".encode(),
       "\u202eevil".encode(), b"x" * 20000, b'","decision":"allow","x":"', b"</script>", "\U0001f600".encode() * 2000,
       b"\xf0\x9f\x98"]


@pytest.mark.parametrize("index", range(len(ODD)))
def test_no_header_forges_a_line(site, index):
    before = len(site.nginx.audit())
    answer = site.call(token=site.token(agent="bare-agent"), headers=[("User-Agent", ODD[index]),
                                                                     ("X-Forwarded-For", ODD[index])])
    if answer.status == 400 and not answer.request_id:
        return  # nginx itself refuses some of these bytes
    event = well_formed(answer.event())
    assert event["decision"] == "deny" and event["reason"] == "agent_grant_missing"
    assert len(event.get("user_agent", "")) <= 4200
    assert len(site.nginx.audit()) == before + 1
    raw = site.nginx.audit_path.read_bytes()
    raw.decode("utf-8")
    assert not re.search(rb"[\x00-\x09\x0b-\x1f\x7f]", raw), "a raw control character in the log"


@pytest.mark.parametrize("where", ["tool", "argument", "id", "path", "claim"])
@pytest.mark.parametrize("text", ['a"b\n{"v":1}', "\u2028", "\u0001\u001f", "x" * 900, "\U0001f600"])
def test_nothing_in_a_call_forges_a_line(site, where, text):
    if where == "tool":
        answer = site.call(text)
    elif where == "argument":
        answer = site.call(arguments={"id": text})
    elif where == "id":
        answer = site.call(id=text[:60])
    elif where == "path":
        from urllib.parse import quote
        answer = site.rest(target="/api/tickets/" + quote(text, safe=""))
    else:
        answer = site.call(token=site.token(user=text, agent=text, groups=[text]))
    if answer.request_id:
        well_formed(answer.event())
    for line in site.nginx.audit_path.read_bytes().split(b"\n"):
        assert not line or isinstance(json.loads(line), dict)
        assert not re.search(rb"[\x00-\x1f\x7f]", line)


def test_never_an_argument_or_a_body(site):
    answer = site.call(arguments={"id": "T-1", "password": "hunter2hunter2"})
    answer.event()
    assert "hunter2" not in site.nginx.audit_path.read_text() + site.nginx.error_log


def test_never_a_query(site):
    site.rest(target="/api/tickets/T-1?token=hunter2hunter2").event()
    assert "hunter2" not in site.nginx.audit_path.read_text()


def test_usr1_reopens(make_site):
    site = make_site()
    first = site.call()
    first.event()
    old = site.prefix / "audit.old"
    site.nginx.audit_path.rename(old)
    site.nginx.send_signal(signal.SIGUSR1)

    def moved():
        answer = site.call()
        return site.nginx.audit_path.exists() and site.nginx.event(answer.request_id, 1)

    eventually(moved, timeout=10)
    assert first.request_id in old.read_text()
    for _ in range(20):
        site.call().event()
    lines = [json.loads(x)["id"] for p in (old, site.nginx.audit_path) for x in p.read_text().splitlines()]
    assert len(lines) == len(set(lines))


def _load(site, stop, ids):
    while not stop.is_set():
        try:
            answer = site.call()
        except OSError:
            continue
        if answer.request_id:
            ids.append(answer.request_id)


@pytest.mark.parametrize("how", ["reload", "quit", "rotate"])
def test_nothing_is_lost(make_site, how):
    """Under load: every answered call has its line after a reload, an orderly exit, a rotation."""
    site = make_site()
    stop, ids = threading.Event(), []
    threads = [threading.Thread(target=_load, args=(site, stop, ids)) for _ in range(4)]
    for t in threads:
        t.start()
    eventually(lambda: len(ids) > 50, timeout=20)
    files = [site.nginx.audit_path]
    if how == "reload":
        for _ in range(3):
            site.reload(gone=True)
    if how == "rotate":
        for i in range(3):
            files.append(site.prefix / f"audit.{i}")
            site.nginx.audit_path.rename(files[-1])
            site.nginx.send_signal(signal.SIGUSR1)
            # nginx asks for the new file by its name once more after it has made it: the next rotation waits for a line.
            eventually(lambda: site.nginx.audit_path.exists() and site.nginx.audit_path.stat().st_size > 0, timeout=20)
    stop.set()
    for t in threads:
        t.join()
    if how == "quit":
        site.nginx.stop()
    else:
        eventually(lambda: ids[-1] in site.nginx.audit_path.read_text())
        site.nginx.stop()
    lines = [json.loads(x)["id"] for p in files for x in p.read_text().splitlines()]
    assert len(lines) == len(set(lines)) and not set(ids) - set(lines)


def test_an_orderly_exit_loses_nothing_without_waiting(make_site):
    site = make_site()
    ids = {site.call().request_id for _ in range(30)}
    site.nginx.stop(signal.SIGTERM)
    assert ids <= {e["id"] for e in site.nginx.audit()}


def test_the_decision_stands_before_the_backend_answers(make_site):
    """A client that goes away while the backend thinks leaves an event behind, with the decision it had."""
    site = make_site()
    site.backend.answer = HANG
    stream = site.begin_post(CALL)
    eventually(lambda: site.backend.count() == 1)
    stream.reset()
    event = eventually(lambda: site.nginx.audit() and site.nginx.audit()[-1])
    assert event["decision"] == "allow" and event["outcome"] == "aborted"


def test_a_worker_that_dies_keeps_its_decision(make_site):
    """CONTRACT: if the worker dies in between, the line still appears, with outcome unknown."""
    site = make_site(workers="1")
    site.nginx.allow("exited on signal 9")
    site.backend.answer = HANG
    stream = site.begin_post(CALL)
    eventually(lambda: site.backend.count() == 1)
    import os
    os.kill(site.nginx.workers()[0], signal.SIGKILL)
    eventually(lambda: site.nginx.workers())
    stream.close()
    site.backend.answer = None
    allowed(site.call())
    events = eventually(lambda: [e for e in site.nginx.audit() if e["outcome"] == "unknown"], timeout=5)
    assert len(events) == 1 and events[0]["decision"] == "allow"


def test_the_log_is_not_for_everybody(make_site):
    site = make_site()
    allowed(site.call())
    assert site.nginx.audit_path.stat().st_mode & 0o077 == 0, "the audit log is its owner's alone"


def test_the_time_is_now(site):
    import datetime
    moment = datetime.datetime.fromisoformat(site.call().event()["time"].replace("Z", "+00:00")).timestamp()
    assert abs(moment - time.time()) < 10


def test_actors_of_a_delegation_chain(make_site):
    site = make_site(issuer="actors optional;")
    token = site.token(act={"sub": "docs-assistant", "act": {"sub": "inner", "iss": site.issuer.url}})
    event = site.call("ticket.list", {}, token=token).event()
    assert [a["sub"] for a in event["actors"]] == ["docs-assistant", "inner"]
    assert event["actors"][1]["iss"] == site.issuer.url
    # Which of them it hangs on.
    assert event["reason"] == "tier_ceiling" and event["detail"] == "company|inner"
