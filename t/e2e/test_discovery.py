"""An agent that knows only a URL learns how to log in; nothing a request says, and no other location, changes that."""
import pytest

from plugins import mcp, policy
from plugins.site import problem

PRM = "/.well-known/oauth-protected-resource"
SPOOF = [("Host", "evil.example"), ("X-Forwarded-Host", "evil.example"), ("X-Forwarded-Proto", "https"),
         ("Forwarded", "host=evil.example"), ("X-Original-URL", "/evil")]

# Whatever else an operator's configuration does to these paths.
HOSTILE = r"""
        location ~ /\. { deny all; }
        location /.well-known { return 418; }
        location = /auth.md { return 418; }
        location ^~ /.well-known/oauth-protected-resource { proxy_pass http://tickets; }
        location = /.well-known/oauth-protected-resource/mcp { return 302 /elsewhere; }
        location = /custom { internal; return 200 "custom page"; }
        error_page 400 401 403 404 405 413 429 500 502 503 504 = /custom;
"""


@pytest.fixture(scope="module", params=["plain", "hostile"])
def place(request, tmp_path_factory):
    from plugins.site import Site
    site = Site(tmp_path_factory.mktemp("discovery"), server=HOSTILE if request.param == "hostile" else "",
                mcp="agent_origins https://ide.example;")
    site.start()
    yield site
    site.close()


@pytest.mark.parametrize("method", ["POST", "GET", "DELETE", "HEAD"])
def test_without_a_token_the_challenge_says_where_to_go(place, method):
    body = mcp.encode(mcp.call("ticket.read", {"id": "T-1"})) if method == "POST" else b""
    answer = place.send(method, "/mcp", token=None, headers=[("Content-Type", "application/json")], body=body)
    assert answer.status == 401
    assert answer.challenge["resource_metadata"] == f"http://127.0.0.1:{place.port}{PRM}/mcp"
    assert answer.challenge["scope"] == "tickets:read"
    assert "error" not in answer.challenge, "RFC 6750: no error where no token came"
    assert answer.request_id and "custom page" not in answer.text


def test_over_rest_the_challenge_comes_with_a_problem(place):
    answer = place.rest(token=None)
    problem(answer, 401, "token_missing")
    assert answer.challenge["resource_metadata"] == f"http://127.0.0.1:{place.port}{PRM}/api"


def test_with_a_token_the_same_url_is_the_gateway(place):
    assert "result" in place.call().json()


@pytest.mark.parametrize("path,resource", [(PRM + "/mcp", "/mcp"), (PRM + "/api", "/api"), (PRM, "/mcp")])
@pytest.mark.parametrize("spoofed", [False, True])
def test_metadata_of_each_resource(place, path, resource, spoofed):
    answer = place.send("GET", path, token=None, headers=SPOOF if spoofed else [])
    assert answer.status == 200, answer.text
    assert answer.header("Content-Type").startswith("application/json")
    assert answer.header("Access-Control-Allow-Origin") == "*"
    found = answer.json()
    assert found["resource"] == f"http://127.0.0.1:{place.port}{resource}"
    assert found["authorization_servers"] == [place.issuer.url]
    assert "tickets:read" in found["scopes_supported"] and "offline_access" not in found["scopes_supported"]
    assert found["bearer_methods_supported"] == ["header"]
    assert b"evil.example" not in answer.body


@pytest.mark.parametrize("path", [PRM + "/mcp", PRM, "/auth.md"])
def test_head_and_options(place, path):
    get = place.send("GET", path, token=None)
    head = place.send("HEAD", path, token=None)
    assert (head.status, head.body) == (200, b"")
    assert head.header("Content-Length") == str(len(get.body))
    options = place.send("OPTIONS", path, token=None, headers=[
        ("Origin", "https://anybody.example"), ("Access-Control-Request-Method", "GET")])
    assert options.status in (200, 204)
    assert options.header("Access-Control-Allow-Origin") == "*"
    assert "GET" in options.header("Access-Control-Allow-Methods")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_the_pages_are_for_reading(place, method):
    assert place.send(method, PRM + "/mcp", token=None).status == 405


@pytest.mark.parametrize("path", [PRM + "/mcp/", PRM + "/other", PRM + "/mcp/ticket.read"])
def test_no_metadata_where_there_is_no_resource(place, path):
    answer = place.send("GET", path, token=None)
    assert b"authorization_servers" not in answer.body


@pytest.mark.parametrize("spoofed", [False, True])
def test_the_page_for_agents_and_people(place, spoofed):
    answer = place.send("GET", "/auth.md", token=None, headers=SPOOF if spoofed else [])
    assert answer.status == 200
    assert answer.header("Content-Type").startswith("text/markdown")
    for word in (place.resource, f"http://127.0.0.1:{place.port}/api", place.issuer.url, "tickets:read",
                 "resource_metadata"):
        assert word in answer.text, word
    assert "evil.example" not in answer.text and "gateway-secret" not in answer.text


def test_a_spoofed_host_changes_no_challenge(place):
    honest, spoofed = place.call(token=None), place.call(token=None, headers=SPOOF[1:])
    assert spoofed.header("WWW-Authenticate") == honest.header("WWW-Authenticate")


