"""A decision belongs to its location, method, URI and body: no detour inside nginx carries it elsewhere."""
import pytest

from plugins import mcp
from plugins.backend import json_answer
from plugins.server import Answer
from plugins.site import allowed

CALL = mcp.call("ticket.read", {"id": "T-1"})
MORE = """
        location /internal/ { internal; proxy_pass http://tickets; }
        location /files/ { internal; root @PREFIX@; }
"""
GOVERNED = """
            agent_gateway rest tickets;
            agent_protected_resource http://127.0.0.1:@PORT@/%s;
            agent_trust company;
            agent_forward none;
"""


def reached(site, *paths):
    return [r.target for r in site.backend.requests if not paths or r.target in paths]


@pytest.mark.parametrize("target", ["/internal/secret", "/api/tickets/T-2", "/files/policy.json", "/open/x", "@named"])
def test_x_accel_redirect_goes_nowhere(make_site, target):
    site = make_site(server=MORE + "location @named { proxy_pass http://tickets; }")
    site.backend.answer = lambda r: json_answer({"jsonrpc": "2.0", "id": 1, "result": {}}, headers=[
        ("X-Accel-Redirect", target)]) if r.target in ("/mcp", "/api/tickets/T-1") else json_answer({"secret": 1})
    for answer in (site.post(CALL), site.rest()):
        assert answer.status == 502 and "secret" not in answer.text, f"{answer.status} {answer.text}"
        assert answer.event()["outcome"] in ("refused", "error")
    assert set(reached(site)) == {"/mcp", "/api/tickets/T-1"}
    # Where the module isn't used, nginx does what it always did.
    site.backend.answer = lambda r: Answer(200, [("X-Accel-Redirect", "/internal/x")]) if r.target == "/open/a" else \
        json_answer({"inside": r.target})
    assert site.send("GET", "/open/a", None).json() == {"inside": "/internal/x"}


def test_x_accel_redirect_from_elsewhere_opens_no_governed_location(make_site):
    site = make_site()
    site.backend.answer = lambda r: Answer(200, [("X-Accel-Redirect", "/api/tickets/T-1")]) if "open" in r.target else None
    answer = site.send("GET", "/open/a", None)
    assert answer.status == 401 and "/api/tickets/T-1" not in reached(site)


def test_error_pages_after_the_decision(make_site):
    """A backend's error sends the request to another governed location, which asks for its own allow."""
    site = make_site(mcp="proxy_intercept_errors on; error_page 500 502 = /api/tickets/T-1;",
                     server="error_page 404 = /api/tickets;")
    site.backend.answer = lambda r: json_answer({}, 500) if r.target == "/mcp" else None
    bare = site.token(agent="narrow-agent", groups=["support"])
    answer = site.post(CALL, bare)
    assert answer.status in (401, 403, 404, 405, 500, 502, 503), answer.status
    assert not reached(site, "/api/tickets", "/api/tickets/T-1") or answer.status == 200
    assert all(r.header("Authorization") is None for r in site.backend.requests)


def test_error_page_into_an_open_location_carries_no_credentials(make_site):
    site = make_site(mcp="proxy_intercept_errors on; error_page 500 = /open/sorry;")
    site.backend.answer = lambda r: json_answer({}, 500) if r.target == "/mcp" else None
    token = site.token()
    site.post(CALL, token)
    assert all(token not in r.raw_head.decode("latin-1") for r in site.backend.requests if r.target == "/mcp")


def test_try_files(make_site):
    """try_files moves on to another URI after the access phase: that is another request to judge."""
    site = make_site(start=False, server="location /tried/ {" + GOVERNED % "tried" + """
        agent_operation ticket.list GET /tried/list { scope tickets:read; }
        root @PREFIX@; try_files $uri /api/tickets/T-1; }""")
    site.start()
    listed = site.send("GET", "/tried/list", site.token())
    assert listed.status in (200, 401, 403), listed.status
    if listed.status == 200:
        # Judged anew as ticket.read, with the same token for another resource identifier: no.
        assert site.backend.last.target == "/api/tickets/T-1"
        assert any(e.get("operation") == "tickets/ticket.read" for e in site.nginx.audit())
    narrow = site.token(agent="low-agent", aud=f"http://127.0.0.1:{site.port}/tried")
    site.backend.clear()
    answer = site.send("GET", "/tried/list", narrow)
    assert answer.status != 200 and site.backend.count() == 0


