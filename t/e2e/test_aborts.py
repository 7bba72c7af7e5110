"""Clients that go away at each point where a call can wait, and reloads while calls wait: nothing leaks or hangs."""
import os
import threading
import time

import pytest

from plugins import mcp, policy
from plugins.server import HANG
from plugins.site import EXCHANGE, allowed
from plugins.wait import eventually, nothing_happens_for

CALL = mcp.call("ticket.read", {"id": "T-1"})


def waiting_points(make_site, make_redis, point):
    """A site on which a call waits at `point`, how to let it go on, and whether a call has arrived there."""
    if point == "keys":
        site = make_site(start=False, timeout="3s")
        site.issuer.fault = {"jwks": "hang"}
        site.start()
        return site, lambda: site.issuer.fault.clear(), lambda: site.issuer.count("/jwks") > 0
    if point == "exchange":
        site = make_site(forward=EXCHANGE, timeout="3s")
        allowed(site.call())
        site.issuer.clear()
        site.issuer.fault = {"token": "hang"}
        return site, lambda: site.issuer.fault.clear(), lambda: site.issuer.count("/token") > 0
    if point == "redis":
        server = make_redis()
        server.load(policy.base())
        site = make_site(store=server.store)
        allowed(site.call())
        server.hang()
        return site, server.go_on, lambda: True
    if point == "backend":
        site = make_site()
        site.backend.answer = HANG
        return site, lambda: setattr(site.backend, "answer", None), lambda: site.backend.count() > 0
    site = make_site()  # the body
    return site, lambda: None, lambda: True


@pytest.mark.parametrize("how", ["reset", "close"])
@pytest.mark.parametrize("point", ["keys", "redis", "exchange", "backend", "body"])
def test_fault_clients_that_leave(make_site, make_redis, point, how):
    site, go_on, arrived = waiting_points(make_site, make_redis, point)
    token = site.token()
    for _ in range(3):
        if point == "body":
            streams = [site.begin("POST", "/mcp", token, [("Content-Type", "application/json"),
                                                          ("Content-Length", "500")], b"") for _ in range(8)]
            for stream in streams:
                stream.sock.sendall(b'{"jsonrpc":')
        else:
            streams = [site.begin_post(CALL, token) for _ in range(8)]
        eventually(arrived)
        nothing_happens_for(0.1)
        for stream in streams:
            stream.reset() if how == "reset" else stream.close()
    go_on()
    eventually(lambda: site.call().status == 200, timeout=15, interval=0.2)
    allowed(site.call())
    # Every call that was judged has one line, and none of the lines is of a call that went on.
    assert all(e["outcome"] in ("ok", "aborted", "refused", "error") for e in site.nginx.audit())


@pytest.mark.parametrize("point", ["keys", "redis", "exchange", "backend"])
def test_fault_reload_while_calls_wait(make_site, make_redis, point):
    site, go_on, arrived = waiting_points(make_site, make_redis, point)
    if point == "backend":
        release = threading.Event()

        def slowly(received):
            release.wait(20)
            return None

        from plugins.backend import plain
        site.backend.answer = lambda r: slowly(r) or plain(r)
        go_on = release.set
    streams = [site.begin_post(CALL) for _ in range(6)]
    eventually(arrived)
    nothing_happens_for(0.1)
    site.nginx.reload()
    go_on()
    for stream in streams:
        answer = stream.finish()
        assert answer.status in (200, 503), f"{answer.status} {answer.text}"
        if point == "backend":
            assert answer.status == 200
    eventually(lambda: site.call().status == 200, timeout=15, interval=0.2)
    eventually(lambda: len(site.nginx._children()) <= 3, timeout=20)


@pytest.mark.parametrize("point", ["keys", "redis", "exchange"])
def test_fault_no_call_waits_past_its_timeout(make_site, make_redis, point):
    site, go_on, _ = waiting_points(make_site, make_redis, point)
    begun = time.monotonic()
    answer = site.call()
    assert answer.status == 503 and time.monotonic() - begun < 8
    go_on()
    eventually(lambda: site.call().status == 200, timeout=15, interval=0.2)


def test_fault_a_slow_issuer_is_waited_for(make_site):
    site = make_site(start=False, forward=EXCHANGE, timeout="5s")
    site.issuer.fault = {"all": "slow"}
    site.start()
    allowed(site.call())


def test_fault_one_hung_call_holds_up_nobody_else(make_site):
    site = make_site(workers="1", forward=EXCHANGE, timeout="5s")
    token = site.token()
    allowed(site.call(token=token))
    site.issuer.fault = {"token": "hang"}
    stream = site.begin_post(CALL, site.token())
    begun = time.monotonic()
    for _ in range(5):
        allowed(site.call(token=token))
    assert time.monotonic() - begun < 2
    stream.close()


def test_a_stop_while_calls_wait(make_site):
    import signal
    site = make_site(forward=EXCHANGE, timeout="2s")
    allowed(site.call())
    site.issuer.fault = {"token": "hang"}
    streams = [site.begin_post(CALL) for _ in range(4)]
    nothing_happens_for(0.2)
    site.nginx.stop(signal.SIGTERM)
    for stream in streams:
        stream.close()
    assert all(e["decision"] in ("allow", "deny") for e in site.nginx.audit())


def test_a_reload_that_changes_what_is_governed(make_site):
    site = make_site()
    bare = site.token(agent="bare-agent")
    assert "error" in site.call(token=bare).json()
    site.reload(tools="agent_tool other { scope tickets:read; }")
    assert site.call().event()["reason"] == "operation_unknown"
    from plugins.site import TOOLS
    site.reload(tools=TOOLS)
    allowed(site.call())


def test_a_reload_with_another_issuer_forgets_the_first_ones_tokens(make_site, serve):
    from plugins.issuer import Issuer
    site = make_site()
    old = site.token()
    allowed(site.call(token=old))
    other = serve(Issuer(audience=site.issuer.audience))
    site.reload(keys=f"issuer {other.url};", gone=True)
    assert site.call(token=old).status == 401
    allowed(site.call(token=other.token(groups=["support"])))


def test_a_refused_reload_keeps_everything(make_site):
    site = make_site()
    allowed(site.call())
    site.nginx.reload_refused(site.conf(tools="agent_tool x { scoop y; }"))
    allowed(site.call())
    site.nginx.write_conf(site.conf())


@pytest.mark.skipif(os.environ.get("AGW_ASAN") == "1", reason="ASan keeps freed memory back")
def test_memory_does_not_grow_with_calls(make_site):
    """A thousand calls of every outcome, then another thousand: the workers stay as large as they were."""
    site = make_site(workers="1", forward=EXCHANGE)
    good, bare = site.token(), site.token(agent="bare-agent")

    def some(count):
        for i in range(count):
            site.call(token=(good, bare, None, "garbage")[i % 4])

    some(1000)
    first = site.nginx.rss_kb()
    some(1200)
    assert site.nginx.rss_kb() - first < 3000


def test_a_fork_of_the_master_serves_at_once(make_site):
    """A worker that is killed is replaced, and the next call is answered as if nothing had been."""
    import os
    import signal
    site = make_site(workers="1", forward=EXCHANGE)
    site.nginx.allow("exited on signal 9")
    allowed(site.call())
    for _ in range(3):
        os.kill(site.nginx.workers()[0], signal.SIGKILL)
        eventually(lambda: site.nginx.workers())
        eventually(lambda: site.call().status == 200, timeout=8)
