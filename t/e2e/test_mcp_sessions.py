"""Session ids belong to whom they were given: agents see sealed ones, backends their own, strangers nothing."""
import json
import os
import re
import threading
from itertools import product

import pytest

from plugins import mcp
from plugins.backend import Backend, json_answer, plain, sse_answer
from plugins.server import Answer
from plugins.site import allowed

CALL = mcp.call("ticket.read", {"id": "T-1"})
PEOPLE = [("mira", "docs-assistant"), ("mira", "second-agent"), ("vera", "docs-assistant"), ("vera", "second-agent")]


class Rooms:
    """A backend with sessions: it knows those that it has opened and not ended, and repeats their ids."""

    def __init__(self):
        self.known, self.number, self.lock = set(), 0, threading.Lock()

    def __call__(self, received):
        session = received.header("Mcp-Session-Id")
        if received.method == "POST" and json.loads(received.body).get("method") == "initialize":
            with self.lock:
                self.number += 1
                session = f"room-{self.number}"
            self.known.add(session)
            answer = plain(received)
        elif session not in self.known:
            return json_answer({"jsonrpc": "2.0", "id": None, "error": {"code": -32001, "message": "no such room"}},
                               404 if session else 400)
        elif received.method == "DELETE":
            self.known.discard(session)
            return Answer(204)
        elif received.method == "GET":
            answer = sse_answer([f"data: {session}\n\n"])
        else:
            answer = plain(received)
        answer.headers.append(("mcp-session-id", session))
        return answer


def second_agent(site):
    site.change_policy(lambda tenant: tenant["agents"].update({"company|second-agent": {"bundles": ["support"]}}))


def with_rooms(site):
    site.backend.answer = Rooms()
    return site


@pytest.fixture
def rooms(make_site):
    site = make_site(start=False)
    second_agent(site)
    return with_rooms(site).start()


def initialize(site, **who):
    answer = site.post(mcp.message("initialize", {"protocolVersion": "2025-11-25", "capabilities": {"elicitation": {}},
                                                  "clientInfo": {"name": "x", "version": "1"}}), site.token(**who))
    allowed(answer)
    (session,) = answer.all("Mcp-Session-Id")
    return session


def called(site, session, message=CALL, **who):
    return site.post(message, site.token(**who), [("Mcp-Session-Id", session)])


def opened(answer, backend_id):
    allowed(answer)
    assert answer.site.backend.last.all("Mcp-Session-Id") == [backend_id]


def stranger(answer, reason, speaks_rpc=True):
    assert answer.status == 404, f"{answer.status} {answer.text}"
    event = answer.event()
    assert event["reason"] == reason and event["decision"] == "deny" and event["outcome"] == "refused"
    if speaks_rpc:
        assert answer.json()["error"]["code"] == -32600
        assert answer.json()["error"]["message"] == "Session not found"
        assert answer.json()["error"]["data"]["reason"] == "session_unknown"
    return answer


def without_id(answer):
    kept = [(k.lower(), v) for k, v in answer.headers if k.lower() not in ("x-request-id", "date")]
    return answer.status, sorted(kept), re.sub(r"[0-9a-f]{32}", "ID", answer.text)


def test_the_agent_sees_a_sealed_id_and_the_backend_its_own(rooms):
    session = initialize(rooms)
    assert "room" not in session and re.fullmatch(r"[\w-]{100,400}", session)
    answer = called(rooms, session)
    opened(answer, "room-1")
    assert answer.all("Mcp-Session-Id") == [session], "it stays the same, although the backend repeats its own"
    assert initialize(rooms) != session
    stream = rooms.send("GET", "/mcp", headers=[("Mcp-Session-Id", session), ("Accept", "text/event-stream")])
    assert stream.status == 200 and stream.body == b"data: room-1\n\n"


