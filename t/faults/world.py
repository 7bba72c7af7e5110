"""A gateway with all it depends on, one of which can be made to fail."""
import collections
import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from plugins import jose, mcp, policy
from plugins.backend import Backend, json_answer, plain
from plugins.cluster import SLOTS, FakeSeed
from plugins.issuer import Issuer
from plugins.nginx import Nginx
from plugins.redis import Redis
from plugins.sentinel import FakeSentinel
from plugins.server import Answer
from plugins.site import EXCHANGE, Site
from plugins.wait import eventually, free_port
from proxy import Certificates, Http, Proxy, Resp
from names import Names
from pipe import Pipe

HOST = "issuer.faults.test"
FORMER = "company|former-agent"   # had a grant once
STORE_TIMEOUT = ISSUER_TIMEOUT = CONNECT_TIMEOUT = 1.0
READ_TIMEOUT = 2.0
KEYS_MAX_AGE = 3.0

# Sessions that nginx keeps for its backends are never freed, which LeakSanitizer would tell.
HTTP = """
    proxy_connect_timeout 1s;
    proxy_send_timeout 1s;
    proxy_read_timeout 2s;
    proxy_ssl_trusted_certificate @CA@;
    proxy_ssl_verify on;
    proxy_ssl_name localhost;
    proxy_ssl_session_reuse off;
    client_header_timeout 3s;
    client_body_timeout 3s;
    send_timeout 3s;
"""
LISTEN = [("Accept", "text/event-stream")]


KEYED_TOOL = "agent_tool ticket.read { scope tickets:read; resource ticket:<id>; idempotency header wait=0; }"
LONG_KEY = "used-long"   # of the call that the backend still has when the fault begins


class NoDisk(Exception):
    """A disk of one's own needs the right to mount."""


class Authority(Issuer):
    """The issuer; `front` is where the world believes it to be, `state` what happened to its documents and clock."""

    front = None
    state = None

    @property
    def origin(self):
        return self.front or super().origin

    def claims(self, **wanted):
        found = super().claims(**wanted)
        if self.state == "skewed" and "exp" in found:
            shift = 3600 * (1 if found["jti"][0] < "8" else -1)   # now ahead, now behind
            found |= {"iat": found["iat"] + shift, "exp": found["exp"] + shift}
        return found

    def metadata(self):
        if self.state == "metadata emptied":
            return {}
        return super().metadata() | ({"jwks_uri": self.origin + "/gone"} if self.state == "metadata older" else {})

    def jwks(self):
        if self.state == "keys emptied":
            return {"keys": []}
        return {"keys": [self.former.jwk()]} if self.state == "keys older" else super().jwks()


class Stream(list):
    """An SSE body: numbered events until it is told to end."""

    def __init__(self, world):
        super().__init__()
        self._world = world

    def __iter__(self):
        number = 0
        while not self._world.streams_end and number < 6000:
            yield f"data: {number}\n\n"
            yield 0.1
            number += 1
        yield "data: bye\n\n"


