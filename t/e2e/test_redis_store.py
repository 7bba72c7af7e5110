"""Redis as the store: in every variant, and whatever it holds or doesn't hold."""
import os
import signal
import subprocess
import time

import pytest

from plugins import policy
from plugins.nginx import ROOT, module_path
from plugins.redis import hashes, key
from plugins.site import allowed, hidden
from plugins.wait import eventually

BINARY = os.environ.get("AGW_CTL") or str((module_path() or ROOT / "build/release/x").parent / "agwctl")
AGENT = key("agent:company|docs-assistant")


def start(make_site, server, db=0, **pieces):
    server.load(policy.base(), db)
    return make_site(store=pieces.pop("store", server.store), **pieces)


def unavailable(answer, reason="store_unavailable"):
    assert answer.status == 503, f"{answer.status} {answer.text}"
    assert int(answer.header("Retry-After")) >= 1
    error = answer.json()["error"]
    assert error["code"] == 5030 and error["data"]["reason"] == reason, error
    assert answer.event()["reason"] == reason


@pytest.mark.parametrize("kind", ["tcp", "unix", "tls", "password", "acl"])
def test_every_variant(make_site, make_redis, kind):
    server = make_redis(kind)
    site = start(make_site, server)
    allowed(site.call())
    assert site.rest().status == 200
    hidden(site.call(token=site.token(agent="bare-agent")), "ticket.read")
    server.client.hset(AGENT, "status", "disabled")
    assert site.call().status == 403
    server.client.hset(AGENT, "status", "active")
    allowed(site.call())
    assert "correct horse" not in site.nginx.error_log


def test_another_database(make_site, make_redis):
    server = make_redis()
    server.load(policy.base(), db=2)
    site = make_site(store=server.store.replace("/0", "/2"))
    allowed(site.call())
    empty = make_site(store=server.store)
    unavailable(empty.call(), "store_uninitialised")


def test_a_wrong_password(make_site, make_redis):
    server = make_redis("password")
    server.load(policy.base())
    right = (server.folder / "password").read_text()
    (server.folder / "password").write_text("wrong\n")
    site = make_site(store=server.store)
    unavailable(site.call())
    (server.folder / "password").write_text(right)
    eventually(lambda: site.call().status == 200, timeout=10, interval=0.2)


def test_a_password_that_changes(make_site, make_redis):
    server = make_redis("password")
    site = start(make_site, server)
    allowed(site.call())
    admin = server.client
    admin.config_set("requirepass", "another one")
    (server.folder / "password").write_text("another one\n")
    admin.client_kill_filter(_type="normal", skipme=True)
    eventually(lambda: site.call().status == 200, timeout=10, interval=0.2)


def test_a_certificate_of_another_authority(make_site, make_redis, tmp_path):
    from plugins.certs import make_authority
    server = make_redis("tls")
    other = make_authority(tmp_path / "other")
    site = start(make_site, server, store=server.store.replace(str(server.certs), str(other)))
    unavailable(site.call())


def test_a_change_holds_for_the_next_call(make_site, make_redis):
    server = make_redis()
    site = start(make_site, server)
    token, client = site.token(), server.client
    bundle = key("grants:bundle:support")
    rows = client.hgetall(bundle)
    for _ in range(5):
        allowed(site.call(token=token))
        client.delete(bundle)
        hidden(site.call(token=token), "ticket.read")
        client.hset(bundle, mapping=rows)
    allowed(site.call(token=token))


@pytest.mark.parametrize("content", ["decision", "delegation"])
def test_the_same_answers_as_the_policy_file(make_site, make_redis, content):
    server = make_redis()
    site, twin = start(make_site, server), make_site()
    users = ["mira", "omar", "dora", "otto", "nobody"]
    agents = ["docs-assistant", "narrow-agent", "bare-agent", "low-agent", "disabled-agent", "stranger"]
    groups = [] if content == "delegation" else ["support"]
    for user in users:
        for agent in agents:
            for tool, arguments in (("ticket.read", {"id": "T-1"}), ("ticket.read", {"id": "T-2"}), ("ticket.list", {})):
                both = [place.call(tool, arguments, place.token(user=user, agent=agent, groups=groups))
                        for place in (site, twin)]
                events = [answer.event() for answer in both]
                assert both[0].status == both[1].status, (user, agent, tool)
                assert [e["reason"] for e in events] == [events[0]["reason"]] * 2, (user, agent, tool)
                assert events[0]["checks"] == events[1]["checks"], (user, agent, tool)


