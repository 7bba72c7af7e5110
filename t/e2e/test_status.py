"""agwctl status: what it says of every worker, whatever has happened to nginx, its workers or its store."""
import json
import os
import signal
import subprocess

from plugins import agwctl, mcp, policy
from plugins.audit import sealers
from plugins.redis import key
from plugins.server import HANG
from plugins.site import allowed
from plugins.wait import eventually

CALL = mcp.call("ticket.read", {"id": "T-1"})


def ask(site, state=None):
    """(exit status, what it says as JSON)"""
    done = subprocess.run([agwctl.BINARY, "status", "--json", "--state", state or site.prefix / "state"], capture_output=True,
                          text=True, timeout=60)
    assert done.returncode in (0, 1) and done.stdout, done.stderr
    said = json.loads(done.stdout)
    assert said["ok"] == (done.returncode == 0) == (not said["wrong"])
    return said


def well(site, timeout=30):
    """As soon as all is well: what it says."""
    def fine():
        said = ask(site)
        assert said["ok"], said["wrong"]
        return said
    return eventually(fine, timeout)


def wrong(site, text, timeout=30):
    """As soon as it says so."""
    def told():
        said = ask(site)
        assert any(text in one for one in said["wrong"]), said["wrong"]
        return said
    return eventually(told, timeout)


def workers(said):
    return {w["pid"]: w for server in said["servers"] for w in server["workers"]}


def on_redis(make_site, make_redis, **pieces):
    server = make_redis()
    server.load(policy.base())
    return make_site(store=server.store, **pieces), server


def test_with_a_policy_file(make_site):
    site = make_site()
    for _ in range(20):
        allowed(site.call())
    said = well(site)
    (server,) = said["servers"]
    assert server["master"] == site.nginx.process.pid and server["generation"] == 1 and server["workers_wanted"] == 2
    assert {w["pid"] for w in server["workers"]} == set(site.nginx.workers())
    for worker in server["workers"]:
        assert worker["state"] == "runs" and worker["deaths"] == 0
        store = worker["store"]
        assert store["kind"] == "file" and store["usable"] and len(store["digest"]) == 64 and "broken" not in store
        assert [(i["name"], i["usable"]) for i in worker["issuers"]] == [("company", True)]
    (sealer,) = server["sealers"]
    assert sealer["pid"] in sealers(site.nginx)
    eventually(lambda: ask(site)["servers"][0]["sealers"][0]["journal"]["lines"] >= 20)
    journal = ask(site)["servers"][0]["sealers"][0]["journal"]
    assert journal["sealing"] and journal["written"] and journal["segments"] >= 3 and journal["slots"] > 1000
    text = agwctl.run("status", "--state", site.prefix / "state").stdout
    assert "all is well" in text and f"nginx {server['master']}" in text and "2 of 2 workers" in text
    for pid in site.nginx.workers():
        assert str(pid) in text
    # Who isn't root learns nothing.
    assert (site.prefix / "state").stat().st_mode & 0o777 == 0o700
    assert (site.prefix / "state/status.pages").stat().st_mode & 0o777 == 0o600


def test_a_broken_edit_is_told_with_the_policy_that_stays(make_site):
    site = make_site()
    before = {w["store"]["digest"] for w in workers(well(site)).values()}
    assert len(before) == 1
    site.write_policy('{"schema": 1, "tenants": ')
    said = wrong(site, "the policy file is broken: line 1")
    assert all("stays in force" in one for one in said["wrong"])
    assert {w["store"]["digest"] for w in workers(said).values()} == before
    site.write_policy(site.policy | {"tenants": site.policy["tenants"] | {"other": {}}})
    after = {w["store"]["digest"] for w in workers(well(site)).values()}
    assert len(after) == 1 and not after & before


def test_with_redis(make_site, make_redis):
    site, server = on_redis(make_site, make_redis)
    well(site)
    token = site.token()
    for _ in range(24):
        allowed(site.call(token=token))

    def counted():
        found = workers(ask(site)).values()
        assert sum(w["store"]["hits"] for w in found) >= 10 and sum(w["store"]["misses"] for w in found) >= 1
        return found

    found = eventually(counted)
    for worker in found:
        store = worker["store"]
        assert store["kind"] == "push" and store["hears"] and 0 <= store["lease_age_ms"] and store["connects"] == 1
        assert worker["store"]["limit_bytes"] == 64 << 20
    asked = [w for w in found if w["tenants"]]
    assert asked
    for worker in asked:
        (tenant,) = worker["tenants"]
        assert (tenant["name"], tenant["version"]) == ("default", server.version)
        assert tenant["incarnation"] == server.incarnation
        assert worker["store"]["connected"] and worker["store"]["entries"] > 0 and worker["store"]["bytes"] > 0
    before = sum(w["store"]["invalidations"] for w in found)
    server.client.hset(key("meta"), "version", str(server.version + 1))
    eventually(lambda: sum(w["store"]["invalidations"] for w in workers(ask(site)).values()) > before)
    eventually(lambda: [w for w in workers(ask(site)).values() for t in w["tenants"] if t["version"] == server.version + 1])
    assert "LEASE AGE" in agwctl.run("status", "--state", site.prefix / "state").stdout


