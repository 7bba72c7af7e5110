"""Mcp-Param-…: arguments that header fields repeat, and fields that nginx would drop."""
import base64

import httpx
import pytest

from plugins import mcp, policy
from plugins.site import TOOLS, allowed
from plugins.wait import free_port

SITE = {"tools": TOOLS + """
            agent_tool place { param_header <region> Region; param_header <size> Size; param_header <fast> Fast;
                               param_header <deep/er> Deeper; }
"""}


@pytest.fixture
def site(site_of_module):
    site = site_of_module
    site.backend.reset()
    base = policy.base()
    for to in ("agent:company|docs-assistant", "group:company|support"):
        policy.grant(base, to, "tickets/place", id="p-" + to[:5])
    site.write_policy(base)
    return site


def place(site, arguments, fields, modern=True, **how):
    if modern:
        return site.call("place", arguments, modern=True, headers=list(fields), **how)
    return site.call("place", arguments, headers=[("MCP-Protocol-Version", mcp.LEGACY), *fields], **how)


def coded(text):
    return "=?base64?" + base64.b64encode(text.encode()).decode() + "?="


GOOD = {
    "a text": ({"region": "eu"}, [("Mcp-Param-Region", "eu")]),
    "a name in another case": ({"region": "eu"}, [("mcp-param-REGION", "eu")]),
    "white space around": ({"region": "eu"}, [("Mcp-Param-Region", " eu\t")]),
    "Base64": ({"region": "eu"}, [("Mcp-Param-Region", coded("eu"))]),
    "what no header can hold": ({"region": "Zürich\n"}, [("Mcp-Param-Region", coded("Zürich\n"))]),
    "a number": ({"size": 42}, [("Mcp-Param-Size", "42")]),
    "a number written otherwise": ({"size": 42}, [("Mcp-Param-Size", "42.0")]),
    "a negative number": ({"size": -1}, [("Mcp-Param-Size", "-1")]),
    "a fraction": ({"size": 1.5}, [("Mcp-Param-Size", "1.50")]),
    "a large number": ({"size": 2 ** 60}, [("Mcp-Param-Size", str(2 ** 60))]),
    "a truth": ({"fast": True}, [("Mcp-Param-Fast", "true")]),
    "a nested one": ({"deep": {"er": "x"}}, [("Mcp-Param-Deeper", "x")]),
    "nothing": ({}, []),
    "null": ({"region": None}, []),
    "an unknown one": ({}, [("Mcp-Param-Other", "x"), ("Mcp-Param-Other", "y")]),
    "all": ({"region": "eu", "size": 1, "fast": False, "deep": {"er": "x"}},
            [("Mcp-Param-Region", "eu"), ("Mcp-Param-Size", "1"), ("Mcp-Param-Fast", "false"), ("Mcp-Param-Deeper", "x")]),
}

WRONG = {
    "another text": ({"region": "eu"}, [("Mcp-Param-Region", "us")]),
    "another case": ({"region": "eu"}, [("Mcp-Param-Region", "EU")]),
    "no field": ({"region": "eu"}, []),
    "no argument": ({}, [("Mcp-Param-Region", "eu")]),
    "null and a field": ({"region": None}, [("Mcp-Param-Region", "null")]),
    "twice": ({"region": "eu"}, [("Mcp-Param-Region", "eu"), ("Mcp-Param-Region", "eu")]),
    "another text in Base64": ({"region": "eu"}, [("Mcp-Param-Region", coded("us"))]),
    "broken Base64": ({"region": "eu"}, [("Mcp-Param-Region", "=?base64?%?=")]),
    "markers in capitals": ({"region": "eu"}, [("Mcp-Param-Region", coded("eu").replace("base64", "BASE64"))]),
    "bytes that are no ASCII": ({"region": "é"}, [("Mcp-Param-Region", "é")]),
    "another number": ({"size": 42}, [("Mcp-Param-Size", "43")]),
    "no number": ({"size": 42}, [("Mcp-Param-Size", "x42")]),
    "a number and more": ({"size": 42}, [("Mcp-Param-Size", "42x")]),
    "a hexadecimal number": ({"size": 42}, [("Mcp-Param-Size", "0x2A")]),
    "infinity": ({"size": 42}, [("Mcp-Param-Size", "inf")]),
    "a number next to a large one": ({"size": 2 ** 60}, [("Mcp-Param-Size", str(2 ** 60 + 1))]),
    "a text for a number": ({"region": "1"}, [("Mcp-Param-Region", "1.0")]),
    "a truth in capitals": ({"fast": True}, [("Mcp-Param-Fast", "True")]),
    "a list": ({"region": ["eu"]}, [("Mcp-Param-Region", "eu")]),
    "an empty field": ({"region": "eu"}, [("Mcp-Param-Region", "")]),
}


@pytest.mark.parametrize("name", GOOD)
def test_fields_that_say_what_the_arguments_say(site, name):
    arguments, fields = GOOD[name]
    allowed(place(site, arguments, fields))
    sent = [(k.lower(), v) for k, v in site.backend.last.headers if k.lower().startswith("mcp-param-")]
    assert len(sent) == len(fields)


