"""What the documents quote is what a test runs: examples of directives, the README's configuration, names of tests."""
import re
from pathlib import Path

import pytest

from plugins.backend import Backend
from plugins.issuer import Issuer
from plugins.nginx import ROOT, Nginx, module_path
from plugins.site import allowed, hidden
from test_examples import EXAMPLES, Example

FILES = ("/etc/nginx/agents/policy.json", "/etc/nginx/audit.key", "/etc/nginx/agent.key", "/run/secrets/redis-writer",
         "/run/secrets/redis", "/run/secrets/gateway", "/etc/nginx/agents/break-glass.json", "/var/log/nginx/agent-audit.jsonl", "/var/lib/nginx/agent")
# What stands around an example, a line for each directive; the example replaces the line of its own name.
HTTP = {"agent_store": "agent_store file:/etc/nginx/agents/policy.json;",
        "agent_audit": "agent_audit /var/log/nginx/agent-audit.jsonl;",
        "agent_state": "agent_state /var/lib/nginx/agent;",
        "agent_issuer": "agent_issuer company { issuer https://auth.company.example; algorithms ES256; "
                        "client gateway secret_file=/run/secrets/gateway; }"}
LOCATION = {"agent_protected_resource": "agent_protected_resource https://tools.company.example/mcp;",
            "agent_trust": "agent_trust company;", "agent_forward": "agent_forward none;"}
IN_REDIS = {"agent_store": "agent_store redis://127.0.0.1:6379/0;"}
BESIDE = {"agent_store_admin": IN_REDIS, "agent_freshness": IN_REDIS, "agent_copy_limit": IN_REDIS,
          "agent_revocation_grace": IN_REDIS,
          "agent_introspect_context": {"questions": "agent_introspect always jwt;"}}


def examples():
    page = (ROOT / "docs/directives.md").read_text()
    for section in re.split(r"^## ", page, flags=re.M)[1:]:
        yield section.splitlines()[0], re.findall(r"^```nginx\n(.*?)^```", section, re.M | re.S), \
            re.search(r"\| context \| (.*?) \|", section)[1].split(", ")


EXAMPLE_OF = {name: (found, contexts) for name, found, contexts in examples()}


def on_this_machine(text, prefix: Path):
    """Only where files lie is rewritten."""
    places = prefix / "places"
    places.mkdir(exist_ok=True)
    for i, there in enumerate(FILES):
        here = places / f"{i}"
        if there.endswith("policy.json"):
            here.write_bytes((EXAMPLES / "policy.json").read_bytes())
        elif there.endswith("break-glass.json"):
            here.write_text('{"agents": []}')
        elif "/var/" not in there:
            here.write_text("k" * 64)
            here.chmod(0o600)
        text = re.sub(re.escape(there) + r"(?![\w.-])", str(here), text)
    return text


