"""The adapters inside a real nginx, through the probe module: AGW_PROBE=…/ngx_http_adapter_probe_module.so."""
import http.client
import os
import shutil
import signal
import socket
import threading
import time
import urllib.parse
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from plugins.certs import make_authority
from plugins.nginx import ASAN, ROOT, Nginx
from plugins.redis import PASSWORD, Redis
from plugins.wait import eventually, free_port

from faulty import Faulty

PROBE = Path(os.environ.get("AGW_PROBE") or
             ROOT / "build" / ("asan" if ASAN else "release") / "ngx_http_adapter_probe_module.so").resolve()
pytestmark = pytest.mark.skipif(not PROBE.is_file(), reason=f"no {PROBE}: build the target adapter_probe")


class Site:
    def __init__(self, folder, workers=1, zone="1m", redis=None, extra="", http="", events="worker_connections 128;"):
        self.nginx = Nginx(folder)
        self.port = free_port()
        user = "user root;" if os.getuid() == 0 else ""
        self.conf = f"""
load_module {PROBE};
{user}
daemon off;
worker_processes {workers};
pid {folder}/nginx.pid;
error_log {folder}/logs/error.log info;
{extra}
events {{ {events} }}
http {{
    access_log off;
    client_body_temp_path tmp/a; proxy_temp_path tmp/b; fastcgi_temp_path tmp/c; uwsgi_temp_path tmp/d; scgi_temp_path tmp/e;
    probe_zone probe {zone};
    probe_file {folder}/lines;
    probe_watch {folder}/watched/file;
    {f"probe_redis {redis};" if redis else ""}
    {http}
    server {{ listen 127.0.0.1:{self.port}; location / {{ probe; }} }}
}}
"""
        self.folder = folder

    def start(self):
        (self.folder / "watched").mkdir(exist_ok=True)
        self.nginx.start(self.conf)
        return self

    def get(self, path, **given):
        query = "&".join(f"{k}={urllib.parse.quote(str(v), safe='')}" for k, v in given.items())
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request("GET", f"{path}?{query}", headers={"Connection": "close"})
        answer = connection.getresponse()
        assert answer.status == 200
        return answer.read().decode(errors="replace")

    def begin(self, path, **given):
        """Sends a request and doesn't wait: the socket."""
        query = "&".join(f"{k}={urllib.parse.quote(str(v), safe='')}" for k, v in given.items())
        client = socket.create_connection(("127.0.0.1", self.port))
        client.sendall(f"GET {path}?{query} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        return client


@pytest.fixture(scope="session")
def certs(tmp_path_factory):
    return make_authority(tmp_path_factory.mktemp("certs"))


@pytest.fixture
def faulty():
    server = Faulty()
    yield server
    server.close()


@pytest.fixture
def site(tmp_path):
    made = []

    def make(**given):
        made.append(Site(tmp_path, **given))
        return made[-1].start()

    yield make
    for one in made:
        one.nginx.close()


@pytest.fixture
def redis(tmp_path, certs):
    made = []

    def make(kind="tcp"):
        made.append(Redis(tmp_path / f"redis-{len(made)}", kind, certs).start())
        return made[-1]

    yield make
    for one in made:
        one.stop(signal.SIGKILL)


# --- loop, log, thread, watch, file ----------------------------------------------------------------------------------


def test_sleeps_and_spawned_tasks(site):
    it = site()
    started = time.monotonic()
    assert it.get("/sleep", ms=300) == "slept\n"
    assert 0.25 < time.monotonic() - started < 3
    assert it.get("/sleep", ms=0) == "slept\n"
    it.nginx.allow("an exception ended a task: a spawned task may throw")
    assert it.get("/spawn", ms=20) == "spawned\n"
    eventually(lambda: it.nginx.errors("a spawned task may throw"))
    assert it.get("/spawn", ms=3_600_000) == "spawned\n"    # doesn't keep the worker from ending


def test_log_lines_stay_lines(site):
    it = site()
    it.get("/log", text="one\nline\r\x1b[0m \x7f%s%n")
    assert it.nginx.errors(r"agent gateway: one\?line\?\?\[0m \?%s%n")


@pytest.mark.skipif(not ASAN, reason="a build without sanitizers finds nothing")
@pytest.mark.parametrize("kind,words", [("overflow", "heap-buffer-overflow"), ("free", "heap-use-after-free"),
                                        ("integer", "signed integer overflow"), ("leak", "detected memory leaks"),
                                        pytest.param("pool", "heap-buffer-overflow", marks=pytest.mark.skipif(
                                            "nginx-debug" not in os.environ.get("AGW_NGINX", ""),
                                            reason="the installed nginx's pools hide it (scripts/nginx-debug)"))])
def test_the_sanitizers_are_live(site, tmp_path, kind, words):
    one = site()
    one.nginx.allow(r"worker process \d+ exited")
    try:
        one.get("/blunder", kind=kind)
    except (http.client.HTTPException, OSError):
        pass  # the worker ended where it was caught
    with pytest.raises(AssertionError, match=f"a sanitizer reports:[^$]*{words}"):
        one.nginx.close()
    for report in tmp_path.glob("sanitizer.*"):
        report.unlink()


def test_randomness_differs(site):
    it = site()
    assert len({it.get("/basics").split()[1] for _ in range(20)}) == 20


def test_background_jobs(site):
    it = site()
    assert it.get("/background", ms=50) == "done\n"
    assert it.get("/background", ms=1, throw=1) == "threw: thrown in the thread\n"
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: it.get("/background", ms=5), range(40))) == {"done\n"}
    clients = [it.begin("/background", ms=300) for _ in range(3)]
    time.sleep(0.05)
    for client in clients:
        client.close()
    assert it.get("/background", ms=1) == "done\n"  # after what nobody waits for any more


