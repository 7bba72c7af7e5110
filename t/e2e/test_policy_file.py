"""An edit of the policy file holds for the next call; a broken one changes nothing and is heard of."""
import json
import os
import threading

import pytest

from plugins import policy
from plugins.site import allowed, hidden
from plugins.wait import eventually


def revoke(t):
    t["agents"]["company|docs-assistant"]["bundles"] = []


def test_an_edit_takes_effect_on_the_next_call(make_site):
    site = make_site()
    token = site.token()
    for _ in range(5):
        allowed(site.call(token=token))
        content = policy.base()
        revoke(policy.tenant(content))
        site.write_policy(content)
        hidden(site.call(token=token), "ticket.read")
        site.write_policy(policy.base())
    allowed(site.call(token=token))


@pytest.mark.parametrize("how", ["rename", "in place", "truncate and write", "symlink"])
def test_however_the_file_is_edited(make_site, tmp_path, how):
    site = make_site(start=False)
    if how == "symlink":  # as a ConfigMap is mounted: a link to a folder is switched
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
        (tmp_path / "one/policy.json").write_text(json.dumps(policy.base()))
        (tmp_path / "data").symlink_to("one")
        site.pieces["store"] = f"file:{tmp_path}/data/policy.json"
    site.start()
    allowed(site.call())
    content = policy.base()
    revoke(policy.tenant(content))
    text = json.dumps(content)
    if how == "rename":
        site.write_policy(text)
    elif how == "in place":
        site.policy_path.write_text(text)
    elif how == "truncate and write":
        with site.policy_path.open("r+") as file:
            file.truncate()
            file.write(text)
    else:
        (tmp_path / "two/policy.json").write_text(text)
        (tmp_path / "data.new").symlink_to("two")
        os.replace(tmp_path / "data.new", tmp_path / "data")
    eventually(lambda: "error" in site.call().json(), timeout=2)
    hidden(site.call(), "ticket.read")


