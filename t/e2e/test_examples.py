"""Each file of conf/examples, started and called: only what a machine decides (ports, paths, the user) is rewritten."""
import os
import shutil

import pytest

from plugins import agwctl, mcp
from plugins.nginx import ROOT, Nginx, module_path
from plugins.backend import Backend
from plugins.issuer import Issuer
from plugins.site import Site, allowed, hidden, problem
from plugins.wait import free_port

EXAMPLES = ROOT / "conf/examples"


class Example(Site):
    """A Site whose configuration is a file of the tree."""

    def __init__(self, prefix, name, issuer, backend, port=None, redis=None, issuer_url="http://127.0.0.1:9000", text=None,
                 hosts=None):
        """`text` instead of the file's; `hosts`: what else is rewritten, with @PORT@ and @BACKEND@."""
        self.prefix, self.nginx, self._own = prefix, Nginx(prefix), []
        self.issuer, self.backend, self.port = issuer, backend, port or free_port()
        self.resource = f"http://127.0.0.1:{self.port}/mcp"
        for folder in ("agents", "log", "state"):
            (prefix / folder).mkdir()
        (prefix / "state").chmod(0o700)
        shutil.copy(EXAMPLES / "policy.json", prefix / "agents/policy.json")
        for secret, word in (("gateway.secret", "gateway-secret"), ("redis.secret", "correct horse")):
            (prefix / "agents" / secret).write_text(word + "\n")
            (prefix / "agents" / secret).chmod(0o600)
        text = text or (EXAMPLES / f"{name}.conf").read_text()
        for there, here in (hosts or {}).items():
            assert there in text, there
            text = text.replace(there, here.replace("@PORT@", str(self.port)).replace("@BACKEND@", str(backend.port)))
        for there, here in (
                ("modules/ngx_http_agent_gateway_module.so", str(module_path())),
                ("/etc/nginx/agents", str(prefix / "agents")),
                ("/var/log/nginx/agent-audit.jsonl", str(self.nginx.audit_path)),
                ("/var/lib/nginx/agent", str(prefix / "state")),
                ("127.0.0.1:8080", f"127.0.0.1:{self.port}"),
                (issuer_url, issuer.url if isinstance(issuer, Issuer) else issuer.issuer),
                ("127.0.0.1:9001", f"127.0.0.1:{backend.port}"),
                ("127.0.0.1:6379", f"127.0.0.1:{redis}")):
            text = text.replace(there, here)
        temporary = "".join(f"    {kind}_temp_path {prefix}/tmp/{kind};\n"
                            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        text = text.replace("http {\n", "http {\n    access_log off;\n" + temporary, 1)
        self.nginx.start(f"user root; daemon off; pid {prefix}/nginx.pid; "
                         f"error_log {self.nginx.error_log_path} info;\n" + text)


@pytest.fixture
def example(tmp_path, serve):
    stack = []

    def make(name, **how) -> Example:
        issuer = how.pop("issuer", None) or serve(Issuer())
        made = Example(tmp_path, name, issuer, serve(Backend()), **how)
        if isinstance(issuer, Issuer):
            issuer.audience = [made.resource, f"http://127.0.0.1:{made.port}/api"]
        stack.append(made)
        return made

    yield make
    for made in stack:
        made.close()


def test_minimal(example):
    site = example("minimal")
    allowed(site.call())
    assert site.call(token=None).challenge["scope"] == "tickets:read"
    hidden(site.call("unknown"), "unknown")
    assert site.backend.last.header("Authorization") is None


def test_mcp(example):
    site = example("mcp")
    allowed(site.call(headers=[("Origin", "https://ide.example")]))
    assert site.backend.last.header("Authorization")
    allowed(site.call("delete_ticket", {"ticketId": "T-1"}, site.token(scope="tickets:write")))
    assert site.call("delete_ticket", {"ticketId": "T-1"}).status == 403
    allowed(site.call("ticket.find", {"filter": {"id": "T-1"}}))
    assert site.send("GET", "/metrics", None).status == 200 and site.send("GET", "/ready", None).status == 200
    assert (site.prefix / "state/routes.json").exists()


def test_rest(example):
    site = example("rest")
    assert site.rest().status == 200
    assert site.backend.last.header("X-Agent-User") == "company|mira"
    problem(site.rest("DELETE"), 403, "scope_missing")
    assert site.rest("DELETE", token=site.token(scope="tickets:write")).status == 200
    problem(site.rest(target="/api/other"), 404)
    assert site.rest("POST", "/api/tickets", site.token(scope="tickets:write"),
                     [("Content-Type", "application/json")], b'{"id":"T-2"}').status in (200, 201)


def test_redis(example, make_redis):
    import json
    server = make_redis("password")
    server.load(json.loads((EXAMPLES / "policy.json").read_text()))
    site = example("redis", redis=server.port)
    allowed(site.call())
    hidden(site.call(token=site.token(groups=[])), "ticket.read")
    server.hang()
    try:
        assert site.call().status == 503 and site.send("GET", "/ready", None).status == 503
    finally:
        server.go_on()


def test_observe(example):
    site = example("observe")
    for answer, decision in ((site.call(), "allow"), (site.call(token=None), "deny"), (site.rest(token=None), "deny")):
        assert answer.status == 200
        event = answer.event()
        assert event["enforced"] is False and event["decision"] == decision
    token = site.token()
    site.call(token=token)
    assert site.backend.last.header("Authorization") == "Bearer " + token


@pytest.mark.keycloak
@pytest.mark.timeout(400)   # where it is the first to ask for Keycloak, that has to be fetched and built
def test_keycloak(example, keycloak):
    site = example("keycloak", issuer=keycloak, port=keycloak.gateway_port,
                   issuer_url="http://127.0.0.1:8180/realms/agents")
    (site.prefix / "agents/policy.json").write_text(
        (EXAMPLES / "policy.json").read_text().replace("company|docs-assistant", "company|coding-agent"))
    answer = site.post(mcp.call("ticket.read", {"id": "T-1"}), keycloak.token())
    allowed(answer)
    assert answer.event()["user"]["id"] == "company|mira"
    assert site.post(mcp.call("ticket.read", {"id": "T-1"}), None).status == 401
    hidden(site.post(mcp.call("ticket.read", {"id": "T-1"}), keycloak.token(user="omar")), "ticket.read")


def test_every_example_has_a_test():
    import sys
    names = {p.stem for p in EXAMPLES.glob("*.conf")}
    assert names == {n[5:] for n in dir(sys.modules[__name__]) if n.startswith("test_") and n[5:] in names}


@pytest.mark.skipif(not os.path.exists(agwctl.BINARY), reason="agwctl is not built: make build")
def test_the_policy_is_what_its_table_says():
    agwctl.run("test", EXAMPLES / "policy_test.yaml", "--store", f"file:{EXAMPLES}/policy.json")
    agwctl.run("lint", EXAMPLES / "policy.json")