def whole(prefix, http, location, server=""):
    temporary = "".join(f"{kind}_temp_path {prefix}/tmp/{kind};\n" for kind in
                        ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    return (f"load_module {module_path()};\nuser root;\npid {prefix}/nginx.pid;\nevents {{}}\nhttp {{\naccess_log off;\n"
            f"resolver 127.0.0.1;\n{temporary}{http}\nserver {{\nlisten 127.0.0.1:8080;\n{server}\n"
            f"location /{location}\n}}\n}}\n")


def blocks_of(page):
    return re.findall(r"^```nginx\n(.*?)^```", (ROOT / "docs" / page).read_text(), re.M | re.S)


@pytest.mark.parametrize("number", range(len(blocks_of("mcp.md"))))
def test_the_examples_of_mcp_load(tmp_path, number):
    lines = [*LOCATION.values(), "agent_gateway mcp tickets;", blocks_of("mcp.md")[number], "proxy_pass http://127.0.0.1:9000;"]
    location = "mcp {\n" + "\n".join(lines) + "\n}"
    text = on_this_machine(whole(tmp_path, "\n".join(HTTP.values()), location), tmp_path)
    status, said = Nginx(tmp_path).test(text)
    assert status == 0, said


@pytest.mark.parametrize("name", EXAMPLE_OF)
def test_the_example_of_a_directive_loads(tmp_path, name):
    found, contexts = EXAMPLE_OF[name]
    assert len(found) == 1, f"{name}: one example, please"
    example = found[0]
    http, place = HTTP | BESIDE.get(name, {}), dict(LOCATION)
    kind, path = ("rest", "api/") if name == "agent_operation" else ("mcp", "mcp")
    place["agent_gateway"] = f"agent_gateway {kind} tickets;"
    server = ""
    if name in ("agent_metrics", "agent_ready"):
        server = example
    elif "location" in contexts:
        place.pop("agent_forward" if name == "agent_exchange" else "", None)
        place[name] = example
        if "partner" in example:
            http["more"] = HTTP["agent_issuer"].replace("company", "partner")
    else:
        http[name] = example
    location = path + " {\n" + "\n".join(place.values()) + "\nproxy_pass http://127.0.0.1:9000;\n}"
    nginx = Nginx(tmp_path)
    text = on_this_machine(whole(tmp_path, "\n".join(http.values()), location, server), tmp_path)
    status, said = nginx.test(text)
    assert status == 0, said
    # The example is what does it: with its name misspelt nginx -t refuses the same text.
    status, said = nginx.test(text.replace(f"{name} ", f"{name}x ").replace(f"{name};", f"{name}x;"))
    assert status != 0 and f"{name}x" in said, said


def readme_configuration():
    found = re.findall(r"^```nginx\n(.*?)^```", (ROOT / "README.md").read_text(), re.M | re.S)
    assert len(found) == 1
    return found[0]


def test_the_readmes_configuration_loads_as_it_is(tmp_path):
    """Names of hosts and all: only where files lie, and the port below 1024, are this machine's."""
    text = on_this_machine(readme_configuration(), tmp_path)
    text = text.replace("modules/ngx_http_agent_gateway_module.so", str(module_path()))
    temporary = "".join(f"{kind}_temp_path {tmp_path}/tmp/{kind};\n" for kind in
                        ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    text = text.replace("http {\n", f"http {{\naccess_log off;\n{temporary}", 1)
    status, said = Nginx(tmp_path).test(f"pid {tmp_path}/nginx.pid;\n" + text)
    assert status == 0, said


def test_the_readmes_configuration_protects(tmp_path, serve):
    issuer = serve(Issuer())
    site = Example(tmp_path, "README", issuer, serve(Backend()), issuer_url="https://auth.company.example", hosts={
        "listen 80;": "listen 127.0.0.1:@PORT@;", "https://tools.company.example": "http://127.0.0.1:@PORT@",
        "127.0.0.1:9000": "127.0.0.1:@BACKEND@"}, text=readme_configuration())
    try:
        issuer.audience = site.resource
        refused = site.call(token=None)
        assert refused.status == 401
        metadata = site.send("GET", refused.challenge["resource_metadata"].split(str(site.port))[1], None).json()
        assert metadata["resource"] == site.resource and metadata["authorization_servers"] == [issuer.url]
        assert site.send("GET", "/auth.md", None).status == 200
        token = issuer.token(client_id="docs-assistant", groups=["support"])
        allowed(site.call(token=token))
        assert site.backend.last.header("Authorization") is None
        hidden(site.call("delete_ticket", {"ticketId": "T-1"}, token), "delete_ticket")
    finally:
        site.close()


def test_the_readme_names_what_exists():
    text = (ROOT / "README.md").read_text()
    for command in ("scripts/quickstart", "scripts/test"):
        assert command in text and (ROOT / command).exists()
    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (ROOT / target).exists(), target


def rows_under(page, head):
    """Of the table of two columns that begins with `head`."""
    table = (ROOT / page).read_text().split(f"| {head} | tests |\n", 1)[1].splitlines()[1:]
    for line in table:
        if not line.startswith("|"):
            return
        yield [cell.strip() for cell in line.strip("|").split("|")]


def names_tests_that_exist(rows):
    for row, tests in rows:
        if tests == "not yet" or tests.startswith("not yet:"):
            continue
        found = re.findall(r"(t/[\w/.]+)(?:::([\w.]+))?", tests)
        assert any(name for _, name in found), f"{row}: names no test"
        for path, name in found:
            assert (ROOT / path).exists(), f"{row}: no {path}"
            assert not name or defined(ROOT / path, name), f"{row}: {path} has no test {name}"


def defined(path: Path, name: str):
    text = path.read_text()
    if path.suffix == ".py":
        return re.search(rf"^def {name}\(", text, re.M) is not None
    return re.search(rf"^TEST(_F|_P)?\({name.replace('.', ', ')}\)", text, re.M) is not None


def test_each_class_of_bug_names_tests_that_exist():
    rows = list(rows_under("docs/security.md", "class of bug"))
    assert len(rows) >= 38 and len({row for row, _ in rows}) == len(rows)
    names_tests_that_exist(rows)


def test_each_recommendation_of_rfc_8725_names_tests_that_exist():
    rows = list(rows_under("docs/tokens.md", "recommendation"))
    assert [row.split()[0] for row, _ in rows] == [f"3.{n}" for n in range(1, 13)]
    assert not any(tests.startswith("not yet") for _, tests in rows)
    names_tests_that_exist(rows)


def test_every_file_of_the_examples_is_used():
    tests = (ROOT / "t/e2e/test_examples.py").read_text()
    for path in EXAMPLES.iterdir():
        assert path.name in tests if path.suffix != ".conf" else f'"{path.stem}"' in tests, path.name