def test_a_call_only_reads(make_site, make_redis):
    server = make_redis()
    site = start(make_site, server, workers="1", http="agent_freshness max_age=10ms;")
    allowed(site.call())
    with server.client.monitor() as monitor:
        allowed(site.call())
        server.client.echo("that was all")
        seen = []
        for command in monitor.listen():
            seen.append(command["command"])
            if "that was all" in command["command"]:
                break
    ours = [c for c in seen if "agw:p:" in c]
    assert ours, seen
    assert any(key("meta") in c for c in ours), "meta is read with every decision"
    assert all(c.split()[0].upper() in ("HGETALL", "HMGET", "HGET", "MGET", "GET", "EXISTS", "PTTL")
               for c in ours), ours


# what is done to the store -> reason
def _set_string(name):
    return lambda c: (c.delete(name), c.set(name, "x"))


DAMAGE = {
    "meta is absent": (lambda c: c.delete(key("meta")), "store_uninitialised"),
    "meta is empty of its version": (lambda c: c.hdel(key("meta"), "version"), "store_uninitialised"),
    "meta's version is no number": (lambda c: c.hset(key("meta"), "version", "many"), "store_uninitialised"),
    "meta has another schema": (lambda c: c.hset(key("meta"), "schema", "99"), "store_uninitialised"),
    "meta is a string": (_set_string(key("meta")), ("store_uninitialised", "store_invalid")),
    "the agent is a string": (_set_string(AGENT), "store_invalid"),
    "the agent's status is unknown": (lambda c: c.hset(AGENT, "status", "perhaps"), "store_invalid"),
    "the agent's bundles are broken": (lambda c: c.hset(AGENT, "bundles", "[\"supp"), "store_invalid"),
    "the user is a list": (lambda c: (c.delete(key("user:company|mira")), c.rpush(key("user:company|mira"), "x")),
                           "store_invalid"),
    "a grant is broken JSON": (lambda c: c.hset(key("grants:bundle:support"), "b9", "{\"operation\":"), "store_invalid"),
    "a grant is no object": (lambda c: c.hset(key("grants:bundle:support"), "b9", "[]"), "store_invalid"),
    "a grant has no operation": (lambda c: c.hset(key("grants:bundle:support"), "b9", "{}"), "store_invalid"),
    "a grant's effect is unknown": (lambda c: c.hset(key("grants:bundle:support"), "b9",
                                                     '{"operation":"tickets/*","effect":"maybe"}'), "store_invalid"),
    "a grant is not text": (lambda c: c.hset(key("grants:bundle:support"), "b9", b"\xff\x00"), "store_invalid"),
    "a grant's pattern is odd": (lambda c: c.hset(key("grants:bundle:support"), "b9", '{"operation":"t*"}'),
                                 "store_invalid"),
    "entitlements are a set": (lambda c: (c.delete(key("entitlements:group:company|support")),
                                          c.sadd(key("entitlements:group:company|support"), "x")), "store_invalid"),
    "an entitlement is broken": (lambda c: c.hset(key("entitlements:group:company|support"), "e9", "x"),
                                 "store_invalid"),
    "the delegation is a string": (_set_string(key("delegation:company|mira:company|docs-assistant")), "store_invalid"),
    "the delegation's status is unknown": (lambda c: c.hset(
        key("delegation:company|mira:company|docs-assistant"), "status", "x"), "store_invalid"),
    "the tier is a string": (_set_string(key("tier:developer")), "store_invalid"),
}


