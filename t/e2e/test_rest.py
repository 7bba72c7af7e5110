"""REST operations by method and path template, on canonical paths only."""
import json

import pytest

from plugins.backend import json_answer
from plugins.site import problem

WRITE = "tickets:read tickets:write"


def ok(site, answer, operation, resource=None):
    assert answer.status == 200 or answer.status == 201, f"{answer.status} {answer.text}"
    event = answer.event()
    assert event["decision"] == "allow" and event["operation"] == "tickets/" + operation
    assert resource is None or event["resource"] == resource
    assert event["type"].startswith("rest.")
    assert site.backend.count() == 1
    return event


@pytest.mark.parametrize("method,target,operation,resource", [
    ("GET", "/api/tickets/T-1", "ticket.read", "ticket:T-1"),
    ("GET", "/api/tickets/T-1?expand=all", "ticket.read", "ticket:T-1"),
    ("HEAD", "/api/tickets/T-1", "ticket.read", "ticket:T-1"),
    ("GET", "/api/tickets/a%20b", "ticket.read", "ticket:a%20b"),
    ("GET", "/api/tickets/%C3%A9", "ticket.read", "ticket:%C3%A9"),
    ("GET", "/api/tickets/T-1*", "ticket.read", "ticket:T-1%2A"),
    ("GET", "/api/tickets", "ticket.list", None),
    ("GET", "/api/search?id=T-7", "ticket.find", "ticket:T-7"),
    ("GET", "/api/search?id=T%2D7&id2=x", "ticket.find", "ticket:T-7"),
    ("GET", "/api/tickets/T-1/comments/9", "comment.read", "ticket:T-1"),
    ("DELETE", "/api/tickets/T-1", "ticket.delete", "ticket:T-1")])
def test_templates(site, method, target, operation, resource):
    answer = site.rest(method, target, site.token(scope=WRITE))
    ok(site, answer, operation, resource)
    assert site.backend.last.target == target and site.backend.last.method == method
    site.backend.clear()
    assert site.rest(method, target, None).status == 401
    assert site.backend.count() == 0


def test_a_value_of_the_body(site):
    token, headers = site.token(scope=WRITE), [("Content-Type", "application/json")]
    body = b'{"id": "T-9", "title": "x"}'
    ok(site, site.rest("POST", "/api/tickets", token, headers, body), "ticket.create", "ticket:T-9")
    assert site.backend.last.body == body
    site.backend.clear()
    for bad in (b"{}", b'{"id": 1.5}', b'{"id": null}', b'{"id": "T-1", "id": "T-2"}', b'{"id":"T-1"', b"", b"[]",
                b'{"id": "T-1", "ID": "T-2"}', b'{"id": ["T-1"]}'):
        answer = site.rest("POST", "/api/tickets", token, headers, bad)
        assert answer.status in (400, 403), f"{bad}: {answer.status}"
        problem(answer, answer.status)
    form = site.rest("POST", "/api/tickets", token, [("Content-Type", "application/x-www-form-urlencoded")], b"id=T-9")
    assert form.status in (400, 403)
    zipped = site.rest("POST", "/api/tickets", token, [*headers, ("Content-Encoding", "gzip")], body)
    problem(zipped, 400, "encoding_refused")
    assert site.backend.count() == 0


PATHS = [
    "/api//tickets/T-1", "/api/tickets//T-1", "/api/./tickets/T-1", "/api/tickets/./T-1", "/api/x/../tickets/T-1",
    "/api/tickets/T-2/../T-1", "/api/tickets/%2e%2e/tickets/T-1", "/api/tickets/T-1%2f..%2fT-2",
    "/api/tickets/T-1%2F", "/api/%74ickets/T-1", "/api/tickets/T%2D1", "/api/tickets/T-1%00", "/api/tickets/T-1%5c",
    "/api/tickets/T-1;v=1", "/api/tickets/T-1%3b", "/api/tickets/%c3%a9", "/api/tickets/%", "/api/tickets/%zz",
    "/api/tickets/T-1\\x", "/api/tickets/%0aT-1", "/api/tickets/\u00e9", "/api/tickets/T-1/.", "/api/tickets/T-1/..",
    "/open/../api/tickets/T-1"]


@pytest.mark.parametrize("path", PATHS)
def test_paths_that_two_readers_could_read_differently(site, path):
    answer = site.rest(target=path.encode("utf-8"))
    assert answer.status == 400, f"{answer.status} {answer.text}"
    assert site.backend.count() == 0
    if answer.request_id:  # nginx itself refuses some before any module is asked
        assert answer.event()["reason"] == "path_not_canonical"


def test_an_absolute_target(site):
    """nginx takes the path of an absolute target; it is judged and forwarded as that path."""
    answer = site.rest(target=f"http://127.0.0.1:{site.port}/api/tickets/T-1")
    assert answer.status in (200, 400)
    assert site.rest(target=f"http://127.0.0.1:{site.port}/api//tickets/T-1").status == 400