def test_file_edits_are_seen_on_the_next_call(site, tmp_path):
    (tmp_path / "watched").mkdir()
    file = tmp_path / "watched/file"
    file.write_text("0")
    it = site()
    assert it.get("/watch") == "same\n"
    for i in range(30):
        file.write_text(str(i % 10))     # same size, within one tick of the clock
        assert it.get("/watch") == "changed\n", i
    eventually(lambda: it.get("/watch") == "same\n")
    (tmp_path / "watched/new").write_text("renamed into place")
    (tmp_path / "watched/new").rename(file)
    assert it.get("/watch") == "changed\n"
    eventually(lambda: it.get("/watch") == "same\n")
    file.unlink()
    assert it.get("/watch") == "changed\n"
    eventually(lambda: it.get("/watch") == "same\n")
    (tmp_path / "watched/other").write_text("not this one")
    assert it.get("/watch") == "same\n"


def test_an_edit_before_a_worker_starts_is_seen(site, tmp_path):
    (tmp_path / "watched").mkdir()
    file = tmp_path / "watched/file"
    file.write_text("as loaded")
    it = site()
    assert it.get("/watch") == "same\n"
    it.nginx.allow("exited on signal 9")
    old = it.nginx.workers()
    file.write_text("edited")
    os.kill(old[0], signal.SIGKILL)
    eventually(lambda: it.nginx.workers() and it.nginx.workers() != old)
    assert it.get("/watch") == "changed\n"
    assert it.get("/watch") == "same\n"


def test_replaced_links_are_edits(site, tmp_path):
    folder = tmp_path / "watched"
    for name in ("one", "two"):
        (folder / name).mkdir(parents=True)
        (folder / name / "file").write_text(name)
    (folder / "data").symlink_to("one")
    (folder / "file").symlink_to("data/file")
    it = site()
    assert it.get("/watch") == "same\n"
    (folder / "data2").symlink_to("two")
    (folder / "data2").rename(folder / "data")
    assert it.get("/watch") == "changed\n"
    eventually(lambda: it.get("/watch") == "same\n")
    shutil.rmtree(folder / "one")
    (folder / "two/file").write_text("in place")
    assert it.get("/watch") == "changed\n"


def test_lines_survive_reopening_and_a_full_disk(site, tmp_path):
    it = site()
    assert it.get("/append", line="one") == "written\n"
    (tmp_path / "lines").rename(tmp_path / "lines.old")
    it.nginx.send_signal(signal.SIGUSR1)
    eventually(lambda: (tmp_path / "lines").exists())
    eventually(lambda: it.get("/append", line="two") == "written\n" and "two\n" in (tmp_path / "lines").read_text())
    assert (tmp_path / "lines.old").read_text().startswith("one\n")


def test_a_full_device_is_said_once(site, tmp_path):
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full")
    (tmp_path / "lines").symlink_to("/dev/full")
    it = site()
    assert it.get("/append", line="x") == "failed\n"
    assert it.get("/append", line="x") == "failed\n"
    assert len(it.nginx.errors("write to .*lines.* failed")) == 1


# --- zone ------------------------------------------------------------------------------------------------------------