class World:
    """`dependency`: redis, repeats, grace, sentinel, seed, file, metadata, keys, exchange, introspection, backend, audit,
    names. With `tls` it is asked over TLS.
    `disk`: what the audit log lies on: "small" (a file system of its own), "pipe", or None: a folder."""

    def __init__(self, folder: Path, dependency, tls=False, disk=None, **pieces):
        folder.mkdir(parents=True)
        self.folder, self.dependency, self.tls = folder, dependency, tls
        self.streams_end = False
        self.held = None     # an event that calls wait for at the backend
        self.empty = False   # whether the backend answers nothing
        self.redis = self.proxy = self.names = self.guide = None
        self.certificates = Certificates(folder / "tls")
        self.issuer = Authority(tls=self.certificates.folder)
        self.issuer.former = jose.Key("ES256")
        self.issuer.start()
        self.backend = Backend()
        self.backend.answer = self._answer
        self.backend.start()
        wanted = getattr(self, "_" + dependency)()
        self.site = Site(folder / "site", self.issuer, self.backend)
        self.site.pieces = self._pieces() | wanted | pieces
        self.nginx = self.site.nginx
        if dependency == "audit":
            self._make_disk(disk)
            self.nginx.allow("agent_audit")   # an audit log that can't be written is an alert
        self._policies()

    def _pieces(self):
        return {"http": HTTP.replace("@CA@", str(self.certificates.ca)), "timeout": "1s", "floor": "1s",
                "issuer": f"ca {self.certificates.ca}; keys_refresh 1s; keys_max_age {KEYS_MAX_AGE:.0f}s;"}

    def _front(self, protocol, port):
        self.proxy = Proxy(port, protocol, self.certificates if self.tls else None).start()
        return self.proxy.port

    def _issuer_front(self, wrong, path=None, host="127.0.0.1"):
        """Where the issuer, or a part of it, seems to be: endpoints are https, always."""
        self.proxy = Proxy(self.issuer.port, Http(wrong), self.certificates, self.certificates, path).start()
        return f"https://{host}:{self.proxy.port}"

    # --- the dependencies --------------------------------------------------------------------------------------

    def _redis(self):
        self.redis = Redis(self.folder / "redis").start()
        port = self._front(Resp(), self.redis.port)
        scheme, ca = ("rediss", f" ca={self.certificates.ca}") if self.tls else ("redis", "")
        return {"store": f"{scheme}://127.0.0.1:{port}/0 timeout=1s{ca}"}

    def _repeats(self):
        """Redis, where calls need a key and answers tell which key they belong to."""
        key = self.folder / "agent.key"
        key.write_bytes(os.urandom(32))
        key.chmod(0o600)
        self.backend.answer = self._answer_keyed
        http = self._pieces()["http"] + f"agent_key {key};"
        return self._redis() | {"http": http, "tools": KEYED_TOOL}

    def _grace(self):
        """Longer than a fault lasts: how long it is, is for t/e2e/test_kill_switch.py."""
        return self._redis() | {"http": self._pieces()["http"] + "agent_revocation_grace 30s;"}

    def _sentinel(self):
        self.redis = Redis(self.folder / "redis").start()
        self.guide = FakeSentinel(self.redis.port).start()
        return {"store": f"redis+sentinel://127.0.0.1:{self._front(Resp(), self.guide.port)}/main timeout=1s"}

    def _seed(self):
        """A Cluster of one node, which is asked for policy itself; where it is says another."""
        lines = ["cluster-enabled yes", "cluster-config-file nodes.conf", f"cluster-port {free_port()}"]
        self.redis = Redis(self.folder / "redis", lines=lines).start()
        self.redis.client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, SLOTS - 1)
        eventually(lambda: "cluster_state:ok" in self.redis.client.execute_command("CLUSTER", "INFO"), timeout=20)
        self.guide = FakeSeed(self.redis.port).start()
        return {"store": f"redis+cluster://127.0.0.1:{self._front(Resp(), self.guide.port)} timeout=1s"}

    def _file(self):
        return {}

    def _metadata(self):
        self.issuer.front = self._issuer_front(WRONG_METADATA, None if self.tls else b"/.well-known/")
        return {}

    def _keys(self):
        # Documents may name loopback addresses only on their own host: so a front for all, and a fault for one path.
        self.issuer.front = self._issuer_front(WRONG_KEYS, b"/jwks")
        return {}

    def _exchange(self):
        issuer = self._pieces()["issuer"] + f" token_endpoint {self._issuer_front(WRONG_TOKENS)}/token;"
        return {"forward": EXCHANGE, "issuer": issuer, "workers": "1"}   # each worker remembers for itself

    def _introspection(self):
        """Every token is opaque, and asked about once in a second."""
        issuer = self._pieces()["issuer"] + " opaque_tokens any; introspection_endpoint " \
            f"{self._issuer_front(WRONG_ANSWERS)}/introspect;"
        return {"mcp": "agent_introspect max_age=1s;", "issuer": issuer}

    def _backend(self):
        return {"backend": str(self._front(Http(WRONG_RESULTS), self.backend.port))}

    def _audit(self):
        return {}

    def _names(self):
        self.names = Names().start()
        self.issuer.front = self._issuer_front(WRONG_KEYS, host=HOST)
        http = self._pieces()["http"] + f"resolver 127.0.0.1:{self.names.port} valid=1s ipv6=off;"
        return {"http": http}

    def _make_disk(self, kind):
        self.disk = self.folder / "disk"
        self.disk.mkdir()
        if kind == "small":
            done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", self.disk], capture_output=True)
            if done.returncode != 0:
                raise NoDisk(done.stderr.decode(errors="replace").strip())
        self.pipe = Pipe(self.disk / "audit.pipe", self.disk / "audit.jsonl") if kind == "pipe" else None
        self.nginx.__class__ = type("Elsewhere", (Nginx,), {"audit_path": self.disk / "audit.jsonl"})

    @property
    def front(self):
        """What the fault happens to."""
        return self.names or self.proxy

    # --- the life of a world -----------------------------------------------------------------------------------

    def _policies(self):
        """The present policy, and the one before it, in which the former agent still had its grant."""
        self.older = policy.base()
        policy.tenant(self.older)["agents"][FORMER] = {"bundles": ["support"]}
        self.present = policy.base()
        policy.tenant(self.present)["agents"][FORMER] = {}
        self.site.policy = self.present
        self.site.write_policy(self.present)
        if self.redis is not None:
            self.redis.load(self.older)
            self.redis.load(self.present)

    def start(self):
        conf = self.site.conf()
        if self.dependency == "backend" and self.tls:
            conf = conf.replace("proxy_pass http://tickets;", "proxy_pass https://tickets;")
        if self.dependency == "audit":
            log = self.pipe.path if self.pipe else self.nginx.audit_path
            conf = conf.replace(f"agent_audit {self.site.prefix}/audit.jsonl", f"agent_audit {log} journal=256k")
        self.nginx.start(conf)
        return self

    def close(self):
        """Ends everything; returns what nginx left behind that it shouldn't have."""
        self.streams_end = True
        if self.held is not None:
            self.held.set()
        complaints = []
        pipe = getattr(self, "pipe", None)
        for check in (self.nginx.stop, self.nginx.check):
            try:
                check()
            except AssertionError as wrong:
                complaints.append(str(wrong))
        if pipe is not None:
            pipe.stop()
        return complaints

    def end_servers(self):
        """Whatever still runs, runs no more."""
        if self.nginx.process is not None and self.nginx.process.poll() is None:
            self.nginx.process.send_signal(signal.SIGTERM)
        for server in (self.proxy, self.names, self.guide, self.redis, self.issuer, self.backend):
            if server is not None:
                server.stop()
        if self.dependency == "audit" and os.path.ismount(self.disk):
            subprocess.run(["umount", "-l", self.disk], check=False)
        if not os.environ.get("AGW_FAULTS_KEEP"):
            shutil.rmtree(self.folder, ignore_errors=True)

    def _answer(self, received):
        if received.method == "GET" and received.header("Accept") == "text/event-stream":
            return Answer(200, [("Content-Type", "text/event-stream")], Stream(self))
        if self.held is not None and received.method == "POST":
            self.held.wait(30)
        return Answer(200, [("Content-Type", "application/json")], b"") if self.empty else plain(received)

    def _answer_keyed(self, received):
        key = received.header("Idempotency-Key")
        if key == LONG_KEY and self.held is not None:
            self.held.wait(30)
        return json_answer({"jsonrpc": "2.0", "id": 1, "result": {"key": key}})

    # --- calls -------------------------------------------------------------------------------------------------

    @property
    def keyed(self):
        return self.dependency == "repeats"

    def token(self, kind):
        site, opaque = self.site, self.dependency == "introspection"
        make = (lambda **claims: self.issuer.opaque(groups=["support"], **claims)) if opaque else site.token
        if kind == "stranger":
            return make(agent="bare-agent")
        if kind == "former":
            return make(agent="former-agent")
        if kind == "forged":
            other = jose.Key("ES256")
            return "nobody-knows-it" if opaque else site.token(key=other, header={"kid": self.issuer.key().kid})
        if kind == "expired":
            return make(lifetime=-100)
        return make()

    # --- what happens to it ------------------------------------------------------------------------------------

    def begin(self, fault):
        special = getattr(self, f"_begin_{self.dependency}", None)
        if special is not None and special(fault):
            if self.front is not None:
                self.front.gate.set()
            return
        self.front.set(fault)

    def end(self, fault):
        special = getattr(self, f"_end_{self.dependency}", None)
        if special is not None and special(fault):
            return
        self.front.clear()

    def _begin_redis(self, fault):
        redis = self.redis
        if fault == "emptied":
            redis.client.flushall()
        elif fault == "older":
            redis.version = 0
            redis.load(self.older)
        elif fault == "another":
            self._incarnation, redis.incarnation, redis.version = redis.incarnation, "another-store", 10
            redis.load(self.older)
        return fault in ("emptied", "older", "another")

    def _end_redis(self, fault):
        if fault not in ("emptied", "older", "another"):
            return False
        if fault == "another":
            self.redis.incarnation = self._incarnation
        self.redis.version = max(self.redis.version, 10)
        self.redis.load(self.present)
        return True

    _begin_repeats, _end_repeats = _begin_redis, _end_redis
    _begin_grace, _end_grace = _begin_redis, _end_redis

    def _begin_metadata(self, fault):
        if fault in ("emptied", "older"):
            self.issuer.state = f"metadata {fault}"
        elif fault == "skewed":
            self.issuer.state = "skewed"
            self.front.set("skewed")
        return fault in ("emptied", "older", "skewed")

    def _end_metadata(self, fault):
        self.issuer.state = None
        return fault in ("emptied", "older")

    def _begin_keys(self, fault):
        if fault in ("emptied", "older"):
            self.issuer.state = f"keys {fault}"
        return fault in ("emptied", "older")

    _end_keys = _end_metadata

    def _begin_exchange(self, fault):
        now = int(time.time())
        if fault == "emptied":
            self.issuer.exchange_answer = dict.fromkeys(
                ("access_token", "issued_token_type", "token_type", "expires_in", "scope"))
        elif fault == "older":
            self.issuer.exchange_claims = {"iat": now - 900, "exp": now - 600}
        elif fault == "skewed":
            self.issuer.exchange_claims = {"iat": now + 86400, "nbf": now + 86400, "exp": now + 86700}
        return fault in ("emptied", "older", "skewed")

    def _end_exchange(self, fault):
        self.issuer.exchange_answer, self.issuer.exchange_claims = {}, {}
        return fault in ("emptied", "older", "skewed")

    def _begin_introspection(self, fault):
        now = int(time.time())
        if fault == "emptied":
            self.issuer.judge = lambda form, claims: False
        elif fault == "skewed":
            self.issuer.introspection_changes = {"iat": now + 86400, "nbf": now + 86400, "exp": now + 86700}
        return fault in ("emptied", "skewed")

    def _end_introspection(self, fault):
        self.issuer.judge, self.issuer.introspection_changes = lambda form, claims: True, {}
        return fault in ("emptied", "skewed")

    def _begin_backend(self, fault):
        self.empty = fault == "emptied"
        return self.empty

    def _end_backend(self, fault):
        self.empty = False
        return fault == "emptied"

    def _begin_file(self, fault):
        path, text = self.site.policy_path, json.dumps(self.present)
        if fault == "refused":
            path.unlink()
        elif fault == "wrong":
            self.site.write_policy('{"schema": 1, "tenants": {"default": {"agents": []}}}')
        elif fault == "drip":   # an editor that writes in place, slowly: the rest comes when the fault is over
            path.write_text(text[:len(text) // 2])
        elif fault == "emptied":
            path.write_text("")
        elif fault == "older":
            self.site.write_policy(self.older)
        return True

    def _end_file(self, fault):
        self.site.write_policy(self.present)
        return True

    def _begin_audit(self, fault):
        log = self.nginx.audit_path
        if fault in ("hung", "drip"):
            self.pipe.fault = fault
        elif fault in ("refused", "reset"):
            self._fill(400 if fault == "reset" else 0)
        elif fault == "emptied":      # as logrotate's copytruncate does
            shutil.copy(log, self.disk / "copied.jsonl")
            os.truncate(log, 0)
        elif fault == "older":        # it is gone, as on a disk that was restored, and nginx is told to reopen
            log.rename(self.disk / "copied.jsonl")
            self.nginx.send_signal(signal.SIGUSR1)
        return True

    def _end_audit(self, fault):
        if fault in ("hung", "drip"):
            self.pipe.fault = None
        elif fault in ("refused", "reset"):
            (self.disk / "filler").unlink()
        return True

    def _fill(self, leave):
        """Fills the disk to the last byte; `leave` bytes of the log's last page stay for a line to begin in."""
        with (self.disk / "filler").open("wb", buffering=0) as filler:
            try:
                while True:
                    filler.write(b"x" * 4096)
            except OSError:
                pass
            if leave == 0 and self.nginx.audit_path.exists():
                os.fsync(filler.fileno())

    def events(self):
        """All events, those of a log that was moved away among them, by the marks of their calls."""
        found = self.nginx.audit()
        copied = self.nginx.audit_path.with_name("copied.jsonl")
        if copied.exists():
            known = {e["id"] for e in found}
            lines = copied.read_bytes().rpartition(b"\n")[0].split(b"\n")
            found += [e for e in map(json.loads, filter(None, lines)) if e["id"] not in known]
        return {e["user_agent"]: e for e in found if e.get("user_agent")}

    def reached(self):
        """The marks of the calls that the backend has seen."""
        with self.backend._lock:
            return {r.header("User-Agent") for r in self.backend.requests}

    def runs(self):
        """How often the backend has seen each idempotency key."""
        with self.backend._lock:
            return collections.Counter(r.header("Idempotency-Key") for r in self.backend.requests)


CALL = mcp.call("ticket.read", {"id": "T-1"})
_DOCUMENTS = (b"[]", b"{}", b'"yes"', b"null", b"<html>welcome to the hotel's network</html>", b'{"error":"x"}', b"\xff\xfe\x00")
WRONG_METADATA = (*_DOCUMENTS, b'{"issuer":"https://evil.example","jwks_uri":"https://evil.example/jwks"}',
                  b'{"issuer":42,"jwks_uri":[]}')
WRONG_KEYS = (*_DOCUMENTS, b'{"keys":{}}', b'{"keys":[42,{"kty":"EC"}]}', b'{"keys":[{"kty":"oct","k":"AAAA","kid":"a"}]}')
WRONG_TOKENS = (*_DOCUMENTS, b'{"access_token":42}', b'{"access_token":"a.b.c","token_type":"Bearer"}',
                b'{"access_token":"x","token_type":"mac","expires_in":"soon"}')
WRONG_ANSWERS = (*_DOCUMENTS, b'{"active":"true"}', b'{"active":1}', b'{"active":true,"active":false}', b'{"active":true')
WRONG_RESULTS = _DOCUMENTS + (json_answer({"jsonrpc": "2.0", "id": 999, "result": {}}).body,)