def test_with_redis_gone_and_back(make_site, make_redis):
    site, server = on_redis(make_site, make_redis)
    token = site.token()
    well(site)
    for _ in range(10):
        allowed(site.call(token=token))
    server.stop()
    wrong(site, "doesn't hear of changes (no connection)")

    def all_deaf():
        found = workers(ask(site)).values()
        return len(found) == 2 and all(w["state"] == "runs" and not w["store"]["hears"] for w in found)

    eventually(all_deaf)
    server.start()
    server.load(policy.base())
    agwctl.run("store", "confirm", *agwctl.where(server))
    well(site)


def test_a_stopped_worker(make_site):
    site = make_site()
    well(site)
    victim = site.nginx.workers()[0]
    os.kill(victim, signal.SIGSTOP)
    try:
        said = wrong(site, "is stopped")
        assert workers(said)[victim]["state"] == "stopped"
        assert [w["state"] for pid, w in workers(said).items() if pid != victim] == ["runs"]
        eventually(lambda: workers(ask(site))[victim]["told_ms_ago"] > 1000)
    finally:
        os.kill(victim, signal.SIGCONT)
    well(site)


def test_a_stopped_sealer(make_site):
    site = make_site()
    well(site)
    (victim,) = sealers(site.nginx)
    os.kill(victim, signal.SIGSTOP)
    try:
        assert f"audit sealer (pid {victim})" in wrong(site, "is stopped")["wrong"][0]
    finally:
        os.kill(victim, signal.SIGCONT)
    well(site)


def test_a_killed_worker_has_a_successor_that_tells_of_it(make_site):
    site = make_site()
    well(site)
    site.nginx.allow("exited on signal 9")
    victim = site.nginx.workers()[0]
    os.kill(victim, signal.SIGKILL)

    def replaced():
        said = ask(site)
        assert said["ok"] and victim not in workers(said) and len(workers(said)) == 2, said
        return said

    said = eventually(replaced, 30)
    assert len(said["notes"]) == 1 and f"the last one was pid {victim}" in said["notes"][0]
    assert sorted(w["deaths"] for w in workers(said).values()) == [0, 1]
    # A new configuration has new workers.
    site.reload(gone=True)
    said = well(site)
    assert said["notes"] == [] and {w["generation"] for w in workers(said).values()} == {2}


def test_a_whole_server_that_was_killed(make_site):
    site = make_site()
    said = well(site)
    children = site.nginx._children()
    site.nginx.process.kill()
    for pid in children:
        os.kill(pid, signal.SIGKILL)
    site.nginx.process.wait()
    said = wrong(site, "no worker tells of itself")  # as soon as all of them are gone
    assert {w["state"] for w in workers(said).values()} == {"died"} and len(workers(said)) == 2
    assert any("died, and nothing has taken its place" in one for one in said["wrong"])
    site.start()
    said = well(site)
    assert len(said["servers"]) == 1 and len(workers(said)) == 2 and said["notes"] == []


def test_an_orderly_end_leaves_nobody(make_site):
    site = make_site()
    well(site)
    site.nginx.stop()
    said = ask(site)
    assert said["servers"] == [] and len(said["wrong"]) == 1 and "no worker tells of itself" in said["wrong"][0]


def test_an_audit_log_that_cannot_be_written(make_site):
    site = make_site(audit="/dev/full journal=256k", workers="1")
    site.nginx.allow("can't be written|journal is full|write to .* failed")
    wrong(site, "the audit log can't be written")
    token = site.token()
    eventually(lambda: site.call(token=token).status == 503, 60, 0)
    journal = wrong(site, "a worker's audit journal is ")["servers"][0]["sealers"][0]["journal"]
    assert journal["used"] > 50 and journal["fullest_percent"] >= 90