@pytest.mark.parametrize("method,target,status", [
    ("GET", "/api/unknown", 404), ("GET", "/api/tickets/T-1/", 404), ("GET", "/api/tickets/", 404),
    ("GET", "/api/TICKETS/T-1", 404), ("GET", "/api/tickets/T-1/comments", 404), ("GET", "/api/", 404),
    ("PUT", "/api/tickets/T-1", 405), ("POST", "/api/search?id=T-1", 405), ("get", "/api/tickets/T-1", 405)])
def test_what_no_template_names(site, method, target, status):
    answer = site.rest(method, target, site.token(scope=WRITE))
    if method == "get":  # nginx refuses a method in small letters itself
        assert answer.status in (400, 405)
    else:
        assert answer.status in (status, 404)
        problem(answer, answer.status)
    assert site.backend.count() == 0


REWRITERS = ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "X-Original-URL", "X-Rewrite-URL",
             "X_HTTP_Method_Override", "x-http-method-override"]


@pytest.mark.parametrize("name", REWRITERS)
def test_headers_that_rewrite_the_operation(site, name):
    answer = site.rest(headers=[(name, "DELETE")])
    if "_" in name and answer.status == 200:
        assert not any("override" in n for n in site.backend.last.names), "an underscore variant reached the backend"
        return
    problem(answer, 400, "header_refused")
    assert site.backend.count() == 0
    assert site.rest(headers=[("X-Harmless", "DELETE")]).status == 200


@pytest.mark.parametrize("setting", ["underscores_in_headers on;", "ignore_invalid_headers off;"])
def test_where_nginx_keeps_odd_names_they_rewrite_nothing(make_site, setting):
    site = make_site(server=setting)
    for name in ("X_HTTP_Method_Override", "x-http_method", "X_METHOD-OVERRIDE", "X_Original_URL", "X-Rewrite_URL", "X-Original_URI"):
        problem(site.rest(headers=[(name, "DELETE")]), 400, "header_refused")
    assert site.backend.count() == 0
    assert site.rest(headers=[("X_Harmless_Field", "DELETE")]).status == 200


@pytest.mark.parametrize("query,status", [
    ("id=T-1&id=T-2", 400), ("id=T-1&id=T-1", 400), ("id=T-1&%69d=T-2", 400), ("id=T-1&x=1&x=2", 200),
    ("x=1&x=2&id=T-1", 200), ("", 403), ("ID=T-1", 403), ("id=", 403), ("id=%zz", 400), ("id=%ff", 400),
    ("id=a%00b", 400), ("id[]=T-1", 403)])
def test_queries_that_a_policy_names(site, query, status):
    answer = site.rest(target="/api/search?" + query)
    assert answer.status == status or (status in (400, 403) and answer.status in (400, 403)), answer.status
    assert site.backend.count() == (1 if status == 200 else 0)
    if "&" in query and status == 400:
        assert answer.event()["reason"] == "query_repeated"


def test_refusals_are_problems(site):
    for answer, status, reason in (
            (site.rest(token=None), 401, "token_missing"),
            (site.rest(token=site.token(exp=1)), 401, "token_expired"),
            (site.rest(token=site.token(agent="disabled-agent")), 403, "agent_disabled"),
            (site.rest(token=site.token(scope="x")), 403, "scope_missing"),
            (site.rest(target="/api/tickets/T-2", token=site.token(agent="narrow-agent")), 403, "agent_grant_missing"),
            (site.rest(token=site.token(agent="bare-agent")), 404, None),
            (site.rest(target="/api/none"), 404, None)):
        value = problem(answer, status, reason)
        assert value["title"] and "detail" in value or value["type"]
        event = answer.event()
        assert event["http"]["status"] == status and event["outcome"] == "refused"
        json.dumps(value)
    assert site.rest().status == 200


def test_hidden_and_unknown_look_the_same(site):
    hidden, unknown = site.rest(token=site.token(agent="bare-agent")), site.rest(target="/api/none")
    strip = {"request_id", "instance"}
    first, second = ({k: v for k, v in a.json().items() if k not in strip} for a in (hidden, unknown))
    assert first == second
    assert hidden.event()["reason"] == "agent_grant_missing" and unknown.event()["reason"] == "operation_unknown"


def test_the_backends_answer_passes_as_it_is(site):
    site.backend.answer = json_answer({"error": "conflict"}, 409, [("X-Backend", "1"), ("ETag", '"x"')])
    answer = site.rest()
    assert answer.status == 409 and answer.json() == {"error": "conflict"}
    assert answer.header("X-Backend") == "1" and answer.header("ETag") == '"x"'
    event = answer.event()
    assert event["http"]["status"] == 409 and event["upstream"]["status"] == 409 and event["outcome"] == "error"
