"""Real Redis servers, and CONTRACT's keys written by hand so that wrong ones can be written too."""
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import time
from pathlib import Path

import redis

from . import policy as policies
from .wait import eventually, free_port

PASSWORD = "correct horse"


def percent(part: str) -> str:
    return re.sub(rb"[^A-Za-z0-9._@-]", lambda m: b"%%%02X" % m[0][0], part.encode()).decode()


def encode_id(text: str) -> str:
    """`alias|part`, each part encoded by itself."""
    return "|".join(percent(p) for p in text.split("|", 1))


def encode_subject(text: str) -> str:
    kind, _, rest = text.partition(":")
    return f"{kind}:{encode_id(rest)}"


def key(kind: str, tenant=policies.TENANT) -> str:
    return f"agw:p:{{{percent(tenant)}}}:{kind}"


class Redis:
    """`kind`: tcp, unix, tls, password, acl. `command`: another server than this machine's."""

    def __init__(self, folder: Path, kind="tcp", certs: Path | None = None, command=None, lines=()):
        self.folder, self.kind, self.certs = folder, kind, certs
        self.command, self.lines = command or [shutil.which("redis-server")], list(lines)
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.socket = folder / "redis.sock"
        self.process = None
        self.incarnation = secrets.token_hex(8)
        self.version = 0

    def start(self):
        assert self.command[0], "redis-server is not installed"
        lines = [f"dir {self.folder}", 'save ""', "appendonly no", "maxmemory-policy noeviction",
                 f"unixsocket {self.socket}", "unixsocketperm 777", "bind 127.0.0.1", "databases 4",
                 f"logfile {self.folder}/redis.log", "daemonize no", *self.lines]
        if self.kind == "tls":
            leaf = self.certs / "leaf"
            lines += ["port 0", f"tls-port {self.port}", f"tls-cert-file {leaf}/cert.pem",
                      f"tls-key-file {leaf}/key.pem", f"tls-ca-cert-file {self.certs}/ca/cert.pem",
                      "tls-auth-clients no"]
        else:
            lines.append(f"port {self.port}")
        if self.kind == "password":
            lines.append(f'requirepass "{PASSWORD}"')
        if self.kind == "acl":
            # nginx's first credential reads policy and owns only what calls write.
            lines += [f'user default on >"{PASSWORD}-admin" ~* &* +@all',
                      f'user gateway on >"{PASSWORD}" %R~agw:p:* %RW~agw:v:* &* +@read +@write +@connection '
                      "+@transaction +client +multi +exec -@dangerous +info +subscribe"]
            lines = [line.replace(f'>"{PASSWORD}-admin"', f'">{PASSWORD}-admin"').replace(f'>"{PASSWORD}"',
                     f'">{PASSWORD}"') for line in lines]
        (self.folder / "redis.conf").write_text("\n".join(lines) + "\n")
        (self.folder / "password").write_text(PASSWORD + "\n")
        (self.folder / "password").chmod(0o600)
        self.process = subprocess.Popen([*self.command, str(self.folder / "redis.conf")], stdin=subprocess.DEVNULL,
                                        stdout=(self.folder / "stdout").open("ab"), stderr=subprocess.STDOUT)

        def up():
            assert self.process.poll() is None, (self.folder / "stdout").read_text() + (
                self.folder / "redis.log").read_text()
            try:
                return self.client.ping()
            except (redis.ConnectionError, redis.BusyLoadingError) as error:
                raise AssertionError(str(error)) from error

        eventually(up, timeout=15)
        return self

    @property
    def client(self) -> redis.Redis:
        password = {"password": PASSWORD, "acl": PASSWORD + "-admin"}.get(self.kind)
        return redis.Redis(unix_socket_path=str(self.socket), password=password, decode_responses=True,
                           socket_timeout=5)

    @property
    def store(self) -> str:
        """The value of agent_store."""
        password = f" password_file={self.folder}/password"
        return {"tcp": f"redis://127.0.0.1:{self.port}/0",
                "db": f"redis://127.0.0.1:{self.port}/2",
                "unix": f"unix:{self.socket}",
                "tls": f"rediss://127.0.0.1:{self.port}/0 ca={self.certs}/ca/cert.pem",
                "password": f"redis://127.0.0.1:{self.port}/0{password}",
                "acl": f"redis://gateway@127.0.0.1:{self.port}/0{password}"}[self.kind]

    def stop(self, how=signal.SIGTERM):
        if self.process is None:
            return
        self.process.send_signal(signal.SIGCONT)
        self.process.send_signal(how)
        self.process.wait(timeout=10)
        self.process = None

    def hang(self):
        os.kill(self.process.pid, signal.SIGSTOP)

    def go_on(self):
        os.kill(self.process.pid, signal.SIGCONT)

    # --- content -----------------------------------------------------------------------------------------------

    def load(self, policy, db=0):
        """Replaces the whole policy in one transaction, and raises the version."""
        client = self.client
        client.select(db) if db else None
        self.version += 1
        pipe = client.pipeline(transaction=True)
        if db:
            pipe.execute_command("SELECT", db)
        for old in client.scan_iter("agw:p:*"):
            pipe.delete(old)
        for name, tenant in policy["tenants"].items():
            for where, fields in hashes(name, tenant).items():
                if fields:
                    pipe.hset(where, mapping=fields)
            pipe.hset(key("meta", name), mapping=self.meta())
        pipe.execute()

    def meta(self):
        return {"schema": "1", "incarnation": self.incarnation, "born": str(int(time.time())),
                "version": str(self.version)}

    def bump(self):
        self.version += 1
        self.client.hset(key("meta"), "version", str(self.version))