def test_workers_that_are_replaced_drain(make_site):
    site = make_site()
    well(site)
    old = set(site.nginx.workers())
    site.backend.answer = HANG
    stream = site.begin_post(CALL)
    eventually(lambda: site.backend.count() == 1)
    site.reload()

    def draining():
        said = ask(site)
        assert said["ok"], said["wrong"]
        found = workers(said)
        kept = [w for pid, w in found.items() if pid in old]
        assert [w["state"] for w in kept] == ["draining"] and kept[0]["generation"] == 1
        assert [w["state"] for pid, w in found.items() if pid not in old] == ["runs", "runs"]
        return said

    said = eventually(draining, 30)
    assert said["servers"][0]["generation"] == 2
    site.backend.answer = None
    stream.close()
    eventually(lambda: len(workers(ask(site))) == 2)
    well(site)


def test_a_reload_that_fails_changes_nothing(make_site):
    site = make_site()
    well(site)
    site.nginx.reload_refused(site.conf(main="no_such_directive;"))
    assert {w["generation"] for w in workers(well(site)).values()} == {1}


def test_an_issuer_without_keys(make_site):
    site = make_site(start=False)
    site.issuer.stop()
    site.start()
    site.nginx.allow("issuer")
    said = wrong(site, "issuer company: ")
    assert not any(i["usable"] for w in workers(said).values() for i in w["issuers"])


def test_without_agent_state_it_says_what_to_write(make_site, tmp_path):
    done = agwctl.run("status", "--state", tmp_path / "nowhere", status=1)
    assert f'write "agent_state {tmp_path}/nowhere;" into the http block' in done.stderr
    agwctl.run("status", "--state", status=2)
    agwctl.run("status", "--no-such-option", status=2)


def test_another_version_and_garbage_in_the_pages(make_site):
    site = make_site()
    well(site)
    site.nginx.stop()
    pages = site.prefix / "state/status.pages"
    size = pages.stat().st_size
    pages.write_bytes(os.urandom(size))
    assert ask(site)["servers"] == []
    pages.write_bytes(b"short")
    assert ask(site)["servers"] == []
    # A start makes of it what it needs.
    site.start()
    assert len(workers(well(site))) == 2


def test_a_file_that_was_removed_is_there_again_after_a_reload(make_site):
    site = make_site()
    well(site)
    (site.prefix / "state/status.pages").unlink()
    agwctl.run("status", "--state", site.prefix / "state", status=1)
    site.reload(gone=True)
    assert len(workers(well(site))) == 2


def test_one_process_alone(make_site):
    """master_process off: worker and sealer are one."""
    site = make_site(start=False)
    site.nginx.write_conf(site.conf().replace("master_process on;", "master_process off;"))
    alone = subprocess.Popen(site.nginx._arguments(site.nginx.conf), env=site.nginx._env, stdin=subprocess.DEVNULL)
    try:
        (server,) = well(site)["servers"]
        assert server["master"] == alone.pid and server["workers_wanted"] == 1
        assert [p["pid"] for p in server["workers"] + server["sealers"]] == [alone.pid] * 2
    finally:
        alone.send_signal(signal.SIGQUIT)
        alone.wait(60)


def test_a_new_binary_takes_over(make_site):
    """USR2, QUIT: two nginx for a while, and nothing is wrong with either."""
    # What a sanitizer needs has to be handed on.
    site = make_site(main="".join(f"env {name};\n" for name in ("LD_PRELOAD", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS")))
    site.nginx.stop()
    # nginx takes USR2 only when the process that started it has gone since.
    subprocess.run(["sh", "-c", '"$@" >/dev/null 2>&1 & sleep 1', "sh", *site.nginx._arguments(site.nginx.conf)],
                   env=site.nginx._env, check=True)

    def masters():
        return {server["master"]: len(server["workers"]) for server in well(site)["servers"]}

    (old,) = masters()
    running = {old}
    try:
        os.kill(old, signal.SIGUSR2)
        both = eventually(lambda: len(found := masters()) == 2 and found, 30)
        (new,) = set(both) - {old}
        running.add(new)
        assert both == {old: 2, new: 2}
        os.kill(old, signal.SIGQUIT)
        running.discard(old)
        eventually(lambda: masters() == {new: 2}, 30)
    finally:
        for master in running:
            os.kill(master, signal.SIGQUIT)
        eventually(lambda: not ask(site)["servers"], 60)


def test_a_full_disk_costs_the_status_alone(make_site, small_disk):
    subprocess.run(["mount", "-o", "remount,size=16k", small_disk], check=True)
    site = make_site(state=str(small_disk / "state"), audit="off", workers="2", start=False)
    site.nginx.allow("agent_state: agwctl status will know nothing")
    site.start()
    allowed(site.call())
    assert ask(site, small_disk / "state")["servers"] == []