def test_two_users_and_two_agents(rooms):
    sessions = {who: initialize(rooms, user=who[0], agent=who[1]) for who in PEOPLE}
    assert len(set(sessions.values())) == 4
    answers = set()
    for (owner, session), caller in product(sessions.items(), PEOPLE):
        rooms.backend.clear()
        answer = called(rooms, session, user=caller[0], agent=caller[1])
        if caller == owner:
            allowed(answer)
        else:
            answers.add(str(without_id(stranger(answer, "session_foreign"))))
            assert rooms.backend.count() == 0
    # Nobody can tell another's session from one that never was.
    answers.add(str(without_id(stranger(called(rooms, "room-1"), "session_unknown"))))
    assert len(answers) == 1


def test_what_is_no_sealed_id(rooms):
    session = initialize(rooms)
    opened(called(rooms, session), "room-1")
    rooms.backend.clear()
    flipped = session[:50] + ("A" if session[50] != "A" else "B") + session[51:]
    for wrong in ("room-1", flipped, session[:-4], session + "AAAA", "x" * 300, "A" * len(session)):
        stranger(called(rooms, wrong), "session_unknown")
        for method in ("GET", "DELETE"):
            answer = rooms.send(method, "/mcp", headers=[("Mcp-Session-Id", wrong), ("Accept", "text/event-stream")])
            stranger(answer, "session_unknown", speaks_rpc=False)
    assert rooms.backend.count() == 0


def test_streams_and_ends_of_another(rooms):
    session = initialize(rooms)
    other = rooms.token(user="vera")
    headers = [("Mcp-Session-Id", session), ("Accept", "text/event-stream")]
    for method in ("GET", "DELETE"):
        stranger(rooms.send(method, "/mcp", other, headers), "session_foreign", speaks_rpc=False)
    opened(called(rooms, session), "room-1")
    assert rooms.send("DELETE", "/mcp", headers=headers).status == 204
    assert rooms.backend.last.header("Mcp-Session-Id") == "room-1"
    ended = called(rooms, session)
    assert ended.status == 404 and "no such room" in ended.text, "the backend has ended it"
    assert initialize(rooms) != session


def test_answers_to_the_server_are_the_owners(rooms):
    session = initialize(rooms)
    reply = {"jsonrpc": "2.0", "id": 4, "result": {"action": "accept"}}
    answer = called(rooms, session, reply)
    assert answer.status == 202 and answer.event()["type"] == "mcp.response" and answer.event()["decision"] == "allow"
    rooms.backend.clear()
    stranger(called(rooms, session, reply, user="vera"), "session_foreign")
    assert rooms.post(reply).status == 400
    assert rooms.post(reply).event()["reason"] == "session_missing"
    assert rooms.backend.count() == 0


def test_event_ids_need_the_session_that_they_are_of(rooms):
    session = initialize(rooms)
    resume = [("Accept", "text/event-stream"), ("Last-Event-ID", "e-7")]
    rooms.backend.clear()
    answer = rooms.send("GET", "/mcp", headers=resume)
    assert answer.status == 400 and answer.event()["reason"] == "session_missing"
    stranger(rooms.send("GET", "/mcp", rooms.token(user="vera"), [("Mcp-Session-Id", session), *resume]),
             "session_foreign", speaks_rpc=False)
    assert rooms.backend.count() == 0
    assert rooms.send("GET", "/mcp", headers=[("Mcp-Session-Id", session), *resume]).status == 200
    assert rooms.backend.last.header("Last-Event-ID") == "e-7"


@pytest.mark.parametrize("setting", ["underscores_in_headers on;", "ignore_invalid_headers off;"])
def test_nor_does_a_look_alike_of_an_event_id_take_up_a_stream(make_site, setting):
    site = make_site(start=False, server=setting)
    with_rooms(site).start()
    session = initialize(site)
    for name in ("Last_Event_ID", "last-event_id", "LAST_EVENT-ID"):
        assert site.send("GET", "/mcp", headers=[("Mcp-Session-Id", session), (name, "e-7")]).status == 200
        assert not [k for k, _ in site.backend.last.headers if k.lower().replace("_", "-") == "last-event-id"]