def _record(row):
    return {k: json.dumps(v) if isinstance(v, (list, dict)) else str(v) for k, v in row.items()}


def _grants(rows):
    return {row["id"]: json.dumps({k: v for k, v in row.items() if k not in ("id", "to")}) for row in rows}


def hashes(name, tenant):
    """Key -> hash, of one tenant of a policy file."""
    found = {}
    for agent, row in tenant.get("agents", {}).items():
        found[key(f"agent:{encode_id(agent)}", name)] = _record(row or {}) or {"status": "active"}
    for user, row in tenant.get("users", {}).items():
        found[key(f"user:{encode_id(user)}", name)] = _record(row)
    for bundle, row in tenant.get("bundles", {}).items():
        own = {"version": str(row.get("version", 1))} | _record({k: row[k] for k in ("parent", "when", "limits") if k in row})
        found[key(f"bundle:{percent(bundle)}", name)] = own
        found[key(f"grants:bundle:{percent(bundle)}", name)] = _grants(row.get("grants", []))
    for place, prefix in (("grants", "grants"), ("entitlements", "entitlements")):
        for row in tenant.get(place, []):
            where = key(f"{prefix}:{encode_subject(row['to'])}", name)
            found.setdefault(where, {}).update(_grants([row]))
    for row in tenant.get("delegations", []):
        where = key(f"delegation:{encode_id(row['user'])}:{encode_id(row['agent'])}", name)
        found[where] = _record({k: v for k, v in row.items() if k not in ("user", "agent")})
    for tier, row in tenant.get("tiers", {}).items():
        if tier not in ("*", "map"):
            found[key(f"tier:{percent(tier)}", name)] = _record(row) or {"status": "active"}
    return found | {key("tiers", name): tier_map(tenant.get("tiers", {})), key("members", name): members(tenant),
                    key("limits", name): limits(tenant)}


def members(tenant):
    """`group:…` -> its bundles. Parents are agwctl's to add."""
    found = {}
    for bundle, row in tenant.get("bundles", {}).items():
        for group in row.get("members", []):
            found.setdefault(group, []).append(bundle)
    return {group: json.dumps(bundles) for group, bundles in found.items()}


def limits(tenant):
    """Subject -> what its calls may use up."""
    found = {}
    for text in tenant.get("limits", []):
        subject, _, rest = text.partition(" ")
        found.setdefault(subject, []).append(rest)
    return {subject: json.dumps(rests) for subject, rests in found.items()}


def tier_map(tiers):
    """`provider|model`, `provider|*` or `*` -> tier."""
    found = {"*": tiers["*"]} if "*" in tiers else {}
    for row in tiers.get("map", []):
        found[f"{percent(row['provider']) if 'provider' in row else '*'}|{percent(row['model']) if 'model' in row else '*'}"] = row["tier"]
    return found
