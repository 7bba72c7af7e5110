"""The processes of a benchmark: backend, issuer, Redis, one nginx for each row; all stopped at the end."""
import functools
import json
import resource
import ssl
import subprocess
import time
import urllib.error
import urllib.request

from drive import Failed, Load
from holder import Holder
from stage import HERE, POLICY, ROWS, Gateway, Issuer, certificate, free_port, wait_port

RESPONSE_BYTES = 1024
DATABASES = 16  # of the one Redis
# What every call carries, bare ones too, beside its token.
HEADERS = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream",
           "MCP-Protocol-Version": "2025-06-18"}


def compile_c(folder, name, sources, *libraries):
    binary = folder / name
    subprocess.run(["cc", "-O2", "-Wall", "-o", binary, *sources, *libraries], check=True)
    return binary


class Bench:
    def __init__(self, module, gateway_core, load_core, folder, policy=POLICY):
        self.module, self.gateway_core, self.load_core = module, gateway_core, load_core
        self.folder, self.running, self._load, self.policy = folder, [], None, policy
        certificate(folder)
        binary = compile_c(folder, "backend", [HERE / "backend.c"])
        self.backend = free_port()
        self.start(self.backend, [str(binary), str(self.backend), str(RESPONSE_BYTES)])
        self.issuer = Issuer(folder)

    @property
    def load(self):
        if self._load is None:
            binary = compile_c(self.folder, "load", sorted((HERE / "load").glob("*.c")), "-lssl", "-lcrypto")
            self._load = Load(binary, self.load_core, self.folder, self.holder.certificate)
        return self._load

    @functools.cached_property
    def holder(self):
        return Holder(self.folder, compile_c(self.folder, "sign", [HERE / "sign.c"], "-lcrypto"))

    def start(self, port, command):
        process = subprocess.Popen(["taskset", "-c", str(self.load_core), *command], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL)
        self.running.append(process)
        wait_port(port, process)

    @functools.cached_property
    def redis_port(self):
        port = free_port()
        self.start(port, ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
                          "--databases", str(DATABASES), "--dir", str(self.folder)])
        return port

    def store(self, database, policy):
        """The address of a store of its own, with this policy in it."""
        url, file = f"redis://127.0.0.1:{self.redis_port}/{database}", self.folder / "policy.json"
        file.write_text(json.dumps(policy))
        subprocess.run([self.module.parent / "agwctl", "apply", file, "--store", url, "--reason", "bench"],
                       check=True, stdout=subprocess.DEVNULL)
        return url

    @functools.cached_property
    def redis_url(self):
        return self.store(0, self.policy)

    def gateway(self, name, redis=None, **pieces):
        """`redis`: the address of another store than the usual one."""
        store = redis or (self.redis_url if ROWS[name]["store"] == "redis" else None)
        gateway = Gateway(name, self.folder, self.module, self.issuer, self.backend, store, self.gateway_core,
                          holder=self.holder if ROWS[name].get("holder") else None, **pieces)
        self.running.append(gateway.process)
        if gateway.holds == "dpop":
            # Proofs of the second in which the gateway began are older than its memory of proofs.
            time.sleep(1.1 - time.time() % 1)
        self.ask(gateway, "/mcp")
        self.ask(gateway, "/bare")
        return gateway

    def headers(self, gateway):
        if gateway.holds != "dpop":
            return HEADERS | {"Authorization": f"Bearer {gateway.token}"}
        proof = self.holder.proofs(gateway.url, gateway.token, 1).read_text().strip()
        return HEADERS | {"Authorization": f"DPoP {gateway.token}", "DPoP": proof}

    def proofs(self, gateway, seconds):
        """For the calls of so long a time; None where they need none. More than any worker checks."""
        if gateway.holds != "dpop":
            return None
        return self.holder.proofs(gateway.url, gateway.token, min(999_999, int(20_000 * seconds) + 1000))

    def ask(self, gateway, path, call=None, expected=RESPONSE_BYTES):
        """One call by hand: a row that refuses, or answers something of its own, must not be measured."""
        body = self.answer(gateway, path, call)
        if len(body) != expected:
            raise Failed(f"{gateway.dir.name}: {path} did not pass on the backend's answer: {body[:400]!r}")

    def answer(self, gateway, path, call=None):
        """The body of one call's answer, which must have a result."""
        place, context = f"http://127.0.0.1:{gateway.port}", None
        if gateway.holds == "mtls":
            place, context = f"https://127.0.0.1:{gateway.tls_port}", ssl._create_unverified_context()
            context.load_cert_chain(gateway.holder.certificate)
        request = urllib.request.Request(place + path, headers=self.headers(gateway),
                                         data=((call or gateway.call) % 700000007).encode())
        try:
            with urllib.request.urlopen(request, timeout=10, context=context) as answer:
                body = answer.read()
        except urllib.error.HTTPError as refused:
            raise Failed(f"{gateway.dir.name}: {path} answered {refused.code}: {refused.read().decode()[:400]}\n"
                             + gateway.log())
        if b'"result"' not in body:
            raise Failed(f"{gateway.dir.name}: {path} was answered without a result: {body[:400]!r}")
        return body

    def stop(self):
        if self._load is not None:
            self._load.stop()
        for process in reversed(self.running):
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
        self.issuer.server.shutdown()


def room_for_files(wanted):
    """Raises the limit of open files, for this process and those that it starts; what it is then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