BROKEN = {
    "no JSON": "{",
    "empty": "",
    "a list": "[]",
    "another schema": {"schema": 99, "tenants": {}},
    "no schema": {"tenants": {}},
    "an unknown key": {"schema": 1, "tenants": {"default": {"grant": []}}},
    "a grant to nobody": {"schema": 1, "tenants": {"default": {"grants": [{"id": "g", "operation": "tickets/*"}]}}},
    "a moment in words": {"schema": 1, "tenants": {"default": {"grants": [
        {"id": "g", "to": "agent:company|a", "operation": "tickets/*", "until": "tomorrow"}]}}},
    "an odd pattern": {"schema": 1, "tenants": {"default": {"grants": [
        {"id": "g", "to": "agent:company|a", "operation": "tick*"}]}}},
    "an id twice": {"schema": 1, "tenants": {"default": {"grants": [
        {"id": "g", "to": "agent:company|a", "operation": "a/b"}, {"id": "g", "to": "agent:company|a",
                                                                  "operation": "a/c"}]}}},
    "a bundle that isn't there": {"schema": 1, "tenants": {"default": {"agents": {"company|a": {"bundles": ["x"]}}}}},
    "a status nobody knows": {"schema": 1, "tenants": {"default": {"agents": {"company|a": {"status": "maybe"}}}}},
    "an id without an issuer": {"schema": 1, "tenants": {"default": {"agents": {"docs-assistant": {}}}}},
    "a key twice": '{"schema": 1, "schema": 1, "tenants": {}}',
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_edit_keeps_the_last_good_policy(site, name):
    read = site.nginx.error_log.count("has been read")
    # Another text than any before it: a worker that slept through the edit between would find nothing new.
    good = policy.base()
    policy.tenant(good)["agents"]["company|docs-assistant"]["owner"] = name
    site.write_policy(good)
    allowed(site.call())
    eventually(lambda: site.nginx.error_log.count("has been read") >= read + 2, timeout=20)  # both workers, unasked
    log, events = len(site.nginx.error_log), len(site.nginx.audit())
    site.write_policy(BROKEN[name])
    for _ in range(3):
        allowed(site.call())
    said = eventually(lambda: [line for line in site.nginx.error_log[log:].splitlines() if "policy" in line], timeout=5)
    assert any("[error]" in line or "[warn]" in line for line in said), said
    broken = eventually(lambda: [e for e in site.nginx.audit()[events:] if e["type"] == "policy.broken"], timeout=5)
    assert len(broken) <= 4, "once for each state of the file that a worker met: emptied, then written"
    assert eventually(lambda: site.series("polic") and any(
        "polic" in k and v > 0 for k, v in site.nginx.metrics(site.port).items()))
    content = policy.base()
    revoke(policy.tenant(content))
    site.write_policy(content)
    hidden(site.call(), "ticket.read")


def test_a_file_that_is_taken_away_keeps_the_last_good_policy(make_site):
    site = make_site()
    allowed(site.call())
    site.policy_path.unlink()
    for _ in range(3):
        allowed(site.call())
    content = policy.base()
    revoke(policy.tenant(content))
    site.write_policy(content)
    eventually(lambda: "error" in site.call().json(), timeout=3)


@pytest.mark.parametrize("name", ["no JSON", "a bundle that isn't there", "an id twice"])
def test_nginx_does_not_start_with_a_broken_policy(make_site, name):
    site = make_site(start=False)
    site.write_policy(BROKEN[name])
    status, said = site.nginx.test(site.conf())
    assert status != 0 and "policy.json" in said, said
    site.nginx.allow(r"\[emerg\]")
    site.write_policy(policy.base())
    assert site.nginx.test(site.conf())[0] == 0


def _large(entries):
    content = policy.base()
    policy.tenant(content)["grants"] += [
        {"id": f"x{i}", "to": f"agent:company|agent-{i % 500}", "operation": f"tickets/op{i}", "resource": "ticket:*"}
        for i in range(entries)]
    return content


def test_calls_that_arrive_during_an_edit_wait_and_see_the_new_policy(make_site):
    """Also while a large policy is compiled, a revocation that was written before a call was sent holds for it."""
    site = make_site()
    site.write_policy(_large(20000))
    allowed(site.call())
    content = _large(20000)
    revoke(policy.tenant(content))
    text = json.dumps(content)
    tokens = [site.token() for _ in range(8)]
    for token in tokens:
        allowed(site.call(token=token))
    site.write_policy(text)
    answers = []
    threads = [threading.Thread(target=lambda t=t: answers.append(site.call(token=t))) for t in tokens]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for answer in answers:
        hidden(answer, "ticket.read")


def test_other_requests_go_on_while_a_policy_is_compiled(make_site):
    import time
    site = make_site(workers="1")
    allowed(site.call())
    site.write_policy(_large(60000))
    waiting = site.begin_post({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
                               "params": {"name": "ticket.read", "arguments": {"id": "T-1"}}})
    begun = time.monotonic()
    assert site.send("GET", "/open/x", None).status == 200
    assert time.monotonic() - begun < 0.5, "the worker's loop was held up"
    assert waiting.finish().status == 200


def test_many_edits_under_load(make_site):
    site = make_site()
    stop, wrong = threading.Event(), []

    def load():
        while not stop.is_set():
            answer = site.call()
            if answer.status != 200:
                wrong.append(answer)

    threads = [threading.Thread(target=load) for _ in range(3)]
    for t in threads:
        t.start()
    good, bad = policy.base(), policy.base()
    revoke(policy.tenant(bad))
    for i in range(20):
        site.write_policy(bad if i % 2 else good)
        site.call()
    stop.set()
    for t in threads:
        t.join()
    assert not wrong, wrong[:3]
    site.write_policy(good)
    allowed(site.call())
