"""Conditions: of routes, of grants, of operations' windows; each refusal beside the call that passes."""
import time

import pytest

from plugins import agwctl, policy
from plugins.redis import key
from plugins.site import allowed, denied, problem
from plugins.wait import eventually

READ = "agent_tool ticket.read {{ scope tickets:read; resource ticket:<id>; {} }}"
SHUT = f"{(time.gmtime().tm_hour + 12) % 24:02}:00-{(time.gmtime().tm_hour + 13) % 24:02}:00 UTC"
OPEN = "00:00-24:00 Europe/Berlin"


def tool(*conditions):
    return READ.format(" ".join(f"require '{condition}';" for condition in conditions))


@pytest.fixture(params=["file", "redis"])
def governed(request, make_site, make_redis):
    """governed(policy): a site with this policy, once in a file, once in Redis."""
    def begin(content):
        if request.param == "redis":
            server = make_redis()
            server.load(content)
            return make_site(store=server.store)
        site = make_site(start=False)
        site.write_policy(content)
        return site.start()
    return begin


@pytest.fixture
def server(make_redis):
    made = make_redis()
    made.load(policy.base())
    return made


def refused(answer, condition, reason="condition_failed"):
    denied(answer, reason)
    event = answer.event()
    assert event["reason"] == reason and event["detail"] == condition, event
    assert event["checks"]["route" if reason == "condition_failed" else "agent"] == "fail"


@pytest.mark.parametrize("modern", [False, True])
def test_arguments(make_site, modern):
    condition = '<amount> <= 100 && <to/name> != "root" && !<dry_run>'
    site = make_site(tools=tool(condition))
    good = {"id": "T-1", "amount": 100, "to": {"name": "mira"}, "dry_run": False}
    allowed(site.call(arguments=good, modern=modern))
    for wrong in ({"amount": 101}, {"amount": "much"}, {"amount": 1.5}, {"amount": None}, {"to": {"name": "root"}},
                  {"to": "mira"}, {"to": {}}, {"dry_run": True}, {"dry_run": "false"}, {"dry_run": 0}):
        refused(site.call(arguments=good | wrong, modern=modern), condition)
    for gone in ("amount", "to", "dry_run"):
        refused(site.call(arguments={k: v for k, v in good.items() if k != gone}, modern=modern), condition)
    # One body that readers would take for two things.
    refused(site.call(arguments={k: v for k, v in good.items() if k != "amount"} | {"Amount": 5}, modern=modern), condition)
    assert site.backend.count() == 1


def test_what_is_not_there_is_not_allowed_by_its_absence(make_site):
    condition = "!has(<bcc>)"
    site = make_site(tools=tool(condition))
    allowed(site.call())
    for there in ({"bcc": "x"}, {"bcc": ["x"]}, {"bcc": None}, {"BCC": "x"}):
        refused(site.call(arguments={"id": "T-1"} | there), condition)


def test_variables_are_what_nginx_makes_of_them(make_site):
    site = make_site(http="map $http_x_office $office { default $http_x_office; }"
                          " geo $inside { default 0; 127.0.0.0/8 1; } map $agent_user $vip { default 0; company|mira 1; }",
                     tools=READ.format("require $office; require '$inside && $vip'; require '$arg_a != \"b\" || true';"))
    allowed(site.call(headers=[("X-Office", "open")]))
    for value in ("0", ""):
        refused(site.call(headers=[("X-Office", value)]), "$office")
    refused(site.call(), "$office")
    refused(site.call(headers=[("X-Office", "1")], token=site.token(user="omar")), "$inside && $vip")


def test_who_where_and_how_fresh(make_site):
    conditions = ('"company|leads" in groups', 'client_ip in ["127.0.0.0/8", "2001:db8::/32"]',
                  'auth_age <= 15m && acr in ["2", "3"]', 'user != "company|otto"', 'method == "tools/call"',
                  'tool == "ticket.read" && operation == "tickets/ticket.read" && tenant == "default" && tier == "developer"')
    site = make_site(tools=tool(*conditions))
    groups, now = ["leads", "support"], int(time.time())
    allowed(site.call(token=site.token(groups=groups, auth_time=now - 60, acr="2")))
    refused(site.call(token=site.token(auth_time=now, acr="2")), conditions[0])
    for claims in ({"auth_time": now - 1000, "acr": "2"}, {"auth_time": now - 60, "acr": "1"}, {"acr": "2"}, {"auth_time": now},
                   {"auth_time": now + 600, "acr": "2"}, {"auth_time": "now", "acr": "2"}, {"auth_time": now, "acr": 2}):
        refused(site.call(token=site.token(groups=groups, **claims)), conditions[2])