@pytest.mark.parametrize("content", ["", "proxy_pass http://tickets;"])
def test_try_files_that_finds_a_file_of_another_name(make_site, content):
    """The access phase is over then and doesn't come back: the guard before the content is what stands there."""
    site = make_site(server="".join("location /%s/ {" % name + GOVERNED % name + """
        agent_operation ticket.list GET /%s/list { scope tickets:read; }
        root @PREFIX@/www; try_files %s =404; %s }""" % (name, file, content)
        for name, file in (("same", "$uri"), ("other", "/secret"))))
    for name in ("same/list", "other/list", "secret"):
        (site.prefix / "www" / name).parent.mkdir(parents=True, exist_ok=True)
        (site.prefix / "www" / name).write_text("the file " + name)
    token = site.token(aud=[f"http://127.0.0.1:{site.port}/{name}" for name in ("same", "other")])
    same = site.send("GET", "/same/list", token)
    assert same.status == 200 and (same.text == "the file same/list" if not content else reached(site) == ["/same/list"])
    site.backend.clear()
    answer = site.send("GET", "/other/list", token)
    assert answer.status >= 400 and "the file" not in answer.text and site.backend.count() == 0
    assert answer.event()["reason"] == "decision_missing"


def test_rewrites_before_the_decision(make_site):
    """What is judged is what is forwarded, also where the operator rewrites the URI first."""
    site = make_site(server="rewrite ^/old/(.*)$ /api/tickets/$1 last;")
    answer = site.send("GET", "/old/T-1", site.token())
    assert answer.status in (200, 400), answer.status
    if answer.status == 200:
        assert site.backend.last.target == "/api/tickets/T-1"
    assert site.send("GET", "/old/T-1", None).status == 401


def test_nested_blocks_are_no_open_doors(make_site):
    site = make_site(api="""
            location /api/nested/ { proxy_pass http://tickets; }
            if ($arg_x) { set $y 1; proxy_pass http://tickets; }
            limit_except GET { allow all; proxy_pass http://tickets; }
    """)
    for method, target in (("GET", "/api/nested/T-1"), ("GET", "/api/tickets/T-1?x=1"), ("POST", "/api/tickets/T-1"),
                           ("DELETE", "/api/tickets/T-1")):
        assert site.rest(method, target, None).status in (401, 403), (method, target)
        assert site.backend.count() == 0
    assert site.rest().status == 200
    assert site.rest(target="/api/nested/T-1").status in (403, 404)
    assert site.rest(target="/api/tickets/T-1?x=1", token=site.token(agent="bare-agent")).status in (403, 404)


@pytest.mark.parametrize("place", ["/api/tickets/T-1", "/mcp"])
def test_subrequests_of_ssi_get_nothing(make_site, place):
    site = make_site(server=f"""location = /page {{ ssi on; ssi_types *; root @PREFIX@; default_type text/html; }}
        location = /auth {{ auth_request {place}; proxy_pass http://tickets; }}
        location = /mirrored {{ mirror {place}; proxy_pass http://tickets; }}""")
    (site.prefix / "page").write_text(f'before <!--#include virtual="{place}" --> after')
    for token in (None, site.token()):
        answer = site.send("GET", "/page", token)
        assert "before" in answer.text and place not in reached(site)
        answer = site.send("GET", "/auth", token)
        assert answer.status in (401, 403, 500) and place not in reached(site)
        site.send("GET", "/mirrored", token)
        assert place not in reached(site), "a mirrored subrequest reached the backend without a decision of its own"


def test_auth_request_in_a_governed_location_still_works(make_site):
    """A subrequest to an ordinary location, made by a governed one, is the operator's own business."""
    site = make_site(api="auth_request /check;", server="location = /check { internal; return 204; }")
    assert site.rest().status == 200
    assert site.rest(token=None).status == 401