def test_zone_is_one_for_all_workers_and_survives_reload(site):
    it = site(workers=3)
    assert it.get("/zone", op="read", name="keys") == "none\n"
    assert it.get("/zone", op="write", name="keys", value="v1") == "written\n"
    assert {it.get("/zone", op="read", name="keys") for _ in range(20)} == {"1 2 v1\n"}
    assert it.get("/zone", op="write", name="keys", value="version2") == "written\n"
    it.nginx.reload()
    assert it.get("/zone", op="read", name="keys") == "2 8 version2\n"
    assert it.get("/zone", op="generation", name="keys") == "2\n"
    assert it.get("/zone", op="generation", name="absent") == "0\n"
    assert it.get("/zone", op="write", name="empty", value="") == "written\n"
    assert it.get("/zone", op="read", name="empty") == "1 0 \n"


def test_leases(site):
    it = site(workers=2)
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda _: it.get("/zone", op="lease", name="l", ms=60000), range(16)))
    assert taken.count("taken\n") == 1
    assert it.get("/zone", op="lease", name="short", ms=100) == "taken\n"
    eventually(lambda: it.get("/zone", op="lease", name="short", ms=100) == "taken\n", timeout=3)


def test_a_lease_is_released_by_its_holder(site):
    it = site()
    assert it.get("/zone", op="lease", name="l", ms=60000) == "taken\n"
    assert it.get("/zone", op="lease", name="l", ms=60000) == "held\n"
    it.get("/zone", op="release", name="l")
    assert it.get("/zone", op="lease", name="l", ms=60000) == "taken\n"


def test_a_full_zone_evicts_contents_but_no_counter(site):
    it = site(zone="256k")
    assert it.get("/zone", op="count", name="agent_audit_lines_total", by=7) == "7\n"
    assert it.get("/zone", op="lease", name="l", ms=60000) == "taken\n"
    for i in range(40):
        assert it.get("/zone", op="write", name=f"b{i}", size=20000) == "written\n"
    assert it.get("/zone", op="read", name="b0") == "none\n"
    assert it.get("/zone", op="generation", name="b0") == "1\n"
    assert it.get("/zone", op="read", name="b39").startswith("1 20000 ")
    assert it.get("/zone", op="write", name="huge", size=10_000_000) == "full\n"
    assert it.get("/zone", op="count", name="agent_audit_lines_total") == "8\n"
    assert it.get("/zone", op="lease", name="l", ms=60000) == "held\n"
    # Series without room are counted by the worker alone.
    for i in range(4000):
        if it.nginx.errors("some metrics are missing"):
            break
        it.get("/zone", op="count", name=f'agent_decisions_total{{operation="{"o" * 400}{i}"}}')
    assert len(it.nginx.errors("the shared zone is full")) == 1