@pytest.mark.parametrize("name", WRONG)
def test_fields_that_say_something_else(site, name):
    arguments, fields = WRONG[name]
    answer = place(site, arguments, fields)
    assert answer.status == 400, answer.text
    assert answer.json()["error"]["code"] == -32020 and answer.event()["reason"] == "header_mismatch"
    assert site.backend.count() == 0


def test_earlier_versions_need_none(site):
    allowed(place(site, {"region": "eu"}, [], modern=False))
    allowed(place(site, {"region": "eu"}, [("Mcp-Param-Region", "eu")], modern=False))
    assert place(site, {"region": "eu"}, [("Mcp-Param-Region", "us")], modern=False).status == 400


def fields_that_came(site):
    return {k.lower(): v for k, v in site.backend.last.headers if k.lower().startswith("mcp-param-")}


ODD = [("Mcp-Param-user_id", "7"), ("MCP-PARAM-a.b", "x: y"), ("Mcp-Param-c!d", ""), ("Mcp-Param-e*", coded("é"))]


def test_odd_names_are_forwarded_all_the_same(site):
    allowed(site.call(modern=True, headers=ODD))
    assert fields_that_came(site) == {k.lower(): v for k, v in ODD}
    # What isn't one of them stays dropped.
    allowed(site.call(modern=True, headers=[("X_Other", "1"), ("Mcp_Param_x", "1"), ("Mcp-Name_x", "1")]))
    names = [k.lower() for k, _ in site.backend.last.headers]
    assert not [n for n in names if "_" in n]
    # Earlier versions know no such fields: nginx' own rule holds.
    allowed(site.call(headers=ODD))
    assert fields_that_came(site) == {}