def test_the_client_is_elsewhere(make_site):
    condition = 'client_ip in "10.0.0.0/8"'
    site = make_site(tools=tool(condition), server="set_real_ip_from 127.0.0.1; real_ip_header X-Real-IP;")
    refused(site.call(), condition)
    allowed(site.call(headers=[("X-Real-IP", "10.9.8.7")]))
    allowed(site.call(headers=[("X-Real-IP", "::ffff:10.9.8.7")]))
    refused(site.call(headers=[("X-Real-IP", "11.0.0.1")]), condition)


def test_over_rest(make_site):
    def operation(condition, line="GET /api/tickets/<id>"):
        return f"agent_operation ticket.read {line} {{ scope tickets:read; require '{condition}'; }}"

    grants = policy.grant(policy.base(), "agent:company|docs-assistant", "tickets/*")
    policy.grant(grants, "user:company|mira", "tickets/*", id="mine")
    site = make_site(start=False, operations=operation('<id>.startsWith("T-") && <query/limit> <= 50 && method == "GET"'))
    site.write_policy(grants)
    site.start()
    assert site.rest(target="/api/tickets/T-1?limit=50").status == 200
    for target in ("/api/tickets/X-1?limit=50", "/api/tickets/T-1?limit=51", "/api/tickets/T-1?limit=050", "/api/tickets/T-1",
                   "/api/tickets/T-1?limit=5&limit=500"):
        problem(site.rest(target=target), 403, "condition_failed")
    site.reload(operations=operation("<body/amount> <= 100", "POST /api/tickets"), gone=True)
    body = [("Content-Type", "application/json")]
    assert site.rest("POST", "/api/tickets", headers=body, body=b'{"amount":100}').status == 200
    assert site.backend.last.body == b'{"amount":100}'
    for headers, content in ((body, b'{"amount":101}'), (body, b'{}'), (body, b''), (body, b'{"amount":1,"amount":1}'),
                             ([("Content-Type", "text/plain")], b'{"amount":100}')):
        problem(site.rest("POST", "/api/tickets", headers=headers, body=content), 403, "condition_failed")


def test_of_a_whole_location_and_off(make_site):
    site = make_site(http="agent_require $http_x_all;", mcp="agent_require $http_x_mcp; agent_require $http_x_too;",
                     tools=tool("$http_x_tool"))
    every = [(f"X-{name}", "1") for name in ("Mcp", "Too", "Tool")]
    allowed(site.call(headers=every))
    for left_out in every:
        refused(site.call(headers=[h for h in every if h != left_out]), "$http_" + left_out[0].lower().replace("-", "_"))
    problem(site.rest(), 403, "condition_failed")
    assert site.rest(headers=[("X-All", "1")]).status == 200
    site.reload(mcp="agent_require off;", tools=tool(), gone=True)
    allowed(site.call())


def test_observed_it_is_only_told(make_site):
    site = make_site(tools=tool("false"), mcp="agent_mode observe;")
    answer = site.call()
    allowed(answer)
    event = answer.event()
    assert event["reason"] == "condition_failed" and event["enforced"] is False and event["detail"] == "false"


def test_grants_count_where_their_condition_holds(governed):
    content = policy.base()
    tenant = policy.tenant(content)
    tenant["grants"] = [{"id": "g", "to": "agent:company|narrow-agent", "operation": "tickets/*", "resource": "ticket:*",
                         "when": '<amount> <= 100 && "company|support" in groups'},
                        {"id": "d", "to": "agent:company|narrow-agent", "operation": "tickets/*", "effect": "deny",
                         "when": '<to> == "root"'}]
    site = governed(content)
    token = site.token(agent="narrow-agent")
    good = {"id": "T-1", "amount": 5, "to": "mira"}
    allowed(site.call(arguments=good, token=token))
    refused(site.call(arguments=good | {"amount": 500}, token=token), tenant["grants"][0]["when"], "agent_grant_missing")
    # A denial holds unless it is certain that it doesn't.
    denied(site.call(arguments=good | {"to": "root"}, token=token), "agent_grant_denied")
    denied(site.call(arguments={"id": "T-1", "amount": 5}, token=token), "agent_grant_denied")