def test_fault_damaged_content(make_site, make_redis):
    """One site for all rows: each is damaged, refused in the same words, repaired, allowed."""
    server = make_redis()
    site = start(make_site, server, workers="1")
    for name, (damage, reason) in DAMAGE.items():
        server.load(policy.base())
        allowed(site.call())
        log = len(site.nginx.error_log)
        damage(server.client)
        answer = site.call()
        reasons = (reason,) if isinstance(reason, str) else reason
        assert answer.status == 503, f"{name}: {answer.status} {answer.text}"
        assert answer.event()["reason"] in reasons, f"{name}: {answer.event()['reason']}"
        said = eventually(lambda: [x for x in site.nginx.error_log[log:].splitlines() if "agw:p:" in x or "meta" in x])
        assert said, f"{name}: the log names no key"
        assert "maybe" not in site.nginx.error_log[log:], f"{name}: a value reached the log"
        for _ in range(5):
            assert site.call().status == 503
        said = [x for x in site.nginx.error_log[log:].splitlines() if "agw:p:" in x]
        assert len(said) == 1, f"{name}: said with every call"


@pytest.mark.parametrize("row", ["revoked jti", "revoked sid"])
def test_revoked_tokens_and_sessions(make_site, make_redis, row):
    server = make_redis()
    site = start(make_site, server)
    token = site.token(jti="token-1", sid="session-1")
    allowed(site.call(token=token))
    kind, value = ("jti", "token-1") if "jti" in row else ("sid", "session-1")
    server.client.set(key(f"revoked:{kind}:company|{value}"), "logout", ex=60)
    answer = site.call(token=token)
    assert answer.status == 401 and answer.challenge["error"] == "invalid_token"
    assert answer.event()["reason"] == "token_revoked"
    allowed(site.call(token=site.token(jti="token-2", sid="session-2")))


def test_a_tenant_that_is_stopped(make_site, make_redis):
    server = make_redis()
    site = start(make_site, server)
    server.client.hset(key("tenant"), mapping={"status": "disabled"})
    assert site.call().event()["reason"] == "tenant_refused"
    server.client.hset(key("tenant"), mapping={"status": "active"})
    allowed(site.call())


def test_a_frozen_operation(make_site, make_redis):
    server = make_redis()
    site = start(make_site, server)
    server.client.hset(key("operation:tickets/ticket.read"), mapping={"frozen": "true"})
    assert site.call().event()["reason"] in ("operation_frozen", "store_invalid")
    server.client.delete(key("operation:tickets/ticket.read"))
    allowed(site.call())


def test_fault_redis_stopped_and_up_again(make_site, make_redis):
    server = make_redis()
    site = start(make_site, server)
    allowed(site.call())
    server.stop(signal.SIGKILL)
    begun = time.monotonic()
    unavailable(site.call())
    assert time.monotonic() - begun < 6
    assert site.send("GET", "/ready", None).status == 503
    server.start()
    # A store without its data has forgotten something; until the next attempt to connect it is merely away.
    eventually(lambda: site.call().json()["error"]["data"]["reason"] == "store_uninitialised", timeout=10, interval=0.2)
    server.load(policy.base())
    eventually(lambda: site.call().status == 200, timeout=10, interval=0.2)


def test_fault_redis_away_at_start(make_site, make_redis):
    server = make_redis()
    server.stop()
    site = make_site(store=server.store)
    unavailable(site.call())
    server.start()
    server.load(policy.base())
    eventually(lambda: site.call().status == 200, timeout=10, interval=0.2)


def test_fault_redis_hung(make_site, make_redis):
    server = make_redis()
    site = start(make_site, server)
    allowed(site.call())
    server.hang()
    try:
        begun = time.monotonic()
        unavailable(site.call())
        assert time.monotonic() - begun < 8
        assert site.send("GET", "/open/x", None).status == 200, "other locations are not held up"
    finally:
        server.go_on()
    eventually(lambda: site.call().status == 200, timeout=10, interval=0.2)