@pytest.mark.parametrize("size", [1, 700, 3000, 9000, 20000])
def test_wherever_nginx_keeps_the_head(site, size):
    """Heads that fill one buffer or several, with fields before and behind."""
    filler = [(f"X-Fill-{i}", "f" * min(size, 7000)) for i in range(max(1, size // 7000))]
    for headers in (ODD + filler, filler + ODD, ODD[:2] + filler + ODD[2:]):
        allowed(site.call(modern=True, headers=headers))
        assert fields_that_came(site) == {k.lower(): v for k, v in ODD}


def test_one_after_another_on_a_connection(site):
    """What stood in an earlier request, or stands in the body, is no field of this one."""
    with httpx.Client() as client:
        for i in range(6):
            headers, body = mcp.modern_call("ticket.read", {"id": "T-1", "x": "\nMcp-Param-b_b: 1\r\n"})
            extra = [(f"Mcp-Param-n_{i}", str(i))] if i % 2 == 0 else []
            answer = client.post(f"http://127.0.0.1:{site.port}/mcp", content=mcp.encode(body), headers=[
                *headers, ("Authorization", f"Bearer {site.token()}"), ("Content-Type", "application/json"), *extra])
            assert answer.status_code == 200, answer.text
            assert fields_that_came(site) == ({f"mcp-param-n_{i}": str(i)} if extra else {})


def test_a_raw_line_in_the_body_is_no_field(site):
    headers, body = mcp.modern_call("ticket.read", {"id": "T-1"})
    raw = mcp.encode(body)[:-1] + b"\n\nMcp-Param-b_b: 1\r\n\n"
    answer = site.post(raw, headers=headers)
    assert answer.status == 400
    raw = mcp.encode(body).replace(b'{"jsonrpc"', b'{\r\n\r\n"jsonrpc"')
    allowed(site.post(raw, headers=headers))
    assert fields_that_came(site) == {}


def test_a_name_that_could_be_taken_for_another(site):
    answer = place(site, {"region": "eu"}, [("Mcp-Param-Region", "eu"), ("Mcp_Param-Region", "us"), ("Mcp-Param_Region", "us")])
    allowed(answer)
    assert fields_that_came(site) == {"mcp-param-region": "eu"}
    allowed(site.call(modern=True, headers=[("Mcp-Param-a-b", "1"), ("Mcp-Param-a_b", "2")]))
    assert fields_that_came(site) == {"mcp-param-a-b": "1"}
    # One whose twin is checked, but absent, is not sent in its place.
    allowed(site.call(modern=True, headers=[("Mcp-Param-a_b", "1"), ("Mcp-Param-a.b", "2")]))
    assert fields_that_came(site) == {"mcp-param-a_b": "1"}


def test_a_name_that_could_be_taken_for_one_that_is_checked(make_site):
    site = make_site(tools=TOOLS + "agent_tool place { param_header <region> Re-gion; }")
    base = policy.base()
    for to in ("agent:company|docs-assistant", "group:company|support"):
        policy.grant(base, to, "tickets/place", id="p-" + to[:5])
    site.write_policy(base)
    allowed(place(site, {}, [("Mcp-Param-Re_gion", "eu")]))
    assert fields_that_came(site) == {}


@pytest.mark.parametrize("setting", ["underscores_in_headers on;", "ignore_invalid_headers off;"])
@pytest.mark.parametrize("modern", [False, True])
def test_twins_of_what_is_compared_never_reach_the_backend(make_site, setting, modern):
    """Where nginx keeps such names: servers that read `_` as `-` would take another value than the one that was judged."""
    site = make_site(server=setting, **SITE)
    base = policy.base()
    for to in ("agent:company|docs-assistant", "group:company|support"):
        policy.grant(base, to, "tickets/place", id="p-" + to[:5])
    site.write_policy(base)
    good = [("Mcp-Param-Region", "eu"), ("Mcp-Param-other_one", "1")]
    allowed(place(site, {"region": "eu"}, good, modern))
    assert fields_that_came(site) == {"mcp-param-region": "eu", "mcp-param-other_one": "1"}
    for twin in ("Mcp_Name", "Mcp_Method", "mcp-protocol_version"):
        for fields in ([(twin, "delete_ticket"), *good], [*good, (twin, "delete_ticket")]):
            allowed(place(site, {"region": "eu"}, fields, modern))
            names = [k.lower() for k, _ in site.backend.last.headers]
            assert not [name for name in names if name.startswith("mcp") and "_" in name.replace("other_one", "")]
    for method, target in (("GET", "/mcp"), ("DELETE", "/mcp")):
        site.send(method, target, headers=[("MCP-Protocol_Version", "2026-07-28")])
        assert site.backend.last.header("MCP-Protocol_Version") is None
    site.backend.clear()
    for twin in ("Mcp_Param_Region", "Mcp-Param_Region"):
        answer = place(site, {"region": "eu"}, [*good, (twin, "us")], modern)
        assert answer.status == 400 and answer.json()["error"]["code"] == -32020
    assert site.backend.count() == 0


@pytest.mark.parametrize("on", [False, True])
def test_over_http2_nginx_has_to_be_told(make_site, on):
    site = make_site(listen=" http2", server="underscores_in_headers on;" if on else "")
    headers, body = mcp.modern_call("ticket.read", {"id": "T-1"})
    with httpx.Client(http1=False, http2=True) as client:
        answer = client.post(f"http://127.0.0.1:{site.port}/mcp", content=mcp.encode(body), headers=[
            *headers, ("Authorization", f"Bearer {site.token()}"), ("Content-Type", "application/json"),
            ("Mcp-Param-user_id", "7"), ("Mcp-Param-Plain", "1")])
    assert answer.status_code == 200, answer.text
    assert fields_that_came(site) == {"mcp-param-plain": "1"} | ({"mcp-param-user_id": "7"} if on else {})


LOST = "Mcp-Param-… whose names have an underscore"
OTHER = """server { listen 127.0.0.1:@OTHER@ http2; %s location /mcp { agent_gateway mcp other; agent_trust company;
           agent_protected_resource http://127.0.0.1:@OTHER@/mcp; agent_forward none; proxy_pass http://tickets; } }"""


@pytest.mark.parametrize("pieces,warnings", [
    ({}, 0), ({"listen": " http2"}, 1), ({"listen": " http2", "server": "underscores_in_headers on;"}, 0),
    ({"listen": " http2", "server": "ignore_invalid_headers off;"}, 0), ({"servers": OTHER % ""}, 1),
    ({"listen": " http2", "servers": OTHER % ""}, 2), ({"servers": OTHER % "underscores_in_headers on;"}, 0),
    # Another server at the same address is spoken to in the same way, whichever says so.
    ({"servers": OTHER % "" + "server { listen 127.0.0.1:@OTHER@; location / { return 404; } }"}, 1),
    ({"servers": "server { listen 127.0.0.1:@OTHER@ http2; location / { return 404; } }"}, 0)])
def test_nginx_says_where_fields_would_be_lost(make_site, pieces, warnings):
    """Over HTTP/2 nginx keeps nothing of a head: a warning for each server with an MCP location, where nothing is set."""
    site = make_site(start=False)
    other = str(free_port())
    status, said = site.nginx.test(site.conf(**{name: text.replace("@OTHER@", other) for name, text in pieces.items()}))
    assert status == 0 and said.count(LOST) == warnings, said
    assert warnings == 0 or "underscores_in_headers on;" in said


@pytest.mark.parametrize("name,setting", [("user_id", "underscores_in_headers on;"), ("user_id", "ignore_invalid_headers off;"),
                                          ("user.id", "ignore_invalid_headers off;")])
def test_an_odd_name_that_is_checked_is_seen(make_site, name, setting):
    site = make_site(server=setting, tools=TOOLS + f"agent_tool place {{ param_header <user> {name}; }}")
    base = policy.base()
    for to in ("agent:company|docs-assistant", "group:company|support"):
        policy.grant(base, to, "tickets/place", id="p-" + to[:5])
    site.write_policy(base)
    allowed(place(site, {"user": "7"}, [(f"Mcp-Param-{name}", "7")]))
    assert place(site, {"user": "7"}, [(f"Mcp-Param-{name}", "8")]).status == 400