def test_a_modern_call_carries_no_session(rooms):
    session = initialize(rooms)
    rooms.backend.answer = json_answer({"jsonrpc": "2.0", "id": 1, "result": {}}, headers=[("Mcp-Session-Id", "room-9")])
    for sent in (session, "room-1"):
        answer = rooms.call(modern=True, headers=[("Mcp-Session-Id", sent)])
        allowed(answer)
        assert rooms.backend.last.header("Mcp-Session-Id") is None and answer.header("Mcp-Session-Id") is None


def test_look_alike_fields_never_reach_the_backend(make_site):
    site = make_site(start=False, server="underscores_in_headers on;")
    with_rooms(site).start()
    session = initialize(site)
    for more in ([("Mcp_Session_Id", "room-1")], [("MCP-SESSION_ID", "room-2"), ("mcp_session-id", "x")]):
        for headers in ([("Mcp-Session-Id", session), *more], [*more, ("mcp-session-id", session)]):
            answer = site.post(CALL, headers=headers)
            opened(answer, "room-1")
            assert not [k for k, _ in site.backend.last.headers if "_" in k]
        assert site.post(CALL, headers=more).status == 400, "the backend heard of no session"


def test_what_nginx_has_cached_of_the_id_is_forgotten(make_site):
    """A `map` read before the decision holds the sealed id; what goes on, and what servers are chosen by, is the own."""
    site = make_site(start=False, http="map $http_mcp_session_id $seen { default $http_mcp_session_id; }",
                     mcp="if ($http_mcp_session_id = none) { return 400; } "
                         "proxy_set_header X-Seen $http_mcp_session_id;")
    with_rooms(site).start()
    opened(called(site, initialize(site)), "room-1")
    assert site.backend.last.header("X-Seen") == "room-1"


def test_servers_are_chosen_by_the_backends_own_id(make_site, serve):
    """`hash $http_mcp_session_id`: whoever is in a room meets the same server, whatever sealed id it has for it."""
    site = make_site(start=False)
    second_agent(site)
    servers = [site.backend, serve(Backend())]
    for server in servers:
        server.answer = lambda received: json_answer(json.loads(plain(received).body), headers=[
            ("Mcp-Session-Id", received.header("X-Room") or received.header("Mcp-Session-Id"))])
    alone = f"server 127.0.0.1:{site.backend.port};"
    both = "hash $http_mcp_session_id consistent; " + " ".join(f"server 127.0.0.1:{server.port};" for server in servers)
    assert site.conf().count(alone) == 1
    site.nginx.start(site.conf().replace(alone, both))
    chosen = {}
    for room in (f"room-{number}" for number in range(8)):
        for agent in ("docs-assistant", "second-agent"):
            hello = site.post(mcp.message("initialize", {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {
                "name": "x", "version": "1"}}), site.token(agent=agent), [("X-Room", room)])
            for server in servers:
                server.clear()
            allowed(called(site, hello.header("Mcp-Session-Id"), agent=agent))
            (here,) = [server for server in servers if server.count()]
            assert here.last.header("Mcp-Session-Id") == room
            assert chosen.setdefault(room, here) is here
    assert len(set(map(id, chosen.values()))) == 2, "both have some"


def test_later_messages_of_a_session_may_name_another_version(rooms):
    session = initialize(rooms)
    for version in ("2025-11-25", "2025-06-18", "2025-03-26"):
        opened(rooms.post(CALL, headers=[("Mcp-Session-Id", session), ("MCP-Protocol-Version", version)]), "room-1")
    rooms.backend.clear()
    answer = rooms.post(CALL, headers=[("Mcp-Session-Id", session), ("MCP-Protocol-Version", "2020-01-01")])
    assert answer.status == 400 and answer.json()["error"]["code"] == -32022 and rooms.backend.count() == 0


@pytest.mark.parametrize("given", ["", "a b", "x" * 1025, "\x7f"])
def test_a_backends_id_that_none_can_have(rooms, given):
    rooms.backend.answer = lambda r: json_answer(json.loads(plain(r).body), headers=[("Mcp-Session-Id", given)])
    answer = rooms.post(mcp.message("initialize", {"protocolVersion": "2025-11-25", "capabilities": {},
                                                   "clientInfo": {"name": "x", "version": "1"}}))
    allowed(answer)
    assert answer.header("Mcp-Session-Id") is None