def test_a_bundles_condition_holds_for_its_grants_and_a_parents_for_what_inherits(governed):
    content = policy.base()
    tenant = policy.tenant(content)
    tenant["bundles"] |= {
        "company": {"when": "<level> <= 5",
                    "grants": [{"id": "c", "operation": "tickets/ticket.read", "resource": "ticket:C"},
                               {"id": "d", "operation": "tickets/*", "resource": "ticket:X", "effect": "deny"}]},
        "team": {"parent": "company", "when": '<team> == "a"',
                 "grants": [{"id": "t", "operation": "tickets/ticket.read", "resource": "ticket:T-1"}]}}
    tenant["agents"]["company|bare-agent"]["bundles"] = ["team", "company"]
    policy.grant(content, "agent:company|bare-agent", "tickets/*", "ticket:X")
    site = governed(content)
    token = site.token(agent="bare-agent")
    allowed(site.call(arguments={"id": "T-1", "level": 5, "team": "a"}, token=token))
    refused(site.call(arguments={"id": "T-1", "level": 5, "team": "b"}, token=token), '<team> == "a"', "agent_grant_missing")
    refused(site.call(arguments={"id": "T-1", "level": 6, "team": "a"}, token=token), "<level> <= 5", "agent_grant_missing")
    # A parent's own grants don't ask its children; what it denies it denies always.
    allowed(site.call(arguments={"id": "C", "level": 5}, token=token))
    refused(site.call(arguments={"id": "C", "level": 6}, token=token), "<level> <= 5", "agent_grant_missing")
    denied(site.call(arguments={"id": "X", "level": 6}, token=token), "agent_grant_denied")


def test_windows_are_opened_and_shut_in_the_store(make_site, server):
    site = make_site(store=server.store)
    store, name = agwctl.where(server), ("--operation", "tickets/ticket.read")
    allowed(site.call())
    agwctl.run("window", *store, *name, SHUT)
    eventually(lambda: denied(site.call(), "outside_window"))
    agwctl.run("window", *store, *name, SHUT, OPEN)
    eventually(lambda: allowed(site.call()))
    agwctl.run("freeze", *store, *name)
    eventually(lambda: denied(site.call(), "operation_frozen"))
    agwctl.run("unfreeze", *store, *name)
    agwctl.run("window", *store, *name, "--any-time")
    eventually(lambda: allowed(site.call()))
    agwctl.run("window", *store, *name, "Mon 9-5 UTC", status=2)
    agwctl.run("window", *store, *name, status=2)


@pytest.mark.parametrize("windows", ['["Mon-Fri 09:00-17:00 Mars/Base"]', "[]", "always", '[""]'])
def test_windows_that_cannot_be_read_open_nothing(make_site, server, windows):
    site = make_site(store=server.store)
    allowed(site.call())
    server.client.hset(key("operation:tickets/ticket.read"), "windows", windows)
    server.bump()
    eventually(lambda: site.call().event()["reason"] == "store_invalid")
    server.client.hset(key("operation:tickets/ticket.read"), "windows", f'["{OPEN}"]')
    server.bump()
    eventually(lambda: allowed(site.call()))


def test_a_grant_whose_condition_cannot_be_read_denies(make_site, server):
    site = make_site(store=server.store)
    allowed(site.call(token=site.token(agent="narrow-agent")))
    server.client.hset(key("grants:agent:company|narrow-agent"), "g9",
                       '{"operation":"tickets/*","when":"nothing that is known"}')
    server.bump()
    eventually(lambda: site.call(token=site.token(agent="narrow-agent")).event()["reason"] == "store_invalid")
    # What hangs on other keys goes on.
    allowed(site.call())


def test_an_edit_with_a_wrong_condition_changes_nothing(make_site):
    site = make_site()
    allowed(site.call())
    site.change_policy(lambda t: t["grants"].append({"id": "x", "to": "agent:company|docs-assistant", "operation": "*",
                                                     "effect": "deny", "when": "tol == \"a\""}))
    allowed(site.call())
    eventually(lambda: site.nginx.errors(r"grants\[1\]\.when.*no known name"))
    done = agwctl.run("check", site.policy_path, status=1)
    assert "tenants.default.grants[1].when" in done.stderr and "write method, tool" in done.stderr


def test_what_agents_are_told_of_conditions(make_site):
    site = make_site(tools=tool("<amount> <= 100"), http='map "" $never { default 0; }')
    answer = site.send("GET", "/.well-known/agent-permissions/mcp")
    row = next(each for each in answer.json()["operations"] if each["operation"] == "tickets/ticket.read")
    assert row["allowed"] is True and row["conditions"] is True, row
    site.reload(tools=tool("false"), gone=True)
    answer = site.send("GET", "/.well-known/agent-permissions/mcp")
    row = next(each for each in answer.json()["operations"] if each["operation"] == "tickets/ticket.read")
    assert row["allowed"] is False and row["reason"] == "condition_failed"


