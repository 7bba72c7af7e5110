"""What a token must be. Beside every refusal stands the token that differs only in that point and passes."""
import json
import time

import pytest

from plugins import jose, mcp
from plugins.site import problem

SITE = {"skew": "30s", "floor": "1s"}


@pytest.fixture(autouse=True, scope="module")
def every_key(site_of_module):
    """All keys are published before the first token, so that none has to wait for the floor between two fetches."""
    site_of_module.issuer.all_keys()


NOW = time.time


def refused(site, token, reason, error="invalid_token"):
    before = site.backend.count()
    answer = site.call(token=token)
    assert answer.status == 401, f"{answer.status} {answer.text}"
    assert answer.challenge.get("error") == error, answer.headers
    assert answer.challenge["resource_metadata"].endswith("/.well-known/oauth-protected-resource/mcp")
    event = answer.event()
    assert event["reason"] == reason and event["decision"] == "deny" and event["checks"]["token"] == "fail", event
    assert site.backend.count() == before
    return answer


def passes(site, token):
    answer = site.call(token=token)
    assert answer.status == 200 and "result" in answer.json(), f"{answer.status} {answer.text}"


@pytest.mark.parametrize("alg", jose.ALGORITHMS)
def test_each_algorithm(site, alg):
    passes(site, site.token(alg=alg))
    token = site.token(alg=alg)
    head, body, signature = token.split(".")
    flipped = bytearray(jose.b64u_decode(signature))
    flipped[len(flipped) // 2] ^= 1
    refused(site, f"{head}.{body}.{jose.b64u(bytes(flipped))}", "token_signature_invalid")


def test_the_deprecated_name_of_ed25519(site):
    key = site.issuer.key("Ed25519")
    claims = site.issuer.claims(groups=["support"])
    passes(site, jose.compact({"alg": "EdDSA", "kid": key.kid, "typ": "at+jwt"}, claims, key))


def _claims(site, **changes):
    return site.issuer.claims(**({"groups": ["support"]} | changes))


def _forged(site, header, signer, **changes):
    return jose.compact(header, _claims(site, **changes), signer)


def _key(site, alg="ES256"):
    return site.issuer.key(alg)


SIGNATURES = {
    "none": ("token_algorithm_refused", lambda s: _forged(s, {"alg": "none", "typ": "at+jwt"}, None)),
    "None with a kid": ("token_algorithm_refused", lambda s: _forged(
        s, {"alg": "NONE", "kid": _key(s).kid, "typ": "at+jwt"}, None)),
    "HMAC with the public key": ("token_algorithm_refused", lambda s: _forged(
        s, {"alg": "HS256", "kid": _key(s, "RS256").kid, "typ": "at+jwt"}, _key(s, "RS256").public_pem())),
    "another key under a known kid": ("token_signature_invalid", lambda s: _forged(
        s, {"alg": "ES256", "kid": _key(s).kid, "typ": "at+jwt"}, jose.Key("ES256"))),
    "no signature": ("token_signature_invalid", lambda s: s.token().rpartition(".")[0] + "."),
    "a PS256 signature by a key pinned to RS256": (("token_algorithm_refused", "token_key_unknown",
                                                    "token_signature_invalid"), lambda s: _forged(
        s, {"alg": "PS256", "kid": _key(s, "RS256").kid, "typ": "at+jwt"}, (_key(s, "RS256"), "PS256"))),
    "an unknown kid": ("token_key_unknown", lambda s: _forged(
        s, {"alg": "ES256", "kid": "nobody", "typ": "at+jwt"}, _key(s))),
    "a key of the token's own": (("token_key_unknown", "token_signature_invalid"), lambda s: (lambda k: _forged(
        s, {"alg": "ES256", "kid": k.kid, "typ": "at+jwt", "jwk": k.jwk()}, k))(jose.Key("ES256"))),
    "a key at a URL of the token's own": ("token_key_unknown", lambda s: _forged(
        s, {"alg": "ES256", "kid": "x", "typ": "at+jwt", "jku": s.issuer.origin + "/evil"}, jose.Key("ES256"))),
    "crit": ("token_malformed", lambda s: _forged(
        s, {"alg": "ES256", "kid": _key(s).kid, "typ": "at+jwt", "crit": ["exp"]}, _key(s))),
    "an ES256 signature in DER": ("token_signature_invalid", lambda s: _der_signed(s)),
}


def _der_signed(site):
    from cryptography.hazmat.primitives.asymmetric import utils
    head, body, signature = site.token().split(".")
    raw = jose.b64u_decode(signature)
    der = utils.encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    return f"{head}.{body}.{jose.b64u(der)}"


@pytest.mark.parametrize("name", SIGNATURES)
def test_signatures(site, name):
    reason, make = SIGNATURES[name]
    answer = site.call(token=make(site))
    assert answer.status == 401 and answer.challenge["error"] == "invalid_token"
    assert answer.event()["reason"] in ((reason,) if isinstance(reason, str) else reason)
    passes(site, site.token())


# claim changes that are refused, the reason, and the neighbour that passes
CLAIMS = {
    "another issuer": ({"iss": "https://evil.example"}, "token_issuer_unknown", {}),
    "the issuer with a slash": ({"iss": "SLASH"}, "token_issuer_unknown", {}),
    "no issuer": ({"iss": None}, ("token_issuer_unknown", "token_claim_invalid"), {}),
    "an issuer that is a list": ({"iss": ["x"]}, ("token_issuer_unknown", "token_claim_invalid"), {}),
    "another audience": ({"aud": "https://other.example/mcp"}, "token_audience_mismatch", {"aud": "RESOURCE"}),
    "the audience with a slash": ({"aud": "RESOURCE/"}, "token_audience_mismatch", {"aud": ["RESOURCE"]}),
    "a prefix of the audience": ({"aud": "ORIGIN"}, "token_audience_mismatch", {"aud": ["x", "RESOURCE"]}),
    "an audience for the other location": ({"aud": "API"}, "token_audience_mismatch", {"aud": ["API", "RESOURCE"]}),
    "an audience of numbers": ({"aud": [7]}, ("token_audience_mismatch", "token_claim_invalid"), {}),
    "an empty audience": ({"aud": []}, ("token_audience_mismatch", "token_claim_invalid"), {}),
    "expired": ({"exp": -60}, "token_expired", {"exp": -10}),
    "no expiry": ({"exp": None}, "token_claim_invalid", {}),
    "an expiry in words": ({"exp": "tomorrow"}, "token_claim_invalid", {}),
    "a negative expiry": ({"exp": "NEG"}, ("token_expired", "token_claim_invalid"), {}),
    "an expiry beyond numbers": ({"exp": "HUGE"}, ("token_claim_invalid", "token_malformed"), {}),
    "not valid yet": ({"nbf": 60}, "token_not_yet_valid", {"nbf": 10}),
    "nbf in words": ({"nbf": "soon"}, "token_claim_invalid", {"nbf": -10}),
    "issued in the future": ({"iat": 60}, "token_not_yet_valid", {"iat": 10}),
    "iat in words": ({"iat": "now"}, "token_claim_invalid", {}),
    "a subject that is a number": ({"sub": 7}, "token_claim_invalid", {}),
    "an empty subject": ({"sub": ""}, ("token_claim_invalid", "user_missing"), {}),
    "an agent that is a list": ({"azp": ["docs-assistant"]}, "token_claim_invalid", {}),
    "a scope that is a number": ({"scope": 7}, "token_claim_invalid", {}),
    "groups that are an object": ({"groups": {"a": 1}}, "token_claim_invalid", {}),
}


def _fill(site, changes):
    places = {"RESOURCE": site.resource, "ORIGIN": f"http://127.0.0.1:{site.port}",
              "API": f"http://127.0.0.1:{site.port}/api", "SLASH": site.issuer.url + "/", "NEG": -5, "HUGE": 10 ** 30}

    def one(name, value):
        if isinstance(value, list):
            return [one(None, v) for v in value]
        if name in ("exp", "nbf", "iat") and isinstance(value, int):
            return int(NOW()) + value
        if isinstance(value, str) and value in places:
            return places[value]
        return site.resource + "/" if value == "RESOURCE/" else value

    return {k: one(k, v) for k, v in changes.items()}


@pytest.mark.parametrize("name", CLAIMS)
def test_claims(site, name):
    bad, reason, good = CLAIMS[name]
    answer = site.call(token=site.token(**_fill(site, bad)))
    reasons = (reason,) if isinstance(reason, str) else reason
    assert answer.status in ((401, 403) if "user_missing" in reasons else (401,)), answer.text
    assert answer.event()["reason"] in reasons
    assert site.backend.count() == 0
    passes(site, site.token(**_fill(site, good)))


def test_a_claim_named_twice(site):
    claims = json.dumps(_claims(site))
    twice = claims[:-1] + ', "sub": "ada"}'
    key = _key(site)
    refused(site, jose.compact({"alg": "ES256", "kid": key.kid, "typ": "at+jwt"}, twice.encode(), key),
            "token_malformed")


@pytest.mark.parametrize("text", [
    "x", "a.b", "a.b.c", "a.b.c.d", "..", "e30.e30.", "\u00e9.e30.x", "=.=.=", "x" * 15000, "e30.e30.e30=" "=",
    "eyJhbGciOiJFUzI1NiJ9.e30.AA.AA.AA"])
def test_what_is_no_token(site, text):
    answer = site.call(token=text)
    assert answer.status == 401 and answer.challenge["error"] == "invalid_token"
    assert answer.event()["checks"]["token"] == "fail"


@pytest.mark.parametrize("value,status", [
    (b"Bearer ", 401), (b"Bearer", 401), (b"Basic Z2F0ZXdheTpnYXRld2F5", 401), (b"DPoP TOKEN", 401),
    (b"Token TOKEN", 401), (b"TOKEN", 401), (b"Bearer TOKEN TOKEN", 401), (b"Bearer TOKEN, Bearer TOKEN", 401),
    (b"bearer TOKEN", 200), (b"BEARER TOKEN", 200), (b"Bearer   TOKEN", 200)])
def test_forms_of_the_header(site, value, status):
    body = mcp.encode(mcp.call("ticket.read", {"id": "T-1"}))
    answer = site.send("POST", "/mcp", token=None, body=body, headers=[
        ("Content-Type", "application/json"), ("Authorization", value.replace(b"TOKEN", site.token().encode()))])
    assert answer.status == status


def test_two_authorization_headers_are_one_too_many(site):
    body = mcp.encode(mcp.call("ticket.read", {"id": "T-1"}))
    good = ("Authorization", b"Bearer " + site.token().encode())
    for other in (good, ("Authorization", "Bearer x"), ("authorization", "Basic eDp5")):
        for pair in ([good, other], [other, good]):
            answer = site.send("POST", "/mcp", token=None, body=body,
                               headers=[("Content-Type", "application/json"), *pair])
            assert answer.status in (400, 401), answer.status
    assert site.backend.count() == 0


def test_a_bound_token_is_no_bearer_token(site):
    refused(site, site.token(cnf={"kid": "a-key-of-its-own"}), "token_binding_unsupported")
    refused(site, site.token(cnf={"jkt": "short"}), "token_claim_invalid")
    refused(site, site.token(cnf={"x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg0"}), "certificate_missing")
    passes(site, site.token())


@pytest.mark.parametrize("size", [8 << 10, 15 << 10])
def test_a_large_token(site, size):
    passes(site, site.token(filler="x" * (size * 3 // 4 - 900)))


def test_a_token_of_16_kb(site):
    token = site.token(filler="x" * (16384 * 3 // 4 - 800))
    token = site.token(filler="x" * (16384 * 3 // 4 - 800 + (16384 - len(token)) * 3 // 4 - 4))
    assert 16000 < len(token) <= 16384
    passes(site, token)


def test_a_token_beyond_every_measure(site):
    answer = site.call(token=site.token(filler="x" * 15000))
    assert answer.status in (400, 401)
    assert site.backend.count() == 0


@pytest.mark.parametrize("typ,accepted,kind", [
    ("at+jwt", True, "at+jwt"), ("application/at+jwt", True, "at+jwt"), ("AT+JWT", True, "at+jwt"),
    ("JWT", False, "at+jwt"), (None, False, "at+jwt"), ("dpop+jwt", False, "at+jwt"), ("logout+jwt", False, "at+jwt"),
    ("JWT", True, "jwt"), (None, False, "any-not-asked")])
def test_types(site, make_site, typ, accepted, kind):
    place = site if kind != "jwt" else make_site(issuer="type jwt;")
    if accepted:
        passes(place, place.token(typ=typ))
    else:
        refused(place, place.token(typ=typ), "token_type_refused")


def test_any_type(make_site):
    place = make_site(issuer="type any;")
    for typ in ("JWT", "at+jwt", None):
        passes(place, place.token(typ=typ))


def test_an_algorithm_that_the_issuer_may_not_use(make_site):
    place = make_site(algorithms="ES256 PS256")
    place.issuer.all_keys()
    passes(place, place.token(alg="ES256"))
    passes(place, place.token(alg="PS256"))
    for alg in ("RS256", "ES384", "Ed25519", "PS512"):
        refused(place, place.token(alg=alg), "token_algorithm_refused")


def test_scope(site):
    answer = site.call(token=site.token(scope="tickets:write other:thing"))
    assert answer.status == 403
    assert answer.challenge["error"] == "insufficient_scope"
    # The token's own scopes that this resource knows, and the ones needed; nothing else.
    assert set(answer.challenge["scope"].split()) == {"tickets:read", "tickets:write"}
    assert answer.challenge["resource_metadata"].endswith("/mcp") and answer.event()["reason"] == "scope_missing"
    passes(site, site.token(scope="other tickets:read"))
    over_rest = site.rest("DELETE", token=site.token(scope="tickets:read"))
    problem(over_rest, 403, "scope_missing")
    assert set(over_rest.challenge["scope"].split()) == {"tickets:read", "tickets:write"}
    assert site.rest("DELETE", token=site.token(scope="tickets:write")).status == 200


@pytest.mark.parametrize("scope", [None, "", "tickets:rea", "TICKETS:READ", "tickets:read2", "tickets:*"])
def test_scopes_compare_byte_by_byte(site, scope):
    assert site.call(token=site.token(scope=scope)).status == 403


def test_a_scope_may_imply_others(make_site):
    place = make_site(issuer="scope_implies tickets:write tickets:read; scope_implies admin tickets:write;")
    for scope in ("tickets:write", "admin"):
        passes(place, place.token(scope=scope))
    assert place.call("delete_ticket", {"ticketId": "T-1"}, token=place.token(scope="tickets:read")).status == 403


def test_scope_as_a_list_of_strings(site):
    answer = site.call(token=site.token(scope=["tickets:read"]))
    assert answer.status in (200, 401), "either understood or refused, never a half"


def test_a_token_is_not_believed_longer_than_it_lives(make_site):
    from plugins.wait import eventually
    place = make_site(skew="0s")
    token = place.token(lifetime=2)
    passes(place, token)
    eventually(lambda: place.call(token=token).status == 401, timeout=6, interval=0.2)
    refused_now = place.call(token=token)
    assert refused_now.challenge["error"] == "invalid_token" and refused_now.event()["reason"] == "token_expired"


def test_the_token_never_reaches_a_log(site):
    tokens = [site.token(), site.token(exp=1), site.token(scope=None), site.token(iss="https://evil.example")]
    for token in tokens:
        site.call(token=token).event()
    # nginx's own debug lines show every header; the gateway's lines never do.
    lines = [line for line in site.nginx.error_log.splitlines() if "[debug]" not in line]
    logs = "\n".join(lines) + site.nginx.audit_path.read_text()
    for token in tokens:
        assert not any(part in logs for part in token.split(".")[1:] if len(part) > 60)


def test_a_token_in_http2(make_site):
    import httpx
    place = make_site(listen=" http2")
    with httpx.Client(http1=False, http2=True) as client:
        url, body = place.resource, mcp.call("ticket.read", {"id": "T-1"})
        good = client.post(url, json=body, headers={"Authorization": "Bearer " + place.token()})
        bad = client.post(url, json=body, headers={"Authorization": "Bearer " + place.token(exp=1)})
    assert (good.status_code, bad.status_code) == (200, 401) and good.http_version == "HTTP/2"