def test_the_body_survives_an_auth_request(make_site):
    site = make_site(mcp="auth_request /check;", server="location = /check { internal; return 204; }")
    body = mcp.encode(mcp.call("ticket.read", {"id": "T-1", "x": "y" * 50000}))
    allowed(site.post(body))
    assert site.backend.last.body == body


def test_access_rules_hold_beside_the_gateway(make_site):
    site = make_site(mcp="deny all;")
    assert site.call().status == 403 and site.backend.count() == 0
    site = make_site(mcp="allow 127.0.0.1; deny all;")
    allowed(site.call())


def test_a_named_location_as_error_page_of_a_refusal(make_site):
    site = make_site(server="error_page 401 403 = @fallback; location @fallback { proxy_pass http://tickets; }")
    assert site.call(token=None).status == 401
    assert site.call(token=site.token(agent="disabled-agent")).status == 403
    assert site.backend.count() == 0


PARTLY = {"api": "agent_mode observe;", "operations": """
    agent_operation ticket.read GET /api/tickets/<id> { scope tickets:read; resource ticket:<id>; mode enforce; }
    agent_operation ticket.list GET /api/tickets { scope tickets:read; }"""}


@pytest.mark.parametrize("how", ["ssi", "auth_request", "mirror"])
def test_subrequests_into_an_observed_location_with_an_enforced_operation(make_site, how):
    """Subrequests have no access phase: the guard stands wherever anything is enforced."""
    server = """
        location = /page { ssi on; ssi_types *; root @PREFIX@; default_type text/html; }
        location = /auth { auth_request /api/tickets/T-1; proxy_pass http://tickets; }
        location = /mirrored { mirror /api/tickets/T-1; proxy_pass http://tickets; }"""
    target = {"ssi": "/page", "auth_request": "/auth", "mirror": "/mirrored"}[how]
    site = make_site(server=server, **PARTLY)
    (site.prefix / "page").write_text('before <!--#include virtual="/api/tickets/T-1" --> after')
    for token in (None, site.token()):
        site.send("GET", target, token)
        assert "/api/tickets/T-1" not in reached(site)
    assert site.rest().status == 200 and "/api/tickets/T-1" in reached(site)


def test_redirects_into_an_observed_location_with_an_enforced_operation(make_site):
    site = make_site(server="""
        location = /missing { root @PREFIX@; error_page 404 = /api/tickets/T-1; }
        location = /tried { root @PREFIX@; try_files $uri.none /api/tickets/T-1; }
        location = /listed { root @PREFIX@; try_files $uri.none /api/tickets; }""", **PARTLY)
    site.backend.answer = lambda r: Answer(200, [("X-Accel-Redirect", "/api/tickets/T-1")]) if "open" in r.target else None
    for target in ("/open/a", "/missing", "/tried", "/listed"):
        # A path that isn't the one that was sent is refused, also with a token: it could be read in two ways.
        for token in (None, site.token()):
            assert site.send("GET", target, token).status in (400, 401)
            assert not reached(site, "/api/tickets/T-1", "/api/tickets")
    assert site.rest().status == 200 and reached(site, "/api/tickets/T-1")
    assert site.rest(target="/api/tickets", token=None).status == 200


def test_x_accel_redirect_from_an_observed_location_with_an_enforced_operation(make_site):
    site = make_site(server=MORE, **PARTLY)
    site.backend.answer = lambda r: json_answer({"first": 1}, headers=[("X-Accel-Redirect", "/internal/secret")]) \
        if r.target.startswith("/api/tickets") else json_answer({"secret": 1})
    assert site.rest().status == 502
    assert site.rest(target="/api/tickets").json() == {"first": 1}
    assert not reached(site, "/internal/secret")
    only_observed = make_site(server=MORE, api="agent_mode observe;",
                              operations="agent_operation ticket.list GET /api/tickets { scope tickets:read; }")
    only_observed.backend.answer = site.backend.answer
    assert only_observed.rest(target="/api/tickets").json() == {"secret": 1}