@pytest.mark.parametrize("target", ["/mcp?access_token=TOKEN", "/mcp?token=TOKEN", "/mcp?authorization=Bearer%20TOKEN"])
def test_a_token_in_the_query_is_no_token(place, target):
    answer = place.post(mcp.call("ticket.read", {"id": "T-1"}), token=None,
                        path=target.replace("TOKEN", place.token()))
    assert answer.status == 401


def test_a_token_in_a_form_is_no_token(place):
    answer = place.send("POST", "/mcp", token=None, body="access_token=" + place.token(),
                        headers=[("Content-Type", "application/x-www-form-urlencoded")])
    assert answer.status == 401


def test_a_browser_may_read_the_challenge_from_an_allowed_origin(place):
    answer = place.call(token=None, headers=[("Origin", "https://ide.example")])
    assert answer.status == 401
    assert answer.header("Access-Control-Allow-Origin") == "https://ide.example"
    exposed = answer.header("Access-Control-Expose-Headers").lower()
    assert "www-authenticate" in exposed and "mcp-session-id" in exposed
    good = place.call(headers=[("Origin", "https://ide.example")])
    assert good.status == 200 and good.header("Access-Control-Allow-Origin") == "https://ide.example"


def test_a_preflight_is_answered_for_an_allowed_origin_only(place):
    ask = [("Access-Control-Request-Method", "POST"),
           ("Access-Control-Request-Headers", "authorization,content-type,mcp-protocol-version")]
    good = place.send("OPTIONS", "/mcp", token=None, headers=[("Origin", "https://ide.example"), *ask])
    assert good.status in (200, 204), good.status
    assert good.header("Access-Control-Allow-Origin") == "https://ide.example"
    assert "authorization" in good.header("Access-Control-Allow-Headers").lower()
    bad = place.send("OPTIONS", "/mcp", token=None, headers=[("Origin", "https://evil.example"), *ask])
    assert bad.header("Access-Control-Allow-Origin") is None
    assert place.backend.count() == 0 or all(r.method != "OPTIONS" for r in place.backend.requests)


@pytest.mark.parametrize("origin,status", [
    ("https://ide.example", 200), ("https://evil.example", 403), ("https://ide.example.evil.example", 403),
    ("http://ide.example", 403), ("https://ide.example:444", 403), ("null", 403)])
def test_origins(place, origin, status):
    answer = place.call(headers=[("Origin", origin)])
    assert answer.status == status
    assert answer.event()["reason"] == ("allowed" if status == 200 else "origin_refused")


def test_a_resource_that_is_not_default_leaves_the_root_form_alone(make_site):
    site = make_site(start=False)
    site.nginx.start(site.conf().replace(" default;", ";", 1))
    assert site.send("GET", PRM, token=None).status == 404
    assert site.send("GET", PRM + "/mcp", token=None).status == 200


def test_a_server_without_a_resource_is_left_alone(make_site):
    from plugins.wait import free_port
    from plugins import http
    port = free_port()
    make_site(servers="server { listen 127.0.0.1:%d; location / { return 200 other; } "
                      "location = /auth.md { return 200 mine; } }" % port)
    assert http.request(port, "GET", "/auth.md").text == "mine"
    assert http.request(port, "GET", PRM).text == "other"


def test_an_error_page_replaces_no_refusal(make_site):
    site = make_site(server=HOSTILE)
    cases = [site.call(token=None), site.call(token="garbage"), site.call(agent_token := site.token(scope="other")),
             site.post(b"not json"), site.rest(target="/api/unknown"), site.rest(target="/api//tickets"),
             site.rest("DELETE", "/api/tickets/T-1"), site.call(token=site.token(agent="disabled-agent"))]
    assert agent_token
    for answer in cases:
        assert b"custom page" not in answer.body, answer
        assert answer.status >= 400 or "error" in answer.json()
        assert answer.request_id


def test_a_resource_in_several_locations_names_the_scopes_of_all(make_site):
    site = make_site(start=False)
    site.pieces["server"] = f"""location /mcp/notes {{
        agent_gateway mcp notes; agent_protected_resource {site.resource}; agent_trust company; agent_forward none;
        agent_tool note.write {{ scope notes:write; }}
        proxy_pass http://tickets;
    }}"""
    site.start()
    found = site.send("GET", PRM + "/mcp", token=None).json()
    assert {"tickets:read", "notes:write"} <= set(found["scopes_supported"])
    # A step-up in one location doesn't cost the scopes of the other.
    content = policy.base()
    for to in ("agent:company|docs-assistant", "user:company|mira"):
        policy.grant(content, to, "notes/note.write", id="n" + to[0])
    site.write_policy(content)
    body = mcp.encode(mcp.call("note.write", {}))
    answer = site.send("POST", "/mcp/notes", site.token(scope="tickets:read"), [("Content-Type", "application/json")],
                       body=body)
    assert answer.status == 403 and set(answer.challenge["scope"].split()) == {"tickets:read", "notes:write"}
    token = site.token(scope="tickets:read notes:write")
    assert site.send("POST", "/mcp/notes", token, [("Content-Type", "application/json")], body=body).status == 200