def test_a_killed_worker_leaves_the_zone_usable(site):
    it = site(workers=2)
    it.nginx.allow("exited on signal 9")
    stop = threading.Event()

    def write():
        while not stop.is_set():
            try:
                it.get("/zone", op="write", name="b", size=50000)
                it.get("/zone", op="count", name="agent_audit_lines_total")
            except (OSError, AssertionError, http.client.HTTPException):
                pass

    threads = [threading.Thread(target=write) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(6):
        time.sleep(0.2)
        os.kill(eventually(it.nginx.workers)[0], signal.SIGKILL)
    stop.set()
    for thread in threads:
        thread.join()
    eventually(lambda: len(it.nginx.workers()) == 2)
    assert it.get("/zone", op="write", name="b", value="whole") == "written\n"
    assert it.get("/zone", op="read", name="b").endswith(" 5 whole\n")


def test_metrics_text(site):
    it = site(workers=2)
    for bound, count in (("0.0001", 2), ("0.00005", 1), ("+Inf", 4), ("0.001", 2)):
        it.get("/zone", op="count", name=f'agent_overhead_seconds_bucket{{le="{bound}"}}', by=count)
    it.get("/zone", op="count", name="agent_overhead_seconds_sum", by=1_000_042)
    it.get("/zone", op="count", name="agent_overhead_seconds_count", by=9)
    it.get("/zone", op="count", name='agent_decisions_total{operation="b"}')
    it.get("/zone", op="count", name='agent_decisions_total{operation="a"}', by=4)
    it.get("/zone", op="count", name="agent_unheard_of")
    assert it.get("/metrics") == """\
# HELP agent_decisions_total Calls judged, by operation, decision and reason.
# TYPE agent_decisions_total counter
agent_decisions_total{operation="a"} 4
agent_decisions_total{operation="b"} 1
# HELP agent_overhead_seconds Time that the gateway itself took for a call.
# TYPE agent_overhead_seconds histogram
agent_overhead_seconds_bucket{le="0.00005"} 1
agent_overhead_seconds_bucket{le="0.0001"} 3
agent_overhead_seconds_bucket{le="0.001"} 5
agent_overhead_seconds_bucket{le="+Inf"} 9
agent_overhead_seconds_count 9
agent_overhead_seconds_sum 1.000042
# TYPE agent_unheard_of untyped
agent_unheard_of 1
"""


# --- HTTP ------------------------------------------------------------------------------------------------------------


def test_fetch_answers(site, faulty):
    it = site()
    answer = it.get("/fetch", url=faulty.url("/ok"))
    assert answer.startswith("200 4\n") and "\nx-one: 1\n" in answer and "\nx-empty: \n" in answer
    assert answer.endswith("\n\nfine")
    assert it.get("/fetch", url=faulty.url("/redirect")).startswith("302 0\n")
    assert it.get("/fetch", url=faulty.url("/none")).startswith("404 0\n")
    answer = it.get("/fetch", url=faulty.url("/chunk"))
    assert answer.startswith("200 2\n") and "trailer" not in answer
    answer = it.get("/fetch", url=faulty.url("/interim"))
    assert answer.startswith("200 4\n") and "x-early" not in answer
    answer = it.get("/fetch", url=faulty.url("/echo"), method="POST", body="a=b", authorization="Basic c2VjcmV0", header="v")
    assert answer.startswith("200 ") and "POST /echo HTTP/1.1" in answer and answer.endswith("a=b")
    assert "\nAuthorization: Basic c2VjcmV0\r" in answer and "\nX-Probe: v\r" in answer and "Expect" not in answer
    assert it.get("/fetch", url=faulty.url("/echo"), method="DELETE").count("DELETE /echo HTTP/1.1") == 1
    assert it.get("/fetch", url=faulty.url("/ok"), method="HEAD").startswith("200 0\n")


@pytest.mark.parametrize("path, given, error", [
    ("/hang", {"timeout": 300}, "timed out"),
    ("/slow", {"timeout": 400}, "timed out"),
    ("/garbage", {}, "not HTTP"),
    ("/big", {"max": 100_000}, "answer too large"),
    ("/chunks", {"max": 100_000}, "answer too large"),
    ("/half", {}, "closed"),
    ("/empty", {}, "closed"),
    ("/headers", {}, "answer too large"),
    ("/bad-header", {}, "not HTTP"),
])
def test_fetch_faults(site, faulty, path, given, error):
    it = site()
    started = time.monotonic()
    assert it.get("/fetch", url=faulty.url(path), **given) == f"error: {error}\n"
    assert time.monotonic() - started < 3
    assert it.get("/fetch", url=faulty.url("/ok")).startswith("200 4\n")
    assert it.get("/fetch", url=faulty.url("/big"), max=200_000).startswith("200 200000\n")


def test_fetch_refuses_what_it_may_not_call(site, faulty):
    it = site(http="probe_pin localhost;")
    for url, rule, error in [
        ("ftp://127.0.0.1/x", "configured", "bad URL"), ("file:///etc/passwd", "configured", "bad URL"),
        ("http://user:pw@127.0.0.1/", "configured", "bad URL"), ("http://a b/", "configured", "bad URL"),
        ("127.0.0.1:80/x", "configured", "bad URL"), ("http://[fe80::1%25lo]/", "configured", "bad URL"),
        ("http://localhost./", "configured", "bad URL"), ("http://x\r\ny/", "configured", "bad URL"),
        (faulty.url("/ok"), "discovered", "address refused"),
        (faulty.url("/ok", "localhost"), "discovered", "address refused"),
        (faulty.url("/ok", "2130706433"), "discovered", "address refused"),
        (faulty.url("/ok", "0x7f.1"), "discovered", "address refused"),
        (faulty.url("/ok", "[::ffff:127.0.0.1]"), "discovered", "address refused"),
        ("http://169.254.169.254/latest/meta-data/", "configured", "address refused"),
        ("http://[::ffff:169.254.169.254]/", "configured", "address refused"),
        ("http://0.0.0.0/", "configured", "address refused"),
        ("http://nobody.invalid/", "configured", "name not resolved"),
    ]:
        assert it.get("/fetch", url=url, rule=rule) == f"error: {error}\n", url
    assert it.get("/fetch", url=faulty.url("/ok"), header="a\r\nX-Forged: 1") == "error: bad URL\n"
    assert it.get("/fetch", url=faulty.url("/ok"), method="GET x") == "error: bad URL\n"
    assert not faulty.requests
    assert it.get("/fetch", url=faulty.url("/ok", "localhost")).startswith("200 4\n")
    port = free_port()
    assert it.get("/fetch", url=f"http://127.0.0.1:{port}/") == "error: no connection\n"


def test_connections_are_kept_and_renewed(site, faulty):
    it = site()
    for _ in range(5):
        assert it.get("/fetch", url=faulty.url("/ok")).startswith("200 4\n")
    assert faulty.connections == 1
    for _ in range(5):
        assert it.get("/fetch", url=faulty.url("/once")).startswith("200 4\n")
    with ThreadPoolExecutor(20) as pool:
        assert all(a.startswith("200 4\n") for a in pool.map(lambda _: it.get("/fetch", url=faulty.url("/late")), range(20)))
    eventually(lambda: faulty.open <= 32)


def test_fetch_over_tls(site, certs):
    server = Faulty(certs)
    it = site(http="probe_pin localhost;")
    ca = certs / "ca/cert.pem"
    assert it.get("/fetch", url=server.url("/ok", "localhost"), ca=ca).startswith("200 4\n")
    assert it.get("/fetch", url=server.url("/ok"), ca=ca).startswith("200 4\n")
    assert it.get("/fetch", url=server.url("/ok", "localhost")) == "error: TLS failed\n"
    assert it.get("/fetch", url=server.url("/ok", "127.0.0.2"), ca=ca).startswith("error: ")
    assert it.get("/fetch", url=server.url("/ok", "localhost"), ca="/nowhere.pem") == "error: TLS failed\n"
    plain = Faulty()
    assert it.get("/fetch", url=plain.url("/ok").replace("http:", "https:"), ca=ca, timeout=2000).startswith("error: ")
    assert it.get("/fetch", url=server.url("/hang", "localhost"), ca=ca, timeout=300) == "error: timed out\n"
    server.close()
    plain.close()


def test_fetch_through_a_proxy(site, faulty):
    it = site()
    proxy = f"http://127.0.0.1:{faulty.port}"
    # The name is the proxy's to find.
    assert it.get("/fetch", url="http://issuer.invalid/ok", proxy=proxy, rule="discovered").startswith("200 4\n")
    assert faulty.requests[-1][0].startswith(b"GET http://issuer.invalid/ok ")
    assert it.get("/fetch", url="http://10.0.0.1/ok", proxy=proxy, rule="discovered") == "error: address refused\n"
    assert it.get("/fetch", url="http://issuer.invalid/ok", proxy="https://127.0.0.1:1") == "error: bad URL\n"


class Names:
    """A name server: name -> addresses; a name with an empty list is never answered."""

    def __init__(self, **names):
        self.names = {k.replace("_", "."): v for k, v in names.items()}
        self.asked = []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.directive = f"resolver 127.0.0.1:{self.socket.getsockname()[1]} ipv6=off;"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                query, client = self.socket.recvfrom(512)
            except OSError:
                return
            at, labels = 12, []
            while query[at]:
                labels.append(query[at + 1:at + 1 + query[at]].decode())
                at += query[at] + 1
            name = ".".join(labels)
            self.asked.append(name)
            addresses = self.names.get(name)
            if addresses == []:
                continue
            flags = b"\x81\x80" if addresses else b"\x81\x83"
            answer = b"".join(b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + socket.inet_aton(a) for a in addresses or [])
            self.socket.sendto(query[:2] + flags + b"\0\1\0" + bytes([len(addresses or [])]) + b"\0\0\0\0"
                               + query[12:at + 5] + answer, client)


def test_names_are_asked_of_the_resolver(site, faulty):
    names = Names(issuer_test=["127.0.0.1"], evil_test=["169.254.169.254"], silent_test=[])
    it = site(http=names.directive + " probe_pin localhost;")
    for _ in range(2):
        assert it.get("/fetch", url=faulty.url("/ok", "issuer.test")).startswith("200 4\n")
    assert it.get("/fetch", url=faulty.url("/ok", "ISSUER.test")).startswith("200 4\n")
    assert it.get("/fetch", url=faulty.url("/ok", "issuer.test"), rule="discovered") == "error: address refused\n"
    assert it.get("/fetch", url="http://evil.test/") == "error: address refused\n"
    assert it.get("/fetch", url="http://absent.test/") == "error: name not resolved\n"
    assert it.get("/fetch", url="http://silent.test/", timeout=500) == "error: timed out\n"
    assert it.get("/fetch", url=faulty.url("/ok", "localhost")).startswith("200 4\n")
    assert "localhost" not in names.asked
    client = it.begin("/fetch", url="http://silent.test/", timeout=5000)
    time.sleep(0.1)
    client.close()
    assert it.get("/basics")
    names.socket.close()


def test_a_silent_address_leaves_time_for_the_next(site, faulty):
    """The second socket gets the first one's number: curl says nothing of the change."""
    silent = socket.socket()
    silent.bind(("127.0.0.2", faulty.port))
    silent.listen(0)
    waiting = [socket.socket() for _ in range(4)]
    for one in waiting:
        one.setblocking(False)
        one.connect_ex(("127.0.0.2", faulty.port))
    names = Names(two_test=["127.0.0.2", "127.0.0.1"])
    it = site(http=names.directive)
    with ThreadPoolExecutor(8) as pool:     # nginx answers them in any order
        answers = list(pool.map(lambda _: it.get("/fetch", url=faulty.url("/once", "two.test"), timeout=3000), range(8)))
    assert {a.split("\n")[0] for a in answers} == {"200 4"}
    for one in [silent, *waiting, names.socket]:
        one.close()


def test_fetch_over_http2(site, certs):
    port = free_port()
    it = site(http=f"""probe_pin localhost;
    server {{ listen 127.0.0.1:{port} ssl http2; ssl_certificate {certs}/leaf/cert.pem; ssl_certificate_key {certs}/leaf/key.pem;
              location / {{ return 200 "by $server_protocol"; }} location /late {{ limit_rate 1; return 200 "xx"; }} }}""")
    it.nginx.allow("http2\" directive is deprecated")
    ca, url = certs / "ca/cert.pem", f"https://localhost:{port}/"
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: it.get("/fetch", url=url, ca=ca), range(30)))
    assert all(a.startswith("200 11\n") and a.endswith("by HTTP/2.0") for a in answers)
    clients = [it.begin("/fetch", url=url + "late", ca=ca, timeout=20000) for _ in range(3)]
    time.sleep(0.2)
    for client in clients:
        client.close()
    assert it.get("/fetch", url=url, ca=ca).startswith("200 11\n")


