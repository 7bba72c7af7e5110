"""Ten thousand tools in one configuration: loaded, looked up, reloaded."""
import time

from plugins import policy
from plugins.site import allowed, hidden

MANY = 10_000


def test_ten_thousand_tools(make_site):
    site = make_site(start=False)
    tools = "\n".join(f"agent_tool tool.{i} {{ scope tickets:read; resource ticket:<id>; }}" for i in range(MANY))
    operations = "\n".join(f"agent_operation op.{i} GET /api/things/{i}/<id> {{ scope tickets:read; }}"
                           for i in range(MANY))
    content = policy.base()
    policy.grant(content, "agent:company|docs-assistant", "tickets/*", id="all")
    policy.grant(content, "group:company|support", "tickets/*", id="all")
    site.write_policy(content)
    begun = time.monotonic()
    site.start(tools=tools, operations=operations)
    assert time.monotonic() - begun < 20
    for i in (0, 1, MANY // 2, MANY - 1):
        allowed(site.call(f"tool.{i}", {"id": "T-1"}))
        assert site.rest(target=f"/api/things/{i}/x").status == 200
    hidden(site.call(f"tool.{MANY}", {"id": "T-1"}), f"tool.{MANY}")
    assert site.rest(target=f"/api/things/{MANY}/x").status == 404
    site.reload(gone=True)
    allowed(site.call("tool.77", {"id": "T-1"}))
    assert not site.nginx.errors(r"\[(error|crit)\]")


def test_ten_thousand_grants(make_site):
    site = make_site(start=False)
    content = policy.base()
    for i in range(MANY):
        policy.grant(content, "agent:company|docs-assistant", "tickets/ticket.read", f"ticket:G-{i}", id=f"g{i}")
    policy.tenant(content)["agents"]["company|docs-assistant"]["bundles"] = []
    site.write_policy(content)
    site.start()
    for i in (0, MANY - 1):
        allowed(site.call(arguments={"id": f"G-{i}"}))
    assert site.call(arguments={"id": f"G-{MANY}"}).event()["reason"] == "agent_grant_missing"