def test_observing_changes_nothing(make_site):
    site = with_rooms(make_site(mcp="agent_mode observe;"))
    session = initialize(site)
    assert session == "room-1"
    opened(called(site, session), "room-1")
    assert called(site, session, user="vera").status == 200
    allowed(called(site, session))
    assert called(site, "room-7").status == 404 and site.backend.last.header("Mcp-Session-Id") == "room-7"


def write_key(site, name):
    path = site.prefix / name
    path.write_bytes(os.urandom(32))
    path.chmod(0o600)
    return path


def sealed_by(*names):
    return "".join(f"agent_key @PREFIX@/{name}; " for name in names)


def test_keys_rotate(make_site):
    site = make_site(start=False, http=sealed_by("old.key"))
    for name in ("old.key", "new.key"):
        write_key(site, name)
    with_rooms(site).start()
    before = initialize(site)
    site.reload(http=sealed_by("old.key", "new.key"))
    opened(called(site, before), "room-1")
    site.reload(http=sealed_by("new.key", "old.key"))
    opened(called(site, before), "room-1")
    after = initialize(site)
    opened(called(site, after), "room-2")
    site.reload(http=sealed_by("new.key"))
    stranger(called(site, before), "session_unknown")
    opened(called(site, after), "room-2")


def test_a_second_nginx_with_the_same_key(make_site):
    first = make_site(start=False, http=sealed_by("agent.key"))
    key = write_key(first, "agent.key").read_bytes()
    second_agent(first)
    with_rooms(first).start()
    others = {}
    for name, content in (("same", key), ("other", os.urandom(32))):
        site = make_site(start=False, http=sealed_by("agent.key"), authority=first.issuer, backend=first.backend,
                         resource=first.resource)
        write_key(site, "agent.key").write_bytes(content)
        second_agent(site)
        others[name] = site
    first.issuer.audience = [first.resource]
    for site in others.values():
        site.start()
    sessions = {who: initialize(first, user=who[0], agent=who[1]) for who in PEOPLE}
    for (owner, session), caller in product(sessions.items(), PEOPLE):
        answer = called(others["same"], session, user=caller[0], agent=caller[1])
        if caller == owner:
            allowed(answer)
        else:
            stranger(answer, "session_foreign")
        stranger(called(others["other"], session, user=caller[0], agent=caller[1]), "session_unknown")
    opened(called(first, initialize(others["same"])), "room-5")


ALWAYS = "agent_sessions always;"


def test_one_that_the_gateway_makes(make_site):
    """The backend has no sessions: the client's is the gateway's own, belongs to whom it was given, and never goes on."""
    site = make_site(start=False, mcp=ALWAYS)
    second_agent(site)
    site.start()
    sessions = {who: initialize(site, user=who[0], agent=who[1]) for who in PEOPLE}
    assert len(set(sessions.values())) == 4 and all(re.fullmatch(r"[\w-]{80,400}", one) for one in sessions.values())
    for (owner, session), caller in product(sessions.items(), PEOPLE):
        site.backend.clear()
        answer = called(site, session, user=caller[0], agent=caller[1])
        if caller == owner:
            allowed(answer)
            assert site.backend.last.header("Mcp-Session-Id") is None and answer.header("Mcp-Session-Id") is None
        else:
            stranger(answer, "session_foreign")
            assert site.backend.count() == 0
    session = sessions[PEOPLE[0]]
    flipped = session[:50] + ("A" if session[50] != "A" else "B") + session[51:]
    stranger(called(site, flipped), "session_unknown")
    allowed(site.post(CALL)), "who sends none calls as before"
    for method in ("GET", "DELETE"):
        assert site.send(method, "/mcp", headers=[("Mcp-Session-Id", session)]).status == 200, "as the backend answers it"
        assert site.backend.last.method == method and site.backend.last.header("Mcp-Session-Id") is None