def test_questions_on_a_connection_that_was_closed(site, faulty):
    it = site()
    for i in range(10):
        assert it.get("/fetch", url=faulty.url("/once"), method="POST", body=f"n={i}").startswith("200 4\n")
    assert len(faulty.requests) == 10


def test_used_up_connections_are_an_error(site, faulty):
    it = site(events="worker_connections 16;")
    it.nginx.allow("worker_connections are not enough")
    sleepers, fetched = [], None
    # Until there is room for the client of a fetch and none for the fetch itself.
    for _ in range(12):
        sleepers.append(it.begin("/sleep", ms=20000))
        time.sleep(0.05)
        fetched = it.get("/fetch", url=faulty.url("/empty"))
        if fetched != "error: closed\n":
            break
    assert fetched == "error: no connection\n"
    for client in sleepers:
        client.close()
    eventually(lambda: it.get("/fetch", url=faulty.url("/ok")).startswith("200 4\n"))


def test_clients_that_leave_abort_their_fetch(site, faulty):
    it = site()
    clients = [it.begin("/fetch", url=faulty.url("/hang"), timeout=20000) for _ in range(10)]
    eventually(lambda: faulty.open >= 10)
    started = time.monotonic()
    for client in clients:
        client.close()
    eventually(lambda: faulty.open == 0)
    assert time.monotonic() - started < 3
    assert it.get("/fetch", url=faulty.url("/ok")).startswith("200 4\n")


