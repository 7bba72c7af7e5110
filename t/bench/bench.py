"""The processes of a benchmark: backend, issuer, Redis, one nginx for each row; all stopped at the end."""
import json
import subprocess
import urllib.error
import urllib.request

from stage import HERE, POLICY, ROWS, Gateway, Issuer, free_port, wait_port

RESPONSE_BYTES = 200
# What wrk's script sends too.
HEADERS = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream",
           "MCP-Protocol-Version": "2025-06-18"}


class Bench:
    def __init__(self, rows, module, gateway_core, load_core, folder):
        self.module, self.gateway_core, self.load_core = module, gateway_core, load_core
        self.folder, self.running = folder, []
        binary = folder / "backend"
        subprocess.run(["cc", "-O2", "-Wall", "-o", binary, HERE / "backend.c"], check=True)
        self.backend = free_port()
        self.start(self.backend, [str(binary), str(self.backend), str(RESPONSE_BYTES)])
        self.issuer = Issuer(folder)
        self.redis_url = self.start_redis() if any(ROWS[r]["store"] == "redis" for r in rows) else None

    def start(self, port, command):
        process = subprocess.Popen(["taskset", "-c", str(self.load_core), *command], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL)
        self.running.append(process)
        wait_port(port, process)

    def start_redis(self):
        port = free_port()
        self.start(port, ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
                          "--dir", str(self.folder)])
        url, policy = f"redis://127.0.0.1:{port}/0", self.folder / "policy.json"
        policy.write_text(json.dumps(POLICY))
        subprocess.run([self.module.parent / "agwctl", "apply", policy, "--store", url], check=True,
                       stdout=subprocess.DEVNULL)
        return url

    def gateway(self, name, wrapper=()):
        gateway = Gateway(name, self.folder, self.module, self.issuer, self.backend, self.redis_url,
                          self.gateway_core, wrapper)
        self.running.append(gateway.process)
        self.ask(gateway, "/mcp")
        self.ask(gateway, "/bare")
        return gateway

    def ask(self, gateway, path):
        """One call by hand: a row that refuses, or answers something of its own, must not be measured."""
        request = urllib.request.Request(f"http://127.0.0.1:{gateway.port}{path}", data=(gateway.call % 700000007).encode(),
                                         headers=HEADERS | {"Authorization": f"Bearer {gateway.token}"})
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                body = answer.read()
        except urllib.error.HTTPError as refused:
            raise SystemExit(f"{gateway.name}: {path} answered {refused.code}: {refused.read().decode()[:400]}\n"
                             + (gateway.dir / "error.log").read_text()[-2000:])
        if len(body) != RESPONSE_BYTES or b'"result"' not in body:
            raise SystemExit(f"{gateway.name}: {path} did not pass on the backend's answer: {body[:400]!r}")

    def stop(self):
        for process in reversed(self.running):
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
        self.issuer.server.shutdown()