@pytest.mark.parametrize("reply", [b"hello\r\n", b"$5\r\nab", b"*-5\r\n", b":1\r\n" * 50, b"\x00\xff\xfe\r\n",
                                   b"-ERR no\r\n" * 20, b"$999999999999\r\n", b"*1000000000\r\n", b"HTTP/1.1 400\r\n\r\n"])
def test_fault_redis_answers_garbage(make_site, reply):
    import socket
    import threading
    listener = socket.create_server(("127.0.0.1", 0))
    open_sockets = []

    def serve(sock):
        try:
            while sock.recv(4096):
                sock.sendall(reply)
        except OSError:
            return

    def accept():
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            open_sockets.append(sock)
            threading.Thread(target=serve, args=(sock,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        site = make_site(store=f"redis://127.0.0.1:{listener.getsockname()[1]}/0")
        begun = time.monotonic()
        answer = site.call()
        assert answer.status == 503 and answer.event()["reason"].startswith("store_")
        assert time.monotonic() - begun < 8
        assert site.backend.count() == 0
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for sock in open_sockets:
            sock.close()


@pytest.mark.parametrize("how", ["an older version", "another store"])
def test_fault_a_store_that_went_back_is_refused_until_it_is_confirmed(make_site, make_redis, how):
    """What was revoked after the older state was saved isn't revoked in it."""
    server = make_redis()
    content, older = policy.base(), policy.base()
    policy.tenant(content)["agents"]["company|docs-assistant"]["bundles"] = []
    server.load(older)
    site = make_site(store=server.store)
    allowed(site.call())
    server.load(content)
    hidden(site.call(), "ticket.read")
    if how == "an older version":
        server.version = 0
    else:
        server.incarnation, server.version = "another", 1000
    server.load(older)
    for _ in range(8):  # every worker
        unavailable(site.call(), "store_rolled_back")
    site.reload(gone=True)
    unavailable(site.call(), "store_rolled_back")
    assert site.backend.count() == 1
    said = subprocess.run([BINARY, "store", "confirm", "--store", server.store], capture_output=True, text=True, check=True)
    assert f"version {server.version}" in said.stdout
    allowed(site.call())
    # A confirmation holds for what was confirmed, not for the next step back.
    server.client.hset(key("meta"), "version", str(server.version - 1))
    unavailable(site.call(), "store_rolled_back")


def test_a_store_that_is_merely_written_goes_on(make_site, make_redis):
    server = make_redis()
    site = start(make_site, server)
    for _ in range(3):
        server.bump()
        for _ in range(4):
            allowed(site.call())


def test_a_key_that_wants_escaping(make_site, make_redis):
    server = make_redis()
    content = policy.base()
    agent = "company|https%3A%2F%2Fagents.example%2Fme.json"
    policy.tenant(content)["agents"]["company|https://agents.example/me.json"] = {"bundles": ["support"]}
    server.load(content)
    assert key("agent:" + agent) in hashes("default", policy.tenant(content))
    site = make_site(store=server.store)
    answer = site.call(token=site.token(agent="https://agents.example/me.json"))
    allowed(answer)
    assert answer.event()["agent"]["id"] == agent
    # Neither a brace nor a colon of a client's name leads into another tenant or record.
    for odd in ("x}:agent:company|docs-assistant", "docs-assistant}", "{default}"):
        assert "error" in site.call("ticket.list", {}, site.token(agent=odd)).json()


def test_tenants_are_apart(make_site, make_redis):
    server = make_redis()
    content = policy.base()
    content["tenants"]["acme"] = policy.base()["tenants"]["default"]
    content["tenants"]["beta"] = {"agents": {}, "entitlements": []}
    server.load(content)
    site = make_site(store=server.store, issuer="tenants acme beta;")
    allowed(site.call(token=site.token(tenant="acme")))
    assert site.call(token=site.token(tenant="beta")).event()["decision"] == "deny"
    assert site.call(token=site.token(tenant="acme}:x")).status == 403