def test_a_reload_lets_waiting_calls_finish(site, faulty):
    it = site()
    it.get("/fetch", url=faulty.url("/ok"))
    with ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(it.get, "/fetch", url=faulty.url("/late")), pool.submit(it.get, "/sleep", ms=1200),
                 pool.submit(it.get, "/background", ms=1200), pool.submit(it.get, "/spawn", ms=3_600_000)]
        time.sleep(0.3)
        it.nginx.reload(gone=True)
        assert [c.result()[:4] for c in calls] == ["200 ", "slep", "done", "spaw"]
    assert it.get("/fetch", url=faulty.url("/ok")).startswith("200 4\n")


def test_worker_ends_with_calls_under_way(site, faulty, redis):
    store = redis()
    it = site(redis=store.store)
    it.get("/redis", cmd="PING")
    it.get("/fetch", url=faulty.url("/ok"))
    clients = [it.begin("/fetch", url=faulty.url("/hang"), timeout=60000), it.begin("/sleep", ms=60000),
               it.begin("/background", ms=300)]
    time.sleep(0.2)
    it.nginx.stop(signal.SIGTERM)
    for client in clients:
        client.close()


def test_shutdown_timeout_ends_everything(site, faulty):
    it = site(extra="worker_shutdown_timeout 1s;")
    clients = [it.begin("/fetch", url=faulty.url("/hang"), timeout=60000), it.begin("/sleep", ms=60000)]
    time.sleep(0.2)
    started = time.monotonic()
    it.nginx.reload(gone=True)
    assert time.monotonic() - started < 10
    for client in clients:
        client.close()