def test_one_that_the_gateway_makes_binds_no_event_and_no_answer(make_site):
    """The backend can't tell one client's requests and events from another's: what was refused before, is."""
    site = make_site(mcp=ALWAYS)
    session = initialize(site)
    site.backend.clear()
    answer = called(site, session, {"jsonrpc": "2.0", "id": 4, "result": {"action": "accept"}})
    assert answer.status == 400 and answer.event()["reason"] == "session_missing"
    answer = site.send("GET", "/mcp", headers=[("Mcp-Session-Id", session), ("Last-Event-ID", "e-7")])
    assert answer.status == 400 and answer.event()["reason"] == "session_missing"
    assert site.backend.count() == 0


def test_the_gateway_makes_none_where_there_is_one_or_none_begins(make_site):
    site = with_rooms(make_site(mcp=ALWAYS))
    session = initialize(site)
    opened(called(site, session), "room-1")
    site.backend.answer = None
    for answer in (site.post(CALL), site.post(mcp.message("tools/list", {})), site.call(modern=True)):
        assert answer.header("Mcp-Session-Id") is None
    headers, body = mcp.modern("server/discover")
    assert site.post(body, headers=headers).header("Mcp-Session-Id") is None
    begin = mcp.message("initialize", {"protocolVersion": "2025-11-25", "capabilities": {},
                                       "clientInfo": {"name": "x", "version": "1"}})
    site.backend.answer = json_answer({"jsonrpc": "2.0", "id": 1, "error": {"code": -32602, "message": "no"}}, 400)
    assert site.post(begin).header("Mcp-Session-Id") is None
    site.backend.answer = json_answer({"jsonrpc": "2.0", "id": 1, "result": {}}, headers=[("Mcp-Session-Id", "a b")])
    assert site.post(begin).header("Mcp-Session-Id") is None, "the backend has sessions, and none can have this one"
    observing = make_site(mcp=ALWAYS + "agent_mode observe;")
    assert observing.post(begin).header("Mcp-Session-Id") is None
    assert make_site().post(begin).header("Mcp-Session-Id") is None


def test_a_second_nginx_honours_one_that_the_gateway_made(make_site):
    first = make_site(start=False, mcp=ALWAYS, http=sealed_by("agent.key"))
    key = write_key(first, "agent.key").read_bytes()
    first.start()
    session = initialize(first)
    for content, setting, good in ((key, ALWAYS, True), (key, "", True), (os.urandom(32), ALWAYS, False)):
        site = make_site(start=False, mcp=setting, http=sealed_by("agent.key"), authority=first.issuer,
                         backend=first.backend, resource=first.resource)
        write_key(site, "agent.key").write_bytes(content)
        first.issuer.audience = [first.resource]
        site.start()
        answer = called(site, session)
        if good:
            allowed(answer)
            stranger(called(site, session, user="vera"), "session_foreign")
        else:
            stranger(answer, "session_unknown")
    assert first.backend.last.header("Mcp-Session-Id") is None


def test_without_a_key_sessions_survive_a_reload_and_end_with_nginx(make_site):
    site = with_rooms(make_site())
    session = initialize(site)
    site.reload(gone=True)
    opened(called(site, session), "room-1")
    site.nginx.stop()
    site.start()
    stranger(called(site, session), "session_unknown")
    opened(called(site, initialize(site)), "room-2")


def test_with_a_key_sessions_survive_a_restart(make_site):
    site = make_site(start=False, http=sealed_by("agent.key"))
    write_key(site, "agent.key")
    with_rooms(site).start()
    session = initialize(site)
    site.nginx.stop()
    site.start()
    opened(called(site, session), "room-1")


def test_no_log_has_a_session_id(rooms):
    session = initialize(rooms)
    called(rooms, session)
    called(rooms, session, user="vera").event()
    called(rooms, "room-1-marker").event()
    said = rooms.nginx.error_log + json.dumps(rooms.nginx.audit()) + rooms.send("GET", "/metrics", None).text
    for secret in (session, session[20:60], "room-1"):
        assert secret not in said