def test_agwctl_says_on_what_an_answer_hangs(make_site):
    condition = '<amount> <= 100 && $office'
    site = make_site(tools=tool(condition), http='map $http_x_office $office { default 1; }',
                     operations="agent_operation ticket.list GET /api/tickets { }")
    asked = ["explain", "--state", site.prefix / "state", "--user", "company|mira", "--agent", "company|docs-assistant",
             "--group", "company|support", "--operation", "tickets/ticket.read", "--resource", "ticket:T-1"]
    open_ = agwctl.run(*asked, status=3).stdout
    assert "condition_failed" in open_ and "hangs on" in open_ and condition in open_
    agwctl.run(*asked, "--argument", "amount=100", "--variable", "office=1")
    shut = agwctl.run(*asked, "--argument", "amount=101", "--variable", "office=1", status=3).stdout
    assert "hangs on" not in shut and "this doesn't hold: " + condition in shut
    agwctl.run(*asked, "--argument", "amount=100", "--variable", "office=0", status=3)
    said = agwctl.run("what-can", "--state", site.prefix / "state", "company|docs-assistant", "company|mira",
                      "--group", "company|support").stdout
    assert "tickets/ticket.read" in said and condition in said
    said = agwctl.run("who-can", "--state", site.prefix / "state", "tickets/ticket.read", "ticket:T-1").stdout
    assert "company|docs-assistant" in said and condition in said
    table = site.prefix / "table.yaml"
    table.write_text("""
defaults: {user: company|mira, agent: company|docs-assistant, groups: [company|support],
           operation: tickets/ticket.read, resource: ticket:T-1}
tests:
  - {expect: allow, arguments: {amount: 100}, variables: {office: "1"}}
  - {expect: condition_failed, arguments: {amount: 101}, variables: {office: "1"}}
  - {expect: condition_failed, arguments: {}, variables: {office: "1"}}
  - {expect: condition_failed, arguments: {amount: 1}}
""")
    assert "4 of 4" in agwctl.run("test", table, "--state", site.prefix / "state", "--all").stdout
    table.write_text(table.read_text().replace("condition_failed, arguments: {amount: 1}", "allow, arguments: {amount: 1}"))
    assert "hangs on what the test doesn't say: " + condition in agwctl.run("test", table, "--state", site.prefix / "state",
                                                                             status=3).stdout


def test_lint_finds_what_no_call_has(make_site):
    site = make_site(start=False, tools=READ.format(""), operations="agent_operation ticket.list GET /api/tickets { }")
    content = policy.base()
    policy.tenant(content)["grants"] = [
        {"id": "a", "to": "agent:company|narrow-agent", "operation": "tickets/ticket.list", "when": 'tool == "x"'},
        {"id": "b", "to": "agent:company|narrow-agent", "operation": "tickets/ticket.list", "when": '<body/x> == "x"'},
        {"id": "c", "to": "agent:company|narrow-agent", "operation": "tickets/ticket.read", "when": 'risk == "low"'},
        {"id": "d", "to": "agent:company|narrow-agent", "operation": "tickets/ticket.read", "when": '<id> == "T-1"'}]
    site.write_policy(content)
    site.start()
    found = agwctl.run_json("lint", "--state", site.prefix / "state", status=3)["findings"]
    assert {f["where"][-1] for f in found if f["code"] == "absent_field"} == {"a", "b", "c"}, found


def test_a_grant_with_a_condition_is_given_by_agwctl(make_site, server):
    site = make_site(store=server.store)
    token = site.token(agent="bare-agent")
    assert "result" not in site.call(token=token).json()
    agwctl.run("grant", *agwctl.where(server), "agent:company|bare-agent", "tickets/ticket.read", "ticket:*",
               "--when", "<amount> <= 5")
    eventually(lambda: allowed(site.call(arguments={"id": "T-1", "amount": 5}, token=token)))
    denied(site.call(arguments={"id": "T-1", "amount": 6}, token=token), "agent_grant_missing")
    agwctl.run("grant", *agwctl.where(server), "agent:company|bare-agent", "*", "--when", "nothing known", status=2)
    assert '"when": "<amount> <= 5"' in agwctl.run("export", *agwctl.where(server)).stdout