# --- Redis -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["tcp", "unix", "tls", "password", "acl"])
def test_redis_by_every_way(site, redis, kind):
    store = redis(kind)
    it = site(redis=store.store)
    store.client.hset("agw:p:h", mapping={"a": "1", "b": "2"})
    assert it.get("/redis", cmd="PING") == "PONG\n"
    assert it.get("/redis", cmd="HGETALL agw:p:h;GET agw:p:none;INCR agw:v:n;HGET agw:v:n x") == \
        "[a,1,b,2]\nnil\n1\n!WRONGTYPE Operation against a key holding the wrong kind of value\n"
    with ThreadPoolExecutor(20) as pool:
        numbers = [int(n) for n in pool.map(lambda _: it.get("/redis", cmd="INCR agw:v:n"), range(100))]
    assert sorted(numbers) == list(range(2, 102))
    assert len([c for c in store.client.client_list() if c["cmd"] != "client|list" and c["cmd"] != "client"]) <= 2
    if kind == "acl":
        assert it.get("/redis", cmd="SET agw:p:h x").startswith("!NOPERM")


def test_redis_database_and_password_rotation(site, redis):
    store = redis("password")
    it = site(redis=store.store.replace("/0", "/2"))
    it.get("/redis", cmd="SET k two")
    client = store.client
    client.select(2)
    assert client.get("k") == "two"
    client.config_set("requirepass", "rotated")
    (store.folder / "password").write_text("rotated")
    client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    assert eventually(lambda: it.get("/redis", cmd="GET k") == "two\n")
    (store.folder / "password").write_text("wrong one")
    client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    eventually(lambda: it.get("/redis", cmd="GET k") == "error: authentication failed\n")
    assert it.nginx.errors("WRONGPASS") and not it.nginx.errors("rotated|wrong one|" + PASSWORD)
    (store.folder / "password").unlink()
    eventually(lambda: it.nginx.errors("the password file can't be read") or not it.get("/redis", cmd="PING"))


def test_redis_whose_certificate_is_wrong(site, redis, certs, tmp_path):
    store = redis("tls")
    other = make_authority(tmp_path / "other")
    it = site(redis=store.store.replace(str(certs), str(other)))
    it.nginx.allow("certificate verify failed")
    assert it.get("/redis", cmd="PING") == "error: TLS failed\n"
    # The file is read anew for a new connection.
    shutil.copy(certs / "ca/cert.pem", other / "ca/cert.pem")
    assert eventually(lambda: it.get("/redis", cmd="PING") == "PONG\n")


def test_redis_whose_name_is_wrong(site, redis):
    store = redis("tls")
    it = site(redis=store.store.replace("127.0.0.1", "127.0.0.2"))
    assert it.get("/redis", cmd="PING").startswith("error: ")


def test_redis_that_goes_and_comes_back(site, redis):
    store = redis()
    it = site(redis=store.store + " timeout=500")
    assert it.get("/redis", cmd="PING") == "PONG\n"
    store.stop(signal.SIGKILL)
    assert it.get("/redis", cmd="PING").startswith("error: ")
    started = time.monotonic()
    for _ in range(20):
        assert it.get("/redis", cmd="PING").startswith("error: ")
    assert time.monotonic() - started < 5
    store.start()
    eventually(lambda: it.get("/redis", cmd="PING") == "PONG\n")


def test_redis_that_hangs(site, redis):
    store = redis()
    it = site(redis=store.store + " timeout=400")
    assert it.get("/redis", cmd="PING") == "PONG\n"
    store.hang()
    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(lambda _: it.get("/redis", cmd="PING"), range(5)))
    assert set(answers) <= {"error: timed out\n", "error: connection closed\n"} and "error: timed out\n" in answers
    assert it.get("/redis", cmd="PING").startswith("error: ")
    store.go_on()
    eventually(lambda: it.get("/redis", cmd="ECHO right") == "right\n")
    # Nobody gets a late answer to somebody else's question.
    assert [it.get("/redis", cmd=f"ECHO {i}") for i in range(10)] == [f"{i}\n" for i in range(10)]


@pytest.mark.parametrize("words, error", [
    (b"HTTP/1.1 400 Bad Request\r\n\r\n", "not Redis"), (b"+OK\r\n+OK\r\n+OK\r\n", None), (b"*2147483647\r\n", "not Redis"),
    (b"$9000000\r\n" + b"x" * 9_000_000 + b"\r\n", "not Redis"), (b"", "connection closed"), (b"*1\r\n" * 50, "not Redis"),
    (b"$10\r\nhalf", "connection closed"),
])
def test_redis_that_isnt(site, words, error):
    server = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            with client:
                try:
                    client.recv(1000)
                    client.sendall(words)
                except OSError:
                    pass

    threading.Thread(target=serve, daemon=True).start()
    it = site(redis=f"redis://127.0.0.1:{server.getsockname()[1]} max=1000000 timeout=2000")
    for _ in range(3):
        answer = it.get("/redis", cmd="PING")
        assert answer == (f"error: {error}\n" if error else "OK\n")
    server.close()


