"""Metrics summed over workers with bounded labels, and readiness for load balancers."""
import re
import threading

import pytest

from plugins.site import EXCHANGE, allowed
from plugins.wait import eventually

LINE = re.compile(r'[a-z_:][a-z0-9_:]*(\{[a-z_]+="([^"\\\n]|\\.)*"(,[a-z_]+="([^"\\\n]|\\.)*")*\})? -?[0-9.e+-]+')


def text(site):
    answer = site.send("GET", "/metrics", None)
    assert answer.status == 200 and answer.header("Content-Type").startswith("text/plain")
    return answer.text


def test_the_text_is_what_prometheus_reads(make_site):
    site = make_site()
    allowed(site.call())
    seen = set()
    for line in text(site).splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ", 3)
            assert kind in ("counter", "gauge", "histogram") and name not in seen
            seen.add(name)
        elif line.startswith("# HELP ") or not line:
            continue
        else:
            assert LINE.fullmatch(line), line
            name = re.split(r"[{ ]", line)[0]
            assert name in seen or re.sub(r"_(bucket|sum|count)$", "", name) in seen, f"{name} has no TYPE"
    assert any(n.endswith("_total") for n in seen)


def test_decisions_by_operation_and_reason_over_all_workers(make_site):
    site = make_site()
    allowed(site.call())

    def count(*words):
        return site.series(" ".join(("decisions",) + words))

    eventually(lambda: count("ticket.read", '"allowed"') == 1)
    base, missing = count("ticket.read", '"allowed"'), count("ticket.read", "agent_grant_missing")
    for _ in range(20):
        allowed(site.call())
    for _ in range(7):
        site.call(token=site.token(agent="bare-agent"))
    for _ in range(3):
        site.call(token=None)
    eventually(lambda: count("ticket.read", '"allowed"') == base + 20)
    assert count("ticket.read", "agent_grant_missing") == missing + 7
    assert count("token_missing") == 3
    # Asking any worker gives the same sum.
    assert len({count("ticket.read", '"allowed"') for _ in range(10)}) == 1


def test_counters_survive_a_reload(make_site):
    site = make_site()
    for _ in range(5):
        allowed(site.call())
    eventually(lambda: site.series("decisions ticket.read") == 5)
    site.reload()
    assert site.series("decisions ticket.read") == 5
    allowed(site.call())
    eventually(lambda: site.series("decisions ticket.read") == 6)


def test_latency_and_exchanges(make_site):
    site = make_site(forward=EXCHANGE)
    for _ in range(4):
        allowed(site.call())
    eventually(lambda: site.series("overhead_seconds_count") >= 4)  # counted when the answer has gone
    series = site.nginx.metrics(site.port)
    assert any("exchange" in k and v >= 1 for k, v in series.items()), series
    latency = [k for k in series if ("overhead" in k or "duration" in k or "latency" in k) and k.split("{")[0].endswith("_count")]
    assert latency and sum(series[k] for k in latency) >= 4, sorted(series)
    assert all(re.sub(r"\{.*", "", k).endswith(("_seconds_count", "_us_count", "_ms_count")) for k in latency)


def test_labels_are_bounded_by_the_configuration(make_site):
    site = make_site()
    allowed(site.call())
    before = len(site.nginx.metrics(site.port))
    for i in range(60):
        site.call(f"tool-{i}-chosen-by-a-client")
        site.rest(target=f"/api/made-up-{i}")
        site.post({"jsonrpc": "2.0", "id": i, "method": f"method/{i}"})
        site.call(token=site.token(user=f"user-{i}", agent=f"agent-{i}"))
        site.call(headers=[("Mcp-Session-Id", f"session-{i}"), ("X-Forwarded-Host", f"host-{i}.example")])
    after = text(site)
    assert len(site.nginx.metrics(site.port)) < before + 40
    for word in ("chosen-by-a-client", "made-up", "method/", "user-1", "agent-1", "session-", "host-", "mira", "T-1"):
        assert word not in after, word


def test_health_of_key_sets_and_store(make_site):
    site = make_site()
    allowed(site.call())
    series = site.nginx.metrics(site.port)
    assert any("company" in k for k in series), "key-set health names its issuer"
    assert any("store" in k or "policy" in k for k in series)


def test_a_reload_under_load_loses_no_count(make_site):
    site = make_site()
    allowed(site.call())
    stop, done = threading.Event(), []

    def load():
        while not stop.is_set():
            if site.call().status == 200:
                done.append(1)

    threads = [threading.Thread(target=load) for _ in range(3)]
    for t in threads:
        t.start()
    eventually(lambda: len(done) > 30, timeout=20)
    site.reload(gone=True)
    stop.set()
    for t in threads:
        t.join()
    eventually(lambda: site.series("decisions ticket.read") == len(done) + 1)


def ready(site):
    return site.send("GET", "/ready", None)


def test_ready(make_site):
    site = make_site()
    eventually(lambda: ready(site).status == 200, timeout=10)


def test_fault_not_ready_while_the_keys_are_missing(make_site):
    site = make_site(start=False)
    site.issuer.fault = {"all": "500"}
    site.start()
    answer = ready(site)
    assert answer.status == 503 and "company" in answer.text
    site.issuer.fault = {}
    eventually(lambda: ready(site).status == 200, timeout=20, interval=0.3)


def test_fault_not_ready_while_the_store_is_away(make_site, make_redis):
    from plugins import policy
    server = make_redis()
    server.load(policy.base())
    site = make_site(store=server.store)
    eventually(lambda: ready(site).status == 200, timeout=10)
    server.hang()
    try:
        answer = ready(site)
        assert answer.status == 503 and "store" in answer.text
    finally:
        server.go_on()
    eventually(lambda: ready(site).status == 200, timeout=10, interval=0.2)


def test_fault_not_ready_while_the_store_is_not_set_up(make_site, make_redis):
    """Redis answers PING, but whether it is whole can't be known: every call would be refused."""
    from plugins import policy
    from plugins.redis import key
    server = make_redis()
    server.load(policy.base())
    site = make_site(store=server.store)
    eventually(lambda: ready(site).status == 200, timeout=10)
    server.client.delete(key("meta"))
    answer = ready(site)
    assert answer.status == 503 and "meta" in answer.text and "missing" in answer.text
    server.client.hset(key("meta"), mapping={"schema": "99"})
    assert ready(site).status == 503
    server.client.delete(key("meta"))
    server.load(policy.base())
    assert ready(site).status == 200


@pytest.mark.parametrize("method,status", [("GET", 200), ("HEAD", 200), ("POST", 405), ("DELETE", 405)])
def test_pages_are_for_reading(make_site, method, status):
    site = make_site()
    eventually(lambda: ready(site).status == 200, timeout=10)
    for page in ("/metrics", "/ready"):
        assert site.send(method, page, None).status == status


def test_access_rules_hold(make_site):
    site = make_site(server="location = /closed { agent_metrics; deny all; }")
    assert site.send("GET", "/closed", None).status == 403