def test_large_answers_and_questions(site, redis):
    store = redis()
    it = site(redis=store.store + " max=4000000 timeout=5000")
    store.client.set("big", "b" * 1_000_000)
    store.client.rpush("list", *range(20000))
    assert it.get("/redis", cmd="GET big;PING") == "1000000 bytes\nPONG\n"
    assert it.get("/redis", cmd="LRANGE list 0 -1;PING").endswith("19999]\nPONG\n")
    with ThreadPoolExecutor(10) as pool:
        assert set(pool.map(lambda _: it.get("/redis", cmd=";".join(["GET big"] * 3)), range(20))) == {"1000000 bytes\n" * 3}
    store.client.set("big", "b" * 5_000_000)
    assert it.get("/redis", cmd="GET big") == "error: not Redis\n"
    assert it.get("/redis", cmd="PING") == "PONG\n"


def test_clients_that_leave_redis(site, redis):
    store = redis()
    it = site(redis=store.store + " timeout=3000")
    it.get("/redis", cmd="PING")
    store.hang()
    clients = [it.begin("/redis", cmd=f"ECHO {i}") for i in range(5)]
    time.sleep(0.2)
    for client in clients:
        client.close()
    store.go_on()
    assert [it.get("/redis", cmd=f"ECHO x{i}") for i in range(5)] == [f"x{i}\n" for i in range(5)]


def test_reload_and_exit_with_redis(site, redis):
    store = redis()
    it = site(redis=store.store + " timeout=5000", workers=2)
    for _ in range(5):
        assert it.get("/redis", cmd="PING") == "PONG\n"
    it.nginx.reload(gone=True)
    assert it.get("/redis", cmd="PING") == "PONG\n"
    store.hang()
    with ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(it.get, "/redis", cmd="PING") for _ in range(4)]
        time.sleep(0.3)
        it.nginx.reload()
        store.go_on()
        assert [c.result() for c in calls] == ["PONG\n"] * 4
    assert it.get("/redis", cmd="PING") == "PONG\n"


def test_everything_at_once(site, redis, faulty):
    """Calls of all kinds, clients that leave, a store that comes and goes, reloads: nothing crashes, leaks or stays."""
    store = redis()
    it = site(redis=store.store + " timeout=300", workers=2, events="worker_connections 256;")
    it.nginx.allow("an exception ended a task")
    end = time.monotonic() + 8
    paths = [("/fetch", {"url": faulty.url(p), "timeout": 400})
             for p in ("/ok", "/hang", "/slow", "/garbage", "/half", "/empty", "/once", "/big", "/chunks")]
    paths += [("/redis", {"cmd": "PING"}), ("/redis", {"cmd": "GET k;SET k v"}), ("/sleep", {"ms": 30}), ("/spawn", {"ms": 10}),
              ("/background", {"ms": 10}), ("/watch", {}), ("/zone", {"op": "write", "name": "z", "size": 5000}),
              ("/zone", {"op": "read", "name": "z"}), ("/append", {"line": "x"}), ("/metrics", {})]

    def calls(seed):
        n, patient = seed, 0
        while time.monotonic() < end:
            n = (n * 1103515245 + 12345) % 2**31
            path, given = paths[n % len(paths)]
            client = None
            try:
                client = it.begin(path, **given)
                if n % 3:
                    client.settimeout(10)
                    assert client.makefile("rb").read() or True
                    patient += 1
                else:
                    time.sleep((n % 50) / 1000)
            except ConnectionError:     # between two generations of workers
                pass
            finally:
                if client:
                    client.close()
        return patient

    with ThreadPoolExecutor(6) as pool:
        running = [pool.submit(calls, seed) for seed in range(6)]
        while time.monotonic() < end - 1:
            time.sleep(0.5)
            store.hang()
            time.sleep(0.5)
            store.go_on()
            it.nginx.send_signal(signal.SIGHUP)
        assert all(r.result() > 5 for r in running)
    eventually(lambda: it.get("/redis", cmd="PING") == "PONG\n")
    assert it.get("/fetch", url=faulty.url("/ok")).startswith("200 4\n")
    eventually(lambda: faulty.open <= 2 * 32, timeout=10)
